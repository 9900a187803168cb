//! The commands of the operator on call: the check of a configuration, also over the network, and the diagnosis of a
//! gateway that runs, does not run, or has a fault.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use simulator::SimulatedCarrier;
use tests::{City, binary, wait_for};

/// Runs a command without a city: exit code and what it printed.
fn run(words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(binary()).args(words).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn json(words: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(binary()).args(words).arg("--json").output().expect("the program runs");
    let value = serde_json::from_slice(&output.stdout);
    (output.status.code(), value.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
}

/// Checks by id: their states, the worst of each.
fn state_of<'a>(findings: &'a Value, id: &str) -> &'a str {
    let of = |finding: &&'a Value| finding["id"] == id;
    let states =
        findings.as_array().expect("a list").iter().filter(of).filter_map(|one| one["state"].as_str());
    states.max_by_key(|state| ["ok", "warn", "fail"].iter().position(|name| name == state)).expect(id)
}

/// Writes a production configuration beside a development city, with the city's carriers and, where possible, its files.
fn configuration(city: &City, directory: &Path) -> PathBuf {
    let data = city.data();
    let fleet: Value =
        serde_json::from_slice(&std::fs::read(data.join("fleet.json")).expect("the fleet file"))
            .expect("JSON");
    let simulated = fleet["carriers"]["simulated"].as_array().expect("carriers");
    let example = tests::repository::read("gateway/changtong.example.toml");
    // The carriers' part is written anew; messages go to where a carrier listens, which is enough to be reached.
    let (before, _) = example.split_once("[[carrier]]").expect("carriers in the example");
    std::fs::create_dir(directory.join("data")).expect("made");
    let mut text = before
        .replace("/var/lib/changtong", &directory.join("data").display().to_string())
        .replace("/etc/changtong", &data.display().to_string())
        .replace("/run/changtong", &directory.display().to_string())
        .replace("\"changtong-operators\"", &format!("\"{}\"", rustix::process::getegid().as_raw()));
    for address in ["0.0.0.0:7443", "127.0.0.1:9464", "0.0.0.0:7444"] {
        assert!(text.contains(address), "{address}");
        text = text.replace(address, "127.0.0.1:0");
    }
    let ca = data.join("authority/ca.pem");
    for (carrier, known) in simulated.iter().zip(SimulatedCarrier::ALL) {
        let reserved = known.reserved();
        let (id, url) = (carrier["id"].as_str().expect("an id"), carrier["url"].as_str().expect("a url"));
        let key = data.join(format!("carriers/{id}.key"));
        text += &format!(
            "[[carrier]]\nid = \"{id}\"\nname = \"{id}\"\nname_zh = \"{id}\"\nurl = \"{url}\"\n\
             authority = {ca:?}\nkey_id = \"development\"\nkey = {key:?}\nreserved = \"{reserved}\"\n\
             travel_page = \"{url}/travel\"\n"
        );
    }
    let (url, key) = (simulated[0]["url"].as_str().expect("a url"), data.join("carriers/china-mobile.key"));
    text += &format!("[sms]\nurl = \"{url}/send\"\nauthority = {ca:?}\nkey_id = \"k\"\nkey = {key:?}\n");
    let path = directory.join("changtong.toml");
    std::fs::write(&path, text).expect("written");
    path
}

