//! `changtong authority`: the city's device authority, and the gateway's certificate that it signs. Both are made on the machine that
//! the configuration is for, where it says that they lie; nothing is replaced.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::named::At;
use crate::out::{note, say};
use crate::pki::{self, Authority};
use crate::process::Settings;
use crate::{config, named};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Makes the authority that devices and the gateway know each other by: `ca.pem` and `ca.key` in the configuration's
    /// `enrol.authority`. Devices get `ca.pem`; the key is for a safe, too.
    Init {
        #[command(flatten)]
        at: At,
    },
    /// Has the authority sign a certificate for the gateway, and makes its key: the configuration's `quic.certificate` and `quic.key`.
    /// It is good for a year; `changtong reload` takes another one.
    Server {
        /// A host name or an address by which devices know the gateway; once for each.
        #[arg(long, required = true)]
        name: Vec<String>,
        #[command(flatten)]
        at: At,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Init { at } => init(&settings(&at)?.authority)?,
            Self::Server { name, at } => server(&settings(&at)?, &name)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn settings(at: &At) -> anyhow::Result<Settings> {
    let file = named::config_file(at.file().as_deref())?;
    Ok(config::read_file(&file)?.settings)
}

fn init(directory: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.with_context(|| format!("making {}", directory.display()))?;
    Authority::create(directory)?;
    say!(
        "The device authority is in {}. Devices get ca.pem; keep a copy of both in a safe.",
        directory.display()
    );
    note!("next: changtong authority server --name HOST");
    Ok(())
}

fn server(settings: &Settings, names: &[String]) -> anyhow::Result<()> {
    let identity = Authority::load(&settings.authority)?.issue_server(names)?;
    let (certificate, key) = (&settings.certificate, &settings.key);
    pki::write_new(key, &identity.key, 0o600)?;
    pki::write_new(certificate, &identity.certificate, 0o644)?;
    say!("{} is the gateway's certificate for {}.", certificate.display(), names.join(", "));
    note!("next: changtong operator key NAME --out NAME.key");
    Ok(())
}
