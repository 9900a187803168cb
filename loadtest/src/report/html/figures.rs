//! The charts of a run's page, drawn from the report and thinned out so that an hour takes no more room than a minute. `chart.rs`
//! draws them.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::chart::{Axis, BANDS_MAX, Band, Chart, Line, Mark, POINTS_MAX};
use super::words;
use crate::outcome::{IntervalReport, PointReport, Report, ServerSeries};
use crate::scenario::{Figure, Kind};

/// The limit of series of the gateway that are drawn; the JSON report has all.
pub(super) const SERIES_MAX: usize = 18;
/// The limit of points in a small chart.
const SMALL_POINTS_MAX: usize = 120;
/// The limit of events in a small chart.
const SMALL_MARKS_MAX: usize = 6;
/// The limit of events that get a letter.
pub(super) const LETTERS_MAX: usize = 26;
/// The number of nines in the plot of percentiles.
const NINES_MAX: f64 = 5.0;

/// Draws offered and answered rates over time.
pub(super) fn rates(report: &Report) -> Markup {
    let points = thin(&report.series);
    let line = |name: &str, look, count: fn(&IntervalReport) -> u64| {
        let points = points.iter().map(|point| {
            let sum: u64 = point.kinds.values().map(count).sum();
            (middle(point), (point.seconds > 0.0).then(|| sum as f64 / point.seconds))
        });
        Line { name: name.to_owned(), look, points: points.collect() }
    };
    let lines = vec![
        line("offered: people whose time came", 1, |one| one.offered),
        line("answered", 0, |one| one.answered),
        line("left without an answer", 2, |one| one.failed),
    ];
    let top = |line: &Line| line.points.iter().filter_map(|(_, value)| *value).fold(0.0, f64::max);
    let high = lines.iter().map(top).fold(0.0, f64::max);
    let about = format!(
        "Over {} the highest rate offered was {} people a second, the highest answered {}.",
        words::time(length(report)),
        words::number(top(&lines[0])),
        words::number(top(&lines[1]))
    );
    Chart {
        id: "rates".to_owned(),
        title: "Offered and answered".to_owned(),
        about,
        lines,
        y: Axis::linear("people a second", high, words::number),
        wide: true,
        height: 240,
        ..timed(report)
    }
    .draw()
}

/// Draws latency over time, a chart for each kind.
pub(super) fn latencies(report: &Report) -> Markup {
    let points = thin(&report.series);
    let kinds = Kind::ALL.into_iter().filter(|kind| report.total.contains_key(kind));
    let values = points.iter().flat_map(|point| point.kinds.values());
    let values = values.flat_map(|one| [one.p50_ms, one.p99_ms]).flatten().filter(|value| *value > 0.0);
    let (low, high) = range(values);
    html! {
        div.pair { @for kind in kinds { (latency(report, &points, kind, (low, high))) } }
    }
}

fn latency(report: &Report, points: &[PointReport], kind: Kind, (low, high): (f64, f64)) -> Markup {
    let line = |name: &str, look, value: fn(&IntervalReport) -> Option<f64>| {
        let points = points.iter().map(|point| (middle(point), point.kinds.get(&kind).and_then(value)));
        Line { name: name.to_owned(), look, points: points.collect() }
    };
    let total = &report.total[&kind].latency;
    let limits = report.thresholds.iter().filter(|one| one.threshold.of == kind);
    let limits = limits.filter_map(|one| match one.threshold.figure {
        Figure::P50Ms => one.threshold.max.map(|max| (max, format!("p50 at most {} ms", words::number(max)))),
        Figure::P99Ms => one.threshold.max.map(|max| (max, format!("p99 at most {} ms", words::number(max)))),
        Figure::P999Ms
        | Figure::ServiceP50Ms
        | Figure::ServiceP99Ms
        | Figure::AnsweredShare
        | Figure::AnsweredRate => None,
    });
    let limits: Vec<_> = limits.collect();
    let high = limits.iter().map(|(max, _)| *max).fold(high, f64::max);
    Chart {
        id: format!("latency-{}", kind.name()),
        title: kind.name().to_owned(),
        about: format!(
            "Over the run half of all {} were answered within {} milliseconds and 99 of 100 within {}.",
            kind.name(),
            words::number(total.p50_ms),
            words::number(total.p99_ms)
        ),
        lines: vec![line("p99", 3, |one| one.p99_ms), line("p50", 4, |one| one.p50_ms)],
        y: Axis::log("milliseconds from the intended time, log scale", low, high, words::number),
        limits,
        ..timed(report)
    }
    .draw()
}

