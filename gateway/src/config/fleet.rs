//! `[fleet]`: this gateway as one of several of a city. Without the section it is alone, and there is no broker.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use fleet::{FleetConfig, Rhythm};
use keys::recovery::RecoveryKey;
use protocol::GatewayAddress;
use registry::Registry;

use super::carriers::read;
use super::reader::Table;

/// A change is held by three servers: any one of them may fail.
const REPLICAS: usize = 3;
/// The numbers of servers that JetStream takes and that have a majority.
const REPLICAS_ALLOWED: [usize; 3] = [1, 3, 5];
/// Names are shown in lines of the log and of the command line.
const NAME_CHARS_MAX: usize = 32;

/// Punches are acknowledged when they are on the gateway's own disk …
const DISK: &str = "disk";
/// … or when the second copy has them, too.
const REPLICATED: &str = "replicated";

/// The fleet as the file has it.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    name: String,
    address: String,
    device_address: Option<String>,
    servers: Vec<String>,
    replicas: usize,
    user: Option<String>,
    password: Option<PathBuf>,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    acknowledge: String,
    recovery_key: Option<String>,
}

/// The second copy of the punches, as the section wants it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copying {
    /// True if no punch is acknowledged before the copy has it.
    pub(crate) is_awaited: bool,
    /// The key to which day keys are sealed.
    pub(crate) recovery: Option<RecoveryKey>,
}

impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (servers, acknowledge) = (self.servers.join(", "), &self.acknowledge);
        write!(f, "{} over {servers}, acknowledged by {acknowledge}", self.name)
    }
}

/// Returns the origin that an address names, without a slash at its end: `https://HOST` or `https://HOST:PORT`. On this machine, where
/// development cities are, plain HTTP is enough. `None` for everything else, so that no visitor is sent anywhere but to a gateway's pages.
pub(crate) fn origin(address: &str) -> Option<&str> {
    const LOOPBACK: [&str; 2] = ["localhost", "127.0.0.1"];
    let origin = address.strip_suffix('/').unwrap_or(address);
    let (scheme, host) = origin.split_once("://")?;
    let name = host.split(':').next().unwrap_or_default();
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    let is_safe = scheme == "https" || scheme == "http" && LOOPBACK.contains(&name);
    (is_safe && !host.is_empty() && host.chars().all(is_host)).then_some(origin)
}

impl Fleet {
    /// Creates the section of a member of a development fleet, on this machine. With a recovery key, punches are acknowledged when the second
    /// copy has them, too.
    pub(crate) fn development(
        name: String,
        (address, device_address): (String, String),
        servers: Vec<String>,
        recovery_key: Option<String>,
    ) -> Self {
        let acknowledge = if recovery_key.is_some() { REPLICATED } else { DISK };
        Self {
            name,
            address,
            device_address: Some(device_address),
            servers,
            replicas: REPLICAS,
            user: None,
            password: None,
            authority: None,
            certificate: None,
            key: None,
            acknowledge: acknowledge.to_owned(),
            recovery_key,
        }
    }

    /// Returns the address at which people find this gateway.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the broker's servers.
    pub(crate) fn servers(&self) -> &[String] {
        &self.servers
    }

    /// Returns the number of servers that hold each change.
    pub(crate) const fn replicas(&self) -> usize {
        self.replicas
    }

    pub(super) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let (name, address) = (table.required("name"), table.required("address"));
        let device_address = table.optional("device_address");
        let servers = table.required("servers");
        let replicas = table.optional("replicas").unwrap_or(REPLICAS);
        let (user, password) = (table.optional("user"), table.optional("password"));
        let authority = table.optional("authority");
        let (certificate, key) = (table.optional("certificate"), table.optional("key"));
        let acknowledge = table.optional("acknowledge").unwrap_or_else(|| DISK.to_owned());
        let recovery_key = table.optional("recovery_key");
        table.end();
        let (name, address, servers) = (name?, address?, servers?);
        Some(Self {
            name,
            address,
            device_address,
            servers,
            replicas,
            user,
            password,
            authority,
            certificate,
            key,
            acknowledge,
            recovery_key,
        })
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

