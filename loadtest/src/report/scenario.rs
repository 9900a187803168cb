//! The report of a run on standard output: plain tables, no wider than a hundred columns, the verdict last so that it is just above
//! the prompt. `outcome/file.rs` writes the same figures as JSON, `html.rs` as a page.

use std::fmt::Write;
use std::path::PathBuf;

use super::words::{self, count, number, time};
use crate::out;
use crate::outcome::{KindReport, ProofReport, Quantiles, Report};
use crate::scenario::Kind;

/// The widest line, columns.
const WIDTH_MAX: usize = 100;
/// The limit of rows of a list; the JSON report has all.
const ROWS_MAX: usize = 20;

/// Prints the report; `files` are the files that were written.
pub fn print(report: &Report, files: &[PathBuf]) {
    out::text(&text(report, files));
}

/// Returns the text that [`print`] prints.
pub fn text(report: &Report, files: &[PathBuf]) -> String {
    let mut out = Out::default();
    let run = &report.run;
    out.line(&format!("{}: {}", report.scenario.name, report.scenario.about));
    out.line(&format!("  {}, seed {}, plan {}", time(run.seconds), run.seed, start(&run.plan_sha256, 16)));
    out.line("");
    stages(&mut out, report);
    thresholds(&mut out, report);
    failures(&mut out, report);
    events(&mut out, report);
    proof(&mut out, &report.proof);
    fleet(&mut out, report);
    sides(&mut out, report);
    verdict(&mut out, report);
    for file in files {
        // Never broken: it is there to be copied.
        out.whole(&format!("  {}", file.display()));
    }
    out.text
}

/// A text whose lines are broken at [`WIDTH_MAX`].
#[derive(Default)]
struct Out {
    text: String,
}

impl Out {
    fn whole(&mut self, line: &str) {
        writeln!(self.text, "{}", line.trim_end()).expect("writing to memory does not fail");
    }

    /// Adds a line, broken at blanks.
    fn line(&mut self, line: &str) {
        self.broken(line, line.len() - line.trim_start().len() + 4);
    }

    /// Adds a line, broken at blanks; further lines are indented by `indent`.
    fn broken(&mut self, line: &str, indent: usize) {
        let mut rest = line.trim_end().to_owned();
        while rest.chars().count() > WIDTH_MAX {
            let fits = rest.char_indices().nth(WIDTH_MAX).map_or(rest.len(), |(at, _)| at);
            let at = rest[..fits].rfind(' ').filter(|at| *at > indent).unwrap_or(fits);
            let tail = rest.split_off(at);
            self.whole(&rest);
            rest = format!("{}{}", " ".repeat(indent), tail.trim_start());
        }
        self.whole(&rest);
    }

    fn row(&mut self, name: &str, value: &str) {
        self.broken(&format!("  {name:<34}{value}"), 36);
    }
}

fn stages(out: &mut Out, report: &Report) {
    out.line(&format!(
        "  {:<14}{:<7}{:>10}{:>11}{:>8}{:>7}{:>27}{:>12}",
        "stage", "", "offered", "answered", "/s", "left", "p50 / p99 / p99.9 ms", "service p99"
    ));
    for stage in &report.stages {
        let name = if stage.warm_up { format!("({})", stage.name) } else { stage.name.clone() };
        let seconds = stage.to_s - stage.from_s;
        for (number, (kind, one)) in stage.kinds.iter().enumerate() {
            kind_row(out, if number == 0 { &name } else { "" }, *kind, one, Some(seconds));
        }
    }
    if report.stages.iter().filter(|stage| !stage.warm_up).count() > 1 {
        for (number, (kind, one)) in report.total.iter().enumerate() {
            kind_row(out, if number == 0 { "all counted" } else { "" }, *kind, one, None);
        }
    }
    out.line("");
}

fn kind_row(out: &mut Out, stage: &str, kind: Kind, one: &KindReport, seconds: Option<f64>) {
    let rate = seconds.filter(|seconds| *seconds > 0.0).map(|seconds| one.answered as f64 / seconds);
    let Quantiles { p50_ms, p99_ms, p999_ms, .. } = one.latency;
    let latency = format!("{} / {} / {}", number(p50_ms), number(p99_ms), number(p999_ms));
    let (latency, service) = if one.answered == 0 {
        ("–".to_owned(), "–".to_owned())
    } else {
        (latency, number(one.service.p99_ms))
    };
    out.whole(&format!(
        "  {:<14}{:<7}{:>10}{:>11}{:>8}{:>7}{latency:>27}{service:>12}",
        start(stage, 13),
        kind.name(),
        count(one.offered),
        count(one.answered),
        rate.map_or_else(String::new, number),
        count(one.failed.values().sum()),
    ));
}

