//! PromQL as values: a series is named by a constant of `protocol::metric` and always narrowed to the gateways, regions and carriers
//! that are chosen. Rates are over Grafana's own interval. What a panel makes of it is elsewhere.

use protocol::metric::{self, Kind};

/// The window of every rate: as short as the scrapes allow, as long as a pixel.
const INTERVAL: &str = "$__rate_interval";
/// All that is on the screen.
const RANGE: &str = "$__range";
/// Labels that a variable of the dashboard narrows, besides the gateway itself.
pub(super) const NARROWED: [&str; 2] = ["region", "carrier"];

/// A metric, or some of its series.
#[derive(Clone)]
pub(super) struct Series {
    name: &'static str,
    matchers: Vec<String>,
}

/// All series of that metric of those gateways.
pub(super) fn of(name: &'static str) -> Series {
    let mut matchers = vec!["instance=~\"$instance\"".to_owned()];
    let narrowed = NARROWED.iter().filter(|label| has_label(name, label));
    matchers.extend(narrowed.map(|label| format!("{label}=~\"${label}\"")));
    Series { name, matchers }
}

fn has_label(name: &str, label: &str) -> bool {
    metric::ALL.iter().any(|metric| metric.name == name && metric.labels.contains(&label))
}

fn is(name: &str, kind: Kind) -> bool {
    metric::ALL.iter().any(|metric| metric.name == name && metric.kind == kind)
}

impl Series {
    /// Only those with that value; several are separated by bars.
    pub(super) fn only(mut self, label: &str, values: &str) -> Self {
        let is = if values.contains('|') { "=~" } else { "=" };
        self.matchers.push(format!("{label}{is}\"{values}\""));
        self
    }

    /// Only those without it.
    pub(super) fn but(mut self, label: &str, values: &str) -> Self {
        let is = if values.contains('|') { "!~" } else { "!=" };
        self.matchers.push(format!("{label}{is}\"{values}\""));
        self
    }

    fn text(&self, suffix: &str) -> String {
        format!("{}{suffix}{{{}}}", self.name, self.matchers.join(", "))
    }

    fn over(&self, function: &str, suffix: &str, window: &str) -> Expr {
        Expr(format!("{function}({}[{window}])", self.text(suffix)))
    }
}

/// A query.
#[derive(Clone, Debug)]
pub(super) struct Expr(pub(super) String);

/// A gauge as it stands.
pub(super) fn gauge(series: Series) -> Expr {
    debug_assert!(is(series.name, Kind::Gauge), "{} is no gauge", series.name);
    Expr(series.text(""))
}

/// Says whether each gateway answers Prometheus, as Prometheus itself has it.
fn up() -> String {
    of("up").only("job", "changtong").text("")
}

/// Says how many gateways do not answer Prometheus.
pub(super) fn gone() -> Expr {
    Expr(format!("count({} == 0) or vector(0)", up()))
}

/// The most that a counter was within all that is on the screen: for one that is bad whatever it was before, and that starts above 0.
pub(super) fn reached(series: Series) -> Expr {
    debug_assert!(is(series.name, Kind::Counter), "{} is no counter", series.name);
    series.over("max_over_time", "", RANGE)
}

/// A counter's growth a second.
pub(super) fn rate(series: Series) -> Expr {
    debug_assert!(is(series.name, Kind::Counter), "{} is no counter", series.name);
    series.over("rate", "", INTERVAL)
}

/// A counter's growth over all that is on the screen.
pub(super) fn grown(series: Series) -> Expr {
    debug_assert!(is(series.name, Kind::Counter), "{} is no counter", series.name);
    series.over("increase", "", RANGE)
}

/// Says how many samples a histogram took a second.
pub(super) fn samples(series: &Series) -> Expr {
    debug_assert!(is(series.name, Kind::Histogram), "{} is no histogram", series.name);
    series.over("rate", "_count", INTERVAL)
}

