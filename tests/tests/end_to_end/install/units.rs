//! The units, checked by systemd's own tools without a booted systemd: they parse, they leave little open,
//! they agree with the gateway's own limits, and they allow every system call that it makes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::repository::{read, read_toml, run};
use tests::walk::{device, endpoint, punch};
use tests::{City, binary, block_on};

const SERVICE: &str = "gateway/package/changtong.service";
const SOCKET: &str = "gateway/package/changtong.socket";
/// The gateway's exit codes: something that it was given is wrong, and its punch log failed. Other tests see it end with them.
const EXIT_USAGE: i32 = 2;
const EXIT_LEDGER: i32 = 75;
/// The place where a gateway under the unit writes backups, beside its data and its day keys.
const BACKUPS: &str = "/var/backups/changtong";
/// The exposure that systemd calls OK begins below 4; more is left open only for a reason. In tenths.
const EXPOSURE_MAX: &str = "20";
/// SQLite gives its files to the directory's owner when it runs as root, as tests may and the unit does not.
const ROOT_ONLY: [&str; 1] = ["fchown"];

/// Returns every value of a key in a unit.
fn values(unit: &str, key: &str) -> Vec<String> {
    let text = read(unit);
    let lines = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.map(str::to_owned).collect()
}

fn value(unit: &str, key: &str) -> String {
    let values = values(unit, key);
    assert_eq!(values.len(), 1, "{key} in {unit}");
    values[0].clone()
}

/// Returns the units, with the program that is built here in the place of the installed one.
fn units(directory: &Path) -> [PathBuf; 2] {
    [SERVICE, SOCKET].map(|unit| {
        let path = directory.join(unit.rsplit('/').next().expect("split has a last part"));
        let text = read(unit).replace("/usr/bin/changtong", &binary().display().to_string());
        fs::write(&path, text).expect("written");
        path
    })
}

#[test]
fn systemd_takes_the_units_without_a_word_and_finds_them_closed() {
    let directory = tempfile::tempdir().expect("a directory");
    let units = units(directory.path());
    let said = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units));
    assert_eq!(said, "");
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=yes", "--no-pager", "--threshold", EXPOSURE_MAX]).arg(&units[0]);
    let said = run(&mut command);
    println!("{}", said.lines().last().unwrap_or_default());
    // The same check finds an open unit open.
    let open = directory.path().join("open.service");
    fs::write(&open, "[Service]\nExecStart=/bin/true\n").expect("written");
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=yes", "--no-pager", "--threshold", EXPOSURE_MAX]).arg(&open);
    assert!(!command.output().expect("it runs").status.success());
}

