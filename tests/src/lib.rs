//! The base of end-to-end tests: a development city of their own, in a directory and on ports of their own, that can be killed
//! and started again.

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use device::Fleet;
use handed::Handed;
use loadtest::http;
pub use operators::operator_key;
use runtime::{clock, lock};

pub mod brokers;
pub mod browser;
pub mod clocks;
mod handed;
pub mod https;
pub mod members;
pub mod nats;
mod operators;
pub mod people;
pub mod prometheus;
pub mod python;
pub mod repository;
pub mod served;
pub mod small_disk;
pub mod stalled;
pub mod stand_in;
pub mod tapping;
pub mod traced;
pub mod walk;
pub mod watched;
pub mod web;

/// The time that a condition may take to come true before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The time that a gate may add to the start of a city: its key, its certificate, two files and a row.
const GATE_BUILD_MAX: Duration = Duration::from_millis(5);

/// Returns the gateway's program, built beside the tests.
pub fn binary() -> PathBuf {
    let here = std::env::current_exe().expect("a test knows its program");
    let target = here.parent().and_then(Path::parent).expect("tests are built into target/PROFILE/deps");
    let binary = target.join("changtong");
    assert!(binary.exists(), "{} is missing: cargo build --bin changtong", binary.display());
    binary
}

/// Waits until `condition` returns a value.
///
/// # Panics
/// After [`PATIENCE`].
pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, condition)
}

/// Waits until `condition` returns a value, up to `patience`.
///
/// # Panics
/// After `patience`.
pub fn wait_within<T>(patience: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = clock::now() + patience;
    let mut pause = Duration::from_millis(5);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(clock::now() < end, "{what} did not come true");
        rest(pause);
        // Who looks at pages for seconds stays within what one address may ask for.
        pause = (pause * 2).min(Duration::from_millis(40));
    }
}

#[allow(clippy::disallowed_methods, reason = "between two looks at a condition of another process")]
fn rest(pause: Duration) {
    std::thread::sleep(pause);
}

/// Returns the words before those of a gateway with another clock, `FAKETIME=+4d` for example; waits take as long. It needs Debian's libfaketime.
pub const fn clock_of(faketime: &str) -> [&str; 4] {
    ["env", "LD_PRELOAD=/usr/$LIB/faketime/libfaketimeMT.so.1", "FAKETIME_DONT_FAKE_MONOTONIC=1", faketime]
}

/// Returns the children of one of our processes.
fn children_of(pid: u32) -> impl Iterator<Item = rustix::process::Pid> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let pids: Vec<i32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    pids.into_iter().filter_map(rustix::process::Pid::from_raw)
}

/// Sends a GET over plain HTTP; returns status and body. `None` without an answer.
pub fn http_get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    http::block_on(http::fetch(address, path, Duration::from_secs(5))).ok()
}

/// Returns the sum of a metric's series whose labels contain `labels`, in the text format of Prometheus.
pub fn sum(metrics: &str, name: &str, labels: &str) -> f64 {
    let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let lines = metrics.lines().filter(is_it).filter(|line| line.contains(labels));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Receives the gateway's notifications until the line `what`, and returns them.
///
/// # Panics
/// The socket's timeout passes without a notification.
pub fn heard_until(socket: &UnixDatagram, what: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let mut bytes = [0; 512];
        let length =
            socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{what} after {heard:?}: {error}"));
        let said = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let found = said.lines().any(|line| line == what);
        heard.push(said);
        if found {
            return heard;
        }
    }
}

/// A development city with its process. Ends with the value.
pub struct City {
    directory: tempfile::TempDir,
    process: Option<Child>,
    size: (u32, u64),
    /// The number of fronts, if it is not left to the gateway.
    fronts: Option<usize>,
    addresses: Option<[SocketAddr; 4]>,
    /// The program that the process runs under, for example `strace` with its arguments.
    under: Vec<String>,
    /// Sockets that outlive the processes.
    handed: Option<Handed>,
    /// The variables that the processes find in their environment beside what the test does.
    environment: Vec<(String, String)>,
    /// The level at which the process and every command log.
    level: String,
    /// The way in which a line of the processes' log looks.
    format: String,
    /// The output of each command, with its first two words.
    said: Mutex<Vec<(String, String)>>,
}

impl City {
    /// Builds a city with that many people and gates and starts it.
    pub fn start(people: u32, gates: u64) -> Self {
        let mut city = Self::new(people, gates);
        city.spawn();
        city.wait_ready();
        city
    }

