//! Gateways of one city that form a fleet, each a process with a configuration, data and punch log of its own. The first one has the data
//! of a development city that has ended.

pub mod held;
pub mod several;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use device::Fleet;
use keys::Keys;
use ledger::ExportFormat;
use registry::Registry;
use serde_json::Value;

use crate::brokers::Servers;
use crate::{City, binary, wait_for};

/// A gateway of a fleet; it ends with the value.
pub struct Member {
    root: PathBuf,
    data: PathBuf,
    /// The development city's file of devices.
    devices: PathBuf,
    operators: Vec<PathBuf>,
    process: Option<Child>,
    /// The program under which its processes and commands run, with its words.
    under: Vec<String>,
}

impl Member {
    /// Prepares the member that has the city's data; makes the fleet's key.
    pub fn first(city: &City, root: &Path, name: &str, servers: impl Into<Servers>) -> Self {
        let member = Self::prepare(city, root, name, &servers.into(), city.data());
        let keys = member.root.join("keys");
        let (status, out, err) = run(&["fleet", "key", "--keys", keys.to_str().expect("plain")]);
        assert!(status.success(), "{out}{err}");
        member
    }

    /// Prepares another member, with the first one's keys.
    pub fn another(&self, city: &City, root: &Path, name: &str, servers: impl Into<Servers>) -> Self {
        let data = root.join(name).join("data");
        std::fs::create_dir_all(&data).expect("made");
        let member = Self::prepare(city, root, name, &servers.into(), data);
        let key = "keys/fleet.key";
        std::fs::copy(self.root.join(key), member.root.join(key)).expect("copied");
        std::fs::remove_dir_all(member.root.join("keys/days")).expect("removed");
        member
    }

    fn prepare(city: &City, root: &Path, name: &str, servers: &Servers, data: PathBuf) -> Self {
        let root = root.join(name);
        for folder in ["keys", "authority"] {
            copy(&city.data().join(folder), &root.join(folder));
        }
        for file in ["server.pem", "server.key", "policy.toml"] {
            std::fs::copy(city.data().join(file), root.join(file)).expect("copied");
        }
        std::fs::write(root.join("changtong.toml"), text(&root, &data, name, servers)).expect("written");
        let (devices, operators) = (city.data().join("fleet.json"), city.fleet().operators);
        Self { root, data, devices, operators, process: None, under: Vec::new() }
    }

    /// Has it tell devices its address, from its next start on.
    pub fn tell_devices(&self) {
        let path = self.root.join("changtong.toml");
        let text = std::fs::read_to_string(&path).expect("its configuration");
        let text = text.replace("[fleet]\n", "[fleet]\ndevice_address = \"127.0.0.1:0\"\n");
        std::fs::write(path, text).expect("written");
    }

    /// Runs its next processes and commands under this program, which replaces itself by them.
    pub fn run_under(&mut self, program: &[&str]) {
        self.under = program.iter().map(|&word| word.to_owned()).collect();
    }

    fn program(&self) -> Command {
        let Some((first, rest)) = self.under.split_first() else { return Command::new(binary()) };
        let mut command = Command::new(first);
        command.args(rest).arg(binary());
        command
    }

