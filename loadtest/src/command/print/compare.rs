//! The report of a comparison, as a table for people or as JSON.

use crate::compare::{Change, Compared, Comparison, Pair};
use crate::out::{self, say};
use crate::report::words::number;

/// Prints the comparison.
pub(crate) fn print(comparison: &Comparison, json: bool) {
    if json {
        let text = serde_json::to_string_pretty(comparison).expect("a comparison has text keys only");
        say!("{text}");
    } else {
        out::text(&text(comparison));
    }
}

fn text(comparison: &Comparison) -> String {
    let [a, b] = comparison.runs;
    let mut text = format!(
        "  {:<8}{:<16}{:>11}{:>11}{:>8}   {:<16}\n",
        "kind",
        "figure",
        format!("A ({a})"),
        format!("B ({b})"),
        "B/A",
        "95 % range"
    );
    let mut last = None;
    for one in &comparison.figures {
        let kind = if last.replace(one.kind) == Some(one.kind) { "" } else { one.kind.name() };
        text += &row(kind, one);
    }
    text += "\n";
    for warning in &comparison.warnings {
        text += &format!("  note: {warning}\n");
    }
    let margin = number(comparison.margin);
    text += &match comparison.verdict {
        Some(Change::Better) => format!("B is better: something by more than {margin} %, nothing worse\n"),
        Some(Change::Worse) => format!("B is worse: something by more than {margin} %\n"),
        Some(Change::NoDifference) => format!("no difference of more than {margin} % is shown\n"),
        None => "these runs can't be compared\n".to_owned(),
    };
    text
}

fn row(kind: &str, one: &Pair) -> String {
    let (name, unit) = match one.figure {
        Compared::LatencyP50Ms => ("latency p50", "ms"),
        Compared::LatencyP99Ms => ("latency p99", "ms"),
        Compared::ServiceP50Ms => ("service p50", "ms"),
        Compared::ServiceP99Ms => ("service p99", "ms"),
        Compared::AnsweredRate => ("answered", "/s"),
    };
    let change = match one.change {
        Change::Better => "better",
        Change::Worse => "WORSE",
        Change::NoDifference => "no difference shown",
    };
    let (a, b) = (format!("{} {unit}", number(one.a)), format!("{} {unit}", number(one.b)));
    let range = format!("{:.3} to {:.3}", one.low, one.high);
    format!("  {kind:<8}{name:<16}{a:>11}{b:>11}{:>8.3}   {range:<16}  {change}\n", one.ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Kind;

    #[test]
    fn a_comparison_is_a_table_with_its_verdict_last() {
        let figure = |figure, change| Pair {
            kind: Kind::Verify,
            figure,
            a: 12.0,
            b: 15.6,
            ratio: 1.3,
            low: 1.2134,
            high: 1.4567,
            change,
        };
        for (verdict, last) in [
            (Some(Change::Worse), "B is worse: something by more than 5 %"),
            (Some(Change::Better), "B is better: something by more than 5 %, nothing worse"),
            (Some(Change::NoDifference), "no difference of more than 5 % is shown"),
            (None, "these runs can't be compared"),
        ] {
            let figures = vec![
                figure(Compared::LatencyP50Ms, Change::Worse),
                figure(Compared::AnsweredRate, Change::NoDifference),
            ];
            let warnings = vec!["the machines differ".to_owned()];
            let text = text(&Comparison { verdict, code: 0, margin: 5.0, runs: [1, 2], warnings, figures });
            assert_eq!(text.lines().last(), Some(last));
            assert!(text.contains("  note: the machines differ\n"));
            let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
            assert_eq!(rows[1][..6], ["verify", "latency", "p50", "12", "ms", "15.6"]);
            assert_eq!(rows[1][7..], ["1.300", "1.213", "to", "1.457", "WORSE"]);
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        }
    }
}
