//! What a run has to say at its end, as a table for people. The only place that writes to standard output.
#![allow(clippy::print_stdout, reason = "this is the output module")]

use std::time::Duration;

use hdrhistogram::Histogram;
use protocol::Colour;

use crate::quick::{Options, Outcome};

/// Prints what [`crate::quick::run`] found.
pub fn quick(options: &Options, outcome: &Outcome) {
    let Outcome { tally, counts, proof, .. } = outcome;
    let seconds = f64::from(options.seconds);
    println!(
        "{} devices, {} s, {} people/s, seed {}",
        options.devices, options.seconds, options.rate, options.seed
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
    println!();
    println!("{} lost, {} doubled", proof.lost, proof.doubled);
    if proof.disordered + proof.altered + proof.invented > 0 {
        println!("{} out of order, {} altered, {} invented", proof.disordered, proof.altered, proof.invented);
    }
}

fn row(name: &str, value: &str) {
    println!("  {name:<32}{value}");
}

fn quantiles(histogram: &Histogram<u64>) -> String {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    let max = histogram.max() as f64 / 1000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms, p999 {:.1} ms, max {max:.1} ms", at(0.5), at(0.99), at(0.999))
}

fn micros(each: Option<Duration>) -> String {
    each.map_or_else(|| "unknown".to_owned(), |each| format!("{:.1} µs", each.as_secs_f64() * 1e6))
}
