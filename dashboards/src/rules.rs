//! The Prometheus rules as YAML: recording rules of the objectives, and every alert of `alerts` with its condition in PromQL.

use std::fmt::Write;

use alerts::{Alert, BAD_MIN, BURNS, Bad, Burn, Condition, GROUPS, Least, Objective, Over, bucket, link};
use protocol::metric;

/// The file's name.
pub(crate) const FILE: &str = "changtong.yml";

const HEAD: &str = "# Written by `cargo run -p dashboards -- rules` from dashboards/alerts/src: change it there. Recording rules of the objectives,
# then the alerts; each alert leads to a section of dashboards/runbooks, and rule-tests proves it.
groups:
";

/// Returns the whole file. Links to runbooks begin with `runbooks`.
pub(crate) fn text(runbooks: &str) -> String {
    let mut out = HEAD.to_owned();
    GROUPS.iter().try_for_each(|group| write_group(group, runbooks, &mut out)).expect("a string takes all");
    out
}

fn write_group(group: &alerts::Group, runbooks: &str, out: &mut String) -> std::fmt::Result {
    writeln!(out, "  - name: changtong-{}\n    rules:", group.runbook)?;
    for alert in group.alerts {
        let Condition::Burns(objective) = &alert.condition else { continue };
        write_records(alert.id, objective, out)?;
    }
    for alert in group.alerts {
        let Condition::Burns(objective) = &alert.condition else {
            let expr = promql(&alert.condition);
            write_alert(alert, &expr, alert.severity.name(), alert.meaning, runbooks, out)?;
            continue;
        };
        for burn in &BURNS {
            let (long, expr) = (window(burn.long_s), burning(alert.id, objective, burn));
            let labels = format!("{}, window: {long}", burn.severity.name());
            let meaning = format!("{} Bad within {long}: {}.", alert.meaning, value("share"));
            write_alert(alert, &expr, &labels, &meaning, runbooks, out)?;
        }
    }
    Ok(())
}

fn write_alert(
    alert: &Alert,
    expr: &str,
    labels: &str,
    meaning: &str,
    runbooks: &str,
    out: &mut String,
) -> std::fmt::Result {
    writeln!(out, "      - alert: {}", name(alert.id))?;
    write_expr(expr, out)?;
    if alert.held_s > 0 {
        writeln!(out, "        for: {}", window(alert.held_s))?;
    }
    writeln!(out, "        labels: {{severity: {labels}}}")?;
    writeln!(out, "        annotations:")?;
    let (summary, url) = (template(alert.summary), link(runbooks, alert.id));
    for (name, text) in [("summary", summary.as_str()), ("description", meaning), ("runbook_url", &url)] {
        writeln!(out, "          {name}: {}", quoted(text))?;
    }
    Ok(())
}

fn write_expr(expr: &str, out: &mut String) -> std::fmt::Result {
    writeln!(out, "        expr: |")?;
    expr.lines().try_for_each(|line| writeln!(out, "          {line}"))
}

/// Returns an alert's name in Prometheus: the id in another spelling.
fn name(id: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    };
    "Changtong".to_owned() + &id.split('-').map(capital).collect::<String>()
}

/// Returns a text as a YAML scalar: YAML accepts JSON's strings.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns a time as Prometheus writes it.
fn window(seconds: u32) -> String {
    [(86_400, "d"), (3_600, "h"), (60, "m")]
        .iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit))
        .map_or_else(|| format!("{seconds}s"), |(unit, letter)| format!("{}{letter}", seconds / unit))
}

/// Returns Prometheus's template for a name in braces; a text that is one already stays.
fn template(summary: &str) -> String {
    if summary.contains("{{") {
        return summary.to_owned();
    }
    let mut parts = summary.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').expect("a brace that opens is closed");
        text += &match name.split_once(':') {
            Some(("value", format)) => value(format),
            Some(_) => panic!("{summary}: only values have a format"),
            None if name == "value" => "{{ $value }}".to_owned(),
            None => format!("{{{{ $labels.{name} }}}}"),
        };
        text += rest;
    }
    text
}

fn value(format: &str) -> String {
    let filter = match format {
        "number" => "humanize",
        "share" => "humanizePercentage",
        "time" => "humanizeDuration",
        format => panic!("no such format: {format}"),
    };
    format!("{{{{ $value | {filter} }}}}")
}

/// Returns the label list of a sum: the gateway, and another label.
fn sum_by(by: Option<&str>) -> String {
    by.map_or("sum by (instance)".to_owned(), |by| format!("sum by (instance, {by})"))
}

/// Returns a condition in PromQL.
fn promql(condition: &Condition) -> String {
    match *condition {
        Condition::Above { metric, limit, over, by } => above(metric, limit, over, by),
        Condition::Rate { counter, by, limit, within_s } => {
            format!("{} (rate({counter}[{}])) > {limit}", sum_by(Some(by)), window(within_s))
        }
        Condition::Share { counter, by, outcomes, limit, least, within_s } => {
            let (sum, within) = (sum_by(by), window(within_s));
            let matches = if outcomes.len() > 1 { "=~" } else { "=" };
            let bad = format!("{counter}{{outcome{matches}\"{}\"}}[{within}]", outcomes.join("|"));
            let (rate, all) = (format!("{sum} (rate({bad}))"), format!("{sum} (rate({counter}[{within}]))"));
            match least {
                Least::One => format!("{rate}\n/ {all} > {limit}"),
                Least::Count(count) => {
                    format!("{rate}\n/ {all} > {limit}\nand {sum} (increase({bad})) >= {count}")
                }
                Least::PerSecond(least) => format!("{rate} > {least}\nand {rate} / {all} > {limit}"),
            }
        }
        Condition::Quantile { histogram, quantile, limit, within_s } => format!(
            "histogram_quantile({quantile}, sum by (instance, le) (rate({histogram}_bucket[{}]))) > {limit}",
            window(within_s)
        ),
        Condition::Ends { metric, before_s, from_s } => {
            let from = from_s.map(|from_s| format!(" and {metric} - time() >= {from_s}")).unwrap_or_default();
            format!("{metric} - time() < {before_s}{from}")
        }
        Condition::Older { metric, allowed, late_s } => {
            format!("time() - ({metric} > 0) > {allowed} + {late_s}")
        }
        Condition::NotReady(gauge) => format!("{gauge} == 0"),
        Condition::Either { by, of } => {
            of.each_ref().map(promql).join(&format!("\nor on (instance, {by})\n"))
        }
        Condition::Query(pieces) => pieces.concat(),
        Condition::Burns(_) => unreachable!("an objective is an alert for each of its rates"),
    }
}

