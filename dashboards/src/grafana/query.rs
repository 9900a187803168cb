//! PromQL as values: a series is named by a constant of `protocol::metric` and always narrowed to the chosen gateways, regions and carriers.
//! Rates are over Grafana's own interval.

use protocol::metric::{self, Kind};

/// The window of every rate: as short as the scrapes allow, at least a pixel.
const INTERVAL: &str = "$__rate_interval";
/// The time range on the screen.
const RANGE: &str = "$__range";
/// Labels that a variable of the dashboard narrows, besides the gateway itself.
pub(super) const NARROWED: [&str; 2] = ["region", "carrier"];

/// A metric, or some of its series.
#[derive(Clone)]
pub(super) struct Series {
    name: &'static str,
    matchers: Vec<String>,
}

/// Returns all series of a metric.
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
    /// Narrows to series with that value; several are separated by bars.
    pub(super) fn only(mut self, label: &str, values: &str) -> Self {
        let is = if values.contains('|') { "=~" } else { "=" };
        self.matchers.push(format!("{label}{is}\"{values}\""));
        self
    }

    /// Narrows to series without it.
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

/// Returns a gauge's value.
pub(super) fn gauge(series: Series) -> Expr {
    debug_assert!(is(series.name, Kind::Gauge), "{} is no gauge", series.name);
    Expr(series.text(""))
}

/// Returns the series `up` of the gateways, Prometheus's own.
fn up() -> String {
    of("up").only("job", "changtong").text("")
}

/// Returns the number of gateways that do not answer Prometheus.
pub(super) fn gone() -> Expr {
    Expr(format!("count({} == 0) or vector(0)", up()))
}

/// Returns the maximum of a counter on the screen: for one whose value is bad by itself, and that may start above 0.
pub(super) fn reached(series: Series) -> Expr {
    debug_assert!(is(series.name, Kind::Counter), "{} is no counter", series.name);
    series.over("max_over_time", "", RANGE)
}

/// Returns a counter's growth per second.
pub(super) fn rate(series: Series) -> Expr {
    debug_assert!(is(series.name, Kind::Counter), "{} is no counter", series.name);
    series.over("rate", "", INTERVAL)
}

/// Returns a counter's growth on the screen.
pub(super) fn grown(series: Series) -> Expr {
    debug_assert!(is(series.name, Kind::Counter), "{} is no counter", series.name);
    series.over("increase", "", RANGE)
}

/// Returns a histogram's samples per second.
pub(super) fn samples(series: &Series) -> Expr {
    debug_assert!(is(series.name, Kind::Histogram), "{} is no histogram", series.name);
    series.over("rate", "_count", INTERVAL)
}

/// Returns a histogram's samples per second up to a limit, at which one of its buckets ends.
pub(super) fn at_most(series: &Series, limit: &str) -> Expr {
    series.clone().only("le", limit).over("rate", "_bucket", INTERVAL)
}

/// Returns a histogram's samples on the screen.
pub(super) fn samples_in_range(series: &Series) -> Expr {
    series.over("increase", "_count", RANGE)
}

/// Returns a histogram's samples on the screen up to a limit, at which one of its buckets ends.
pub(super) fn at_most_in_range(series: &Series, limit: &str) -> Expr {
    series.clone().only("le", limit).over("increase", "_bucket", RANGE)
}

/// Returns a quantile of a histogram over all series.
pub(super) fn quantile(q: f64, series: &Series) -> Expr {
    quantile_by(q, series, "")
}

/// Returns a quantile of a histogram for each value of a label.
pub(super) fn quantile_by(q: f64, series: &Series, label: &str) -> Expr {
    debug_assert!(is(series.name, Kind::Histogram), "{} is no histogram", series.name);
    let by = if label.is_empty() { "le".to_owned() } else { format!("{label}, le") };
    let Expr(rate) = series.over("rate", "_bucket", INTERVAL);
    Expr(format!("histogram_quantile({q}, sum by ({by}) ({rate}))"))
}

/// Returns the mean of a histogram's samples.
pub(super) fn mean(series: &Series) -> Expr {
    series.over("rate", "_sum", INTERVAL).sum().share_of(series.over("rate", "_count", INTERVAL).sum())
}

/// Returns the mean of a histogram's samples for each value of a label.
pub(super) fn mean_by(series: &Series, label: &str) -> Expr {
    let sum = series.over("rate", "_sum", INTERVAL).sum_by(label);
    sum.share_of(series.over("rate", "_count", INTERVAL).sum_by(label))
}

/// Returns the sum of a histogram's samples divided by the number of another's: parts add up to the mean of the whole.
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

    /// Adds 0 for gateways that do not answer, which have no value of their own.
    pub(super) fn or_gone(self) -> Self {
        Self(format!("{self} or on (instance) {} * 0", up()))
    }

    /// Narrows to the largest five, chosen anew at each moment.
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

    /// Subtracts it from 1.
    pub(super) fn left_of_one(self) -> Self {
        Self(format!("1 - {self}"))
    }

    /// Divides by a whole; no value where the whole is 0.
    pub(super) fn share_of(self, whole: Self) -> Self {
        Self(format!("{self} / ({whole} > 0)"))
    }

    /// Returns the seconds from now until the moment that it holds.
    pub(super) fn time_left(self) -> Self {
        Self(format!("{self} - time()"))
    }

    /// Returns the seconds since the moment that it holds.
    pub(super) fn age(self) -> Self {
        Self(format!("time() - {self}"))
    }
}

impl std::fmt::Display for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
