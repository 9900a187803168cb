//! The exit codes of a gateway that cannot start, by which the units restart it. Faults that an operator has to repair differ from
//! faults that the next start may not have. systemd's reaction is not tested.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::walk::{device, endpoint, punch};
use tests::{City, PATIENCE, binary, block_on};

/// Runs a gateway on the city's data, which is to end by itself: its code and what it said.
fn ends(city: &City) -> (Option<i32>, String) {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE.as_secs().to_string()).arg(binary());
    command.args(["--log", "warn", "dev", "--data"]).arg(city.data());
    for flag in ["--quic", "--http", "--enrol", "--control", "--pages"] {
        command.args([flag, "127.0.0.1:0"]);
    }
    let output = command.output().expect("the program runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_may_pass_is_started_again_and_what_stays_wrong_is_not() {
    let mut city = City::start(100, 1);
    let (code, said) = ends(&city);
    assert!(code == Some(1) && said.contains("in use by process"), "{code:?}: {said}");
    assert!(city.terminate().success(), "{}", city.log());

    let ledger = city.data().join("ledger");
    let aside = city.data().join("ledger.aside");
    fs::rename(&ledger, &aside).expect("moved");
    fs::write(&ledger, []).expect("written");
    let (code, said) = ends(&city);
    assert!(
        code == Some(75) && said.contains("changtong: punch log: "),
        "no disk under it: {code:?}: {said}"
    );
    fs::remove_file(&ledger).expect("removed");
    fs::rename(&aside, &ledger).expect("moved back");

    let floor = ledger.join("floor");
    let whole = fs::read(&floor).expect("how far the log reaches");
    fs::write(&floor, "segment").expect("written");
    let (code, said) = ends(&city);
    assert!(code == Some(2) && said.contains("punch log is damaged"), "{code:?}: {said}");
    fs::write(&floor, whole).expect("written");

    let key = city.data().join("keys/pepper.key");
    let pepper = fs::read(&key).expect("the key");
    fs::remove_file(&key).expect("removed");
    let (code, said) = ends(&city);
    assert!(code == Some(2) && said.contains("pepper.key is missing"), "{code:?}: {said}");
    // A secret is its owner's alone.
    tests::served::write_secret(&key, "");
    fs::write(&key, pepper).expect("written");

    city.restart();
    assert!(city.terminate().success(), "well again: {}", city.log());
}

/// Starts the city, records acknowledged punches of one of its devices, and ends the city in order.
fn live_a_day(city: &mut City, index: usize) {
    city.restart();
    let fleet = city.fleet();
    let (place, region) = fleet.devices[index].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut device = device(&endpoint, &fleet, index);
        for _ in 0..5 {
            device.punch(region, punch(place), 0);
        }
        device.settle().await.expect("acknowledged");
    });
    assert!(city.terminate().success(), "{}", city.log());
}

fn copy_all(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().expect("cp");
    assert!(copied.success());
}

/// Returns the registry's file and what its store keeps beside it.
fn registry_files(directory: &Path) -> Vec<PathBuf> {
    let names = ["registry.db", "registry.db-wal", "registry.db-shm"];
    names.iter().map(|name| directory.join(name)).filter(|path| path.exists()).collect()
}

fn move_registry(from: &Path, to: &Path) {
    for file in registry_files(from) {
        fs::rename(&file, to.join(file.file_name().expect("a name"))).expect("moved");
    }
}