#[test]
fn a_configuration_is_probed_over_the_network_and_what_fails_is_named() {
    let city = City::start(100, 1);
    let directory = tempfile::tempdir().expect("a directory");
    let path = configuration(&city, directory.path());
    let file = path.to_str().expect("a plain path");
    let (code, report) = json(&["check-config", file, "--online"]);
    assert_eq!(code, Some(0), "{report}");
    let probes = &report["probes"];
    for id in ["port-in-use", "carrier-failing", "messages-unavailable"] {
        assert_eq!(state_of(probes, id), "ok", "{report}");
    }
    // How much room and how fast the disk is depends on the machine, but both are said.
    for id in ["disk-filling", "sync-slow"] {
        state_of(probes, id);
    }
    let left = std::fs::read_dir(directory.path().join("data")).expect("the data").count();
    assert_eq!(left, 0, "nothing is left behind");

    let (status, out, err) = city.command(&["carrier", "fault", "china-unicom", "down"]);
    assert!(status.success(), "{out}{err}");
    let (code, said) = run(&["check-config", file, "--online"]);
    assert!(code == Some(2) && said.contains("china-unicom at"), "{said}");
    let (status, out, err) = city.command(&["carrier", "fault", "china-unicom", "wrong-name"]);
    assert!(status.success(), "{out}{err}");
    let (code, said) = run(&["check-config", file, "--online"]);
    assert!(code == Some(2) && said.contains("certificate is not from its `authority`"), "{said}");
    let (status, out, err) = city.command(&["carrier", "fault", "china-unicom", "none"]);
    assert!(status.success(), "{out}{err}");

    let (code, findings) = json(&["doctor", "--config", file]);
    assert_eq!((code, state_of(&findings, "gone")), (Some(1), "warn"), "{findings}");
    for id in ["config-refused", "keys-wrong", "certificate-expiry", "ledger-damaged", "registry-damaged"] {
        assert_eq!(state_of(&findings, id), "ok", "{findings}");
    }

    let text = std::fs::read_to_string(&path).expect("the file");
    let taken = city.fleet().http.to_string();
    std::fs::write(&path, text.replacen("127.0.0.1:0", &taken, 2)).expect("written");
    let (code, said) = run(&["check-config", file, "--online"]);
    assert!(code == Some(2) && said.contains(&format!("binding TCP {taken}")), "{said}");
}

/// A gateway of its own, which ends with the value.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn serve_starts_with_what_check_config_accepts() {
    let city = City::start(100, 1);
    let directory = tempfile::tempdir().expect("a directory");
    let path = configuration(&city, directory.path());
    let file = path.to_str().expect("a plain path");
    let (code, said) = run(&["check-config", file]);
    assert!(code == Some(0) && said.contains("a gateway would start with it"), "{said}");
    let mut command = Command::new(binary());
    command.args(["--log", "warn", "serve", "--config", file]).stdin(Stdio::null());
    let mut served = Served(command.spawn().expect("the gateway starts"));
    let findings = wait_for("the gateway's readiness", || {
        let (_, findings) = json(&["doctor", "--config", file]);
        let ready = state_of(&findings, "gone") == "ok" && state_of(&findings, "not-ready") == "ok";
        ready.then_some(findings)
    });
    for id in ["config-refused", "policy-differs", "registry-damaged", "checkpoint-old"] {
        assert_eq!(state_of(&findings, id), "ok", "{findings}");
    }
    let pid = rustix::process::Pid::from_child(&served.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our own process");
    let status = wait_for("its end", || served.0.try_wait().expect("our own process"));
    assert!(status.success(), "{status}");
    let (code, findings) = json(&["doctor", "--config", file]);
    assert_eq!((code, state_of(&findings, "ledger-damaged")), (Some(1), "ok"), "{findings}");
}

#[test]
fn serve_and_check_config_refuse_the_same_with_file_and_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("changtong.toml");
    let file = path.to_str().expect("a plain path");
    let example = tests::repository::read("gateway/changtong.example.toml");
    std::fs::write(&path, example.replace("[ledger]", "[leger]")).expect("written");
    let (checked, said) = run(&["check-config", file]);
    let (served, refused) = run(&["serve", "--config", file]);
    assert_eq!((checked, served), (Some(2), Some(2)), "{said}{refused}");
    let line = example.lines().position(|line| line == "[ledger]").expect("the section") + 1;
    let expected = format!("{file}:{line}: unknown key `leger`; did you mean `ledger`?");
    assert!(said.contains(&expected) && refused.contains(&expected), "{said}\n{refused}");
    // The file is named as for every command.
    for by_variable in [false, true] {
        let mut command = Command::new(binary());
        command.args(["check-config", "--json"]).env_remove("CHANGTONG_CONFIG");
        if by_variable {
            command.env("CHANGTONG_CONFIG", file);
        } else {
            command.args(["--config", file]);
        }
        let output = command.output().expect("the program runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(report["faults"][0]["line"].as_u64(), Some(line as u64), "{report}");
        assert_eq!(output.status.code(), Some(2));
    }
    let (code, said) = run(&["check-config", file, "--config", file]);
    assert!(code == Some(2) && said.contains("cannot be used with"), "{said}");

    // With the file right, what it names is not there on this machine.
    std::fs::write(&path, &example).expect("written");
    let (_, said) = run(&["check-config", file]);
    let (_, refused) = run(&["serve", "--config", file]);
    let faults: Vec<&str> = said.lines().filter(|line| line.starts_with(file)).collect();
    assert!(faults.len() > 5, "{said}");
    for fault in faults {
        assert!(refused.contains(fault), "{fault}: {refused}");
    }
}

