//! The check of a configuration's files before a start: each file is read as the gateway reads it, and all faults that would prevent
//! a start are reported at once. Nothing is changed and nothing is sent; checks that use the network are in `probes`.

mod private;

use std::net::SocketAddr;
use std::path::Path;

use actors::carrier::Carriers;
use actors::sunset;
use anyhow::Context;
use keys::{Keys, read_secret};
use policy::Policy;
use registry::{PolicyRow, Registry, RegistryError};
use rustix::fs::{Access, access};

use crate::config::Settings;
use crate::config::{
    CONNECTIONS_MAX, Carrier, Config, Fault, Fleet, Refused, Sms, at_of, read, read_file, secret,
};
use crate::host::owner::User;
use crate::host::vouching;
use crate::tls::identities::Pair;
use crate::tls::pki;
use crate::tls::transport::{self, TlsFiles};
use crate::{policies, telemetry};

/// A segment begins with every device's mark, and is begun anew when it is full: less would be nothing but beginnings …
const SEGMENT_BYTES_MIN: u64 = 1024 * 1024;
/// … and one is read as a whole.
const SEGMENT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// One concentrator's window.
const QUEUE_PUNCHES_MIN: usize = 4096;

/// Everything that a gateway would not start with, in the order of the file.
pub(crate) fn faults(config: &Config) -> Vec<Fault> {
    let mut check = Check { config, faults: Vec::new() };
    if let Err(ended) = sunset::refuse(&config.settings.data) {
        // Nothing else matters any more.
        check.say("data", ended);
        return check.faults;
    }
    check.data();
    let keys = check.keys();
    let before = check.faults.len();
    let in_effect = keys.and_then(|keys| check.registry(&keys));
    if check.faults.len() == before {
        check.stores();
    }
    check.policy(in_effect);
    check.log();
    check.operators();
    check.ledger();
    check.fleet();
    check.connections();
    check.certificates();
    check.addresses();
    check.carriers();
    check.messages();
    check.pages();
    check.proxies();
    check.owners();
    check.faults.sort_by_key(|fault| fault.line);
    check.faults
}

