//! The gateways of a run: the one of the running city, or two programs, each on a copy of the city's data.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use device::fleet::Fleet;
use rustix::process::Signal;
use tempfile::TempDir;

use super::Options;
use crate::Note;
use crate::cpu::Usage;
use crate::http::ready;
use crate::program::{self, Program, Server};

/// A gateway with its city. One that was started for the run ends with the value, and its copy is removed.
pub(super) struct Gateway {
    pub(super) fleet: Fleet,
    /// Its process, if it is on this machine.
    pub(super) process: Option<u32>,
    /// Its version, profile and commit.
    pub(super) version: String,
    /// In this order: a server ends before its files are removed.
    _own: Option<(Server, TempDir)>,
}

impl Gateway {
    /// Returns the gateway of the running city, or starts two on copies of a city at rest.
    pub(super) async fn all(options: &Options, note: Note<'_>) -> anyhow::Result<Vec<Self>> {
        let fleet = Fleet::load(&options.data)?;
        let Some(against) = &options.against else { return Ok(vec![Self::serving(fleet)]) };
        ensure!(
            Usage::of_port(fleet.quic[0]).is_none(),
            "a gateway runs on {}; end it: two programs are compared on copies of a city at rest",
            options.data.display()
        );
        let mut gateways = Vec::new();
        for program in [options.program.as_ref().unwrap_or(&fleet.binary), against] {
            note(format_args!("starting {} on a copy of {}", program.display(), options.data.display()));
            let started = Self::start(program, &options.data).await;
            gateways.push(started.with_context(|| format!("starting {}", program.display()))?);
        }
        Ok(gateways)
    }

    fn serving(fleet: Fleet) -> Self {
        let version =
            Program::serving(&fleet).map_or_else(|_| "unknown".to_owned(), |program| program.version);
        let process = Usage::of_port(fleet.quic[0]).map(|usage| usage.process);
        Self { fleet, process, version, _own: None }
    }

    async fn start(program: &Path, city: &Path) -> anyhow::Result<Self> {
        let Program { path, version } = Program::gateway(program)?;
        let city = city.canonicalize()?;
        // On the city's disk, whose syncs are measured.
        let folder = tempfile::tempdir_in(city.parent().context("the city is no directory")?)?;
        let data = folder.path().join("city");
        copy(&city, &data).with_context(|| format!("copying {}", city.display()))?;
        let mut command = program::command(&path, None);
        command.args(["--log", "warn", "dev", "--control", "127.0.0.1:0", "--data"]).arg(&data);
        for flag in ["--quic", "--http", "--enrol", "--pages"] {
            command.args([flag, "127.0.0.1:0"]);
        }
        let log = folder.path().join("log");
        let mut server = Server::start("the gateway", command, log, Signal::TERM)?;
        let process = server.process();
        let fleet = server.answer(async || ready(&data, process, "/ready").await).await?;
        Ok(Self { fleet, process: Some(process), version, _own: Some((server, folder)) })
    }
}

/// Copies a directory with the permissions of all that is in it. Sockets are left out.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, target) = (entry?, to.to_owned());
        let (kind, target) = (entry.file_type()?, target.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)?;
        }
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_copy_has_files_folders_and_permissions_and_no_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("keys")).unwrap();
        fs::write(from.join("keys/secret"), "key").unwrap();
        for (name, mode) in [("keys/secret", 0o400), ("keys", 0o700)] {
            fs::set_permissions(from.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let _socket = UnixListener::bind(from.join("socket")).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("keys/secret")).unwrap(), b"key");
        assert!(!to.join("socket").exists());
        for (name, mode) in [("keys/secret", 0o400), ("keys", 0o700)] {
            assert_eq!(fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
        }
    }
}
