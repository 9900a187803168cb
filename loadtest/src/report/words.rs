//! Words and numbers for all forms of a run's report: the meaning of a verdict for a person who has to decide, the first broken
//! threshold, the format of numbers.

pub(crate) use bench::peers::thousands as count;

use crate::outcome::{Exit, FleetReport, IntervalReport, Report, ThresholdReport};
use crate::scenario::{Figure, Kind, SHIPPED};

/// Returns the figures of a fleet, each with its name.
pub(crate) fn fleet(fleet: &FleetReport) -> Vec<(String, String)> {
    let leaders = fleet.leaders.iter().map(|leader| format!("{} from {}", leader.gateway, time(leader.at_s)));
    let equal = if fleet.registries_equal { "equal" } else { "DIFFERENT" };
    [
        ("gateways", fleet.gateways.join(", ")),
        ("led", leaders.collect::<Vec<_>>().join(", ")),
        ("longest wait of a device", format!("{} s", number(fleet.longest_wait_ms / 1000.0))),
        (
            "orders",
            format!("{} acknowledged, {} given again", count(fleet.orders), count(fleet.orders_again)),
        ),
        ("applications", format!("{} acknowledged, {} lost", count(fleet.forms), count(fleet.forms_lost))),
        (
            "punches of devices that moved",
            format!(
                "{} unconfirmed, {} reported as lost",
                count(fleet.unconfirmed),
                count(fleet.reported_lost)
            ),
        ),
        ("registries", equal.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Returns the verdict in a few words. A drill is about its fault, and says nothing about the load.
pub(crate) fn headline(report: &Report) -> &'static str {
    match (report.verdict.exit, is_drill(report)) {
        (Exit::Pass, true) => "As expected",
        (Exit::Threshold, true) => "Slower than expected",
        (Exit::Invalid, true) => "This drill says nothing",
        (Exit::Correctness, true) => "Not as expected: data is lost or wrong",
        (Exit::Pass, false) => "Monday holds",
        (Exit::Threshold, false) => "Monday would be too slow",
        (Exit::Invalid, false) => "This run says nothing about Monday",
        (Exit::Correctness, false) => "Monday does not hold: data is lost or wrong",
    }
}

fn is_drill(report: &Report) -> bool {
    SHIPPED.iter().any(|shipped| shipped.drill && shipped.name == report.scenario.name)
}

/// Returns the meaning of the verdict, in a sentence.
pub(crate) fn meaning(report: &Report) -> &'static str {
    match report.verdict.exit {
        Exit::Pass if is_drill(report) => {
            "Every threshold held, and the record agrees with what every device holds, whatever the fault did."
        }
        Exit::Pass => {
            "Every threshold held, and the record agrees with what every device holds. Have a quiet weekend."
        }
        Exit::Threshold => {
            "Nothing was lost and no answer was wrong, but people would wait too long or leave."
        }
        Exit::Invalid => {
            "The generator or the run itself was at fault, not the gateway. Repair that and run again before deciding."
        }
        Exit::Correctness => {
            "What devices were told and what is recorded differ, or data went where it must not. Speed does not matter here."
        }
    }
}

/// Returns a figure in words.
pub(crate) fn figure(figure: Figure) -> &'static str {
    match figure {
        Figure::P50Ms => "latency p50, ms",
        Figure::P99Ms => "latency p99, ms",
        Figure::P999Ms => "latency p99.9, ms",
        Figure::ServiceP50Ms => "service p50, ms",
        Figure::ServiceP99Ms => "service p99, ms",
        Figure::AnsweredShare => "share answered",
        Figure::AnsweredRate => "answered a second",
    }
}

/// Returns a threshold's bounds in words.
pub(crate) fn wanted(one: &ThresholdReport) -> String {
    let number = |value| of_figure(one, value);
    match (one.threshold.max, one.threshold.min) {
        (Some(max), Some(min)) => format!("{} to {}", number(min), number(max)),
        (Some(max), None) => format!("at most {}", number(max)),
        (None, Some(min)) => format!("at least {}", number(min)),
        (None, None) => "anything".to_owned(),
    }
}

/// Returns a threshold's measured value in words.
pub(crate) fn measured(one: &ThresholdReport) -> String {
    one.measured.map_or_else(|| "nothing".to_owned(), |value| of_figure(one, value))
}

/// Formats a value. A share is shown with all its nines, cut and not rounded, so that 100 % means all.
fn of_figure(one: &ThresholdReport, value: f64) -> String {
    match one.threshold.figure {
        Figure::AnsweredShare => {
            let percent = format!("{:.3}", (value * 1e5).floor() / 1e3);
            format!("{} %", percent.trim_end_matches('0').trim_end_matches('.'))
        }
        Figure::P50Ms
        | Figure::P99Ms
        | Figure::P999Ms
        | Figure::ServiceP50Ms
        | Figure::ServiceP99Ms
        | Figure::AnsweredRate => number(value),
    }
}

