//! `changtong authority`: the city's device authority, and the gateway's certificate that it signs. Both are made on the machine that
//! the configuration is for, where it says that they lie; nothing is replaced but a certificate by its renewal.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::command::running::doctor::configured;
use crate::config::Settings;
use crate::config::named::At;
use crate::operator::orders;
use crate::out::{note, say};
use crate::tls::pki::{self, Authority, server};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Makes the authority that devices and the gateway know each other by: `ca.pem` and `ca.key` in the configuration's
    /// `enrol.authority`. Devices get `ca.pem`; the key is for a safe, too.
    Init {
        #[command(flatten)]
        at: At,
    },
    /// Has the authority sign a certificate for the gateway, and makes its key: the configuration's `quic.certificate` and `quic.key`.
    /// It is good for a year; `--renew` makes another one, which `changtong reload` takes.
    Server {
        /// A host name or an address by which devices know the gateway; once for each. A renewed certificate has the names of the one
        /// before unless others are given.
        #[arg(long, required_unless_present = "renew")]
        name: Vec<String>,
        /// Puts a new certificate, for the key that is there, in the place of the old one. A running gateway goes on with the old one
        /// until `changtong reload`.
        #[arg(long)]
        renew: bool,
        #[command(flatten)]
        at: At,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Init { at } => init(&settings(&at)?.authority)?,
            Self::Server { name, renew: false, at } => make(&settings(&at)?, &name)?,
            Self::Server { name, renew: true, at } => renew(&settings(&at)?, &name)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn settings(at: &At) -> anyhow::Result<Settings> {
    Ok(configured(at)?.0)
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

fn make(settings: &Settings, names: &[String]) -> anyhow::Result<()> {
    let authority = Authority::load(&settings.authority)?;
    server::make(&authority, names, &settings.certificate, &settings.key)?;
    say!("{} is the gateway's certificate for {}.", settings.certificate.display(), names.join(", "));
    note!("next: changtong operator key NAME --out NAME.key");
    Ok(())
}

fn renew(settings: &Settings, names: &[String]) -> anyhow::Result<()> {
    let authority = Authority::load(&settings.authority)?;
    let names = server::renew(&authority, names, &settings.certificate, &settings.key)?;
    say!(
        "{} is a new certificate of the gateway for {}, for the same key, good until {}.",
        settings.certificate.display(),
        names.join(", "),
        orders::day(pki::not_after_s(&settings.certificate)?)
    );
    note!(
        "next: changtong reload --sign KEY, with which a running gateway takes it; no connection that stands is touched"
    );
    Ok(())
}
