//! `changtong new-config`: the smallest configuration that a gateway starts with, its policy, and the directory of its data. What each
//! key means, and what else there is, says `changtong.example.toml`.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::config::named;
use crate::out::{note, say};
use crate::tls::pki::write_new;

#[derive(clap::Args)]
pub(crate) struct NewConfig {
    /// The file, in the directory where keys and certificates are to lie; without it the one that CHANGTONG_CONFIG in the environment
    /// names. Nothing is written over.
    file: Option<PathBuf>,
    /// The place where the registry and the punch log are to lie; made if it is not there.
    #[arg(long, default_value = "/var/lib/changtong")]
    data: PathBuf,
    /// The address of this machine that devices speak to, at UDP port 7443 and TCP port 7444.
    #[arg(long, default_value = "0.0.0.0")]
    address: IpAddr,
    /// The place where machines of your own network find metrics and the overview.
    #[arg(long, default_value = "127.0.0.1:9464")]
    http: SocketAddr,
}

impl NewConfig {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let file = named::new_config_file(self.file.as_deref())?;
        let data = absolute(&self.data)?;
        let directory = file.parent().with_context(|| format!("{} lies in no directory", file.display()))?;
        for (directory, mode) in [(directory, 0o755), (data.as_path(), 0o700)] {
            let made = std::fs::DirBuilder::new().recursive(true).mode(mode).create(directory);
            made.with_context(|| format!("making {}", directory.display()))?;
        }
        write_new(&file, &text(&self, &data, directory), 0o640)?;
        let policy = directory.join("policy.toml");
        write_new(&policy, policy::DEVELOPMENT, 0o644)?;
        say!(
            "{} is a configuration for devices alone; changtong.example.toml shows the rest.",
            file.display()
        );
        say!(
            "{} says where a stay counts, and what it gives: make it yours before the first start.",
            policy.display()
        );
        note!("next: export {}={}", named::VARIABLE, file.display());
        note!("      changtong keys init");
        Ok(ExitCode::SUCCESS)
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))
}

fn text(NewConfig { address, http, .. }: &NewConfig, data: &Path, directory: &Path) -> String {
    let quoted = |path: &Path| toml::Value::from(path.display().to_string()).to_string();
    let at = |name: &str| quoted(&directory.join(name));
    let [quic, enrol] = [7443, 7444].map(|port| SocketAddr::new(*address, port));
    format!(
        "# Written by `changtong new-config`. changtong.example.toml explains each key, and has those of carriers, messages and pages.\n\
         data = {}\nkeys = {}\npolicy = {}\n\n\
         [quic]\nlisten = \"{quic}\"\ncertificate = {}\nkey = {}\n\n\
         [http]\nlisten = \"{http}\"\n\n\
         [enrol]\nlisten = \"{enrol}\"\nauthority = {}\n",
        quoted(data),
        at("keys"),
        at("policy.toml"),
        at("server.pem"),
        at("server.key"),
        at("authority"),
    )
}
