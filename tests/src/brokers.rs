//! The three brokers and the links of the load test's fleets, for tests: whatever does not go fails the test, and logs are shown then.

pub use loadtest::brokers::{Links, SERVERS};

use std::path::Path;

use crate::python;

/// Running servers with empty stores; they end with the value.
pub struct Brokers {
    all: loadtest::brokers::Brokers,
    _root: tempfile::TempDir,
}

impl Brokers {
    /// Starts three servers.
    pub fn start() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let all = loadtest::brokers::Brokers::start(root.path()).expect("three servers of NATS");
        Self { all, _root: root }
    }

    /// Starts three servers as in production: of a current release, which syncs each message before it is acknowledged. `files` is Cargo's
    /// directory for the files of tests.
    pub fn current(files: &str) -> Self {
        python::run(files, &[]);
        let program = Path::new(files).join(python::SERVER);
        let root = tempfile::tempdir().expect("a directory");
        let all = loadtest::brokers::Brokers::start_synced(root.path(), &program);
        Self { all: all.expect("three servers of NATS"), _root: root }
    }

    /// Ends a server at once.
    pub fn kill(&mut self, server: usize) {
        self.all.kill(server).expect("it runs");
    }

    /// Removes what a server that has ended had stored.
    pub fn wipe(&self, server: usize) {
        self.all.wipe(server).expect("its store");
    }

    /// Starts a server again, on its ports.
    pub fn restart(&mut self, server: usize) {
        self.all.restart(server).expect("it starts");
    }

    /// Returns links of one gateway to all servers.
    pub fn links(&self) -> Links {
        self.all.links().expect("free ports")
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.all.logs());
        }
    }
}

/// The servers that a gateway's configuration names.
pub struct Servers {
    /// Their addresses.
    pub urls: Vec<String>,
    /// The number of them that hold each change.
    pub replicas: usize,
}

impl From<&str> for Servers {
    fn from(url: &str) -> Self {
        Self { urls: vec![url.to_owned()], replicas: 1 }
    }
}

impl From<&String> for Servers {
    fn from(url: &String) -> Self {
        url.as_str().into()
    }
}

impl From<&Links> for Servers {
    fn from(links: &Links) -> Self {
        Self { urls: links.urls(), replicas: SERVERS }
    }
}