    /// Starts the process.
    pub fn launch(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.root.join("stderr.log"));
        let mut command = self.program();
        command.arg("serve").arg("--config").arg(self.root.join("changtong.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a log file"));
        self.process = Some(command.spawn().expect("the gateway starts"));
    }

    /// Starts the process and waits until it is ready.
    pub fn start(&mut self) {
        self.launch();
        wait_for("a member's readiness", || {
            let ended =
                self.process.as_mut().and_then(|process| process.try_wait().expect("our own process"));
            assert!(ended.is_none(), "{}", self.log());
            (self.status()?["stage"] == "ready").then_some(())
        });
    }

    /// Returns its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.root.join("stderr.log")).unwrap_or_default()
    }

    /// Kills the process as a power failure would.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().expect("our own process");
        process.wait().expect("our own process");
    }

    /// Adds lines to its `[fleet]`, before it is started.
    pub fn configure(&self, lines: &str) {
        let path = self.root.join("changtong.toml");
        let text = std::fs::read_to_string(&path).expect("written before");
        std::fs::write(&path, text + lines).expect("written");
    }

    /// Destroys its data and its day keys, as the loss of its machine does; the configuration and the fleet's keys are there again.
    pub fn lose(&self) {
        for lost in [&self.data, &self.root.join("keys/days")] {
            std::fs::remove_dir_all(lost).expect("removed");
        }
        std::fs::create_dir(&self.data).expect("made");
    }

    /// Returns the sum of a metric's series whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        crate::sum(&self.get("/metrics"), name, labels)
    }

    /// Returns what it serves to machines and operators under that path.
    pub fn get(&self, path: &str) -> String {
        crate::http_get(self.http(), path).expect("it is served").1
    }

    /// Returns the address at which this process serves machines and operators.
    pub fn http(&self) -> SocketAddr {
        let status = self.status().expect("it runs");
        status["listens"]["http"].as_str().and_then(|at| at.parse().ok()).expect("an address")
    }

    /// Runs a command with its configuration, signed by one of the city's operators.
    pub fn order_by_file(&self, words: &[&str]) -> (ExitStatus, String, String) {
        let (config, key) = (self.root.join("changtong.toml"), &self.operators[0]);
        let named = ["--config", config.to_str().expect("plain"), "--sign", key.to_str().expect("plain")];
        run(&[words, &named].concat())
    }

    /// Ends the process in good order.
    pub fn terminate(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let pid = rustix::process::Pid::from_child(&process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our own process");
        assert!(process.wait().expect("our own process").success(), "{}", self.log());
    }

    /// Returns the content of its punch log, in CSV.
    pub fn punches(&self) -> Vec<u8> {
        let (ledger, days) = (self.data.join("ledger"), self.root.join("keys/days"));
        let mut out = Vec::new();
        ledger::export(&ledger, &days, (ExportFormat::Csv, &ledger::ALL_TIME), &mut out)
            .expect("a sound log");
        out
    }

    /// Runs a command on its data, signed by so many of the city's operators.
    pub fn order(&self, operators: usize, words: &[&str]) -> (ExitStatus, String, String) {
        said(&mut self.prepared(operators, words))
    }

    /// Prepares a command on its data, signed by so many of the city's operators.
    pub fn prepared(&self, operators: usize, words: &[&str]) -> Command {
        let mut command = self.program();
        command.args(words).arg("--data").arg(&self.data);
        for key in &self.operators[..operators] {
            command.arg("--sign").arg(key);
        }
        command
    }

    /// Does what [`Self::order`] does on a machine that has another clock than its own.
    pub fn order_from_elsewhere(&self, operators: usize, words: &[&str]) -> (ExitStatus, String, String) {
        let mut command = Command::new(binary());
        command.args(words).arg("--data").arg(&self.data);
        for key in &self.operators[..operators] {
            command.arg("--sign").arg(key);
        }
        said(&mut command)
    }

    /// Runs a command on its data.
    pub fn command(&self, words: &[&str]) -> (ExitStatus, String, String) {
        self.order(0, words)
    }

    /// Runs a command on the gateway that its configuration names, also while it does not run, signed by so many of the city's operators.
    pub fn at_rest(&self, operators: usize, words: &[&str]) -> (ExitStatus, String, String) {
        let config = self.root.join("changtong.toml");
        let keys = self.operators[..operators].iter();
        let signs = keys.flat_map(|key| ["--sign", key.to_str().expect("plain")]);
        let at = ["--config", config.to_str().expect("plain")];
        said(self.program().args(words).args(signs).args(at))
    }

    /// Returns the directory of its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns where it stands in the fleet.
    pub fn standing(&self) -> Option<Value> {
        let (_, out, _) = self.command(&["fleet", "status", "--json"]);
        serde_json::from_str(&out).ok()
    }

    /// Waits until it leads.
    pub fn wait_to_lead(&self) {
        wait_for("a leader", || self.standing().filter(|standing| standing["leads"] == true));
    }

    /// Waits until it has the position that another one has now.
    pub fn wait_for_all_of(&self, other: &Self) {
        let position = other.standing().expect("it runs")["position"].as_u64().expect("a number");
        wait_for("the follower", || {
            let standing = self.standing()?;
            (standing["position"].as_u64()? >= position).then_some(())
        });
    }

    /// Returns the city's devices as they speak to this gateway.
    pub fn fleet(&self) -> Fleet {
        let status = self.status().expect("it runs");
        let text = std::fs::read_to_string(&self.devices).expect("the city's devices");
        let mut fleet: Value = serde_json::from_str(&text).expect("JSON");
        fleet["quic"] = vec![status["listens"]["quic"].clone()].into();
        fleet["enrol"] = status["listens"]["enrol"].clone();
        let path = self.root.join("fleet.json");
        std::fs::write(&path, fleet.to_string()).expect("written");
        Fleet::read(&path).expect("a fleet file")
    }

    /// Does what [`Self::fleet`] does, with another device in the place of the first one.
    pub fn fleet_with(&self, id: u64, certificate: &str, key: &str) -> Fleet {
        drop(self.fleet());
        let path = self.root.join("fleet.json");
        let text = std::fs::read_to_string(&path).expect("written before");
        let mut fleet: Value = serde_json::from_str(&text).expect("JSON");
        let row = &mut fleet["devices"][0];
        row["id"] = id.into();
        for (field, text) in [("certificate", certificate), ("key", key)] {
            let file = self.root.join(format!("device-{field}.pem"));
            std::fs::write(&file, text).expect("written");
            row[field] = file.to_str().expect("plain").into();
        }
        std::fs::write(&path, fleet.to_string()).expect("written");
        Fleet::read(&path).expect("a fleet file")
    }

    /// Returns the process's number.
    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(self.process.as_ref().expect("it runs"))
    }

    /// Returns the digest of what its registry shares with the others.
    pub fn digest(&self) -> String {
        let keys = Keys::load(&self.root.join("keys")).expect("its keys");
        let registry = Registry::open_to_read(&self.data.join("registry.db"), &keys).expect("its registry");
        registry.shared_digest().expect("read")
    }

    /// Returns what `changtong status` tells of it.
    pub fn status(&self) -> Option<Value> {
        let (_, out, _) = self.command(&["status", "--json"]);
        serde_json::from_str(&out).ok()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("--- the log in {} ---\n{}", self.root.display(), self.log());
        }
    }
}

