//! The report of `loadtest floor` as a table for people.

use std::fmt::Write;
use std::time::Duration;

use super::{Figures, Options, Round};
use crate::spread::Spread;

/// Formats every round, then the gateway's figures as shares of raw QUIC's.
pub fn table(options: &Options, rounds: &[Round]) -> String {
    let what = if options.verify { "verifies" } else { "punches" };
    let pace = match options.rate {
        Some(rate) => format!("{rate} frames/s at their time"),
        None => format!("{} under way", options.in_flight),
    };
    let mut text = format!(
        "{what}, {} devices, {} in a frame, {pace}; {} rounds of {} s, gateway beside raw QUIC\n",
        options.devices, options.batch, options.rounds, options.seconds
    );
    let _ = writeln!(
        text,
        "  {:<7}{:<9}{:>11}{:>26}{:>12}{:>12}",
        "round", "", "scans/s", "p50 / p99 / p999 ms", "server µs", "client µs"
    );
    for (number, round) in (1..).zip(rounds) {
        text += &figures(&number.to_string(), "echo", &round.echo);
        text += &figures("", "gateway", &round.gateway);
    }
    text += "\n  gateway of raw QUIC: median of the rounds (lowest to highest)\n";
    text += &of_echo("scans a second", rounds, |one| Some(one.per_second));
    text += &of_echo("p50", rounds, |one| Some(one.latency_ms[0]));
    text += &of_echo("p99", rounds, |one| Some(one.latency_ms[1]));
    text += &of_echo("server's processor time", rounds, |one| one.server_cpu.map(|cpu| cpu.as_secs_f64()));
    if !options.verify {
        let sync_ms = |round: &Round| round.sync.as_secs_f64() * 1000.0;
        let floor_ms = |round: &Round| round.echo.latency_ms[0] + sync_ms(round);
        text += &spread(
            "p50, of raw QUIC's + one sync",
            rounds.iter().map(|one| one.gateway.latency_ms[0] / floor_ms(one)),
        );
        text += &spread("one sync of 4 KiB, ms", rounds.iter().map(sync_ms));
    }
    text
}

fn figures(number: &str, peer: &str, one: &Figures) -> String {
    let [p50, p99, p999] = one.latency_ms;
    let latency = format!("{p50:.2} / {p99:.2} / {p999:.2}");
    let (server, client) = (micros(one.server_cpu), micros(one.client_cpu));
    format!("  {number:<7}{peer:<9}{:>11.0}{latency:>26}{server:>12}{client:>12}\n", one.per_second)
}

fn of_echo(name: &str, rounds: &[Round], figure: impl Fn(&Figures) -> Option<f64>) -> String {
    spread(name, rounds.iter().filter_map(|round| Some(figure(&round.gateway)? / figure(&round.echo)?)))
}

/// Formats a figure's median with its lowest and highest; empty if no round has it.
fn spread(name: &str, each: impl Iterator<Item = f64>) -> String {
    let row = |Spread { median, low, high }| format!("  {name:<32}{median:.2}  ({low:.2} to {high:.2})\n");
    Spread::of(each).map(row).unwrap_or_default()
}

fn micros(each: Option<Duration>) -> String {
    each.map_or_else(|| "-".to_owned(), |each| format!("{:.2}", each.as_secs_f64() * 1e6))
}
