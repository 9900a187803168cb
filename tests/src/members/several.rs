//! A development fleet of three gateways and three brokers, as `changtong dev --fleet` runs it, read by what it prints.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::{binary, wait_for};

/// A running fleet; it ends with the value.
pub struct Several {
    root: tempfile::TempDir,
    process: Option<Child>,
}

/// A gateway as the fleet has printed it.
pub struct Printed {
    /// The citizens' pages.
    pub pages: SocketAddr,
    /// Metrics, health and the overview.
    pub http: SocketAddr,
    /// Its first process.
    pub pid: i32,
}

impl Several {
    /// Starts a fleet with a small new city, on ports that are free.
    pub fn start() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let file = |name: &str| std::fs::File::create(root.path().join(name)).expect("a file");
        let mut command = Command::new(binary());
        command.args(["dev", "--fleet", "3", "--people", "200", "--devices", "2", "--data"]);
        command.arg(root.path().join("fleet"));
        for flag in ["--quic", "--http", "--enrol", "--control", "--pages"] {
            command.args([flag, "127.0.0.1:0"]);
        }
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        let process = Some(command.spawn().expect("the program starts"));
        Self { root, process }
    }

    /// Returns the lines that it has printed.
    pub fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.root.path().join("stdout")).expect("its output");
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for a line, after so many others, of which `is_it` is true; returns its number.
    pub fn wait_for_line(&mut self, what: &str, after: usize, is_it: impl Fn(&str) -> bool) -> usize {
        wait_for(what, || {
            let process = self.process.as_mut().expect("it runs");
            let ended = process.try_wait().expect("our own process");
            assert!(ended.is_none(), "{ended:?}: {:?} {}", self.lines(), self.errors());
            let found = self.lines().iter().skip(after).position(|line| is_it(line))?;
            Some(after + found)
        })
    }

    /// Returns the gateway of that name.
    pub fn gateway(&self, name: &str) -> Printed {
        let lines = self.lines();
        let line =
            lines.iter().find(|line| line.starts_with(&format!("  {name} ")) && line.contains("pages "));
        let line = line.unwrap_or_else(|| panic!("no {name} in {lines:?}"));
        let after = |mark: &str| {
            let (_, rest) = line.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {line}"));
            rest.split(['/', ' ']).next().expect("split has a first part").to_owned()
        };
        let address = |mark: &str| after(mark).parse().expect("an address");
        let port: u16 = after("pages http://localhost:").parse().expect("a port");
        let pid = after("pid ").parse().expect("a number");
        Printed { pages: ([127, 0, 0, 1], port).into(), http: address("overview http://"), pid }
    }

    /// Returns the number of the first process of that broker.
    pub fn pid(&self, broker: &str) -> i32 {
        let lines = self.lines();
        let line = lines.iter().find(|line| line.starts_with(&format!("  {broker} ")));
        let line = line.unwrap_or_else(|| panic!("no {broker} in {lines:?}"));
        line.rsplit_once("pid ").and_then(|(_, pid)| pid.parse().ok()).expect("a number")
    }

    /// Returns the numbers of all processes that it has printed.
    pub fn pids(&self) -> Vec<i32> {
        let lines = self.lines();
        let pids = lines.iter().filter_map(|line| line.rsplit_once("pid ")?.1.parse().ok());
        pids.collect()
    }

    /// Returns the data of the gateway of that name.
    pub fn data(&self, name: &str) -> PathBuf {
        self.root.path().join("fleet").join(name)
    }

    /// Ends it as Ctrl-C does.
    pub fn end(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        kill_process(Pid::from_child(&process), Signal::INT).expect("our own process");
        wait_for("the fleet's end", || process.try_wait().expect("our own process"))
    }

    fn errors(&self) -> String {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let logs = ["north", "south", "east"].map(|name| read(&self.data(name).join("log")));
        read(&self.root.path().join("stderr")) + &logs.concat()
    }
}

impl Drop for Several {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:#?}\n{}", self.lines(), self.errors());
        }
        // So that its processes end with it.
        if let Some(mut process) = self.process.take() {
            let _ = kill_process(Pid::from_child(&process), Signal::INT);
            let _ = process.wait();
        }
    }
}
