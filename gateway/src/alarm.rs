//! The gateway's own evaluation of the alerts, on its own metrics: for the overview and the doctor. Names, thresholds and texts are data of
//! the crate `alerts`. A state for which Prometheus waits
//! minutes is shown at once; a rate is that of the alert's own window, which is never longer than the history.

use std::collections::BTreeSet;

use alerts::{Alert, BAD_MIN, BURNS, Bad, Condition, Least, Over, Severity, Shown, bucket};
use protocol::metric;

use crate::finding::Finding;
use crate::history::{History, Series, Window};
use crate::status::Trouble;

/// Returns the name of a label's value for people.
pub(crate) type Name<'a> = &'a dyn Fn(&str, &str) -> String;

/// Returns every alert that is raised, those that wake a person first. `stage` is the text of `/ready`.
pub(crate) fn troubles(history: &History, stage: &str, now_s: u64, name: Name<'_>) -> Vec<Trouble> {
    let shown = alerts::all().filter(|alert| !matches!(alert.shown, Shown::Nowhere(_)));
    let mut found: Vec<(Severity, Trouble)> = shown
        .filter_map(|alert| {
            let (severity, what, action) = if matches!(alert.condition, Condition::NotReady(_)) {
                not_ready(alert, stage)?
            } else {
                (alert.severity, raised(alert, history, now_s, name)?, alert.shown.action())
            };
            let [id, severity_name, action, runbook] =
                [alert.id, severity.name(), action, alerts::runbook(alert.id)].map(str::to_owned);
            Some((severity, Trouble { id, severity: severity_name, what, action, runbook }))
        })
        .collect();
    found.sort_by_key(|(severity, _)| *severity);
    found.into_iter().map(|(_, trouble)| trouble).collect()
}

/// Returns the doctor's findings about the alerts that it shows.
pub(crate) fn findings(history: &History, now_s: u64) -> Vec<Finding> {
    let finding = |alert: &Alert| {
        let Shown::Doctor { well, action, fails } = alert.shown else { return None };
        let what = raised(alert, history, now_s, &|_, value| value.to_owned());
        Some(what.map_or_else(
            || Finding::ok(alert.id, well),
            |what| {
                if fails {
                    Finding::fail(alert.id, what, action)
                } else {
                    Finding::warn(alert.id, what, action)
                }
            },
        ))
    };
    alerts::all().filter_map(finding).collect()
}

/// Loading and draining end by themselves; any other stage does not.
fn not_ready(alert: &Alert, stage: &str) -> Option<(Severity, String, &'static str)> {
    match stage {
        "ready" => None,
        "loading codes" => Some((
            Severity::Ticket,
            "codes are being loaded: until all are, every colour is unknown".to_owned(),
            "wait; it takes seconds, and a minute for a large city",
        )),
        "draining" => Some((
            Severity::Ticket,
            "the gateway is draining: devices are sent away, and it ends".to_owned(),
            "nothing, if it was told to end; else read the log",
        )),
        _ => Some((alert.severity, format!("it is not ready: {stage}"), alert.shown.action())),
    }
}

/// Returns the sentence about an alert, if it is raised.
fn raised(alert: &Alert, history: &History, now_s: u64, name: Name<'_>) -> Option<String> {
    let found = found(&alert.condition, history, now_s);
    let first = found.first()?;
    let share = format!(" ({} % within {} minutes)", rounded(first.value * 100.0), BURNS[0].short_s / 60);
    let more = if matches!(alert.condition, Condition::Burns(_)) { share } else { String::new() };
    Some(sentence(alert.summary, &found, name) + &more)
}

/// A series, or a group of them, that meets a condition.
struct Found<'a> {
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

