//! The report of `loadtest peers`: a table for people, the README's comparison as Markdown, or everything as
//! JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::shape::thousands;
use super::{Figures, Measured, Options, Peer, PeersReport};
use crate::spread::Spread;

/// The notes under a table.
const NOTES: [&str; 4] = [
    "Median of the rounds (lowest to highest); ratios are of turns in the same round. All on loopback, TLS 1.3 with certificates \
     on both sides, files on the same disk.",
    "Latency is a frame's, from sending it to its last answer.",
    "A development city has few devices that may send large batches: the frames of the gateway and the echo are spread over those.",
    "PostgreSQL's connections are few, as behind a pool; frames wait for one.",
];

/// Formats a table for people.
pub fn table(options: &Options, outcome: &PeersReport) -> String {
    let mut text = format!("{}\n{}\n", run(options, outcome), versions(outcome));
    for measured in &outcome.shapes {
        let _ = writeln!(text, "\n  {}", shape(measured));
        let _ = writeln!(
            text,
            "  {:<18}{:>36}{:>16}{:>11}{:>11}{:>7}  {:<26}{:<5}gateway ÷ it",
            "",
            "punches/s",
            "p50 / p99 ms",
            "server µs",
            "client µs",
            "conn.",
            "durable when it answers",
            "TLS"
        );
        for peer in Peer::ALL {
            let Some(per_second) = measured.spread(peer, |one| Some(one.per_second)) else {
                if let Some(how) = outcome.absent.get(&peer) {
                    let _ = writeln!(text, "  {:<18}{how}", peer.name());
                }
                continue;
            };
            let ratio = if peer == Peer::Gateway { "-".to_owned() } else { ratio(measured.ratio(peer)) };
            let _ = writeln!(
                text,
                "  {:<18}{:>36}{:>16}{:>11}{:>11}{:>7}  {:<26}{:<5}{ratio}",
                peer.name(),
                rate(per_second),
                latency(measured, peer),
                micros(measured, peer, |one| one.server_cpu),
                micros(measured, peer, |one| one.client_cpu),
                connections(measured, peer),
                peer.durable(),
                "yes",
            );
        }
    }
    text.push('\n');
    for (peer, kept) in &outcome.kept {
        let (answered, held) = (thousands(kept.answered), thousands(kept.held));
        let _ = writeln!(text, "  {:<18}answered {answered} punches, holds {held}", peer.name());
    }
    for peer in outcome.versions.keys() {
        let _ = writeln!(text, "  {:<18}{}", peer.name(), peer.work());
    }
    for line in outcome.shapes.iter().flat_map(copies) {
        let _ = writeln!(text, "  {line}");
    }
    for note in NOTES {
        let _ = writeln!(text, "  {note}");
    }
    text
}

/// Formats the README's table, with the machine and the versions under it.
pub fn markdown(options: &Options, outcome: &PeersReport) -> String {
    let mut text =
        String::from("| connections × punches in a frame | | punches/s | p50 / p99 ms | server µs a punch ");
    text.push_str("| on disk when it answers | Changtong ÷ it |\n|---|---|---|---|---|---|---|\n");
    for measured in &outcome.shapes {
        let mut name = measured.shape.to_string();
        for peer in Peer::ALL {
            let Some(per_second) = measured.spread(peer, |one| Some(one.per_second)) else {
                if let Some(how) = outcome.absent.get(&peer) {
                    let _ = writeln!(text, "| {name} | {} | {how} | | | {} | |", peer.name(), peer.durable());
                    name.clear();
                }
                continue;
            };
            let ratio = if peer == Peer::Gateway { String::new() } else { ratio(measured.ratio(peer)) };
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} | {ratio} |",
                peer.name(),
                rate(per_second),
                latency(measured, peer),
                micros(measured, peer, |one| one.server_cpu),
                peer.durable()
            );
            name.clear();
        }
    }
    let _ = writeln!(text, "\n{}; {}.", run(options, outcome), versions(outcome));
    for peer in outcome.versions.keys() {
        let _ = writeln!(text, "{}: {}.", peer.name(), peer.work());
    }
    for line in outcome.shapes.iter().flat_map(copies) {
        let _ = writeln!(text, "{line}");
    }
    for note in NOTES {
        let _ = writeln!(text, "{note}");
    }
    text
}

