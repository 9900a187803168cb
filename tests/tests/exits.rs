//! With which code a gateway that cannot start ends: the units restart it by that. What an operator has to put right is told apart from
//! what the next start may find well. What systemd makes of the codes is not tried here.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use tests::{City, PATIENCE, binary};

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
    assert!(code == Some(1) && said.contains("in use by another process"), "{code:?}: {said}");
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
