//! Three `nats-server`s of one JetStream cluster on this machine, and the links by which one gateway reaches them, which can be cut.
//! Their use by a gateway is decided elsewhere.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use device::clock;

use crate::ports;

mod links;

pub use links::Links;

/// The number of servers: a majority is left when one is away.
pub const SERVERS: usize = 3;
/// The tries to find ports that nobody else takes between their choice and the start of the server.
const TRIES: usize = 5;
/// Deadline for the start of a server.
const START_MAX: Duration = Duration::from_secs(30);
/// The interval between two looks at a server that starts.
const LOOK: Duration = Duration::from_millis(10);
/// Debian puts the program where only root looks.
const PLACES: [&str; 3] = ["/usr/sbin", "/usr/bin", "/usr/local/bin"];
const PROGRAM: &str = "nats-server";

/// Running servers; they end with the value.
pub struct Brokers {
    nodes: Vec<Node>,
}

struct Node {
    program: PathBuf,
    directory: PathBuf,
    port: u16,
    process: Option<Child>,
}

/// Returns the server's program.
///
/// # Errors
/// It is not installed.
pub fn program() -> anyhow::Result<PathBuf> {
    let known = PLACES.iter().map(|place| Path::new(place).join(PROGRAM)).find(|path| path.is_file());
    known.with_context(|| format!("{PROGRAM} is not installed: apt-get install {PROGRAM}"))
}

impl Brokers {
    /// Starts three servers with what they have stored in that directory. They sync as their program does by default.
    ///
    /// # Errors
    /// The program is missing, or it does not start.
    pub fn start(root: &Path) -> anyhow::Result<Self> {
        Self::start_as(root, &program()?, "")
    }

    /// Starts three servers of this program, 2.10 or newer, which sync each message before it is acknowledged.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_synced(root: &Path, program: &Path) -> anyhow::Result<Self> {
        Self::start_as(root, program, ", sync_interval: always")
    }

    fn start_as(root: &Path, program: &Path, settings: &str) -> anyhow::Result<Self> {
        for _ in 0..TRIES {
            if let Some(brokers) = Self::try_start(root, program, settings)? {
                return Ok(brokers);
            }
        }
        bail!("no server of NATS starts in {}; see the logs there", root.display())
    }

    fn try_start(root: &Path, program: &Path, settings: &str) -> anyhow::Result<Option<Self>> {
        let (ports, routes) = (free_ports()?, free_ports()?);
        let all =
            routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect::<Vec<_>>().join(", ");
        let mut brokers = Self { nodes: Vec::new() };
        for (n, (&port, route)) in ports.iter().zip(&routes).enumerate() {
            let directory = root.join(format!("broker-{n}"));
            std::fs::create_dir_all(&directory)?;
            // Links are the only way to a server: it tells no client of the others.
            let text = format!(
                "server_name: \"broker-{n}\"\nlisten: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}/store\"{settings} }}\n\
                 cluster {{ name: \"city\", listen: \"127.0.0.1:{route}\", no_advertise: true, routes: [{all}] }}\n",
                directory.display()
            );
            std::fs::write(directory.join("nats.conf"), text)?;
            brokers.nodes.push(Node { program: program.to_owned(), directory, port, process: None });
        }
        for node in &mut brokers.nodes {
            if !node.start()? {
                return Ok(None);
            }
        }
        Ok(Some(brokers))
    }

    /// Ends a server at once.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self, server: usize) -> anyhow::Result<()> {
        let mut process = self.nodes[server].process.take().context("that server does not run")?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    /// Removes what a server that has ended had stored.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn wipe(&self, server: usize) -> std::io::Result<()> {
        std::fs::remove_dir_all(self.nodes[server].directory.join("store"))
    }

    /// Starts a server again, on its ports.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self, server: usize) -> anyhow::Result<()> {
        let node = &mut self.nodes[server];
        ensure!(node.start()?, "a server of NATS does not start again: {}", node.log());
        Ok(())
    }

    /// Returns links of one gateway to all servers.
    ///
    /// # Errors
    /// There is no free port.
    pub fn links(&self) -> std::io::Result<Links> {
        Links::to(self.nodes.iter().map(|node| node.port))
    }

    /// Returns the logs of all servers, each with its directory.
    pub fn logs(&self) -> String {
        self.nodes
            .iter()
            .map(|node| format!("--- {} ---\n{}\n", node.directory.display(), node.log()))
            .collect()
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        for process in self.nodes.iter_mut().filter_map(|node| node.process.as_mut()) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Node {
    /// Starts it; false if it ends at once, as it does when a port is taken.
    fn start(&mut self) -> anyhow::Result<bool> {
        let log = File::create(self.directory.join("nats.log"))?;
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.directory.join("nats.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut process = command.spawn().context("starting a server of NATS")?;
        let begun = clock::now();
        let runs = loop {
            if process.try_wait()?.is_some() {
                break false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                break true;
            }
            if clock::since(begun) > START_MAX {
                process.kill()?;
                process.wait()?;
                bail!("a server of NATS does not answer: {}", self.log());
            }
            pause(LOOK);
        };
        self.process = runs.then_some(process);
        Ok(runs)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("nats.log")).unwrap_or_default()
    }
}

/// Returns ports that were free a moment ago.
fn free_ports() -> std::io::Result<[u16; SERVERS]> {
    Ok([ports::free()?, ports::free()?, ports::free()?])
}

/// Waits between two looks at a server that starts; never in a task.
#[allow(clippy::disallowed_methods, reason = "what is waited for is another process's")]
fn pause(length: Duration) {
    std::thread::sleep(length);
}
