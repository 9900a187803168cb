//! The checks of a fleet: where the running gateway stands in it, as it says itself, and the broker's servers, each by the greeting that it
//! sends to whoever connects. Nothing is signed in to, and nothing is changed.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;
use fleet::{Lacking, Standing};
use protocol::metric;
use serde::Deserialize;

use crate::config::named::Named;
use crate::config::{self, Settings};
use crate::finding::{Finding, State};
use crate::history::History;
use crate::operator::orders::time;
use crate::operator::{self, Act, Done};

const ID: &str = "fleet-adrift";
/// The longest wait for a server's greeting.
const GREETING: Duration = Duration::from_secs(2);
/// A greeting has a few hundred bytes, and more with many addresses of its cluster.
const GREETING_BYTES_MAX: u64 = 64 * 1024;
/// The first release that can sync each message before it acknowledges.
const SYNCS_SINCE: (u32, u32) = (2, 10);
const PLACE_ACTION: &str = "see the runbook; punches and verifies go on meanwhile";
const BROKER_ACTION: &str =
    "check that nats-server runs there, and the network to it; two of three have to run";

/// Checks the fleet of a gateway that is part of one.
pub(crate) fn examine(settings: &Settings, now_s: u64) -> Vec<Finding> {
    let standing = standing(&Named::of(settings));
    let mut findings: Vec<Finding> = standing.iter().flat_map(|standing| place(standing, now_s)).collect();
    findings.extend(brokers(settings));
    findings
}

/// Asks the running gateway where it stands. One that is in no fleet, as its metrics tell, is not asked: it would log that it refused. That it
/// does not run or not answer is another check's finding.
fn standing(named: &Named) -> Option<Standing> {
    let Ok(Some(Done::Vitals { metrics, .. })) = operator::ask_running(named, &Act::Vitals) else {
        return None;
    };
    if History::of(&metrics).series(metric::FLEET_LEADS).is_empty() {
        return None;
    }
    match operator::ask_running(named, &Act::Fleet) {
        Ok(Some(Done::Fleet(standing))) => Some(standing),
        Ok(_) | Err(_) => None,
    }
}

/// Checks the broker's servers.
pub(crate) fn brokers(settings: &Settings) -> Vec<Finding> {
    let Some(fleet) = &settings.fleet else { return Vec::new() };
    let servers = fleet.servers();
    let mut findings: Vec<Finding> = servers.iter().map(|server| broker(server, greeting(server))).collect();
    findings.extend(enough(fleet, &findings));
    findings
}

fn place(standing: &Standing, now_s: u64) -> Vec<Finding> {
    let Standing { name, leads, leader, position, end, trouble, .. } = standing;
    let place = match (leader, trouble) {
        _ if *leads => Finding::ok(ID, format!("{name} leads the fleet")),
        (Some(leader), None) if !standing.is_adrift() => {
            Finding::ok(ID, format!("{name} follows {}", leader.name))
        }
        (_, trouble) => {
            let why = trouble.as_deref().unwrap_or("no gateway leads, or the broker does not answer");
            Finding::fail(ID, format!("{name} neither leads nor follows: {why}"), PLACE_ACTION)
        }
    };
    let age_s = standing.colours_age_s;
    let colours = standing.old_colours_s().map(|_| {
        let what = format!("{name} shows the colours of its fleet from {age_s} s ago");
        match age_s as f64 > alerts::COLOURS_AGE_PAGE_S {
            true => Finding::fail(ID, what, PLACE_ACTION),
            false => Finding::warn(ID, what, PLACE_ACTION),
        }
    });
    let lag = match standing.lag() {
        0 => Finding::ok("fleet-lag", format!("{name} has all {end} messages of the fleet")),
        lag => {
            let what = format!("{name} has {position} of {end} messages of the fleet, {lag} are to come");
            Finding::warn("fleet-lag", what, "look again in some seconds; if it does not grow, read the log")
        }
    };
    let clock = standing.clock_trouble().map(|apart| {
        let action = "set the clock of whichever machine is wrong: codes that one gateway makes have run out at another, or are not good yet";
        Finding::fail("clock-wrong", format!("{name}: {apart}"), action)
    });
    let keys = standing.lacking.as_ref().map(|lacking| apart(lacking, now_s));
    [place, lag].into_iter().chain(colours).chain(clock).chain(keys).collect()
}

