//! The report of `loadtest floor` as JSON: the conditions, every round, and what was concluded.

use serde_json::{Value, json};

use super::verdict::{Verdict, noise};
use super::{Figures, Measured, Options, Report, growth, scans};
use crate::spread::Spread;

/// Returns all figures of all rounds.
pub fn json(options: &Options, report: &Report) -> Value {
    json!({
        "machine": report.machine, "commit": report.commit, "profile": report.profile, "gateways": report.gateways,
        "batch": options.batch, "in_flight": options.in_flight, "rate": options.rate, "verify": options.verify,
        "rounds": options.rounds, "seconds": options.seconds, "pinned": options.pin, "goal": options.goal,
        "measured": report.measured.iter().map(|one| measured(options, one)).collect::<Vec<_>>(),
        "growth": growth(&report.measured),
    })
}

fn measured(options: &Options, one: &Measured) -> Value {
    let rounds = one.rounds.iter().map(|round| {
        json!({
            "echo": figures(&round.echo), "gateway": figures(&round.gateway), "other": round.other.as_ref().map(figures),
            "sync_us": round.sync.as_secs_f64() * 1e6,
        })
    });
    let spread = |each: Vec<f64>| Spread::of(each.into_iter());
    let against = one.rounds.iter().any(|round| round.other.is_some()).then(|| {
        json!({
            "per_second": spread(one.of_other(scans)), "per_second_verdict": one.compared(scans),
            "server_cpu": spread(one.of_other(Figures::cpu_us)), "server_cpu_verdict": one.compared(Figures::cpu_us),
        })
    });
    let goal: Option<Verdict> = options.goal.and_then(|goal| one.judged(goal));
    json!({
        "devices": one.devices, "connection_kib": one.connection_kib,
        "echo_noise": noise(&one.echo(scans)), "echo_cpu_noise": noise(&one.echo(Figures::cpu_us)),
        "of_echo": {
            "per_second": spread(one.of_echo(scans)), "server_cpu": spread(one.of_echo(Figures::cpu_us)),
            "p50": spread(one.of_echo(|figures| Some(figures.latency_ms[0]))),
            "p99": spread(one.of_echo(|figures| Some(figures.latency_ms[1]))),
        },
        "goal": goal, "of_other": against, "rounds": rounds.collect::<Vec<_>>(),
    })
}

fn figures(one: &Figures) -> Value {
    let client_us = one.client_cpu.map(|cpu| cpu.as_secs_f64() * 1e6);
    json!({
        "per_second": one.per_second, "server_us": one.cpu_us(), "client_us": client_us, "latency_ms": one.latency_ms,
    })
}