    /// Makes a city that is not built yet.
    pub fn new(people: u32, gates: u64) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the city");
        Self {
            directory,
            process: None,
            size: (people, gates),
            fronts: None,
            addresses: None,
            under: Vec::new(),
            handed: None,
            environment: Vec::new(),
            level: "warn".to_owned(),
            format: "text".to_owned(),
            said: Mutex::default(),
        }
    }

    /// Sets the log level of the next processes and all commands.
    pub fn log_at(&mut self, level: &str) {
        level.clone_into(&mut self.level);
    }

    /// Sets the log format of the next processes.
    pub fn log_as(&mut self, format: &str) {
        format.clone_into(&mut self.format);
    }

    /// Returns the output of each command so far, on stdout and stderr, with its first two words.
    pub fn said(&self) -> Vec<(String, String)> {
        lock::lock(&self.said).clone()
    }

    /// Returns its data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("city")
    }

    /// Makes the next processes run under another program.
    pub fn run_under(&mut self, program: &[&str]) {
        self.under = program.iter().map(|&word| word.to_owned()).collect();
    }

    /// Sets the number of fronts of the next processes.
    pub fn fronts(&mut self, fronts: usize) {
        self.fronts = Some(fronts);
    }

    /// Sets a variable for the next processes.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the process and returns at once. After the first start it has the same addresses as before.
    pub fn spawn(&mut self) {
        assert!(self.process.is_none(), "the city runs already");
        let mut words: Vec<String> = self.under.clone();
        if let Some(handed) = &self.handed {
            words.splice(..0, handed.words());
        }
        words.push(binary().display().to_string());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(["--log", &self.level, "--log-format", &self.format, "dev", "--data"])
            .arg(self.data());
        let (people, gates) = self.size;
        command.args(["--control", "127.0.0.1:0"]);
        if let Some(fronts) = self.fronts {
            command.args(["--fronts", &fronts.to_string()]);
        }
        command.args(["--people", &people.to_string(), "--devices", &gates.to_string()]);
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses = self.addresses.unwrap_or([loopback; 4]);
        for (flag, address) in ["--quic", "--http", "--enrol", "--pages"].iter().zip(addresses) {
            command.args([*flag, &address.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if let Some(handed) = &self.handed {
            handed.give(&mut command);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path());
        command.stderr(log.expect("a log file"));
        self.process = Some(command.spawn().expect("the gateway starts"));
    }

    /// Returns the time that a start may take: in a new city each gate needs a certificate.
    fn start_max(&self) -> Duration {
        PATIENCE + GATE_BUILD_MAX * u32::try_from(self.size.1).expect("a small city")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("stderr.log")
    }

    /// Returns the processes' stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Waits until it answers devices and its codes are loaded.
    pub fn wait_ready(&mut self) {
        let fleet = wait_within(self.start_max(), "the fleet file", || {
            self.assert_runs();
            let fleet = Fleet::load(&self.directory.path().join("city")).ok()?;
            (fleet.quic[0].port() != 0).then_some(fleet)
        });
        let pages = fleet.pages.expect("a development city has pages");
        self.addresses = Some([fleet.quic[0], fleet.http, fleet.enrol, pages]);
        wait_within(self.start_max(), "readiness", || {
            self.assert_runs();
            self.get("/ready").filter(|(status, _)| *status == 200)
        });
    }

    /// Returns true if the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        let process = self.process.as_mut().expect("the city was started");
        process.try_wait().expect("our own process").is_some()
    }

    /// Panics with the log if the process has ended.
    fn assert_runs(&mut self) {
        if let Some(process) = &mut self.process
            && let Ok(Some(status)) = process.try_wait()
        {
            panic!("the gateway ended with {status}: {}", self.log());
        }
    }

    /// Reads the fleet file.
    pub fn fleet(&self) -> Fleet {
        Fleet::load(&self.data()).expect("a running city has a fleet file")
    }

    /// Returns the process's id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the city runs").id()
    }

    /// Returns the id of the gateway's own process, when it runs under another program.
    pub fn traced_pid(&self) -> u32 {
        let mut children = children_of(self.pid());
        children.next().expect("the program has started the gateway").as_raw_nonzero().get() as u32
    }

    /// Sends SIGKILL and waits.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the city runs");
        // A tracer that is killed lets go of what it traces.
        for child in children_of(process.id()).filter(|_| !self.under.is_empty()) {
            let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
        }
        process.kill().expect("our own process can be killed");
        process.wait().expect("our own process can be waited for");
    }

    /// Sends SIGTERM and returns the exit status.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_raw(self.pid() as i32).expect("a process id is not zero");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our own process");
        self.wait_exit()
    }

    /// Waits until the process has ended by itself.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the city runs");
        wait_for("the gateway's end", || process.try_wait().expect("our own process"))
    }

    /// Starts it again and waits until it is ready.
    pub fn restart(&mut self) {
        self.spawn();
        self.wait_ready();
    }

    /// Sends a GET to the metrics port; returns status and body. `None` without an answer.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        http_get(self.addresses?[1], path)
    }

    /// Returns the sum of a metric's series whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, body) = self.get("/metrics").expect("metrics are served");
        sum(&body, name, labels)
    }

    /// Runs a `changtong` command on the city's data; returns exit status, stdout and stderr.
    pub fn command(&self, words: &[&str]) -> (ExitStatus, String, String) {
        self.signed(0, words)
    }

    /// Does what [`Self::command`] does, signed by so many of the city's operators. With 0, a development city's first one signs.
    pub fn signed(&self, operators: usize, words: &[&str]) -> (ExitStatus, String, String) {
        self.sign(Command::new(binary()), operators, words)
    }

    /// Does what [`Self::signed`] does, under the program that the gateway runs under, with its clock.
    pub fn signed_under(&self, operators: usize, words: &[&str]) -> (ExitStatus, String, String) {
        let mut command = Command::new(&self.under[0]);
        command.args(&self.under[1..]).arg(binary());
        self.sign(command, operators, words)
    }

    fn sign(&self, mut command: Command, operators: usize, words: &[&str]) -> (ExitStatus, String, String) {
        command.args(words).args(["--log", &self.level]);
        if operators > 0 {
            for key in &self.fleet().operators[..operators] {
                command.arg("--sign").arg(key);
            }
        }
        let output = command.arg("--data").arg(self.data()).output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        let which = words[..words.len().min(2)].join(" ");
        lock::lock(&self.said).push((which, format!("{out}\n{err}")));
        (output.status, out, err)
    }
}

impl Drop for City {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("--- the gateway's log ---\n{}", self.log());
        }
    }
}

/// Returns a deadline for async waits.
pub fn deadline() -> Instant {
    clock::now() + PATIENCE
}

/// Runs a future on a runtime of this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, future)
}