/// Tells of a token key that a gateway lacks: a failure from its moment on.
fn apart(Lacking { gateway, key }: &Lacking, now_s: u64) -> Finding {
    const ID: &str = "keys-apart";
    let action = "copy it there, for the gateway's user alone, mode 0600, and restart that gateway";
    let file = &key.file;
    match key.good_from_s.filter(|good_from_s| *good_from_s > now_s) {
        Some(good_from_s) => {
            let what = format!("{gateway} lacks {file}, which is good from {}", time(good_from_s));
            Finding::warn(ID, what, action)
        }
        None => {
            let what = format!("{gateway} lacks {file}: it cannot read the codes that are issued under it");
            Finding::fail(ID, what, action)
        }
    }
}

/// The part of a server's greeting that matters here.
#[derive(Deserialize)]
struct Greeting {
    version: String,
    #[serde(default)]
    jetstream: bool,
    #[serde(default)]
    tls_required: bool,
}

fn greeting(server: &str) -> anyhow::Result<Greeting> {
    let (_, place) = server.split_once("://").context("no address")?;
    let address = place.to_socket_addrs()?.next().context("its name has no address")?;
    let stream = TcpStream::connect_timeout(&address, GREETING)?;
    stream.set_read_timeout(Some(GREETING))?;
    let mut line = String::new();
    BufReader::new(stream.take(GREETING_BYTES_MAX)).read_line(&mut line)?;
    let text = line.strip_prefix("INFO ").context("it does not greet as nats-server does")?;
    Ok(serde_json::from_str(text)?)
}

fn broker(server: &str, greeting: anyhow::Result<Greeting>) -> Finding {
    let Greeting { version, jetstream, tls_required } = match greeting {
        Ok(greeting) => greeting,
        Err(error) => {
            return Finding::warn(
                ID,
                format!("the broker {server} does not answer: {error:#}"),
                BROKER_ACTION,
            );
        }
    };
    if !jetstream {
        let what = format!("the broker {server} has no JetStream");
        return Finding::fail(ID, what, "add a section `jetstream` to its configuration");
    }
    if !syncs(&version) {
        return Finding::warn(
            ID,
            format!(
                "the broker {server}, nats-server {version}, does not sync each change before it acknowledges"
            ),
            "run nats-server 2.10 or newer with `sync_interval: always`: a power failure may lose changes otherwise",
        );
    }
    if !tls_required && !is_here(server) {
        let what = format!("the broker {server} takes connections without TLS");
        return Finding::warn(ID, what, "give it a section `tls`, as the example of three machines has it");
    }
    Finding::ok(ID, format!("the broker {server} answers: nats-server {version} with JetStream"))
}

fn syncs(version: &str) -> bool {
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    parts.next().zip(parts.next()).is_some_and(|version| version >= SYNCS_SINCE)
}

fn is_here(server: &str) -> bool {
    let place = server.split_once("://").map_or(server, |(_, place)| place);
    ["127.0.0.1:", "localhost:", "[::1]:"].iter().any(|here| place.starts_with(here))
}