/// Returns the files of both stores, and of the keys, and what is in them.
fn contents(city: &City) -> BTreeMap<PathBuf, Vec<u8>> {
    let data = city.data();
    let in_directory = |name: &str| {
        let entries =
            fs::read_dir(data.join(name)).expect("a directory").map(|entry| entry.expect("an entry"));
        entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let directories = ["ledger", "keys", "keys/days"].iter().flat_map(|name| in_directory(name));
    let files = directories.chain([data.join("registry.db")]);
    files.map(|path| (path.clone(), fs::read(path).expect("readable"))).collect()
}

/// Puts something in a store's place while `work` is done.
fn instead(store: &Path, other: Option<&Path>, work: impl FnOnce()) {
    let aside = store.with_extension("aside");
    fs::rename(store, &aside).expect("moved");
    other.into_iter().for_each(|other| copy_all(other, store));
    work();
    if store.is_dir() {
        fs::remove_dir_all(store).expect("removed");
    } else if store.exists() {
        fs::remove_file(store).expect("removed");
    }
    fs::rename(&aside, store).expect("moved back");
}

#[test]
fn a_store_that_vanished_is_refused_by_name_and_only_an_order_takes_what_is_left() {
    let mut city = City::start(100, 4);
    assert!(city.terminate().success(), "{}", city.log());
    live_a_day(&mut city, 0);
    let at = |city: &City, name: &str| city.data().join(name);
    let (ledger, registry) = (at(&city, "ledger"), at(&city, "registry.db"));
    let (old_log, old_registry, today) = (at(&city, "ledger.old"), at(&city, "old"), at(&city, "today"));
    copy_all(&ledger, &old_log);
    for directory in [&old_registry, &today] {
        fs::create_dir(directory).expect("made");
    }
    move_registry(&city.data(), &old_registry);
    for file in registry_files(&old_registry) {
        copy_all(&file, &city.data());
    }
    live_a_day(&mut city, 1);

    let refused = |city: &City, expected: &str| {
        let (code, said) = ends(city);
        assert!(code == Some(2) && said.contains(expected), "{code:?}: {said}");
        assert!(said.contains("ledger") && said.contains("registry.db"), "both are named: {said}");
        assert!(said.contains("changtong stores accept"), "{said}");
        let (status, out, err) = city.command(&["stores", "check"]);
        assert!(status.code() == Some(2) && err.contains(expected), "{out}{err}");
        let (status, out, _) = city.command(&["doctor"]);
        assert!(status.code() == Some(2) && out.contains("FAIL  stores-differ"), "{out}");
    };
    instead(&ledger, None, || {
        refused(&city, "holds no punch log");
        assert!(!ledger.exists(), "nothing is made in its place");
        fs::create_dir(&ledger).expect("where it would be mounted");
        refused(&city, "holds no punch log");
    });
    instead(&ledger, Some(&old_log), || {
        // What a power cut leaves of a batch: a start that is not refused cuts it.
        let newest = ledger.join("000000000001.segment");
        let torn = [fs::read(&newest).expect("the newest"), b"torn".to_vec()].concat();
        fs::write(&newest, torn).expect("written");
        let before = contents(&city);
        refused(&city, "older copy, or its end is missing");
        assert_eq!(contents(&city), before, "nothing is written before it is known");
        let (status, out, err) = city.command(&["ledger", "verify"]);
        assert!(status.code() == Some(2) && err.contains("older copy"), "{out}{err}");
    });
    instead(&ledger, Some(&ledger.with_extension("aside")), || {
        fs::remove_file(ledger.join("000000000001.segment")).expect("the newest");
        fs::remove_file(ledger.join("floor")).expect("the floor");
        refused(&city, "holds no punch log");
    });
    move_registry(&city.data(), &today);
    refused(&city, "there is no registry");
    assert!(!registry.exists(), "nothing is made in its place");
    move_registry(&old_registry, &city.data());
    refused(&city, "it is an older copy");
    move_registry(&city.data(), &old_registry);
    move_registry(&today, &city.data());
    live_a_day(&mut city, 3);

    fs::remove_dir_all(&ledger).expect("removed");
    fs::rename(&old_log, &ledger).expect("yesterday's");
    let accept = ["stores", "accept", "--case", "D-7"];
    let (status, out, err) = city.signed(1, &accept);
    assert!(!status.success() && err.contains("takes 2"), "{out}{err}");
    let (status, out, err) = city.signed(2, &accept);
    assert!(status.success() && out.contains("older copy"), "{out}{err}");
    live_a_day(&mut city, 2);
    let (status, out, err) = city.signed(2, &accept);
    assert!(status.success() && out.contains("nothing had to be accepted"), "{out}{err}");
}

#[test]
fn orders_that_were_taken_out_at_the_end_are_missed_by_whoever_holds_a_checkpoint() {
    let mut city = City::start(100, 1);
    let (before, held) = (city.data().join("before"), city.data().join("held.json"));
    let good = |city: &City, words: &[&str]| {
        let (status, out, err) = city.command(words);
        assert!(status.success(), "{words:?}: {out}{err}");
        out
    };
    let keys = city.data().join("keys").display().to_string();
    let key =
        Command::new(binary()).args(["audit", "key", "--keys", &keys]).output().expect("it runs").stdout;
    let (key, held) = (String::from_utf8(key).expect("digits"), held.display().to_string());
    let verify = ["audit", "verify", "--public-key", key.trim(), "--against", &held];
    good(&city, &["device", "list"]);
    // The cut log still has a signed tree of decisions: none has been made since.
    good(&city, &["audit", "checkpoint"]);
    assert!(city.terminate().success(), "{}", city.log());
    fs::create_dir(&before).expect("made");
    registry_files(&city.data()).iter().for_each(|file| copy_all(file, &before));
    city.restart();
    good(&city, &["device", "list"]);
    good(&city, &["audit", "checkpoint", "--out", &held]);
    let whole = good(&city, &verify);
    assert!(whole.contains("2 orders are as they were signed"), "{whole}");
    assert!(city.terminate().success(), "{}", city.log());

    registry_files(&city.data()).iter().for_each(|file| fs::remove_file(file).expect("removed"));
    move_registry(&before, &city.data());
    let cut = good(&city, &verify[..4]);
    assert!(cut.contains("1 orders are as they were signed"), "nothing in it shows the cut: {cut}");
    let (status, out, err) = city.command(&verify);
    assert!(status.code() == Some(2) && err.contains("held.json does not agree"), "{out}{err}");
    assert!(err.contains("entry 4 of the order log: it is missing"), "{err}");
}

#[test]
fn what_ends_it_is_an_error_in_the_journal_and_a_plain_line_elsewhere() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("changtong.toml");
    fs::write(&config, "data = 1\nkeys = 2\n").expect("written");
    for journal in [false, true] {
        let path = directory.path().join("stderr");
        let file = fs::File::create(&path).expect("made");
        let stat = file.metadata().expect("it is there");
        let mut command = Command::new(binary());
        command.arg("serve").arg("--config").arg(&config).env_remove("JOURNAL_STREAM");
        if journal {
            command.env("JOURNAL_STREAM", format!("{}:{}", stat.dev(), stat.ino()));
        }
        let status = command.stderr(file).status().expect("the program runs");
        let said = fs::read_to_string(&path).expect("what it said");
        assert!(status.code() == Some(2) && said.lines().count() > 1, "{status}: {said}");
        let begins = if journal { "<3>" } else { "changtong: " };
        assert!(said.starts_with(begins) && said.contains("changtong: a gateway does not start"), "{said}");
        assert_eq!(said.lines().all(|line| line.starts_with("<3>")), journal, "every line of it: {said}");
    }
}

