//! `changtong serve --config FILE`: one TOML file. There is no default for a secret or for where one lies, an unknown key is an
//! error, and everything that is wrong is named at once, with its line. `check-config` reads it the same way.

mod carriers;
mod fleet;
mod fronts;
pub(crate) mod named;
mod operators;
mod pages;
mod reader;
mod settings;
mod sms;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use registry::CONSENT_DAYS;

pub(crate) use carriers::{Carrier, read, secret};
pub(crate) use fleet::{Copying, Fleet, origin};
pub(crate) use fronts::{CONNECTIONS, CONNECTIONS_MAX, FRONTS_MAX, Fronts};
pub(crate) use operators::Operators;
pub(crate) use pages::Pages;
pub(crate) use reader::at_of;
pub(crate) use reader::{Fault, Lines};
use reader::{Reader, Table};
pub(crate) use settings::Settings;
pub(crate) use sms::{Service, Sms};

/// A closed segment is read as a whole: 256 MiB is a busy hour and fits memory many times.
pub(crate) const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;
/// Punches that may wait for a sync: a few seconds of a disk that stalls.
pub(crate) const QUEUE_PUNCHES: usize = 256 * 1024;
/// The level of the log if neither the configuration nor the command line says it.
pub(crate) const LOG_LEVEL: &str = "info,actix_server=warn";
/// The retention that the notice allows.
pub(crate) const RETENTION_DAYS: u32 = 14;
// A consent to a query at a gate tells of a passage.
const _: () = assert!(CONSENT_DAYS <= RETENTION_DAYS as u64);

/// The content of a file, and where.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) path: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) lines: Lines,
}

/// Why a gateway does not start with a file: all that is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Refused {
    pub(crate) path: PathBuf,
    pub(crate) faults: Vec<Fault>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a gateway does not start with this configuration")?;
        for Fault { line, what } in &self.faults {
            write!(f, "\n{}:{line}: {what}", self.path.display())?;
        }
        Ok(())
    }
}

/// Reads the file alone.
pub(crate) fn read_file(path: &Path) -> Result<Config, Refused> {
    let text = std::fs::read_to_string(path).map_err(|error| Refused {
        path: path.to_owned(),
        faults: vec![Fault { line: 1, what: format!("it cannot be read: {error}") }],
    })?;
    parse(&text, path)
}

/// Reads the text alone.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Config, Refused> {
    let reader = Reader::new(text);
    let settings = read_settings(reader.root());
    let (faults, lines) = reader.finish();
    let path = path.to_owned();
    match settings {
        Some(settings) if faults.is_empty() => Ok(Config { path, settings, lines }),
        Some(_) | None => Err(Refused { path, faults }),
    }
}

/// `None` when something is missing or wrong, which is noted then.
fn read_settings(mut root: Table<'_, '_>) -> Option<Settings> {
    let test = root.optional("test").unwrap_or(false);
    let (data, keys, policy) = (root.required("data"), root.required("keys"), root.required("policy"));
    let quic = root.section("quic").and_then(read_quic);
    let http = root.section("http").and_then(|mut table| (table.required("listen"), table.end()).0);
    let enrol = root.section("enrol").and_then(read_enrol);
    let (segment_bytes_max, queue_punches_max) =
        root.optional_section("ledger").map_or((SEGMENT_BYTES, QUEUE_PUNCHES), read_ledger);
    let log = root.optional_section("log").and_then(read_log).unwrap_or_else(|| LOG_LEVEL.to_owned());
    let operators = root.optional_section("operators").and_then(Operators::read).unwrap_or_default();
    let carriers = root.sections("carrier").into_iter().filter_map(Carrier::read).collect();
    let sms = root.optional_section("sms").and_then(Service::read);
    let pages = root.optional_section("pages").and_then(Pages::read);
    let fleet = root.optional_section("fleet").map(Fleet::read);
    root.end();
    let (quic, (enrol, authority)) = (quic?, enrol?);
    Some(Settings {
        test,
        data: data?,
        keys: keys?,
        authority,
        certificate: quic.certificate,
        key: quic.key,
        quic: quic.listen,
        fronts: quic.fronts,
        connections_max: quic.connections_max,
        http: http?,
        enrol,
        pages,
        segment_bytes_max,
        queue_punches_max,
        retention_days: RETENTION_DAYS,
        policy: policy?,
        log,
        operators,
        carriers,
        sms: sms.map_or(Sms::Off, Sms::Service),
        fleet: fleet.flatten(),
    })
}

/// The section `[quic]`.
struct Quic {
    listen: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    fronts: Fronts,
    connections_max: usize,
}

fn read_quic(mut table: Table<'_, '_>) -> Option<Quic> {
    let (listen, certificate, key) =
        (table.required("listen"), table.required("certificate"), table.required("key"));
    let fronts = table.optional("fronts").unwrap_or_default();
    let connections_max = table.optional("connections_max").unwrap_or(CONNECTIONS);
    table.end();
    Some(Quic { listen: listen?, certificate: certificate?, key: key?, fronts, connections_max })
}

fn read_enrol(mut table: Table<'_, '_>) -> Option<(SocketAddr, PathBuf)> {
    let (listen, authority) = (table.required("listen"), table.required("authority"));
    table.end();
    Some((listen?, authority?))
}

fn read_ledger(mut table: Table<'_, '_>) -> (u64, usize) {
    let segment = table.optional("segment_bytes_max").unwrap_or(SEGMENT_BYTES);
    let queue = table.optional("queue_punches_max").unwrap_or(QUEUE_PUNCHES);
    table.end();
    (segment, queue)
}

fn read_log(mut table: Table<'_, '_>) -> Option<String> {
    let level = table.optional("level");
    table.end();
    level
}

/// The place where commands find a gateway.
pub(crate) struct Whereabouts {
    pub(crate) data: PathBuf,
    pub(crate) keys: Option<PathBuf>,
    /// The operators' socket, if it is not in the data.
    pub(crate) socket: Option<PathBuf>,
}

/// Reads where the gateway of a configuration file is, even if other parts of the file are wrong.
pub(crate) fn whereabouts(path: &Path) -> anyhow::Result<Whereabouts> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let reader = Reader::new(&text);
    let mut root = reader.root();
    let (data, keys) = (root.optional("data"), root.optional("keys"));
    let socket = root.optional_section("operators").and_then(|mut table| table.optional("socket"));
    let data = data.with_context(|| {
        format!(
            "{0} does not say where the gateway is: `changtong check-config {0}` says why",
            path.display()
        )
    })?;
    Ok(Whereabouts { data, keys, socket })
}
