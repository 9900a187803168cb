//! The differences between what is in effect and what was read, in words: what a reload takes, what stays, what waits for a restart.
//! Pure: nothing is opened or changed here but the policy's file, which is read to be compared.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use actors::carrier::CarrierConfig;
use policy::{Policy, PolicyError};
use registry::PolicyRow;
use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::config::{Fleet, Lines, Pages, Sms};
use crate::policies;
use crate::tls::identities::Files;

/// The file and its keys' lines, if there is a file.
pub(super) struct At(pub(super) Option<(PathBuf, Lines)>);

/// The outcome of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// In effect now.
    pub(crate) changed: Vec<String>,
    /// Read again, and as it was.
    pub(crate) same: Vec<String>,
    /// Another value in the file, which a restart takes.
    pub(crate) restart: Vec<String>,
    /// The notes.
    pub(crate) notes: Vec<String>,
}

impl Reloaded {
    /// Notes that something is as it was, or not.
    pub(super) fn found(&mut self, same: bool, what: impl Into<String>) {
        let list = if same { &mut self.same } else { &mut self.changed };
        list.push(what.into());
    }

    fn waits(&mut self, at: &At, key: &str, read: impl Display, runs: impl Display) {
        let (read, runs) = (read.to_string(), runs.to_string());
        if read != runs {
            self.restart.push(format!("{} is {read}, and it runs with {runs}", at.of(key)));
        }
    }
}

/// The settings that are taken: those read, but for what waits for a restart, which is noted and stays as it runs.
pub(super) fn take(runs: &Settings, read: Settings, at: &At, told: &mut Reloaded) -> Settings {
    let Settings {
        data,
        test,
        keys,
        authority,
        certificate,
        key,
        quic,
        fronts,
        connections_max,
        http,
        enrol,
        pages,
        segment_bytes_max,
        queue_punches_max,
        retention_days: _,
        policy,
        log,
        operators,
        carriers,
        sms,
        fleet,
    } = read;
    told.waits(at, "test", test, runs.test);
    told.waits(at, "data", data.display(), runs.data.display());
    told.waits(at, "keys", keys.display(), runs.keys.display());
    told.waits(at, "quic.listen", quic, runs.quic);
    told.waits(at, "quic.fronts", fronts, runs.fronts);
    told.waits(at, "quic.connections_max", connections_max, runs.connections_max);
    told.waits(at, "http.listen", http, runs.http);
    told.waits(at, "enrol.listen", enrol, runs.enrol);
    told.waits(at, "ledger.segment_bytes_max", segment_bytes_max, runs.segment_bytes_max);
    told.waits(at, "ledger.queue_punches_max", queue_punches_max, runs.queue_punches_max);
    told.waits(at, "operators", operators, &runs.operators);
    let fleet_of = |fleet: Option<&Fleet>| fleet.map_or("no fleet".to_owned(), ToString::to_string);
    told.waits(at, "fleet", fleet_of(fleet.as_ref()), fleet_of(runs.fleet.as_ref()));
    let pages = take_pages(runs.pages.as_ref(), pages, at, told);
    let sms = match (&runs.sms, sms) {
        (Sms::Service(_), read @ Sms::Service(_)) => read,
        (runs, read) => {
            told.waits(at, "sms", way(&read), way(runs));
            runs.clone()
        }
    };
    Settings { authority, certificate, key, pages, policy, log, carriers, sms, ..runs.clone() }
}

const fn way(sms: &Sms) -> &'static str {
    match sms {
        Sms::Off => "no message service",
        Sms::Service(_) => "a message service",
        Sms::Development(_) => "messages that are shown",
    }
}