#[test]
fn the_doctor_tells_a_well_city_from_a_stopped_and_from_a_damaged_one() {
    let mut city = City::start(300, 1);
    let data = city.data().display().to_string();
    let doctor = || json(&["doctor", "--data", &data]);
    let well = [
        "gone",
        "not-ready",
        "ledger-poisoned",
        "punches-lost",
        "region-parked",
        "registrar-parked",
        "carrier-parked",
        "carrier-failing",
        "codes-loading",
        "fronts-few",
        "clock-wrong",
        "keys-wrong",
        "certificate-expiry",
        "authority-missing",
        "ledger-damaged",
        "registry-damaged",
        "stores-differ",
        "checkpoint-old",
        "appeals-overdue",
        "device-certificate-expires",
        "policy-differs",
    ];
    let (_, findings) = doctor();
    for id in well {
        assert_eq!(state_of(&findings, id), "ok", "{id}: {findings}");
    }
    // They are counted twice a second.
    wait_for("the codes of the city", || {
        let (_, said) = run(&["doctor", "--data", &data]);
        said.contains("300 codes are in memory").then_some(())
    });

    assert!(city.terminate().success());
    let (code, findings) = doctor();
    assert_eq!((code, state_of(&findings, "gone")), (Some(1), "warn"), "{findings}");
    assert_eq!(state_of(&findings, "ledger-damaged"), "ok", "{findings}");

    let policy = city.data().join("policy.toml");
    let text = std::fs::read_to_string(&policy).expect("the policy");
    std::fs::write(&policy, text.replace("2020-02-24", "2020-03-01")).expect("written");
    let (code, findings) = doctor();
    assert_eq!((code, state_of(&findings, "policy-differs")), (Some(1), "warn"), "{findings}");

    let segment = city.data().join("ledger/000000000001.segment");
    let mut bytes = std::fs::read(&segment).expect("the segment");
    bytes[20] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    let (code, findings) = doctor();
    assert_eq!((code, state_of(&findings, "ledger-damaged")), (Some(2), "fail"), "{findings}");

    std::fs::remove_file(city.data().join("keys/pepper.key")).expect("removed");
    let (code, said) = run(&["doctor", "--data", &data]);
    assert!(code == Some(2) && said.contains("FAIL  keys-wrong"), "{said}");
}

#[test]
fn a_gateway_takes_its_own_addresses_before_the_simulated_carriers_take_theirs() {
    let mut city = City::start(50, 1);
    let data = city.data().display().to_string();
    let http = city.fleet().http.to_string();
    assert!(city.terminate().success());
    // At a restart the system could give the carriers a port that was the gateway's; here they ask for one.
    let zero = "127.0.0.1:0";
    let words =
        ["dev", "--data", &data, "--http", &http, "--control", &http, "--quic", zero, "--enrol", zero];
    let (code, said) = run(&[&words[..], &["--pages", zero, "--people", "700"]].concat());
    assert!(code == Some(2) && said.contains("simulated carriers"), "{said}");
    assert!(said.contains("--people is for a new city"), "{said}");
}

#[test]
fn no_city_is_built_where_its_ports_are_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let http = taken.local_addr().expect("bound").to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("city").display().to_string();
    let (code, said) = run(&["dev", "--data", &data, "--quic", "127.0.0.1:0", "--http", &http]);
    assert!(code == Some(2) && said.contains(&http) && said.contains("--http, --enrol"), "{said}");
    assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 0, "{said}");
}

/// Returns the block of the readme that begins a gateway.
fn first_hour() -> String {
    let readme = tests::repository::read("README.md");
    let blocks = readme.split("\n```\n").map(str::to_owned);
    blocks
        .into_iter()
        .find(|block| block.contains("\nchangtong new-config "))
        .expect("the first hour's block")
}

