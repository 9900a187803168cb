//! A `nats-server` with JetStream on this machine, for fleets of gateways.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::wait_for;

/// The time within which a server answers; one whose cluster has no leader does not.
const ANSWER: Duration = Duration::from_secs(5);

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
        let free = loadtest::ports::free().expect("a free port");
        let process = spawn(directory.path(), free);
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

    /// Removes the messages of a stream before that position, as a server does that is told to.
    pub fn trim(&self, stream: &str, position: u64) {
        trim(&self.url(), stream, position);
    }

    /// Destroys the store of a server that has ended.
    pub fn wipe(&self) {
        std::fs::remove_dir_all(self.directory.path().join("store")).expect("its store");
    }

    /// Starts it again, with its store, on its port.
    pub fn restart(&mut self) {
        self.process = spawn(self.directory.path(), self.port);
        port(self.directory.path(), &self.process);
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Has the server at that address remove the messages of a stream before that position, on all servers.
pub fn trim(url: &str, stream: &str, position: u64) {
    let body = format!("{{\"seq\":{position}}}");
    ask(url, &format!("$JS.API.STREAM.PURGE.{stream}"), &body, &["\"success\":true"]);
}

/// Asks the server at that address, or a stream by a message on its subject, until the answer has one of the texts that say
/// that it is done: one that is lost is asked for again.
pub fn ask(url: &str, subject: &str, body: &str, done: &[&str]) {
    let address = url.strip_prefix("nats://").expect("a URL");
    let request = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer {}\r\n{body}\r\n",
        body.len()
    );
    wait_for(subject, || {
        let mut connection = TcpStream::connect(address).ok()?;
        connection.set_read_timeout(Some(ANSWER)).expect("a time");
        connection.write_all(request.as_bytes()).ok()?;
        let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
        let answer = lines.find(|line| line.starts_with('{'))?;
        done.iter().any(|done| answer.contains(done)).then_some(())
    });
}

/// Waits until all three servers have all of every stream: none of them can be missed before.
pub fn wait_for_replicas(url: &str) {
    let address = url.strip_prefix("nats://").expect("a URL");
    let request = b"CONNECT {\"verbose\":false}\r\nSUB answer 1\r\nPUB $JS.API.STREAM.LIST answer 0\r\n\r\n";
    let mut last = String::new();
    wait_for("all replicas", || {
        let mut connection = TcpStream::connect(address).ok()?;
        connection.set_read_timeout(Some(ANSWER)).expect("a time");
        connection.write_all(request).ok()?;
        let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
        let answer = lines.find(|line| line.starts_with('{'))?;
        let (streams, current) =
            (answer.matches("\"config\":{").count(), answer.matches("\"current\":true").count());
        let now = format!("{streams} streams, {current} of their replicas are current");
        if now != last {
            eprintln!("{now}");
            last = now;
        }
        (streams > 0 && current == streams * 2).then_some(())
    });
}

fn spawn(directory: &Path, port: u16) -> Child {
    let path = directory.display();
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\nports_file_dir: \"{path}\"\njetstream {{ store_dir: \"{path}/store\" }}\n"
    );
    let config = directory.join("nats.conf");
    std::fs::write(&config, text).expect("written");
    let log = std::fs::File::create(directory.join("nats.log")).expect("a log file");
    let mut command = Command::new(loadtest::brokers::program().expect("nats-server is installed"));
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