/// Says how many of a histogram's samples a second were at most that; one of its buckets ends there.
pub(super) fn at_most(series: &Series, limit: &str) -> Expr {
    series.clone().only("le", limit).over("rate", "_bucket", INTERVAL)
}

/// The same two over all that is on the screen.
pub(super) fn samples_in_range(series: &Series) -> Expr {
    series.over("increase", "_count", RANGE)
}

/// See [`samples_in_range`].
pub(super) fn at_most_in_range(series: &Series, limit: &str) -> Expr {
    series.clone().only("le", limit).over("increase", "_bucket", RANGE)
}

/// A quantile of a histogram, all series together.
pub(super) fn quantile(q: f64, series: &Series) -> Expr {
    quantile_by(q, series, "")
}

/// A quantile of a histogram for each value of a label.
pub(super) fn quantile_by(q: f64, series: &Series, label: &str) -> Expr {
    debug_assert!(is(series.name, Kind::Histogram), "{} is no histogram", series.name);
    let by = if label.is_empty() { "le".to_owned() } else { format!("{label}, le") };
    let Expr(rate) = series.over("rate", "_bucket", INTERVAL);
    Expr(format!("histogram_quantile({q}, sum by ({by}) ({rate}))"))
}

/// The mean of a histogram's samples.
pub(super) fn mean(series: &Series) -> Expr {
    series.over("rate", "_sum", INTERVAL).sum().share_of(series.over("rate", "_count", INTERVAL).sum())
}

/// The mean of a histogram's samples for each value of a label.
pub(super) fn mean_by(series: &Series, label: &str) -> Expr {
    let sum = series.over("rate", "_sum", INTERVAL).sum_by(label);
    sum.share_of(series.over("rate", "_count", INTERVAL).sum_by(label))
}

/// The time of a histogram's samples, spread over all the samples of a whole: parts of it add up to its mean.
pub(super) fn part_of_mean_by(part: &Series, whole: &Series, label: &str) -> Expr {
    let sum = part.over("rate", "_sum", INTERVAL).sum_by(label);
    sum.share_of(whole.over("rate", "_count", INTERVAL).sum_by(label))
}

impl Expr {
    pub(super) fn sum(self) -> Self {
        Self(format!("sum({self})"))
    }

    pub(super) fn sum_by(self, label: &str) -> Self {
        Self(format!("sum by ({label}) ({self})"))
    }

    pub(super) fn max(self) -> Self {
        Self(format!("max({self})"))
    }

    pub(super) fn max_by(self, label: &str) -> Self {
        Self(format!("max by ({label}) ({self})"))
    }

    pub(super) fn min(self) -> Self {
        Self(format!("min({self})"))
    }

    pub(super) fn min_by(self, label: &str) -> Self {
        Self(format!("min by ({label}) ({self})"))
    }

    /// And 0 for gateways that do not answer: they have no value of their own.
    pub(super) fn or_gone(self) -> Self {
        Self(format!("{self} or on (instance) {} * 0", up()))
    }

    /// The largest five. Over time they are others at each moment, which the panel then says.
    pub(super) fn top(self) -> Self {
        Self(format!("topk(5, {self})"))
    }

    pub(super) fn plus(self, other: &Self) -> Self {
        Self(format!("({self} + {other})"))
    }

    pub(super) fn minus(self, other: &Self) -> Self {
        Self(format!("({self} - {other})"))
    }

    pub(super) fn over_number(self, number: f64) -> Self {
        Self(format!("{self} / {number}"))
    }

    /// Says what is left of 1 without it.
    pub(super) fn left_of_one(self) -> Self {
        Self(format!("1 - {self}"))
    }

    /// Nothing where there is nothing to divide by.
    pub(super) fn share_of(self, whole: Self) -> Self {
        Self(format!("{self} / ({whole} > 0)"))
    }

    /// From now until a time that it names.
    pub(super) fn time_left(self) -> Self {
        Self(format!("{self} - time()"))
    }

    /// From a time that it names until now.
    pub(super) fn age(self) -> Self {
        Self(format!("time() - {self}"))
    }
}

impl std::fmt::Display for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