struct Check<'a> {
    config: &'a Config,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn say(&mut self, key: &str, what: impl std::fmt::Display) {
        let line = self.config.lines.of(key);
        self.faults.push(Fault { line, what: format!("`{key}`: {what:#}") });
    }

    fn must<T>(&mut self, key: &str, result: anyhow::Result<T>) -> Option<T> {
        result.map_err(|error| self.say(key, error)).ok()
    }

    fn data(&mut self) {
        let data = &self.config.settings.data;
        if !data.is_dir() {
            let what = format!("{} is no directory; make it, for the gateway's user alone", data.display());
            self.say("data", what);
        } else if let Err(error) = access(data.as_path(), Access::WRITE_OK | Access::EXEC_OK) {
            self.say("data", format!("{} cannot be written: {error}", data.display()));
        }
    }

    fn keys(&mut self) -> Option<Keys> {
        let Settings { data, keys, .. } = &self.config.settings;
        if lies_in(keys, data) {
            self.say("keys", "keys must lie outside data: a copy of the data must not open it");
        }
        let status = self.must("keys", Keys::status(keys).map_err(Into::into))?;
        let problems: Vec<String> = status.into_iter().filter_map(|key| key.problem).collect();
        let loaded = Keys::load(keys).and_then(|loaded| Keys::check_days(keys).map(|()| loaded));
        // What is missing altogether is in no list.
        let unsaid = loaded.as_ref().err().map(ToString::to_string).filter(|said| !problems.contains(said));
        problems.into_iter().chain(unsaid).for_each(|problem| self.say("keys", problem));
        loaded.ok()
    }

    /// The registry, if there is one: whether this release opens it with these keys, and the policy in effect.
    fn registry(&mut self, keys: &Keys) -> Option<PolicyRow> {
        let path = Settings::registry_path(&self.config.settings.data);
        if !path.exists() {
            return None;
        }
        match Registry::open_to_read(&path, keys).and_then(|registry| registry.newest_policy()) {
            Ok(policy) => policy,
            // A start brings it to this release's version.
            Err(RegistryError::Older { .. }) => None,
            Err(error) => {
                self.say("data", anyhow::Error::from(error));
                None
            }
        }
    }

    /// The punch log and the registry, which vouch for each other.
    fn stores(&mut self) {
        let Settings { data, keys, .. } = &self.config.settings;
        self.must("data", vouching::look(data, keys));
    }

    /// A registry has its own policy; the file is what a new one begins with.
    fn policy(&mut self, in_effect: Option<PolicyRow>) {
        let path = &self.config.settings.policy;
        match in_effect {
            Some(PolicyRow { version, text, .. }) => {
                let name = format!("policy {version} in the registry");
                self.must("data", Policy::parse(&text, Path::new(&name)).map_err(Into::into));
            }
            None => {
                let read = policies::read(path).and_then(|text| Ok(Policy::parse(&text, path)?));
                self.must("policy", read);
            }
        }
    }

    fn log(&mut self) {
        let read = telemetry::filter(&self.config.settings.log);
        self.must("log.level", read);
    }

    fn operators(&mut self) {
        let Settings { data, operators, .. } = &self.config.settings;
        self.must("operators", operators.check(data));
    }

    fn ledger(&mut self) {
        let Settings { segment_bytes_max, queue_punches_max, .. } = &self.config.settings;
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(segment_bytes_max) {
            let range = format!("it is not {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}");
            self.say("ledger.segment_bytes_max", range);
        }
        if *queue_punches_max < QUEUE_PUNCHES_MIN {
            self.say("ledger.queue_punches_max", format!("it is less than {QUEUE_PUNCHES_MIN}"));
        }
    }

    /// The section of the fleet with the files that it names, and the key. A registry of a fleet is not run without one.
    fn fleet(&mut self) {
        let Settings { data, keys, fleet, .. } = &self.config.settings;
        match fleet {
            Some(fleet) => {
                self.must("fleet", fleet.open(data));
                let key = Keys::fleet(keys).context("`changtong fleet key` makes it on the first gateway");
                self.must("fleet", key);
            }
            None => {
                let path = Settings::registry_path(data);
                // Other faults of the registry are reported elsewhere.
                let registry =
                    Keys::load(keys).ok().and_then(|keys| Registry::open_to_read(&path, &keys).ok());
                if let Some(registry) = registry.filter(|_| path.exists()) {
                    self.must("data", Fleet::refuse_alone(&registry));
                }
            }
        }
    }

    fn connections(&mut self) {
        let Settings { connections_max, .. } = &self.config.settings;
        if !(1..=CONNECTIONS_MAX).contains(connections_max) {
            self.say("quic.connections_max", format!("it is not 1 to {CONNECTIONS_MAX}"));
        }
    }

    /// The gateway's own certificate and the device authority, each with its key; then as the endpoint takes them.
    fn certificates(&mut self) {
        let Settings { certificate, key, authority, .. } = &self.config.settings;
        let (ca, ca_key) = (authority.join("ca.pem"), authority.join("ca.key"));
        let before = self.faults.len();
        self.pair(("quic.certificate", certificate), ("quic.key", key));
        self.pair(("enrol.authority", &ca), ("enrol.authority", &ca_key));
        for fault in private::faults(authority, &self.config.settings.data) {
            self.say("enrol.authority", fault);
        }
        if self.faults.len() > before {
            return;
        }
        let taken = || {
            let (authority, certificate) = (read(&ca)?, read(certificate)?);
            let key = read_secret(key)?;
            let files = TlsFiles { authority: &authority, certificate: &certificate, key: key.as_bytes() };
            transport::tls(&files)?;
            pki::Authority::load(self.config.settings.authority.as_path())
        };
        let taken = taken();
        if self.must("enrol.authority", taken).is_some() {
            let known = pki::chain(certificate).and_then(|chain| pki::check_server(&chain, &ca));
            self.must("quic.certificate", known);
        }
    }

    fn pair(&mut self, (at, certificate): (&str, &Path), (key_at, key): (&str, &Path)) {
        let chain = self.must(at, pki::chain(certificate));
        let secret = self.must(key_at, read_secret(key).map_err(Into::into));
        if let (Some(chain), Some(secret)) = (chain, secret) {
            self.must(key_at, pki::check_pair(chain, certificate, &secret, key));
        }
    }

    /// A proxy that is everybody, or this machine's own name for everything, would let anybody say where they come from.
    fn proxies(&mut self) {
        let pages = self.config.settings.pages.as_ref();
        let proxies = pages.map(|pages| pages.proxies.clone()).unwrap_or_default();
        for proxy in proxies.into_iter().filter(|proxy| proxy.is_unspecified() || proxy.is_multicast()) {
            self.say("pages.proxies", format!("{proxy} is no proxy's address; name each one"));
        }
    }

    /// TCP addresses that cannot be had by two; the devices' is UDP, on its own.
    fn addresses(&mut self) {
        let Settings { http, enrol, pages, .. } = &self.config.settings;
        let mut all = vec![("http.listen", *http), ("enrol.listen", *enrol)];
        all.extend(pages.as_ref().map(|pages| ("pages.listen", pages.listen)));
        for (at, (key, address)) in all.iter().enumerate() {
            if let Some((other, _)) = all[..at].iter().find(|(_, other)| clash(*other, *address)) {
                self.say(key, format!("{address} is taken by `{other}`"));
            }
        }
    }

    fn carriers(&mut self) {
        let carriers = &self.config.settings.carriers;
        let mut opened = Vec::new();
        for (at, carrier) in carriers.iter().enumerate() {
            let key = |name: &str| format!("{}.{name}", at_of("carrier", at));
            let before = self.faults.len();
            self.must(&key("authority"), read(&carrier.authority));
            self.must(&key("key"), carrier.secret());
            self.must(&key("reserved"), carrier.reserved());
            if self.faults.len() == before {
                opened.extend(self.must(&at_of("carrier", at), Carrier::open(carrier)));
            }
        }
        // They are checked against one another, so all of them have to be there.
        if opened.len() == carriers.len() {
            for (at, error) in Carriers::faults(&opened) {
                self.say(&at_of("carrier", at), error);
            }
        }
    }

    fn messages(&mut self) {
        let Sms::Service(service) = &self.config.settings.sms else { return };
        let before = self.faults.len();
        self.must("sms.authority", read(&service.authority));
        self.must("sms.key", secret(&service.key));
        if self.faults.len() == before {
            self.must("sms", service.open());
        }
    }

    fn pages(&mut self) {
        let Some(pages) = &self.config.settings.pages else { return };
        if matches!(self.config.settings.sms, Sms::Off) {
            self.say("pages", "pages need a message service, [sms]: nobody could sign in");
        }
        let before = self.faults.len();
        if let (Some(certificate), Some(key)) = (&pages.certificate, &pages.key) {
            self.pair(("pages.certificate", certificate), ("pages.key", key));
        }
        if self.faults.len() == before {
            self.must("pages", Pair::of_pages(pages));
        }
    }

    /// Root, who looks, reads what the gateway's user cannot.
    fn owners(&mut self) {
        let Settings { data, keys, authority, key, pages, carriers, sms, .. } = &self.config.settings;
        let Some(user) = User::of(data) else { return };
        let mut all = vec![("quic.key".to_owned(), key.clone())];
        all.extend(["", "ca.key"].map(|name| ("enrol.authority".to_owned(), authority.join(name))));
        let pages_key = pages.as_ref().and_then(|pages| pages.key.clone());
        all.extend(pages_key.map(|key| ("pages.key".to_owned(), key)));
        let carriers = carriers.iter().enumerate();
        all.extend(carriers.map(|(at, carrier)| (at_of("carrier", at) + ".key", carrier.key.clone())));
        if let Sms::Service(service) = sms {
            all.push(("sms.key".to_owned(), service.key.clone()));
        }
        let Settings { policy, certificate, .. } = &self.config.settings;
        all.extend([
            ("policy".to_owned(), policy.clone()),
            ("quic.certificate".to_owned(), certificate.clone()),
        ]);
        let days = Keys::days(keys);
        let names = Keys::files(keys).unwrap_or_default();
        let own = [keys.clone(), days].into_iter().chain(names.iter().map(|name| keys.join(name)));
        all.extend(own.map(|path| ("keys".to_owned(), path)));
        let mut faults: Vec<_> =
            all.into_iter().filter_map(|(at, path)| Some((at, user.cannot_read(&path)?))).collect();
        // What root did here without the gateway.
        let ledger = data.join("ledger");
        for below in [data, &ledger] {
            let entries = std::fs::read_dir(below).into_iter().flatten().flatten().map(|entry| entry.path());
            let ours = entries.filter(|path| path.is_file() || *path == ledger);
            faults.extend(ours.filter_map(|path| Some(("data".to_owned(), user.cannot_write(&path)?))));
        }
        faults.iter().for_each(|(at, said)| self.say(at, said));
    }
}

/// Reports whether two sockets cannot both be bound to their addresses.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (everywhere || one.ip() == other.ip())
}

/// Reports whether the path lies in the directory, as written or after symbolic links are resolved.
fn lies_in(path: &Path, directory: &Path) -> bool {
    let really = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.starts_with(directory) || really(path).starts_with(really(directory))
}

/// Reads the file, and looks at the files that it names: what a gateway would not start with is refused.
pub(crate) fn load(path: &Path) -> Result<Config, Refused> {
    let config = read_file(path)?;
    let faults = faults(&config);
    if faults.is_empty() { Ok(config) } else { Err(Refused { path: config.path, faults }) }
}

#[cfg(test)]
mod tests;