/// Returns the program, with nothing of the test's own environment that names a gateway.
fn program(words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(words).env_remove("CHANGTONG_CONFIG");
    command
}

/// Runs a command; returns its exit code, stdout and stderr.
fn said(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_reader_who_closes_the_pipe_ends_no_command_badly() {
    let city = City::start(50, 1);
    let data = city.data().display().to_string();
    let config = city.data().join("none.toml").display().to_string();
    let plain: [&[&str]; 12] = [
        &["doctor"],
        &["status"],
        &["device", "list"],
        &["place", "list"],
        &["operator", "list"],
        &["keys", "status"],
        &["policy", "list"],
        &["policy", "show"],
        &["ledger", "verify"],
        &["audit", "verify"],
        &["consents", "verify"],
        &["sunset"],
    ];
    let named = plain.iter().map(|words| [*words, &["--data", &data]].concat());
    let others: [&[&str]; 4] = [
        &["check-config", &config],
        &["generate", "completions", "bash"],
        &["--help"],
        &["doctor", "--help"],
    ];
    for words in named.chain(others.iter().map(|words| words.to_vec())) {
        let whole = said(&mut program(&words)).0;
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output =
            program(&words).stdout(writer).stderr(Stdio::piped()).output().expect("the program runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), whole, "{words:?}: {err}");
        assert!(!err.contains("panic") && !err.to_lowercase().contains("broken pipe"), "{words:?}: {err}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = program(&words).stdout(Stdio::null()).stderr(writer).status().expect("the program runs");
        assert_eq!(status.code(), whole, "{words:?} with stderr closed");
    }
    let mut list = Command::new(binary().with_file_name("loadtest"));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert!(list.arg("list").stdout(writer).status().expect("the program runs").success());
}

#[test]
fn errors_are_json_where_programs_asked_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let nowhere = directory.path().join("nowhere").display().to_string();
    for (words, expected) in [
        (&["device", "list", "--json", "--data", &nowhere][..], "there is no directory"),
        (&["device", "list", "--json", "--date", &nowhere], "unexpected argument '--date'"),
        (&["device", "enrol", "--json", "--data", &nowhere], "required arguments were not provided"),
        (&["doctor", "--json", "--config", &nowhere], "cannot be read"),
        (&["status", "--json", "--data", &nowhere], "there is no directory"),
    ] {
        let (code, out, err) = said(&mut program(words));
        let error: serde_json::Value =
            serde_json::from_str(&err).unwrap_or_else(|_| panic!("{words:?}: {err}"));
        assert!(out.is_empty() && code == Some(2) && error["exit_code"] == 2, "{words:?}: {out}{err}");
        let text = error["error"].as_str().expect("a text");
        assert!(text.contains(expected), "{words:?}: {text}");
    }
    let (_, out, _) = said(&mut program(&["--version"]));
    assert!(out.starts_with("changtong ") && out.contains(", commit "), "{out}");
}

#[test]
fn a_gateway_is_named_one_way_and_what_is_not_there_is_said_and_not_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    let file = at("changtong.toml");
    fs::create_dir(at("data")).expect("made");
    assert_eq!(said(&mut program(&["keys", "init", "--keys", &at("keys")])).0, Some(0));
    let (data, keys) = (at("data"), at("keys"));
    fs::write(&file, format!("data = {data:?}\nkeys = {keys:?}\n")).expect("written");
    let reads: [&[&str]; 9] = [
        &["device", "list"],
        &["operator", "list"],
        &["place", "list"],
        &["policy", "list"],
        &["clock", "status"],
        &["status"],
        &["ledger", "export", "--case", "C-1"],
        &["audit", "verify"],
        &["consents", "verify"],
    ];
    let here = || fs::read_dir(directory.path()).expect("listed").count();
    for words in reads {
        let (nowhere, before) = (at("nowhere"), here());
        let (code, out, err) = said(&mut program(&[words, &["--data", &nowhere]].concat()));
        let expected = format!("there is no directory {nowhere}");
        assert!(code == Some(2) && err.contains(&expected), "{words:?}: {out}{err}");
        // A directory that no gateway has been in, named by its data, which do not say where the keys are …
        let (code, out, err) = said(&mut program(&[words, &["--data", &data]].concat()));
        let expected = ["has no keys in it", "no gateway runs on"].iter().any(|text| err.contains(text));
        assert!(code == Some(2) && expected, "{words:?}: {out}{err}");
        // … and by its configuration, which does, on the command line or in the environment.
        let by_flag = said(&mut program(&[words, &["--config", &file]].concat()));
        let by_variable = said(program(words).env("CHANGTONG_CONFIG", &file));
        let expected =
            ["has no registry yet", "no gateway runs on"].iter().any(|text| by_flag.2.contains(text));
        assert!(by_flag.0 == Some(2) && expected, "{words:?}: {by_flag:?}");
        assert_eq!(by_flag, by_variable, "{words:?}");
        let (code, _, err) = said(&mut program(&[words, &["--config", &file, "--data", &data]].concat()));
        assert!(code == Some(2) && err.contains("not by both"), "{words:?}: {err}");
        assert_eq!(here(), before, "{words:?} makes nothing");
        let left: Vec<_> =
            fs::read_dir(&data).expect("listed").map(|entry| entry.expect("one").file_name()).collect();
        assert!(left.is_empty(), "{words:?} makes {left:?}");
    }
    let unnamed = said(program(&["device", "list"]).current_dir(directory.path()));
    assert!(unnamed.2.contains("no gateway is named") || Path::new("/etc/changtong").exists(), "{unnamed:?}");

    let mut city = City::start(50, 1);
    let pid = city.pid();
    let aside = city.data().join("admin.aside");
    fs::rename(city.data().join("admin.sock"), &aside).expect("moved");
    let (status, out, err) = city.command(&["device", "list"]);
    assert!(!status.success() && err.contains(&format!("is in use by process {pid}")), "{out}{err}");
    fs::rename(&aside, city.data().join("admin.sock")).expect("moved back");
    assert!(city.terminate().success());
}