/// Runs the program; returns exit status, stdout and stderr.
pub fn run(words: &[&str]) -> (ExitStatus, String, String) {
    said(Command::new(binary()).args(words))
}

/// Runs a command; returns exit status, stdout and stderr.
fn said(command: &mut Command) -> (ExitStatus, String, String) {
    let output = command.output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status, text(&output.stdout), text(&output.stderr))
}

/// Copies a directory with the modes of its files.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    let mode = std::fs::metadata(from).expect("it is there").permissions();
    std::fs::set_permissions(to, mode).expect("set");
    for entry in std::fs::read_dir(from).expect("it is there").flatten() {
        let (path, into) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &into);
        } else {
            std::fs::copy(&path, &into).expect("copied");
        }
    }
}

fn text(root: &Path, data: &Path, name: &str, servers: &Servers) -> String {
    let (root, data) = (root.display(), data.display());
    let Servers { urls, replicas } = servers;
    format!(
        r#"test = true
data = "{data}"
keys = "{root}/keys"
policy = "{root}/policy.toml"

[quic]
listen = "127.0.0.1:0"
certificate = "{root}/server.pem"
key = "{root}/server.key"

[http]
listen = "127.0.0.1:0"

[enrol]
listen = "127.0.0.1:0"
authority = "{root}/authority"

[fleet]
name = "{name}"
address = "https://{name}.example"
servers = {urls:?}
replicas = {replicas}
"#
    )
}