/// Checks that a change can be held by as many servers as it is to be.
fn enough(fleet: &config::Fleet, brokers: &[Finding]) -> Option<Finding> {
    let (named, replicas) = (brokers.len(), fleet.replicas());
    let answer = brokers.iter().filter(|finding| finding.action != BROKER_ACTION).count();
    if answer <= replicas / 2 {
        let what = format!(
            "{answer} of the broker's servers answer, and a change is held by {replicas}: there is no majority"
        );
        return Some(Finding::fail(ID, what, BROKER_ACTION));
    }
    (named < replicas && brokers.iter().all(|finding| finding.state == State::Ok)).then(|| {
        let what = format!("`servers` names {named}, and a change is held by {replicas}");
        Finding::warn(ID, what, "name all of the broker's servers: those that are not named are not tried")
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    const NOW_S: u64 = 1_600_000_000;

    /// Returns the finding about a server that greets with these words.
    fn found(words: &'static str) -> Finding {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("nats://{}", listener.local_addr().unwrap());
        let greets = std::thread::spawn(move || listener.accept().unwrap().0.write_all(words.as_bytes()));
        let finding = broker(&server, greeting(&server));
        greets.join().unwrap().unwrap();
        finding
    }

    #[test]
    fn a_server_is_judged_by_its_greeting() {
        for (words, state, said) in [
            ("INFO {\"version\":\"2.15.1\",\"jetstream\":true} \r\n", State::Ok, "2.15.1 with JetStream"),
            ("INFO {\"version\":\"2.9.10\",\"jetstream\":true} \r\n", State::Warn, "does not sync"),
            ("INFO {\"version\":\"2.15.1\"} \r\n", State::Fail, "no JetStream"),
            ("SSH-2.0-OpenSSH\r\n", State::Warn, "does not greet as nats-server"),
            ("", State::Warn, "does not greet as nats-server"),
        ] {
            let finding = found(words);
            assert!(finding.state == state && finding.what.contains(said), "{words}: {finding:?}");
        }
        let far = Greeting { version: "2.12.0".to_owned(), jetstream: true, tls_required: false };
        assert!(broker("nats://10.0.0.1:4222", Ok(far)).what.contains("without TLS"));
    }

    #[test]
    fn too_few_servers_are_a_failure_and_too_few_names_a_warning() {
        let fleet = config::Fleet::development(String::new(), <_>::default(), Vec::new(), None);
        let well = || Finding::ok(ID, "answers");
        let away = || Finding::warn(ID, "does not answer", BROKER_ACTION);
        let enough = |brokers: &[Finding]| enough(&fleet, brokers).map(|finding| finding.state);
        assert_eq!(enough(&[well(), well(), well()]), None);
        assert_eq!(enough(&[well(), well(), away()]), None, "it is told once");
        assert_eq!(enough(&[well(), away(), away()]), Some(State::Fail));
        assert_eq!(enough(&[well(), well()]), Some(State::Warn));
    }

    #[test]
    fn a_gateway_says_where_it_stands() {
        let leader = |name: &str| fleet::Leader { name: name.to_owned(), address: String::new() };
        let follows = Standing {
            name: "south".to_owned(),
            leader: Some(leader("north")),
            connected: true,
            position: 3,
            end: 5,
            ..Standing::default()
        };
        let states = |standing: &Standing| {
            place(standing, NOW_S).iter().map(|finding| finding.state).collect::<Vec<_>>()
        };
        assert_eq!(states(&follows), [State::Ok, State::Warn]);
        assert_eq!(states(&Standing { leads: true, end: 3, ..follows.clone() }), [State::Ok, State::Ok]);
        assert_eq!(states(&Standing { connected: false, ..follows.clone() }), [State::Fail, State::Warn]);
        for (colours_age_s, state) in [(4, None), (5, Some(State::Warn)), (61, Some(State::Fail))] {
            let aged = Standing { colours_age_s, ..follows.clone() };
            assert_eq!(states(&aged).get(2).copied(), state, "{colours_age_s} s");
        }
        for (ahead_s, said) in [(20, None), (3_600, Some("3600 s ahead of")), (-3_600, Some("3600 s behind"))]
        {
            let clock = place(&Standing { ahead_s, end: 3, ..follows.clone() }, NOW_S).into_iter().nth(2);
            assert_eq!(clock.is_some(), said.is_some());
            assert!(
                clock.is_none_or(|clock| clock.state == State::Fail && clock.what.contains(said.unwrap()))
            );
        }
    }

    #[test]
    fn a_token_key_that_a_gateway_lacks_is_a_warning_before_its_moment_and_a_failure_afterwards() {
        for (good_from_s, state) in
            [(Some(NOW_S + 1), State::Warn), (Some(NOW_S), State::Fail), (None, State::Fail)]
        {
            let key = keys::TokenFile { file: "token-2.key".to_owned(), good_from_s };
            let found = apart(&Lacking { gateway: "south".to_owned(), key }, NOW_S);
            assert!(found.state == state && found.what.starts_with("south lacks token-2.key"), "{found:?}");
        }
    }
}