fn found<'a>(condition: &Condition, history: &'a History, now_s: u64) -> Vec<Found<'a>> {
    match *condition {
        Condition::Above { metric, limit, over, by: _ } => {
            each(history, metric, |series| measured(history, series, over), |value| value > limit)
        }
        Condition::Rate { counter, by, limit, within_s } => {
            let window = history.within(within_s);
            let values = window.values_of(counter, by).into_iter();
            let rates = values.map(|value| (value, window.rate(counter, |series| series.is(by, value))));
            rates
                .filter(|(_, rate)| *rate > limit)
                .map(|(value, rate)| Found { labels: vec![(by, value)], value: rate })
                .collect()
        }
        Condition::Share { counter, by, outcomes, limit, least, within_s } => {
            let window = history.within(within_s);
            let groups: Vec<Vec<_>> = match by {
                None => vec![Vec::new()],
                Some(by) => {
                    window.values_of(counter, by).into_iter().map(|value| vec![(by, value)]).collect()
                }
            };
            let judged = groups.into_iter().filter_map(|labels| {
                let here = |series: &Series| labels.iter().all(|(by, value)| series.is(by, value));
                let is_bad = |series: &Series| {
                    here(series) && series.label("outcome").is_some_and(|outcome| outcomes.contains(&outcome))
                };
                let (bad, all) = (window.grown(counter, is_bad), window.grown(counter, here));
                let (is_enough, value) = match least {
                    Least::One => (bad > 0.0, bad / all),
                    Least::Count(count) => (bad >= f64::from(count), bad / all),
                    Least::PerSecond(rate) => (bad / window.seconds > rate, bad / window.seconds),
                };
                (is_enough && bad > limit * all).then_some(Found { labels, value })
            });
            judged.collect()
        }
        Condition::Quantile { histogram, quantile, limit, within_s } => {
            let value = history.within(within_s).quantile(quantile, histogram);
            one(value.filter(|value| *value > limit))
        }
        Condition::Ends { metric, before_s, from_s } => {
            let is_near = |left: f64| {
                left < f64::from(before_s) && from_s.is_none_or(|from_s| left >= f64::from(from_s))
            };
            each(history, metric, |series| series.value - now_s as f64, is_near)
        }
        Condition::Older { metric, allowed, late_s } => {
            let (moment, allowed) = (history.sum(metric), history.sum(allowed) + f64::from(late_s));
            let age = now_s as f64 - moment;
            one((moment > 0.0 && age > allowed).then_some(age))
        }
        Condition::Burns(objective) => {
            let [(bad, all), (bad_kept, _)] = [BURNS[0].short_s, BURNS[0].long_s]
                .map(|within_s| counted(objective.bad, &history.within(within_s)));
            let burns = bad > objective.limit(&BURNS[0]) * all && bad_kept > f64::from(BAD_MIN);
            one(burns.then_some(bad / all))
        }
        Condition::Either { by: _, of: [first, second] } => {
            let found_first = found(first, history, now_s);
            if found_first.is_empty() { found(second, history, now_s) } else { found_first }
        }
        Condition::NotReady(_) | Condition::Query(_) => Vec::new(),
    }
}

/// Returns the series of a metric whose measured value meets a condition.
fn each<'a>(
    history: &'a History,
    metric: &str,
    measured: impl Fn(&Series) -> f64,
    meets: impl Fn(f64) -> bool,
) -> Vec<Found<'a>> {
    let series = history.series(metric).iter().map(|series| (series, measured(series)));
    let found = series.filter(|(_, value)| meets(*value));
    found.map(|(series, value)| Found { labels: series.labels().collect(), value }).collect()
}

fn one<'a>(value: Option<f64>) -> Vec<Found<'a>> {
    value.map(|value| Found { labels: Vec::new(), value }).into_iter().collect()
}

fn measured(history: &History, series: &Series, over: Over) -> f64 {
    match over {
        Over::Now | Over::Mean(_) | Over::Max(_) | Over::Min(_) | Over::Never(_) => series.value,
        Over::Growth(within_s) => history.within(within_s).growth(series),
    }
}

/// Returns the bad answers within a window, and all.
fn counted(bad: Bad, window: &Window<'_>) -> (f64, f64) {
    match bad {
        Bad::NotAnswered { request } => {
            let asked = |series: &Series| series.is("request", request);
            let all = window.grown(metric::REQUESTS, asked);
            let answered = |series: &Series| asked(series) && series.is("outcome", "answered");
            (all - window.grown(metric::REQUESTS, answered), all)
        }
        Bad::SlowerThan { answers, limit_ms } => {
            let end = bucket(limit_ms);
            let all = window.grown(&format!("{answers}_count"), |_| true);
            (all - window.grown(&format!("{answers}_bucket"), |series| series.is("le", &end)), all)
        }
    }
}

/// Fills in a summary: the labels of all that was found, and the highest value. It begins with a small letter, as other findings do.
fn sentence(summary: &str, found: &[Found<'_>], name: Name<'_>) -> String {
    let highest = found.iter().map(|one| one.value).fold(f64::NEG_INFINITY, f64::max);
    let mut parts = summary.split('{');
    let first = parts.next().unwrap_or_default();
    let mut text = first.get(..1).unwrap_or_default().to_lowercase() + first.get(1..).unwrap_or_default();
    for part in parts {
        let (named, rest) = part.split_once('}').unwrap_or((part, ""));
        text += &match named {
            "instance" => "this gateway".to_owned(),
            "value" | "value:number" => rounded(highest),
            "value:share" => format!("{} %", rounded(highest * 100.0)),
            "value:time" => time(highest),
            label => {
                let labels = found.iter().flat_map(|one| &one.labels);
                let values = labels.filter(|(known, _)| *known == label).map(|(_, value)| name(label, value));
                values.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
            }
        };
        text += rest;
    }
    text
}

fn rounded(value: f64) -> String {
    ((value * 10.0).round() / 10.0).to_string()
}

/// Returns a time in the largest unit of which there are two; a time that is over is 0.
fn time(seconds: f64) -> String {
    [(86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")]
        .iter()
        .find(|(unit, _)| seconds >= 2.0 * unit)
        .map_or_else(
            || format!("{} s", rounded(seconds.max(0.0))),
            |(unit, name)| format!("{} {name}", (seconds / unit).floor()),
        )
}

#[cfg(test)]
#[path = "alarm_tests.rs"]
mod tests;