/// Draws latency over percentiles.
pub(super) fn percentiles(report: &Report) -> Markup {
    let nines = |share: f64| -(1.0 - share).max(1e-12).log10();
    let curves = report.total.iter().filter(|(_, one)| !one.curve.is_empty());
    let lines = curves.map(|(kind, one)| {
        let shown = one.curve.iter().map(|(share, ms)| (nines(*share), *ms));
        let shown: Vec<_> = shown.filter(|(at, _)| *at <= NINES_MAX).map(|(at, ms)| (at, Some(ms))).collect();
        Line { name: kind.name().to_owned(), look: 5 + *kind as u8, points: every(&shown, POINTS_MAX) }
    });
    let lines: Vec<_> = lines.collect();
    let values = lines.iter().flat_map(|line| &line.points).filter_map(|(_, ms)| *ms);
    let (low, high) = range(values.filter(|value| *value > 0.0));
    let furthest = lines.iter().flat_map(|line| &line.points).map(|(at, _)| *at).fold(1.0, f64::max);
    let ticks = ["0", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"].into_iter().enumerate();
    let ticks = ticks.map(|(at, label)| (at as f64, label.to_owned()));
    let ticks = ticks.filter(|(at, _)| *at <= furthest.ceil()).collect();
    let x = Axis { low: 0.0, high: furthest.ceil(), log: false, ticks, name: String::new() };
    Chart {
        id: "percentiles".to_owned(),
        title: "Latency by share of people".to_owned(),
        about: "Each step to the right leaves out nine of ten people who are left; the table by kind has the figures."
            .to_owned(),
        x,
        y: Axis::log("milliseconds from the intended time, log scale", low, high, words::number),
        lines,
        bands: Vec::new(),
        marks: Vec::new(),
        ..timed(report)
    }
    .draw()
}

/// Draws the gateway's own figures.
pub(super) fn server(report: &Report) -> Markup {
    let thinned = report.server.iter().any(|series| series.points.len() > SMALL_POINTS_MAX);
    html! {
        @if thinned { p.quiet { "Of each stretch of time the highest value is drawn." } }
        div.small {
            @for (number, series) in report.server.iter().take(SERIES_MAX).enumerate() {
                (one_of_server(report, number, series))
            }
        }
    }
}

fn one_of_server(report: &Report, number: usize, series: &ServerSeries) -> Markup {
    let points: Vec<_> = series.points.iter().map(|(at, value)| (*at, Some(*value))).collect();
    let high = series.points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let last = series.points.last().map_or(0.0, |(_, value)| *value);
    let (bands, mut timed) = (Vec::new(), timed(report));
    timed.marks.truncate(SMALL_MARKS_MAX);
    timed.x = Axis::time(length(report), 3.0);
    Chart {
        id: format!("server-{number}"),
        title: series.name.clone(),
        about: format!("At most {}, {} at the end.", words::number(high), words::number(last)),
        y: Axis::linear(&series.unit, high, words::number),
        lines: vec![Line { name: series.name.clone(), look: 0, points: every(&points, SMALL_POINTS_MAX) }],
        bands,
        height: 110,
        ..timed
    }
    .draw()
}

/// Makes a chart over the run's time with its stages and events.
fn timed(report: &Report) -> Chart {
    let bands = report.stages.iter().take(BANDS_MAX).map(|stage| Band {
        name: stage.name.clone(),
        from: stage.from_s,
        to: stage.to_s,
        muted: stage.warm_up,
    });
    let marks = report.events.iter().take(LETTERS_MAX).enumerate().map(|(number, event)| Mark {
        letter: letter(number),
        from: event.from_s,
        to: event.to_s,
    });
    Chart {
        id: String::new(),
        title: String::new(),
        about: String::new(),
        x: Axis::time(length(report), 6.0),
        y: Axis::linear("", 1.0, words::number),
        lines: Vec::new(),
        bands: bands.collect(),
        marks: marks.collect(),
        limits: Vec::new(),
        wide: false,
        height: 190,
    }
}

/// Returns the letter of an event in charts and in its table; empty after the last letter.
pub(super) fn letter(number: usize) -> String {
    let letter = u8::try_from(number).ok().filter(|n| usize::from(*n) < LETTERS_MAX);
    letter.map_or_else(String::new, |n| char::from(b'A' + n).to_string())
}

fn length(report: &Report) -> f64 {
    let last = report.series.last().map_or(0.0, |point| point.at_s);
    report.stages.last().map_or(last, |stage| stage.to_s.max(last))
}

fn middle(point: &PointReport) -> f64 {
    point.at_s - point.seconds / 2.0
}

/// Merges intervals until there are few enough: counts are added, of latencies the worst is kept, so that a peak
/// stays visible.
fn thin(series: &[PointReport]) -> Vec<PointReport> {
    let each = series.len().div_ceil(POINTS_MAX).max(1);
    series.chunks(each).map(together).collect()
}

/// Returns the number of intervals that make one point of a line.
pub(super) fn intervals_a_point(report: &Report) -> usize {
    report.series.len().div_ceil(POINTS_MAX).max(1)
}

fn together(points: &[PointReport]) -> PointReport {
    let mut kinds: BTreeMap<Kind, IntervalReport> = BTreeMap::new();
    for (kind, one) in points.iter().flat_map(|point| &point.kinds) {
        let sum = kinds.entry(*kind).or_default();
        sum.offered += one.offered;
        sum.tries += one.tries;
        sum.answered += one.answered;
        sum.failed += one.failed;
        sum.p50_ms = higher(sum.p50_ms, one.p50_ms);
        sum.p99_ms = higher(sum.p99_ms, one.p99_ms);
    }
    let seconds = points.iter().map(|point| point.seconds).sum();
    PointReport { at_s: points.last().map_or(0.0, |point| point.at_s), seconds, kinds }
}

fn higher(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

/// Thins a line out: of each part its highest point, and the line's end.
fn every(points: &[(f64, Option<f64>)], most: usize) -> Vec<(f64, Option<f64>)> {
    let each = points.len().div_ceil(most).max(1);
    let highest = points.chunks(each).filter_map(|stretch| {
        let value = |point: &(f64, Option<f64>)| point.1.unwrap_or(f64::NEG_INFINITY);
        stretch.iter().copied().max_by(|one, other| value(one).total_cmp(&value(other)))
    });
    highest.collect()
}

/// Returns the lowest and the highest value, 1 and 10 if there is none.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::INFINITY, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
    if low <= high { (low, high) } else { (1.0, 10.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_every_person_and_the_worst_moment() {
        let point = |n: u32| {
            let p99_ms = (n != 7).then_some(if n == 1234 { 900.0 } else { 5.0 });
            let one =
                IntervalReport { offered: 10, answered: 9, failed: 1, p99_ms, ..IntervalReport::default() };
            PointReport { at_s: f64::from(n) + 1.0, seconds: 1.0, kinds: [(Kind::Punch, one)].into() }
        };
        let series: Vec<_> = (0..3600).map(point).collect();
        let thinned = thin(&series);
        assert!(thinned.len() <= POINTS_MAX);
        let sum = |count: fn(&IntervalReport) -> u64| {
            thinned.iter().map(|one| count(&one.kinds[&Kind::Punch])).sum::<u64>()
        };
        assert_eq!((sum(|one| one.offered), sum(|one| one.failed)), (36_000, 3_600));
        assert_eq!(
            thinned.iter().filter_map(|one| one.kinds[&Kind::Punch].p99_ms).fold(0.0, f64::max),
            900.0
        );
        assert_eq!(thinned.iter().map(|one| one.seconds).sum::<f64>(), 3600.0);
        assert_eq!(thin(&series[..100]).len(), 100);
    }
}
