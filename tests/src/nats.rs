//! A `nats-server` with JetStream on this machine, for fleets of gateways.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::wait_for;

/// A running server; it ends with the value.
pub struct Nats {
    directory: tempfile::TempDir,
    process: Child,
    port: u16,
}

impl Nats {
    /// Starts a server with an empty store.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let process = spawn(directory.path(), -1);
        let port = port(directory.path(), &process);
        Self { directory, process, port }
    }

    /// Returns its address for a gateway's configuration.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.kill().expect("our own process");
        self.process.wait().expect("our own process");
    }

    /// Starts it again, with its store, on its port.
    pub fn restart(&mut self) {
        self.process = spawn(self.directory.path(), self.port.into());
        port(self.directory.path(), &self.process);
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(directory: &Path, port: i32) -> Child {
    let known = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];
    let program = known.iter().map(PathBuf::from).find(|path| path.exists());
    let program = program.expect("nats-server is installed: `apt-get install nats-server`");
    let path = directory.display();
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\nports_file_dir: \"{path}\"\njetstream {{ store_dir: \"{path}/store\" }}\n"
    );
    let config = directory.join("nats.conf");
    std::fs::write(&config, text).expect("written");
    let log = std::fs::File::create(directory.join("nats.log")).expect("a log file");
    let mut command = Command::new(program);
    command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().expect("nats-server starts")
}

/// Reads the port that the server has written beside its data.
fn port(directory: &Path, process: &Child) -> u16 {
    let file = directory.join(format!("nats-server_{}.ports", process.id()));
    wait_for("the broker's port", || {
        let text = std::fs::read_to_string(&file).ok()?;
        let (_, after) = text.split_once("nats://127.0.0.1:")?;
        let port: u16 = after.split('"').next()?.parse().ok()?;
        TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(port)
    })
}