fn take_pages(runs: Option<&Pages>, read: Option<Pages>, at: &At, told: &mut Reloaded) -> Option<Pages> {
    let (runs, read) = match (runs, read) {
        (Some(runs), Some(read)) => (runs, read),
        (runs, read) => {
            let way = |there: bool| if there { "pages" } else { "no pages" };
            told.waits(at, "pages", way(read.is_some()), way(runs.is_some()));
            return runs.cloned();
        }
    };
    let host = |pages: &Pages| pages.host.clone().unwrap_or_else(|| "none".to_owned());
    let way = |pages: &Pages| if pages.certificate.is_some() { "HTTPS" } else { "plain HTTP" };
    told.waits(at, "pages.listen", read.listen, runs.listen);
    told.waits(at, "pages.host", host(&read), host(runs));
    let proxies = |pages: &Pages| format!("{:?}", pages.proxies);
    told.waits(at, "pages.proxies", proxies(&read), proxies(runs));
    told.waits(at, "pages.certificate", way(&read), way(runs));
    if way(&read) != way(runs) {
        return Some(runs.clone());
    }
    let Pages { certificate, key, .. } = read;
    Some(Pages { certificate, key, ..runs.clone() })
}

/// Certificates with their keys.
pub(super) fn files(runs: &Files, read: &Files, told: &mut Reloaded) {
    told.found(runs.server == read.server, "the gateway's certificate");
    told.found(runs.authority == read.authority, "the device authority");
    if read.pages.is_some() {
        told.found(runs.pages == read.pages, "the pages' certificate");
    }
}

/// Compares the log levels. `flag` is what the command line says.
pub(super) fn log(runs: &str, read: &str, flag: Option<&str>, told: &mut Reloaded) {
    match flag {
        Some(flag) if flag != read => {
            told.notes.push(format!("`log.level` is {read}, but --log {flag} of the command line counts"));
        }
        Some(_) => {}
        None if runs == read => told.found(true, "the log level"),
        None => told.found(false, format!("the log level: {read}")),
    }
}

/// Each carrier, by its id.
pub(super) fn carriers(runs: &[CarrierConfig], read: &[CarrierConfig], told: &mut Reloaded) {
    let before = told.changed.len();
    for now in read {
        let name = format!("carrier {}", now.id);
        match runs.iter().find(|then| then.id == now.id) {
            None => told.found(false, format!("{name}, which is new")),
            Some(then) if then == now => told.found(true, name),
            Some(then) => told.found(false, format!("{name}: {}", differing(then, now).join(", "))),
        }
    }
    let gone = runs.iter().filter(|then| read.iter().all(|now| now.id != then.id));
    told.changed.extend(gone.map(|gone| format!("carrier {}, which is asked no more", gone.id)));
    if told.changed.len() == before && runs != read {
        told.found(false, "the order in which carriers are asked");
    }
}

/// The keys of the file in which two entries of one carrier differ.
fn differing(one: &CarrierConfig, other: &CarrierConfig) -> Vec<&'static str> {
    let all = [
        ("name", one.name == other.name),
        ("name_zh", one.name_zh == other.name_zh),
        ("url", one.url == other.url),
        ("authority", one.authority_pem == other.authority_pem),
        ("key_id", one.key_id == other.key_id),
        ("key", one.secret == other.secret),
        ("permits", one.permits == other.permits),
        ("deadline_ms", one.deadline == other.deadline),
        ("reserved", one.reserved == other.reserved),
        ("travel_page", one.travel_page == other.travel_page),
        ("prefixes", one.prefixes == other.prefixes),
    ];
    all.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
}

/// Notes in `told` whether the policy's file is the policy in effect, the last of `all`, and what to do if it is not.
///
/// # Errors
/// The file is there and is no policy.
pub(super) fn policy(all: &[PolicyRow], file: &Path, told: &mut Reloaded) -> Result<(), PolicyError> {
    let Some((in_effect, before)) = all.split_last() else { return Ok(()) };
    let version = &in_effect.version;
    let path = file.display();
    let why = match policies::read(file) {
        Ok(text) if text == in_effect.text => {
            told.found(true, format!("policy {version}"));
            return Ok(());
        }
        Ok(text) => match Policy::parse(&text, file)?.version() {
            read if read == version => format!(
                "{path} says something else under the same version; give it a new one, then `changtong policy activate {path} --sign KEY`"
            ),
            read if before.iter().any(|row| row.version == read) => {
                format!("{path} is still {read}, which it replaced; write `changtong policy show` into it")
            }
            read => format!(
                "{path} is version {read}, which operators put into effect with `changtong policy activate {path} --sign KEY`"
            ),
        },
        Err(error) => format!("{error:#}"),
    };
    told.notes.push(format!("policy {version} stays in effect: {why}"));
    Ok(())
}
