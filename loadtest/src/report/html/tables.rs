//! The tables of a run's page: thresholds, proof, kinds, stages, failures, events, network and the run's facts. Charts are
//! `figures.rs`.

use maud::{Markup, html};

use super::figures::{LETTERS_MAX, letter};
use super::words::{self, count, number, time};
use crate::outcome::{FleetReport, KindReport, ProofReport, Quantiles, Report};
use crate::scenario::Kind;

/// The limit of rows of a list; the JSON report has all.
const ROWS_MAX: usize = 40;
/// The limit of stages in the table, which has a row for each kind.
const STAGES_MAX: usize = 20;
/// The limit of characters of a text from outside.
const TEXT_MAX: usize = 200;

/// Draws the table of thresholds.
pub(super) fn thresholds(report: &Report) -> Markup {
    html! {
        table {
            caption { "What had to hold, and what was measured" }
            thead { tr { th scope="col" { "Of" } th scope="col" { "Figure" } th scope="col" { "In" }
                th.n scope="col" { "Wanted" } th.n scope="col" { "Measured" } th scope="col" { "Holds" } } }
            tbody {
                @for one in report.thresholds.iter().take(ROWS_MAX) {
                    tr.bad[!one.holds] {
                        th scope="row" { (one.threshold.of.name()) }
                        td { (words::figure(one.threshold.figure)) }
                        td { (one.threshold.stage.as_deref().unwrap_or("all stages")) }
                        td.n { (words::wanted(one)) }
                        td.n { (words::measured(one)) }
                        td { (mark(one.holds)) }
                    }
                }
            }
        }
    }
}

/// Compares the acknowledgements with the punch log.
pub(super) fn proof(proof: &ProofReport) -> Markup {
    let breaks = [
        ("Lost: acknowledged and not recorded", proof.lost),
        ("Doubled: recorded more than once", proof.doubled),
        ("Out of order on a device", proof.disordered),
        ("Altered: recorded otherwise than acknowledged", proof.altered),
        ("Invented: recorded and never sent", proof.invented),
        ("Never acknowledged, though the run waited", proof.unacknowledged),
        ("Verdicts of a wrong colour", proof.wrong_verdicts),
        ("Verdicts still of the old colour after a change", proof.stale_verdicts),
        ("Places where personal data was found", proof.leaked.len() as u64),
        ("Devices that stopped early", proof.stopped.len() as u64),
    ];
    html! {
        table {
            caption { "The record read back and compared with what every device holds" }
            thead { tr { th scope="col" { "Promise" } th.n scope="col" { "Count" } th scope="col" { "Kept" } } }
            tbody {
                tr { th scope="row" { "Punches acknowledged" } td.n { (count(proof.acknowledged)) } td { } }
                tr { th scope="row" { "Punches recorded" } td.n { (count(proof.recorded)) } td { } }
                @for (what, broken) in breaks {
                    tr.bad[broken > 0] {
                        th scope="row" { (what) } td.n { (count(broken)) } td { (mark(broken == 0)) }
                    }
                }
                tr { th scope="row" { "Colours changed meanwhile" } td.n { (count(proof.colours_changed)) } td { } }
                @if proof.colour_lag.count > 0 {
                    tr { th scope="row" { "Until a device saw the new colour, p50 / highest" }
                        td.n { (number(proof.colour_lag.p50_ms)) " / " (number(proof.colour_lag.max_ms)) " ms" } td { } }
                }
                tr { th scope="row" { "Pieces of personal data that logs and metrics were searched for" }
                    td.n { (count(proof.searched_for)) } td { } }
            }
        }
        @if !proof.leaked.is_empty() { (list("Personal data was found in", &proof.leaked)) }
        @if !proof.stopped.is_empty() { (list("Devices that stopped early", &proof.stopped)) }
    }
}

/// Draws the tables of a fleet: what its gateways did, and the times that are promised.
pub(super) fn fleet(fleet: &FleetReport) -> Markup {
    html! {
        (facts("The gateways together", words::fleet(fleet)))
        table {
            caption { "Times that are promised" }
            thead { tr { th scope="col" { "Promise" } th.n scope="col" { "Measured" } th.n scope="col" { "Promised" } th scope="col" { "Kept" } } }
            tbody { @for promise in fleet.promises.iter().take(ROWS_MAX) {
                tr.bad[!promise.holds] {
                    th scope="row" { (cut(&promise.what)) } td.n { (time(promise.measured_s)) } td.n { (time(promise.limit_s)) }
                    td { (mark(promise.holds)) }
                }
            } }
        }
    }
}