/// Returns all figures of all rounds.
pub fn json(options: &Options, outcome: &PeersReport) -> Value {
    let shapes = outcome.shapes.iter().map(|measured| {
        let peers = Peer::ALL.into_iter().filter_map(|peer| {
            let per_second = measured.spread(peer, |one| Some(one.per_second))?;
            let rounds = measured.rounds.iter().filter_map(|round| round.get(&peer)).map(figures);
            Some(json!({
                "peer": peer.name(),
                "per_second": per_second,
                "p50_ms": measured.spread(peer, |one| Some(one.latency_ms[0])),
                "p99_ms": measured.spread(peer, |one| Some(one.latency_ms[1])),
                "server_us": measured.spread(peer, |one| Some(one.server_cpu?.as_secs_f64() * 1e6)),
                "gateway_of_it": measured.ratio(peer),
                "rounds": rounds.collect::<Vec<_>>(),
            }))
        });
        json!({"shape": measured.shape, "peers": peers.collect::<Vec<_>>()})
    });
    let peers = outcome.versions.iter().map(|(peer, version)| {
        let kept = outcome.kept.get(peer);
        json!({
            "peer": peer.name(), "version": version, "durable": peer.durable(), "tls": true, "work": peer.work(),
            "answered": kept.map(|kept| kept.answered), "held": kept.map(|kept| kept.held),
        })
    });
    let absent = outcome.absent.iter().map(|(peer, how)| json!({"peer": peer.name(), "how": how}));
    json!({
        "machine": outcome.machine, "commit": outcome.commit, "codes": outcome.codes, "pinned": options.pin,
        "rounds": options.rounds, "seconds": options.seconds, "peers": peers.collect::<Vec<_>>(),
        "absent": absent.collect::<Vec<_>>(), "shapes": shapes.collect::<Vec<_>>(),
    })
}

fn figures(one: &Figures) -> Value {
    let micros = |each: Option<std::time::Duration>| each.map(|each| each.as_secs_f64() * 1e6);
    json!({
        "punches": one.punches, "per_second": one.per_second, "p50_ms": one.latency_ms[0], "p99_ms": one.latency_ms[1],
        "server_us": micros(one.server_cpu), "client_us": micros(one.client_cpu), "connections": one.connections,
        "brokers_us": micros(one.brokers_cpu), "copied_after_s": one.copied_after.map(|after| after.as_secs_f64()),
    })
}

fn run(options: &Options, outcome: &PeersReport) -> String {
    let pinned = if options.pin { ", servers on one core and clients on another" } else { "" };
    let commit = outcome.commit.as_deref().map_or(String::new(), |commit| format!(", commit {commit}"));
    format!(
        "{}{commit}; {} codes, {} rounds of {} s of each{pinned}",
        outcome.machine,
        thousands(outcome.codes as u64),
        options.rounds,
        options.seconds
    )
}

