//! The report of `loadtest floor` as a table for people.

use std::fmt::Write;
use std::time::Duration;

use super::verdict::{Verdict, noise};
use super::{Figures, Measured, Options, Report, Round, growth, scans};
use crate::spread::Spread;

/// Formats the conditions, every round, then the gateway's figures as shares of raw QUIC's.
pub fn table(options: &Options, report: &Report) -> String {
    let what = if options.verify { "verifies" } else { "punches" };
    let pace = match options.rate {
        Some(rate) => format!("{rate} frames/s at their time"),
        None => format!("{} under way", options.in_flight),
    };
    let pinned = if options.pin { ", servers on one core and clients on another" } else { "" };
    let mut text = format!(
        "{what}, {} in a frame, {pace}; {} rounds of {} s, gateway beside raw QUIC{pinned}\n",
        options.batch, options.rounds, options.seconds
    );
    text += &conditions(report);
    for one in &report.measured {
        text += &measured(options, one);
    }
    if report.measured.len() > 1 {
        text += &grown(&report.measured);
    }
    text
}

/// Formats the machine and the builds: without them a figure says nothing.
fn conditions(report: &Report) -> String {
    let commit = report.commit.as_deref().unwrap_or("unknown");
    let mut text = format!("  {}\n", report.machine);
    let _ = writeln!(text, "  {:<32}{}, commit {commit}", "clients and raw QUIC", report.profile);
    for (name, version) in ["gateway", "other program"].iter().zip(&report.gateways) {
        let _ = writeln!(text, "  {name:<32}{version}");
    }
    if report.profile == "dev" || report.gateways.iter().any(|version| version.contains("(dev,")) {
        text += "  a program that was built for tests takes part: these are no figures of the shipped one\n";
    }
    text
}

fn measured(options: &Options, one: &Measured) -> String {
    let rounds = &one.rounds;
    let mut text = format!("\n{} connections\n", one.devices);
    let _ = writeln!(
        text,
        "  {:<7}{:<9}{:>11}{:>26}{:>12}{:>12}",
        "round", "", "scans/s", "p50 / p99 / p999 ms", "server µs", "client µs"
    );
    for (number, round) in (1..).zip(rounds) {
        text += &figures(&number.to_string(), "echo", &round.echo);
        text += &figures("", "gateway", &round.gateway);
        text += &round.other.map(|other| figures("", "other", &other)).unwrap_or_default();
    }
    text += "\n  gateway of raw QUIC: median of the rounds (lowest to highest)\n";
    text += &spread("scans a second", one.of_echo(scans));
    text += &spread("p50", one.of_echo(|one| Some(one.latency_ms[0])));
    text += &spread("p99", one.of_echo(|one| Some(one.latency_ms[1])));
    text += &spread("server's processor time", one.of_echo(Figures::cpu_us));
    if !options.verify {
        let sync_ms = |round: &Round| round.sync.as_secs_f64() * 1000.0;
        let floor_ms = |round: &Round| round.echo.latency_ms[0] + sync_ms(round);
        let of_floor = rounds.iter().map(|one| one.gateway.latency_ms[0] / floor_ms(one));
        text += &spread("p50, of raw QUIC's + one sync", of_floor.collect());
        text += &spread("one sync of 4 KiB, ms", rounds.iter().map(sync_ms).collect());
    }
    if let Some(kib) = one.connection_kib {
        let _ = writeln!(text, "  {:<32}{kib:.1} KiB", "memory of a connection");
    }
    let moved =
        |each: Vec<f64>| noise(&each).map_or("-".to_owned(), |noise| format!("{:.0} %", noise * 100.0));
    let (rate, cpu) = (moved(one.echo(scans)), moved(one.echo(Figures::cpu_us)));
    let _ = writeln!(
        text,
        "  {:<32}{rate} in scans a second, {cpu} in processor time",
        "the echo alone moved by"
    );
    if let Some(goal) = options.goal {
        let _ = writeln!(text, "  {:<32}{}", format!("the goal of {goal}"), said(one.judged(goal)));
    }
    if rounds.iter().any(|round| round.other.is_some()) {
        text += "\n  gateway of the other program: median of the rounds (lowest to highest)\n";
        text += &spread("scans a second", one.of_other(scans));
        let _ = writeln!(text, "  {:<32}{}", "", said(one.compared(scans)));
        text += &spread("server's processor time", one.of_other(Figures::cpu_us));
        let _ = writeln!(text, "  {:<32}{}", "", said(one.compared(Figures::cpu_us)));
    }
    text
}

fn grown(measured: &[Measured]) -> String {
    let mut text = "\nprocessor time of a scan, and its growth since the first line; the last column is the gateway's growth divided by raw QUIC's\n"
        .to_owned();
    let _ = writeln!(
        text,
        "  {:>11}{:>13}{:>10}{:>28}{:>10}{:>10}{:>15}",
        "connections", "gateway µs", "echo µs", "gateway of echo", "gateway", "echo", "gateway/echo"
    );
    for one in growth(measured) {
        let Spread { median, low, high } = one.of_echo;
        let ratio = format!("{median:.2} ({low:.2} to {high:.2})");
        let _ = writeln!(
            text,
            "  {:>11}{:>13.2}{:>10.2}{ratio:>28}{:>10.2}{:>10.2}{:>15.2}",
            one.devices,
            one.gateway_us.median,
            one.echo_us.median,
            one.gateway_growth,
            one.echo_growth,
            one.relative
        );
    }
    text
}

fn said(verdict: Option<Verdict>) -> String {
    verdict.map_or_else(|| "no figures".to_owned(), |verdict| verdict.to_string())
}

fn figures(number: &str, peer: &str, one: &Figures) -> String {
    let [p50, p99, p999] = one.latency_ms;
    let latency = format!("{p50:.2} / {p99:.2} / {p999:.2}");
    let (server, client) = (micros(one.server_cpu), micros(one.client_cpu));
    format!("  {number:<7}{peer:<9}{:>11.0}{latency:>26}{server:>12}{client:>12}\n", one.per_second)
}

/// Formats a figure's median with its lowest and highest; empty if no round has it.
fn spread(name: &str, each: Vec<f64>) -> String {
    let row = |Spread { median, low, high }| format!("  {name:<32}{median:.2}  ({low:.2} to {high:.2})\n");
    Spread::of(each.into_iter()).map(row).unwrap_or_default()
}

fn micros(each: Option<Duration>) -> String {
    each.map_or_else(|| "-".to_owned(), |each| format!("{:.2}", each.as_secs_f64() * 1e6))
}