fn thresholds(out: &mut Out, report: &Report) {
    if report.thresholds.is_empty() {
        return;
    }
    out.line("  what had to hold");
    for one in &report.thresholds {
        let place = one.threshold.stage.as_ref().map(|stage| format!(" in {stage}")).unwrap_or_default();
        let what = format!("{}, {}{place}", one.threshold.of.name(), words::figure(one.threshold.figure));
        let sign = if one.holds { "holds" } else { "BREAKS" };
        out.line(&format!(
            "  {sign:<8}{what:<44}{:>16}, {} wanted",
            words::measured(one),
            words::wanted(one)
        ));
    }
    out.line("");
}

fn failures(out: &mut Out, report: &Report) {
    let rows = report.total.iter().flat_map(|(kind, one)| one.failed.iter().map(|(why, n)| (*kind, why, *n)));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(_, _, people)| std::cmp::Reverse(*people));
    for (kind, why, people) in rows.iter().take(ROWS_MAX) {
        out.row(&format!("left without an answer: {}", kind.name()), &format!("{} · {why}", count(*people)));
    }
    more(out, rows.len());
}

fn events(out: &mut Out, report: &Report) {
    for event in report.events.iter().take(ROWS_MAX) {
        let to = event.to_s.map(|to| format!(" to {}", time(to))).unwrap_or_default();
        out.row(&format!("{}{to}", time(event.from_s)), &format!("{}: {}", event.what, event.outcome));
    }
    more(out, report.events.len());
}

fn more(out: &mut Out, rows: usize) {
    if rows > ROWS_MAX {
        out.line(&format!("  and {} more in report.json", rows - ROWS_MAX));
    }
}

fn proof(out: &mut Out, proof: &ProofReport) {
    out.row(
        "punches",
        &format!("{} acknowledged, {} recorded", count(proof.acknowledged), count(proof.recorded)),
    );
    let figures = [
        ("lost", proof.lost),
        ("doubled", proof.doubled),
        ("out of order", proof.disordered),
        ("altered", proof.altered),
        ("invented", proof.invented),
        ("never acknowledged", proof.unacknowledged),
    ];
    out.row("of these", &figures.map(|(name, n)| format!("{} {name}", count(n))).join(", "));
    out.row(
        "verdicts",
        &format!(
            "{} of a wrong colour, {} of an old one",
            count(proof.wrong_verdicts),
            count(proof.stale_verdicts)
        ),
    );
    if proof.colours_changed > 0 {
        let lag = &proof.colour_lag;
        let text = format!(
            "{}, seen after {} ms at p50, {} at most",
            count(proof.colours_changed),
            number(lag.p50_ms),
            number(lag.max_ms)
        );
        out.row("colours changed", &text);
    }
    let leaks =
        format!("{} pieces searched for, found in {} places", count(proof.searched_for), proof.leaked.len());
    out.row("personal data in logs and metrics", &leaks);
}

fn fleet(out: &mut Out, report: &Report) {
    let Some(fleet) = &report.fleet else { return };
    for (name, value) in words::fleet(fleet) {
        out.row(&name, &value);
    }
    for promise in &fleet.promises {
        let sign = if promise.holds { "holds" } else { "BREAKS" };
        out.line(&format!(
            "  {sign:<8}{:<60}{:>8.1} s, {} s promised",
            promise.what, promise.measured_s, promise.limit_s
        ));
    }
}

fn sides(out: &mut Out, report: &Report) {
    let own = &report.generator;
    let busy = own.busy_share.map_or_else(|| "unknown".to_owned(), |busy| format!("{:.0} %", busy * 100.0));
    out.row("generator", &format!("late {} ms at p99, its thread {busy} busy", number(own.late.p99_ms)));
    let micros =
        |each: Option<f64>| each.map_or_else(|| "unknown".to_owned(), |us| format!("{} µs", number(us)));
    let each = format!("gateway {}, generator {}", micros(own.gateway_us_each), micros(own.own_us_each));
    out.row("processor time a person answered", &each);
    if let Some(network) = &report.network {
        let counts = network.iter().map(|(name, n)| format!("{} {name}", count(*n)));
        out.row("packets", &counts.collect::<Vec<_>>().join(", "));
    }
    let machine = &report.run.machine;
    let memory = words::bytes(machine.memory_bytes);
    out.row(
        "machine",
        &format!("{}, {} cores, {memory}, {}", machine.processor, machine.cores, machine.kernel),
    );
    let commit = report.run.commit.as_deref().unwrap_or("unknown");
    out.row("commit", start(commit, 40));
    out.row("the same again", &report.run.command);
}

fn verdict(out: &mut Out, report: &Report) {
    out.line("");
    if let Some(first) = words::first_break(report) {
        out.line(&format!("  what broke first: {first}"));
    }
    for reason in report.verdict.reasons.iter().take(ROWS_MAX) {
        out.line(&format!("  - {reason}"));
    }
    more(out, report.verdict.reasons.len());
    out.line(&format!("{}. {}", words::headline(report), words::meaning(report)));
}

/// Returns the beginning of a text, at most `most` characters.
fn start(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(at, _)| &text[..at])
}