/// Draws the table of kinds over the run.
pub(super) fn kinds(report: &Report) -> Markup {
    html! {
        table {
            caption { "Every kind, warm-up left out; milliseconds" }
            (kinds_head(false))
            tbody { @for (kind, one) in &report.total { (kind_row(None, *kind, one)) } }
        }
    }
}

/// Draws the table of kinds in each stage.
pub(super) fn stages(report: &Report) -> Markup {
    html! {
        table {
            caption { "Stage by stage, by when people came; milliseconds" }
            (kinds_head(true))
            @for stage in report.stages.iter().take(STAGES_MAX) {
                tbody {
                    @for (row, (kind, one)) in stage.kinds.iter().enumerate() {
                        @let name = html! {
                            @if row == 0 {
                                th scope="rowgroup" rowspan=(stage.kinds.len()) {
                                    (stage.name)
                                    small { (time(stage.from_s)) " to " (time(stage.to_s))
                                        @if stage.warm_up { ", not counted" } }
                                }
                            }
                        };
                        (kind_row(Some((name, stage.to_s - stage.from_s)), *kind, one))
                    }
                }
            }
        }
        @if report.stages.len() > STAGES_MAX { p.quiet { "And " (report.stages.len() - STAGES_MAX) " more in report.json." } }
    }
}

fn kinds_head(staged: bool) -> Markup {
    html! {
        thead {
            tr {
                @if staged { th scope="col" rowspan="2" { "Stage" } }
                th scope="col" rowspan="2" { "Kind" }
                th.n scope="col" rowspan="2" { "Offered" }
                th.n scope="col" rowspan="2" { "Answered" }
                @if staged { th.n scope="col" rowspan="2" { "A second" } }
                th.n scope="col" rowspan="2" { "Left" }
                th.n scope="col" rowspan="2" { "Tries" }
                th.c scope="colgroup" colspan="4" { "Latency from the intended time" }
                th.c scope="colgroup" colspan="2" { "Service, from sending" }
            }
            tr { @for name in ["p50", "p99", "p99.9", "max", "p50", "p99"] { th.n scope="col" { (name) } } }
        }
    }
}

fn kind_row(stage: Option<(Markup, f64)>, kind: Kind, one: &KindReport) -> Markup {
    let failed: u64 = one.failed.values().sum();
    let (seconds, name) = stage.map_or((None, None), |(name, seconds)| (Some(seconds), Some(name)));
    html! {
        tr {
            @if let Some(name) = name { (name) }
            th scope="row" { (kind.name()) }
            td.n { (count(one.offered)) }
            td.n { (count(one.answered)) }
            @if let Some(seconds) = seconds { td.n { (number(one.answered as f64 / seconds.max(1e-9))) } }
            td.n { (count(failed)) }
            td.n { (count(one.tries)) }
            (milliseconds(&one.latency, &[one.latency.p50_ms, one.latency.p99_ms, one.latency.p999_ms, one.latency.max_ms]))
            (milliseconds(&one.service, &[one.service.p50_ms, one.service.p99_ms]))
        }
    }
}

fn milliseconds(of: &Quantiles, values: &[f64]) -> Markup {
    html! { @for value in values { td.n { @if of.count == 0 { "–" } @else { (number(*value)) } } } }
}

