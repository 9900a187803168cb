//! The output of commands at their end, for people. `report` makes a run's own report, `bench` the tables of the floor and the peers.

use std::time::Duration;

use bench::Spread;
use bench::floor;
use bench::peers;
use bench::sums;
use hdrhistogram::Histogram;
use protocol::Colour;

use super::first_punch;
use crate::out::{self, note, say};
use crate::outcome;
use crate::pages::{self, Target};
use crate::quick::{self, QuickReport};

pub(super) mod compare;
pub(super) mod limit;
pub(super) mod plan;

/// Prints the result of [`quick::run`].
pub fn quick(options: &quick::Options, outcome: &QuickReport) {
    let QuickReport { tally, counts, proof, .. } = outcome;
    let seconds = f64::from(options.seconds);
    say!(
        "{} devices, {} s, {} people/s, seed {}",
        options.devices,
        options.seconds,
        options.rate,
        options.seed
    );
    row("offered", &format!("{} ({:.1}/s)", tally.offered, tally.offered as f64 / seconds));
    row("acknowledged", &format!("{} ({:.1}/s)", tally.acknowledged, tally.acknowledged as f64 / seconds));
    row("latency from the intended time", &quantiles(&tally.latency_us));
    row("of that, late by ourselves", &quantiles(&tally.late_us));
    let colours = Colour::ALL.iter().zip(tally.colours).map(|(colour, count)| format!("{colour} {count}"));
    row("colours shown", &colours.collect::<Vec<_>>().join(", "));
    row("of the wrong colour", &tally.wrong.to_string());
    if tally.expired > 0 {
        row("tokens that ran out waiting", &tally.expired.to_string());
    }
    let (scans, right) = outcome.verified;
    row("verified without a record", &format!("{right} of {scans} as expected"));
    if !outcome.queries.is_empty() {
        let answers = outcome.queries.iter().map(|(answer, count)| format!("{answer} {count}"));
        row("trajectory queries", &answers.collect::<Vec<_>>().join(", "));
    }
    row("connections", &format!("{} welcomed, {} lost or refused", counts.welcomes, counts.losses));
    row(
        "told to wait or to send again",
        &format!("{} busy, {} gaps, {} drains", counts.busy, counts.gaps, counts.drains),
    );
    row("punches sent again", &outcome.resent.to_string());
    let (gateway, own) = outcome.cpu;
    row("processor time a punch", &format!("gateway {}, this program {}", micros(gateway), micros(own)));
    for stopped in &outcome.stopped {
        row("stopped early", stopped);
    }
    row(
        "in the ledger",
        &format!("{} of {} acknowledged", proof.recorded - proof.unacknowledged, proof.acknowledged),
    );
    if outcome.unacknowledged > 0 {
        let text = format!("{} ({} of them in the ledger)", outcome.unacknowledged, proof.unacknowledged);
        row("without an acknowledgement", &text);
    }
    say!("");
    say!("{} lost, {} doubled", proof.lost, proof.doubled);
    if proof.disordered + proof.altered + proof.invented > 0 {
        say!("{} out of order, {} altered, {} invented", proof.disordered, proof.altered, proof.invented);
    }
}

/// Prints the result of [`first_punch::run`].
pub(super) fn device(options: &first_punch::Options, punched: &first_punch::Punched) {
    let (device, verdict) = (punched.device, punched.acknowledged.verdict);
    say!("device {device} has its certificate and its key in {}", options.keep.display());
    say!(
        "one person without a code, at place {}: {}, {} ({}); acknowledged, so it is on the gateway's disk",
        options.place,
        verdict.colour,
        verdict.advice,
        verdict.reason
    );
    note!("next: changtong ledger verify");
}

/// Prints the result of [`floor::run`] in the format of the options.
pub fn floor(options: &floor::Options, report: &floor::Report) {
    if options.json {
        say!("{:#}", floor::json(options, report));
    } else {
        out::text(&floor::table(options, report));
    }
}