/// Returns the program of a line with its subcommands: `changtong keys init`.
fn named(line: &str) -> Option<String> {
    let begins = |line: &&str| line.starts_with("changtong ") || line.starts_with("loadtest ");
    let line = Some(line).filter(begins)?;
    let word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let deep = ["keys", "authority", "operator", "place", "device", "ledger"];
    let words: Vec<&str> = line.split(' ').take_while(word).collect();
    let depth = if words.first() == Some(&"changtong") && deep.contains(&words[1]) { 3 } else { 2 };
    Some(words[..depth].join(" "))
}

/// A shell with everything that it has started; all of it ends with the value.
struct Shell(Child);

impl Drop for Shell {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.0.wait();
    }
}

#[test]
fn the_first_hour_goes_as_the_readme_has_it_each_command_told_by_one_before() {
    use std::os::unix::process::CommandExt;
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let block = first_hour();
    std::fs::write(at("block"), &block).expect("written");
    // The ports are the block's; an address of this machine that is this process's alone makes them free.
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let address = format!("127.{}.{middle}.{}", 64 + (high & 63), low.clamp(1, 254));
    let transcript = at("transcript");
    let file = std::fs::File::create(&transcript).expect("made");
    let programs = binary().parent().expect("a directory").display().to_string();
    let path = std::env::var_os("PATH").unwrap_or_default().to_string_lossy().into_owned();
    let mut command = Command::new("sh");
    command.args(["-e", "-v"]).arg(at("block")).current_dir(directory.path()).process_group(0);
    command
        .env("PATH", format!("{programs}:{path}"))
        .env("CHANGTONG_CONFIG", at("etc/changtong.toml"))
        .env("DATA", at("data"))
        .env("ADDRESS", &address)
        .env("METRICS", format!("{address}:9464"));
    command.stdin(Stdio::null()).stdout(file.try_clone().expect("a second descriptor")).stderr(file);
    let mut shell = Shell(command.spawn().expect("a shell"));
    let status = wait_for("the end of the block", || shell.0.try_wait().expect("our own process"));
    let said = std::fs::read_to_string(&transcript).expect("what was said");
    assert!(status.success(), "{status}: {said}");
    for expected in
        ["it listens", " ready", "acknowledged, so it is on the gateway's disk", "The punch log is sound."]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(said.lines().any(|line| line.split_whitespace().eq(["punches", "1"])), "it is on record: {said}");
    let commands: Vec<String> = block.lines().filter_map(named).collect();
    assert!(commands.len() > 10, "{commands:?}");
    let echoed = |line: &&str| !block.lines().any(|own| own == *line);
    for (line, command) in block.lines().filter_map(|line| Some((line, named(line)?))).skip(1) {
        let before: String = said.lines().take_while(|said| *said != line).filter(echoed).collect();
        assert!(before.contains(&command), "{command} is not told before: {before}");
    }

    let config = at("etc/changtong.toml").display().to_string();
    let (code, status) = json(&["status", "--config", &config]);
    assert_eq!((code, status["stage"].as_str()), (Some(0), Some("ready")), "{status}");
    assert_eq!(status["devices"]["enrolled"], 1, "{status}");
    assert!(status["clock"]["believed"] == true && status["durable_lsn"].as_u64() > Some(0), "{status}");
    let key = at("zhao-min.key").display().to_string();
    let (_, devices) = json(&["device", "list", "--config", &config, "--sign", &key]);
    let gate = &devices["devices"].as_array().expect("a list")[0];
    assert!(gate["seen_ms"].as_u64() > Some(0), "it was here: {devices}");
}

#[test]
fn whoever_waits_for_a_gateway_may_begin_before_its_socket_is_there() {
    let mut city = City::new(50, 1);
    let socket = city.data().join("admin.sock").display().to_string();
    let (code, said) = run(&["status", "--data", &socket]);
    assert!(code == Some(2) && said.contains("there is no directory"), "nobody waits: {said}");
    let mut command = Command::new(binary());
    command.args(["status", "--wait", "60", "--json", "--data", &socket]).stdout(Stdio::piped());
    let waits = command.spawn().expect("the program runs");
    city.spawn();
    let output = waits.wait_with_output().expect("our own process");
    let status: Value = serde_json::from_slice(&output.stdout).expect("an answer");
    assert_eq!(status["stage"], "ready", "{status}");
    city.wait_ready();
}
