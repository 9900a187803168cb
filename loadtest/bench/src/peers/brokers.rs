//! The servers of NATS of a run: one, or a cluster of three on which a majority syncs each message before it is acknowledged.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;

use super::Tls;
use crate::cpu::Usage;
use crate::program::{self, Program, Server};

/// The servers of a cluster: a majority is left when one is away.
pub(super) const CLUSTER: usize = 3;

/// The moment of the sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syncs {
    /// After the acknowledgement, within minutes: the server's default.
    Later,
    BeforeAck,
}

impl Syncs {
    /// Returns its part of the configuration.
    fn setting(self) -> &'static str {
        match self {
            Self::Later => "",
            Self::BeforeAck => ", sync_interval: always",
        }
    }
}

/// Running servers. They end with the value.
pub(super) struct Brokers {
    pub(super) servers: Vec<Server>,
    pub(super) ports: Vec<u16>,
}

impl Brokers {
    /// Starts one server, or those of a cluster, with all files in that folder. Clients use TLS if its files are given.
    pub(super) fn start(
        folder: &Path,
        program: &Program,
        syncs: Syncs,
        count: usize,
        tls: Option<&Tls>,
    ) -> anyhow::Result<Self> {
        let ports = |_| program::free_port();
        let clients = (0..count).map(ports).collect::<anyhow::Result<Vec<_>>>()?;
        let routes = (0..count).map(ports).collect::<anyhow::Result<Vec<_>>>()?;
        let all = routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect::<Vec<_>>();
        let mut brokers = Self { servers: Vec::new(), ports: clients };
        for (number, (&port, route)) in brokers.ports.iter().zip(&routes).enumerate() {
            let own = folder.join(number.to_string());
            std::fs::create_dir_all(&own).with_context(|| format!("making {}", own.display()))?;
            let mut text = format!(
                "server_name: \"{number}\"\nlisten: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {:?}{} }}\n",
                own.join("store"),
                syncs.setting()
            );
            if let Some(tls) = tls {
                text += &format!(
                    "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true, timeout: 20 }}\n",
                    tls.certificate, tls.key, tls.authority
                );
            }
            if count > 1 {
                let all = all.join(", ");
                text += &format!(
                    "cluster {{ name: \"city\", listen: \"127.0.0.1:{route}\", no_advertise: true, routes: [{all}] }}\n"
                );
            }
            let file = own.join("nats.conf");
            std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
            let mut command = program::command(&program.path, None);
            command.arg("--config").arg(&file);
            brokers.servers.push(Server::start("NATS", command, own.join("log"), Signal::TERM)?);
        }
        Ok(brokers)
    }

    /// Returns the processor time of all servers together, under the id of the first.
    pub(super) fn usage(&self) -> Option<Usage> {
        let all = self.servers.iter().map(|server| Usage::of(server.process()));
        let all = all.collect::<Option<Vec<_>>>()?;
        let process = all.first()?.process;
        Some(Usage { process, cpu: all.iter().map(|usage| usage.cpu).sum::<Duration>() })
    }
}