    /// Reads the files that the section names, and returns what the fleet's thread starts with. `data` is the gateway's data directory.
    ///
    /// # Errors
    /// A value or a file with which a gateway would not start.
    pub(crate) fn open(&self, data: &Path) -> anyhow::Result<FleetConfig> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > NAME_CHARS_MAX || !self.name.chars().all(is_plain) {
            bail!(
                "`name` is not 1 to {NAME_CHARS_MAX} of a-z, 0-9 and -: name this gateway as no other of the fleet"
            );
        }
        if origin(&self.address).is_none() {
            bail!(
                "`address` is not like https://north.example: write where people find this gateway when it leads, without a path"
            );
        }
        let device_address = self.device_address.as_deref().map(str::parse::<GatewayAddress>).transpose();
        let device_address = device_address.context("`device_address`")?;
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
        self.copying()?;
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
            device_address,
            data: data.to_owned(),
            servers: self.servers.clone(),
            replicas: self.replicas,
            snapshots: Rhythm::default(),
            user,
            authority: self.authority.clone(),
            certificate,
        })
    }
}

impl Fleet {
    /// Returns what the section says about the second copy of the punches.
    ///
    /// # Errors
    /// A value with which a gateway would not start.
    pub(crate) fn copying(&self) -> anyhow::Result<Copying> {
        let is_awaited = match self.acknowledge.as_str() {
            DISK => false,
            REPLICATED => true,
            other => bail!("`acknowledge` is neither \"{DISK}\" nor \"{REPLICATED}\" but \"{other}\""),
        };
        let recovery = match &self.recovery_key {
            None => None,
            Some(text) => Some(RecoveryKey::parse(text).context(
                "`recovery_key` is not 64 hexadecimal digits, as `changtong fleet recovery-key` prints them",
            )?),
        };
        if is_awaited && recovery.is_none() {
            bail!(
                "`acknowledge = \"{REPLICATED}\"` takes a `recovery_key`: without it nobody can read the copy of a gateway that is lost. \
                 `changtong fleet recovery-key` makes the pair"
            );
        }
        Ok(Copying { is_awaited, recovery })
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(fleet.device_address.as_deref(), Some("gw1.north.example:7443"));
    }

    #[test]
    fn what_a_fleet_cannot_start_with_is_refused_with_its_key() {
        let plain = "[fleet]\nname = \"north\"\naddress = \"https://a.example\"\nservers = [\"nats://127.0.0.1:4222\"]\n";
        let (before, _) = EXAMPLE.split_once("# Several gateways").expect("the example ends with the fleet");
        let open = |section: &str| read(&format!("{before}{section}")).open(Path::new("data"));
        let opened = open(plain).expect("it is complete");
        assert_eq!((opened.replicas, opened.user, opened.certificate), (REPLICAS, None, None));
        let copying = |section: &str| read(&format!("{before}{section}")).copying().expect("it is complete");
        let given = format!("{plain}acknowledge = \"replicated\"\nrecovery_key = \"{}\"\n", "09".repeat(32));
        for (section, expected) in [(plain, (false, false)), (&given, (true, true))] {
            let Copying { is_awaited, recovery } = copying(section);
            assert_eq!((is_awaited, recovery.is_some()), expected, "{section}");
        }
        for (from, to, expected) in [
            ("\"north\"", "\"North gate\"", "`name`"),
            ("\"north\"", "\"\"", "`name`"),
            ("https://a.example", " ", "`address`"),
            ("https://a.example", "http://a.example", "`address`"),
            ("https://a.example", "https://a.example/pages", "`address`"),
            ("[fleet]", "[fleet]\ndevice_address = \"gw1\"", "`device_address`"),
            ("[\"nats://127.0.0.1:4222\"]", "[]", "`servers`"),
            ("nats://", "http://", "`servers`"),
            ("[fleet]", "[fleet]\nreplicas = 2", "`replicas`"),
            ("[fleet]", "[fleet]\nuser = \"u\"", "`password`"),
            ("[fleet]", "[fleet]\nkey = \"k\"", "`certificate`"),
            ("[fleet]", "[fleet]\nacknowledge = \"both\"", "`acknowledge`"),
            ("[fleet]", "[fleet]\nrecovery_key = \"09\"", "`recovery_key`"),
            ("[fleet]", "[fleet]\nauthority = \"/nowhere/ca.pem\"", "/nowhere/ca.pem"),
        ] {
            let refused = format!("{:#}", open(&plain.replace(from, to)).expect_err(to));
            assert!(refused.contains(expected), "{to}: {refused}");
        }
    }
}