/// Prints the sums in the format of the options.
pub(super) fn sums(options: &sums::Options) {
    if options.json {
        say!("{:#}", sums::json(options));
    } else {
        out::text(&sums::table(options));
    }
}

/// Prints the result of [`peers::run`] in the format of the options.
pub(super) fn peers(options: &peers::Options, outcome: &peers::PeersReport) {
    if options.json {
        say!("{:#}", peers::json(options, outcome));
    } else if options.markdown {
        out::text(&peers::markdown(options, outcome));
    } else {
        out::text(&peers::table(options, outcome));
    }
}

/// Prints the result of [`pages::run`].
pub fn pages(options: &pages::Options, rounds: &[pages::Round]) {
    let pace = match options.rate {
        Some(rate) => format!("{rate} pages/s of each at their time"),
        None => "one after another".to_owned(),
    };
    say!(
        "pages, {} connections, {pace}; {} rounds of {} s of each, plain HTTP",
        options.connections,
        options.rounds,
        options.seconds
    );
    say!(
        "  {:<7}{:<14}{:>9}{:>10}{:>20}{:>12}{:>12}{:>9}",
        "round",
        "",
        "bytes",
        "pages/s",
        "p50 / p99 ms",
        "server µs",
        "client µs",
        "not 200"
    );
    for (number, round) in (1..).zip(rounds) {
        for target in Target::ALL {
            let (one, name) = (round.of(target), target.name());
            let number = if target == Target::Style { format!("{number}") } else { String::new() };
            let latency = format!("{:.2} / {:.2}", one.latency_ms[0], one.latency_ms[1]);
            let (server, client) = (bare_micros(one.server_cpu), bare_micros(one.client_cpu));
            say!(
                "  {number:<7}{name:<14}{:>9}{:>10.0}{latency:>20}{server:>12}{client:>12}{:>9}",
                one.bytes,
                one.per_second,
                one.wrong
            );
        }
    }
    for target in Target::ALL {
        say!("");
        say!("  {}: median of the rounds (lowest to highest)", target.name());
        let each =
            |figure: fn(&pages::Figures) -> f64| rounds.iter().map(move |round| figure(round.of(target)));
        ratio("pages a second", each(|one| one.per_second));
        ratio("p50, ms", each(|one| one.latency_ms[0]));
        ratio("p99, ms", each(|one| one.latency_ms[1]));
        if target != Target::Style {
            let of_floor = |figure: fn(&pages::Figures) -> f64| {
                rounds.iter().map(move |round| figure(round.of(target)) / figure(round.of(Target::Style)))
            };
            ratio("pages a second, of the file's", of_floor(|one| one.per_second));
            ratio("p50, of the file's", of_floor(|one| one.latency_ms[0]));
            ratio("p99, of the file's", of_floor(|one| one.latency_ms[1]));
        }
    }
}

/// Prints the JSON schema of a run's report.
pub(super) fn schema() {
    out::text(&outcome::schema::text());
}

/// Formats the median of the rounds, with the lowest and the highest.
fn ratio(name: &str, each: impl Iterator<Item = f64>) {
    if let Some(Spread { median, low, high }) = Spread::of(each) {
        row(name, &format!("{median:.2}  ({low:.2} to {high:.2})"));
    }
}

fn row(name: &str, value: &str) {
    say!("  {name:<32}{value}");
}

fn quantiles(histogram: &Histogram<u64>) -> String {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    let max = histogram.max() as f64 / 1000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms, p999 {:.1} ms, max {max:.1} ms", at(0.5), at(0.99), at(0.999))
}

fn micros(each: Option<Duration>) -> String {
    each.map_or_else(|| "unknown".to_owned(), |each| format!("{:.1} µs", each.as_secs_f64() * 1e6))
}

fn bare_micros(each: Option<Duration>) -> String {
    each.map_or_else(|| "-".to_owned(), |each| format!("{:.2}", each.as_secs_f64() * 1e6))
}