fn above(metric: &str, limit: f64, over: Over, by: Option<&str>) -> String {
    let (function, window_s) = match over {
        Over::Now => ("", 0),
        Over::Mean(within_s) => ("avg_over_time", within_s),
        Over::Max(within_s) => ("max_over_time", within_s),
        Over::Min(within_s) => ("min_over_time", within_s),
        Over::Growth(within_s) | Over::Never(within_s) => ("increase", within_s),
    };
    let value = match function {
        "" => metric.to_owned(),
        function => format!("{function}({metric}[{}])", window(window_s)),
    };
    // What a counter grew by adds up; of a gauge a job's label is taken away.
    let joined = match by {
        None => return format!("{value} > {limit}"),
        Some(by) if function == "increase" => sum_by(Some(by)),
        Some(by) => format!("max by (instance, {by})"),
    };
    format!("{joined} ({value}) > {limit}")
}

/// Returns the name of an objective's recording rule.
fn record(id: &str, what: &str, window_s: u32) -> String {
    format!("changtong:{}:bad_{what}{}", id.replace('-', "_"), window(window_s))
}

fn burning(id: &str, objective: &Objective, burn: &Burn) -> String {
    let Burn { long_s, short_s, .. } = *burn;
    let limit = objective.limit(burn);
    let [long, short] = [long_s, short_s].map(|within_s| record(id, "ratio", within_s));
    let rate = record(id, "rate", long_s);
    format!("{long} > {limit}\nand {short} > {limit}\nand {rate} * {long_s} > {BAD_MIN}")
}

/// Writes the bad answers a second, and their share, for each window of the alerts.
fn write_records(id: &str, objective: &Objective, out: &mut String) -> std::fmt::Result {
    let mut windows: Vec<u32> = BURNS.iter().flat_map(|burn| [burn.long_s, burn.short_s]).collect();
    windows.sort_unstable();
    windows.dedup();
    for within_s in windows {
        let (bad, all) = rates(objective.bad, &window(within_s));
        let [rate, ratio] = ["rate", "ratio"].map(|what| record(id, what, within_s));
        for (name, expr) in [(&rate, bad), (&ratio, format!("{rate}\n/ {all}"))] {
            writeln!(out, "      - record: {name}")?;
            write_expr(&expr, out)?;
        }
    }
    Ok(())
}

/// Returns the bad answers a second, and all of them.
fn rates(bad: Bad, within: &str) -> (String, String) {
    let rate = |series: String| format!("sum by (instance) (rate({series}[{within}]))");
    match bad {
        Bad::NotAnswered { request } => {
            let name = metric::REQUESTS;
            let bad = rate(format!("{name}{{request=\"{request}\", outcome!=\"answered\"}}"));
            (bad, rate(format!("{name}{{request=\"{request}\"}}")))
        }
        Bad::SlowerThan { answers, limit_ms } => {
            let all = rate(format!("{answers}_count"));
            let in_time = rate(format!("{answers}_bucket{{le=\"{}\"}}", bucket(limit_ms)));
            (format!("{all}\n- {in_time}"), all)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_that_are_checked_in_are_those_that_are_written() {
        let checked_in = include_str!("../rules/changtong.yml");
        let written = text(alerts::RUNBOOKS);
        let differs = checked_in.lines().zip(written.lines()).find(|(one, other)| one != other);
        assert!(
            checked_in == written,
            "run `cargo run -p dashboards -- rules`; the first difference: {differs:?}"
        );
    }

    #[test]
    fn an_id_is_a_name_in_another_spelling() {
        assert_eq!(name("punches-lost"), "ChangtongPunchesLost");
    }

    #[test]
    fn windows_and_templates_are_written_as_prometheus_reads_them() {
        let windows = [30, 60, 900, 3_600, 86_400, 259_200].map(window);
        assert_eq!(windows, ["30s", "1m", "15m", "1h", "1d", "3d"]);
        assert_eq!(
            template("{region} of {instance}: {value} {value:time}"),
            "{{ $labels.region }} of {{ $labels.instance }}: {{ $value }} {{ $value | humanizeDuration }}"
        );
    }

    #[test]
    fn links_lead_where_the_runbooks_are_published() {
        let text = text("https://runbooks.example/changtong/");
        assert!(text.contains("\"https://runbooks.example/changtong/punches.md#punches-lost\""), "{text}");
    }

    #[test]
    fn bounds_that_an_alert_names_exist() {
        let query = promql(&alerts::find("sign-in-flood").expect("an alert").condition);
        for bound in [actors::bounds::SMS_ALL, actors::bounds::WRONG_ALL] {
            assert!(query.contains(bound.name), "{}: {query}", bound.name);
        }
    }
}