/// Formats a number with three significant digits, no more than three after the point.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "–".to_owned();
    }
    if size >= 1000.0 {
        let sign = if value < 0.0 { "−" } else { "" };
        return format!("{sign}{}", count(size.round() as u64));
    }
    let digits = if size >= 100.0 {
        0
    } else if size >= 10.0 {
        1
    } else if size >= 1.0 {
        2
    } else {
        3
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Formats a moment or a length: `48 s`, `5 min`, `5 min 30 s`, `1 h 20 min`.
pub(crate) fn time(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{} s", number(seconds));
    }
    let whole = seconds.round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes, rest) {
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, rest) => format!("{minutes} min {rest} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Formats bytes in the unit that fits.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let power = (bytes.ilog2() / 10).min(4);
    format!("{:.1} {}", bytes as f64 / f64::from(power * 10).exp2(), UNITS[power as usize - 1])
}

/// Returns the threshold that broke first, as far as intervals show it, with its stage and the event before it.
pub(crate) fn first_break(report: &Report) -> Option<String> {
    let broken = report.thresholds.iter().filter(|one| !one.holds);
    let (at_s, what) =
        broken.filter_map(|one| since(report, one)).min_by(|one, other| one.0.total_cmp(&other.0))?;
    let stage = stage_at(report, at_s).map(|stage| format!(", in stage {stage}")).unwrap_or_default();
    let before = report.events.iter().filter(|event| event.from_s <= at_s);
    let before = before.max_by(|one, other| one.from_s.total_cmp(&other.from_s));
    let before = before.map(|event| format!(", after “{}” at {}", event.what, time(event.from_s)));
    Some(format!("{what} at {}{stage}{}", time(at_s), before.unwrap_or_default()))
}

/// Returns the first interval that alone would break the threshold.
fn since(report: &Report, one: &ThresholdReport) -> Option<(f64, String)> {
    let threshold = &one.threshold;
    let counts = |at_s: f64| {
        let stage = report.stages.iter().find(|stage| stage.from_s < at_s && at_s <= stage.to_s);
        stage.is_some_and(|stage| threshold.stage.as_ref().map_or(!stage.warm_up, |name| *name == stage.name))
    };
    let kind = threshold.of;
    let over = |value: Option<f64>| value.zip(threshold.max).is_some_and(|(value, max)| value > max);
    let (breaks, what): (fn(&IntervalReport) -> Option<f64>, _) = match threshold.figure {
        Figure::P50Ms => (|point| point.p50_ms, format!("{}: p50 passed", kind.name())),
        Figure::P99Ms => (|point| point.p99_ms, format!("{}: p99 passed", kind.name())),
        Figure::AnsweredShare => {
            let point = report.series.iter().filter(|point| counts(point.at_s));
            let at =
                point.filter(|point| of(point, kind).is_some_and(|one| one.failed > 0)).map(|one| one.at_s);
            return Some((
                at.min_by(f64::total_cmp)?,
                format!("{}: people left without an answer", kind.name()),
            ));
        }
        Figure::P999Ms | Figure::ServiceP50Ms | Figure::ServiceP99Ms | Figure::AnsweredRate => return None,
    };
    let mut points = report.series.iter().filter(|point| counts(point.at_s));
    let point = points.find(|point| over(of(point, kind).and_then(breaks)))?;
    Some((point.at_s, format!("{what} {} ms", number(threshold.max?))))
}

fn of(point: &crate::outcome::PointReport, kind: Kind) -> Option<&IntervalReport> {
    point.kinds.get(&kind)
}

/// Returns the name of the stage at that moment.
pub(crate) fn stage_at(report: &Report, at_s: f64) -> Option<&str> {
    let stage = report.stages.iter().find(|stage| stage.from_s < at_s && at_s <= stage.to_s)?;
    Some(&stage.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_digits_as_help() {
        for (value, text) in [
            (0.0, "0"),
            (0.1234, "0.123"),
            (1.0, "1"),
            (2.345, "2.35"),
            (12.34, "12.3"),
            (250.0, "250"),
            (999.4, "999"),
            (1234.5, "1,235"),
            (-5.5, "-5.5"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(100), "100");
    }

    #[test]
    fn times_and_sizes_read_as_people_say_them() {
        for (seconds, text) in
            [(0.5, "0.5 s"), (48.0, "48 s"), (300.0, "5 min"), (330.0, "5 min 30 s"), (4800.0, "1 h 20 min")]
        {
            assert_eq!(time(seconds), text);
        }
        for (size, text) in [(5, "5 bytes"), (2048, "2.0 KiB"), (8 << 30, "8.0 GiB")] {
            assert_eq!(bytes(size), text);
        }
    }
}