fn versions(outcome: &PeersReport) -> String {
    outcome
        .versions
        .iter()
        .map(|(peer, version)| format!("{} {version}", peer.name()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn shape(measured: &Measured) -> String {
    let shape = measured.shape;
    match shape.batch {
        1 => format!("{shape}: connections, each with {} punch(es) under way", shape.in_flight),
        _ => format!(
            "{shape}: connections, each with {} frame(s) of {} punches under way",
            shape.in_flight, shape.batch
        ),
    }
}

fn rate(spread: Spread) -> String {
    let whole = |figure: f64| thousands(figure.round() as u64);
    format!("{} ({} to {})", whole(spread.median), whole(spread.low), whole(spread.high))
}

fn latency(measured: &Measured, peer: Peer) -> String {
    let at = |place: usize| {
        let spread = measured.spread(peer, |one| Some(one.latency_ms[place]));
        spread.map_or_else(|| "-".to_owned(), |spread| format!("{:.1}", spread.median))
    };
    format!("{} / {}", at(0), at(1))
}

fn micros(measured: &Measured, peer: Peer, each: impl Fn(&Figures) -> Option<std::time::Duration>) -> String {
    let spread = measured.spread(peer, |one| Some(each(one)?.as_secs_f64() * 1e6));
    spread.map_or_else(|| "-".to_owned(), |spread| format!("{:.2}", spread.median))
}

/// Formats what the second copies of gateways in a fleet cost, a line each.
fn copies(measured: &Measured) -> Vec<String> {
    let line = |peer: Peer| {
        let after = measured.spread(peer, |one| Some(one.copied_after?.as_secs_f64()))?;
        let brokers = micros(measured, peer, |one| one.brokers_cpu);
        Some(format!(
            "{}, {}: the second copy had everything {:.1} s, to half a second, after a turn of the load (at most {:.1}); its brokers took {brokers} µs a punch within it.",
            measured.shape,
            peer.name(),
            after.median,
            after.high
        ))
    };
    Peer::ALL.into_iter().filter_map(line).collect()
}

fn connections(measured: &Measured, peer: Peer) -> String {
    let spread = measured.spread(peer, |one| Some(one.connections as f64));
    spread.map_or_else(|| "-".to_owned(), |spread| thousands(spread.median.round() as u64))
}

fn ratio(spread: Option<Spread>) -> String {
    let text = |spread: Spread| format!("{:.2} ({:.2} to {:.2})", spread.median, spread.low, spread.high);
    spread.map_or_else(|| "-".to_owned(), text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use clap::Parser;

    use super::super::{Kept, Round};
    use super::*;
    use crate::machine::Machine;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn sample() -> (Options, PeersReport) {
        let figures = |per_second| Figures {
            punches: 3000,
            per_second,
            latency_ms: [1.0, 4.0],
            server_cpu: Some(Duration::from_micros(25)),
            client_cpu: None,
            brokers_cpu: Some(Duration::from_micros(9)),
            copied_after: Some(Duration::from_millis(1500)),
            connections: 1000,
        };
        let round =
            |gateway, redis| Round::from([(Peer::Gateway, figures(gateway)), (Peer::Redis, figures(redis))]);
        let shape = "1000x1".parse().unwrap();
        let rounds = vec![round(60_000.0, 20_000.0), round(50_000.0, 25_000.0), round(40_000.0, 40_000.0)];
        let outcome = PeersReport {
            machine: Machine {
                processor: "Abacus".to_owned(),
                cores: 2,
                memory_bytes: 1 << 30,
                kernel: "Linux 6".to_owned(),
            },
            commit: Some("abc123".to_owned()),
            codes: 2_000_000,
            versions: [(Peer::Gateway, "0.1.0".to_owned()), (Peer::Redis, "7.0.15".to_owned())].into(),
            absent: BTreeMap::from([(Peer::NatsSynced, "not measured: get it".to_owned())]),
            shapes: vec![Measured { shape, rounds }],
            kept: BTreeMap::from([(Peer::Redis, Kept { answered: 10_000, held: 10_001 })]),
        };
        (Command::try_parse_from(["peers"]).unwrap().options, outcome)
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_and_not_of_the_medians() {
        let (_, mut outcome) = sample();
        let rounds = &mut outcome.shapes[0].rounds;
        rounds[2].get_mut(&Peer::Gateway).unwrap().per_second = 200_000.0;
        let ratio = outcome.shapes[0].ratio(Peer::Redis).unwrap();
        assert_eq!([ratio.median, ratio.low, ratio.high], [3.0, 2.0, 5.0]);
    }

    #[test]
    fn the_table_names_machine_versions_figures_and_what_was_kept() {
        let (options, outcome) = sample();
        let text = table(&options, &outcome);
        for part in [
            "Abacus, 2 cores, Linux 6, commit abc123; 2,000,000 codes, 5 rounds of 3 s",
            "Changtong 0.1.0, Redis 7.0.15",
            "1,000 × 1",
            "25,000 (20,000 to 40,000)",
            "1.0 / 4.0",
            "25.00",
            "2.00 (1.00 to 3.00)",
            "Redis: the second copy had everything 1.5 s, to half a second, after a turn of the load (at most 1.5); its brokers took 9.00 µs a punch within it",
            "answered 10,000 punches, holds 10,001",
            "NATS synced       not measured: get it",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("PostgreSQL 15") && !text.contains("NATS JetStream  "), "{text}");
    }

    #[test]
    fn the_markdown_is_one_table_of_equal_rows() {
        let (options, outcome) = sample();
        let text = markdown(&options, &outcome);
        let rows: Vec<_> = text.lines().take_while(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), 5, "{text}");
        assert!(rows.iter().all(|row| row.matches('|').count() == rows[0].matches('|').count()), "{text}");
        assert!(rows[3].starts_with("|  | Redis | 25,000 (20,000 to 40,000) |"), "{text}");
        assert!(rows[4].contains("NATS synced | not measured: get it |"), "{text}");
        assert!(text.contains("Abacus, 2 cores"), "{text}");
    }

    #[test]
    fn the_json_has_every_round() {
        let (options, outcome) = sample();
        let json = json(&options, &outcome);
        assert_eq!(json["shapes"][0]["peers"][1]["rounds"].as_array().unwrap().len(), 3);
        assert_eq!(json["shapes"][0]["peers"][1]["gateway_of_it"]["median"], 2.0);
        assert_eq!(json["peers"][1]["held"], 10_001);
        assert_eq!(json["machine"]["cores"], 2);
        assert_eq!(json["absent"][0]["peer"], "NATS synced");
    }
}