#[test]
fn the_units_agree_with_the_gateway_and_with_each_other() {
    let seconds = |key| value(SERVICE, key).parse::<u64>().expect("seconds");
    assert!(seconds("TimeoutStopSec") > 30, "the gateway's own limit comes first");
    let blocked = runtime::watchdog::BLOCKED_AFTER.as_secs();
    assert!(seconds("WatchdogSec") / 2 > blocked, "the gateway's own watchdog comes first");
    let forced = value(SERVICE, "RestartForceExitStatus");
    assert_eq!(forced, format!("{} {EXIT_LEDGER}", runtime::watchdog::EXIT_BLOCKED));
    assert_eq!(value(SERVICE, "RestartPreventExitStatus"), EXIT_USAGE.to_string());
    assert_eq!(value(SERVICE, "Restart"), "on-failure", "every other code is restarted");
    assert_eq!(value(SERVICE, "StartLimitIntervalSec"), "0");
    // Each restart may be triggered by a packet once it is over and once more while it waits.
    let limit = |key| value(SOCKET, key).parse::<u64>().expect("a number");
    let restarts = limit("TriggerLimitIntervalSec") / seconds("RestartSec");
    assert!(limit("TriggerLimitBurst") > 2 * restarts, "the socket outlives restarts");
    let command = value(SERVICE, "ExecStart");
    let config = command.strip_prefix("/usr/bin/changtong serve --config ").expect("the unit's command");
    for unit in [SERVICE, SOCKET] {
        assert_eq!(value(unit, "ConditionPathExists"), config, "{unit}");
    }
    assert_eq!(value(SOCKET, "FileDescriptorName"), "quic");
    let example = read_toml("gateway/changtong.example.toml");
    assert_eq!(Some(value(SOCKET, "ListenDatagram").as_str()), example["quic"]["listen"].as_str());
    let keys = example["keys"].as_str().expect("a path");
    let writable = value(SERVICE, "ReadWritePaths");
    assert_eq!(writable, format!("-{keys} -{BACKUPS} -/run/changtong"));
    let made = read("gateway/package/scripts/postinst");
    let own = format!("install -d -o changtong -g changtong -m 0700 {BACKUPS}");
    assert!(made.lines().any(|line| line.trim() == own), "the unit's user writes backups there: {made}");
    let socket = Path::new(example["operators"]["socket"].as_str().expect("a path"));
    let group = example["operators"]["group"].as_str().expect("a name");
    let directory = format!("d {} 2750 changtong {group} -", socket.parent().expect("a directory").display());
    assert!(read("gateway/package/tmpfiles.conf").lines().any(|line| line == directory), "{directory}");
    assert!(read("gateway/package/sysusers.conf").lines().any(|line| line == format!("g {group} -")));
    let state = format!("/var/lib/{}", value(SERVICE, "StateDirectory"));
    assert_eq!(example["data"].as_str(), Some(state.as_str()));
}

/// Finds the names of a set of system calls, as systemd-analyze lists it, and those of the sets in it.
fn calls(set: &str, found: &mut BTreeSet<String>) {
    let listed = run(Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", set]));
    for line in
        listed.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if line.starts_with('@') {
            calls(line, found);
        } else {
            found.insert(line.to_owned());
        }
    }
}

/// Returns the calls that the unit allows, without those that it takes back.
fn allowed_calls() -> BTreeSet<String> {
    let (mut allowed, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for filter in values(SERVICE, "SystemCallFilter") {
        match filter.strip_prefix('~') {
            Some(set) => calls(set, &mut refused),
            None => calls(&filter, &mut allowed),
        }
    }
    assert!(allowed.len() > 200 && refused.len() > 20, "{} and {}", allowed.len(), refused.len());
    allowed.difference(&refused).cloned().collect()
}

#[test]
fn every_system_call_of_the_gateway_is_one_that_the_unit_allows() {
    let directory = tempfile::tempdir().expect("a directory");
    let trace = directory.path().join("trace");
    let mut city = City::new(200, 5);
    city.run_under(&["strace", "-f", "-qq", "-o", trace.to_str().expect("a plain path")]);
    city.spawn();
    city.wait_ready();
    let fleet = city.fleet();
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        let (place, region) = fleet.devices[0].places().next().expect("a place");
        gate.punch(region, punch(place), 0);
        gate.settle().await.expect("acknowledged");
    });
    let pid = rustix::process::Pid::from_raw(city.traced_pid() as i32).expect("a process id is not zero");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our own process");
    assert_eq!(city.wait_exit().code(), Some(0), "{}", city.log());
    let allowed = allowed_calls();
    let trace = fs::read_to_string(&trace).expect("a trace");
    let lines = trace.lines().filter_map(|line| line.split_once(' ').map(|(_, rest)| rest.trim_start()));
    let made: BTreeSet<&str> =
        lines.clone().filter_map(|line| line.split_once('(').map(|(name, _)| name)).collect();
    assert!(made.contains("fdatasync") && made.contains("recvmmsg"), "{made:?}");
    let refused: Vec<_> = made
        .iter()
        .filter(|name| is_call(name) && !allowed.contains(**name) && !ROOT_ONLY.contains(name))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    let executable: Vec<_> = lines.filter(|line| line.contains("PROT_WRITE|PROT_EXEC")).collect();
    assert!(executable.is_empty(), "MemoryDenyWriteExecute= would end it: {executable:?}");
}

/// Returns true for a system call. strace also writes other lines: a resumed call, a signal.
fn is_call(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