/// Draws the table of people who left, by the reason of the last try.
pub(super) fn failures(report: &Report) -> Markup {
    let rows = report.total.iter().flat_map(|(kind, one)| one.failed.iter().map(|(why, n)| (*kind, why, *n)));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(_, _, people)| std::cmp::Reverse(*people));
    let most = rows.first().map_or(1, |(_, _, people)| (*people).max(1));
    html! {
        @if rows.is_empty() { p.quiet { "Nobody left without an answer." } } @else {
            table {
                caption { "People who left without an answer, by the last reason" }
                thead { tr { th scope="col" { "Kind" } th scope="col" { "Reason" } th.n scope="col" { "People" }
                    th.n scope="col" { "Of offered" } th scope="col" aria-hidden="true" { } } }
                tbody {
                    @for (kind, why, people) in rows.iter().take(ROWS_MAX) {
                        tr {
                            th scope="row" { (kind.name()) }
                            td { (cut(why)) }
                            td.n { (count(*people)) }
                            td.n { (share(*people, report.total[kind].offered)) }
                            td.bar aria-hidden="true" {
                                svg width="100%" height="10" {
                                    rect width={ (format!("{:.1}", *people as f64 / most as f64 * 100.0)) "%" } height="10" {}
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn share(part: u64, of: u64) -> String {
    if of == 0 { "–".to_owned() } else { format!("{} %", number(part as f64 / of as f64 * 100.0)) }
}

/// Draws the table of events, with the letters of the charts.
pub(super) fn events(report: &Report) -> Markup {
    html! {
        table {
            caption { "What happened meanwhile; letters as in the charts" }
            thead { tr { th scope="col" { "" } th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "What came of it" } } }
            tbody {
                @for (number, event) in report.events.iter().take(ROWS_MAX).enumerate() {
                    tr {
                        td { @if number < LETTERS_MAX { b.letter { (letter(number)) } } }
                        td.when { (time(event.from_s)) @if let Some(to) = event.to_s { " to " (time(to)) } }
                        td { (cut(&event.what)) }
                        td { (cut(&event.outcome)) }
                    }
                }
            }
        }
        (more(report.events.len()))
    }
}

/// Draws the table of the network's effects on packets.
pub(super) fn network(report: &Report) -> Markup {
    let Some(counts) = &report.network else {
        return html! { p.quiet { "Nothing stood between devices and gateway: packets went as the machine sends them." } };
    };
    facts(
        "What stood between devices and gateway did to packets",
        counts.iter().map(|(name, n)| (cut(name), count(*n))),
    )
}

/// Draws the table of the generator's own figures.
pub(super) fn generator(report: &Report) -> Markup {
    let (own, limits) = (&report.generator, &report.scenario.generator);
    let micros =
        |each: Option<f64>| each.map_or_else(|| "unknown".to_owned(), |us| format!("{} µs", number(us)));
    let busy =
        own.busy_share.map_or_else(|| "unknown".to_owned(), |busy| format!("{} %", number(busy * 100.0)));
    facts(
        "The generator: a run in which it is the bottleneck is invalid",
        [
            (
                "Late to a visit, p50 / p99 / highest",
                format!(
                    "{} / {} / {} ms",
                    number(own.late.p50_ms),
                    number(own.late.p99_ms),
                    number(own.late.max_ms)
                ),
            ),
            ("Late at p99, allowed", format!("{} ms", number(limits.late_p99_ms_max))),
            ("Its thread busy in its busiest stage", busy),
            ("Busy, allowed", format!("{} %", number(limits.busy_share_max * 100.0))),
            ("Processor time of the gateway a person answered", micros(own.gateway_us_each)),
            ("Processor time of the generator a person answered", micros(own.own_us_each)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

/// Draws the table of the run's facts.
pub(super) fn run(report: &Report) -> Markup {
    let (run, machine, city) = (&report.run, &report.run.machine, &report.scenario.city);
    let unknown = |text: &Option<String>| text.as_deref().map_or_else(|| "unknown".to_owned(), cut);
    let rows = [
        ("Started", cut(&run.started)),
        ("People came for", time(run.seconds)),
        ("City", format!("{} people, {} gates", count(city.people.into()), count(city.gates.into()))),
        ("Seed", run.seed.to_string()),
        ("Plan, SHA-256", cut(&run.plan_sha256)),
        ("Commit", unknown(&run.commit)),
        ("Load test / gateway", format!("{} / {}", cut(&run.loadtest), unknown(&run.gateway))),
        (
            "Fronts of the gateway",
            run.fronts.map_or_else(|| "unknown".to_owned(), |fronts| fronts.to_string()),
        ),
        ("Processor", format!("{}, {} cores", cut(&machine.processor), machine.cores)),
        ("Memory", words::bytes(machine.memory_bytes)),
        ("Kernel", cut(&machine.kernel)),
        ("Source of the scenario", unknown(&report.scenario.source)),
    ];
    html! {
        (facts("What ran, where", rows.map(|(name, value)| (name.to_owned(), value))))
        p { "The same again:" }
        pre { code { (run.command) } }
    }
}

fn facts(caption: &str, rows: impl IntoIterator<Item = (String, String)>) -> Markup {
    html! {
        table.facts {
            caption { (caption) }
            tbody { @for (name, value) in rows { tr { th scope="row" { (name) } td { (value) } } } }
        }
    }
}

fn list(title: &str, lines: &[String]) -> Markup {
    html! {
        p { (title) ":" }
        ul { @for line in lines.iter().take(ROWS_MAX) { li { (cut(line)) } } }
        (more(lines.len()))
    }
}

fn more(rows: usize) -> Markup {
    html! { @if rows > ROWS_MAX { p.quiet { "And " (rows - ROWS_MAX) " more in report.json." } } }
}

/// Draws a shape and a word, so that no colour is needed.
fn mark(holds: bool) -> Markup {
    html! { @if holds { span.holds { "✓ yes" } } @else { strong.breaks { "✗ no" } } }
}

pub(super) fn cut(text: &str) -> String {
    if text.chars().count() <= TEXT_MAX {
        return text.to_owned();
    }
    text.chars().take(TEXT_MAX).chain(['…']).collect()
}
