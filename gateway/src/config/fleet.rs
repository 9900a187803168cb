//! `[fleet]`: this gateway as one of several of a city. Without the section it is alone, and there is no broker.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, bail};
use fleet::FleetConfig;
use registry::Registry;

use super::carriers::read;
use super::reader::Table;

/// A change is held by three servers: any one of them may fail.
const REPLICAS: usize = 3;
/// The numbers of servers that JetStream takes and that have a majority.
const REPLICAS_ALLOWED: [usize; 3] = [1, 3, 5];
/// Names are shown in lines of the log and of the command line.
const NAME_CHARS_MAX: usize = 32;

/// The fleet as the file has it.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    name: String,
    address: String,
    servers: Vec<String>,
    replicas: usize,
    user: Option<String>,
    password: Option<PathBuf>,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {}", self.name, self.servers.join(", "))
    }
}

impl Fleet {
    pub(super) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let (name, address) = (table.required("name"), table.required("address"));
        let servers = table.required("servers");
        let replicas = table.optional("replicas").unwrap_or(REPLICAS);
        let (user, password) = (table.optional("user"), table.optional("password"));
        let authority = table.optional("authority");
        let (certificate, key) = (table.optional("certificate"), table.optional("key"));
        table.end();
        let (name, address, servers) = (name?, address?, servers?);
        Some(Self { name, address, servers, replicas, user, password, authority, certificate, key })
    }

    /// Refuses to run a member's registry without the section: what it would write, no other gateway would have.
    pub(crate) fn refuse_alone(registry: &Registry) -> anyhow::Result<()> {
        if registry.position()? > 0 {
            bail!(
                "this registry belongs to a fleet, and the configuration has no [fleet]: put the section back; without it this gateway would \
                 write what no other one has"
            );
        }
        Ok(())
    }

    /// Reads the files that the section names, and returns what the fleet's thread starts with.
    ///
    /// # Errors
    /// A value or a file with which a gateway would not start.
    pub(crate) fn open(&self) -> anyhow::Result<FleetConfig> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > NAME_CHARS_MAX || !self.name.chars().all(is_plain) {
            bail!(
                "`name` is not 1 to {NAME_CHARS_MAX} of a-z, 0-9 and -: name this gateway as no other of the fleet"
            );
        }
        if self.address.trim().is_empty() {
            bail!("`address` is empty: write where people find this gateway when it leads");
        }
        if self.servers.is_empty() {
            bail!("`servers` is empty: name the broker's, as tls://10.0.0.1:4222");
        }
        let schemes = ["nats://", "tls://"];
        if let Some(server) =
            self.servers.iter().find(|server| !schemes.iter().any(|scheme| server.starts_with(scheme)))
        {
            bail!("{server} of `servers` does not begin with nats:// or tls://");
        }
        if !REPLICAS_ALLOWED.contains(&self.replicas) {
            bail!("`replicas` is not 1, 3 or 5");
        }
        for file in [&self.authority, &self.certificate].into_iter().flatten() {
            read(file)?;
        }
        let user = match (&self.user, &self.password) {
            (Some(user), Some(file)) => {
                let password = keys::read_secret(file).context("the password of the broker's user")?;
                Some((user.clone(), password.trim().to_owned()))
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => bail!("`user` and `password` go together"),
        };
        let certificate = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                keys::read_secret(key).context("the key of the certificate for the broker")?;
                Some((certificate.clone(), key.clone()))
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => bail!("`certificate` and `key` go together"),
        };
        Ok(FleetConfig {
            name: self.name.clone(),
            address: self.address.clone(),
            servers: self.servers.clone(),
            replicas: self.replicas,
            user,
            authority: self.authority.clone(),
            certificate,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    const EXAMPLE: &str = include_str!("../../changtong.example.toml");

    /// Returns the example with its section of a fleet, which is a comment there.
    fn with_fleet() -> String {
        let (before, section) = EXAMPLE.split_once("# [fleet]\n").expect("the example has the section");
        let keys = section.lines().map(|line| line.strip_prefix("# ").expect("a comment"));
        format!("{before}[fleet]\n{}\n", keys.collect::<Vec<_>>().join("\n"))
    }

    fn read(text: &str) -> Fleet {
        parse(text, Path::new("file")).expect("it is read").settings.fleet.expect("a fleet")
    }

    #[test]
    fn the_examples_section_is_read_and_shows_the_default() {
        assert!(parse(EXAMPLE, Path::new("file")).unwrap().settings.fleet.is_none());
        let fleet = read(&with_fleet());
        assert_eq!((fleet.name.as_str(), fleet.servers.len(), fleet.replicas), ("north", 3, REPLICAS));
    }

    #[test]
    fn what_a_fleet_cannot_start_with_is_refused_with_its_key() {
        let plain = "[fleet]\nname = \"north\"\naddress = \"a\"\nservers = [\"nats://127.0.0.1:4222\"]\n";
        let (before, _) = EXAMPLE.split_once("# Several gateways").expect("the example ends with the fleet");
        let open = |section: &str| read(&format!("{before}{section}")).open();
        let opened = open(plain).expect("it is complete");
        assert_eq!((opened.replicas, opened.user, opened.certificate), (REPLICAS, None, None));
        for (from, to, expected) in [
            ("\"north\"", "\"North gate\"", "`name`"),
            ("\"north\"", "\"\"", "`name`"),
            ("\"a\"", "\" \"", "`address`"),
            ("[\"nats://127.0.0.1:4222\"]", "[]", "`servers`"),
            ("nats://", "http://", "`servers`"),
            ("[fleet]", "[fleet]\nreplicas = 2", "`replicas`"),
            ("[fleet]", "[fleet]\nuser = \"u\"", "`password`"),
            ("[fleet]", "[fleet]\nkey = \"k\"", "`certificate`"),
            ("[fleet]", "[fleet]\nauthority = \"/nowhere/ca.pem\"", "/nowhere/ca.pem"),
        ] {
            let refused = format!("{:#}", open(&plain.replace(from, to)).expect_err(to));
            assert!(refused.contains(expected), "{to}: {refused}");
        }
    }
}
