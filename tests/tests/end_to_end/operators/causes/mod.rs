//! A cause by hand, from two operators' signatures to the colour at the gate, and back to green when it is cleared or over, by whatever
//! clock.

mod clocks;

use policy::trajectory::{day_of, days_after};
use protocol::{Advice, Colour};
use runtime::clock;
use tests::City;
use tests::people::{shown, somebody};

/// Turns the code red again; then two operators clear all causes of that day.
fn take_back(city: &City, code: u64, cause: &[&str], both: &[&str]) {
    let run = |words: &[&[&str]]| city.command(&words.concat());
    assert!(run(&[cause, both]).0.success());
    assert_eq!(shown(city, code).0, Colour::Red);
    let midnight = format!("{}T00:00", day_of(clock::now_s()));
    let since = ["cause", "clear-since", &midnight];
    let (status, _, err) = run(&[&since, &both[..2]]);
    assert!(status.code() == Some(2) && err.contains("2 operator(s) with the role health"), "{err}");
    let (_, out, err) = run(&[&since, &["--to", &midnight], both]);
    assert!(out.contains("0 causes are cleared"), "none was set in that time: {out}{err}");
    let (_, out, err) = run(&[&since, both]);
    assert!(out.contains("1 causes are cleared"), "all that is in force: {out}{err}");
    assert_eq!(shown(city, code).0, Colour::Green);
    assert!(city.command(&["audit", "verify"]).1.contains("4 decisions are as they were made"));
}

/// Checks that a checkpoint and a receipt kept outside agree with the record, and that no checkpoint replaces another file.
fn held_outside(city: &City, receipt: &str, public_key: &str) {
    let (data, held) = (city.data().display().to_string(), city.data().join("held.json"));
    let held = held.display().to_string();
    let run = |words: &[&str]| {
        let out = std::process::Command::new(tests::binary()).args(words).output().expect("the program runs");
        format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
    };
    let checked = run(&["audit", "check", receipt, "--public-key", public_key, "--data", &data]);
    assert!(checked.contains("Its decision is still on record, among 1."), "{checked}");
    let checkpoint = ["audit", "checkpoint", "--data", &data, "--out", &held];
    assert_eq!(run(&checkpoint), "");
    assert!(run(&checkpoint).contains("give a new file's name"));
    for held in [receipt, &held] {
        let whole = run(&["audit", "verify", "--data", &data, "--public-key", public_key, "--against", held]);
        assert!(whole.contains("They begin with those of"), "{whole}");
    }
}

#[test]
fn two_operators_turn_a_code_red_and_one_clears_it() {
    let mut city = City::start(200, 1);
    let code = somebody(&city, "green");
    let number = code.to_string();
    let key = |name: &str| city.data().join(format!("{name}.key")).display().to_string();
    let bosses: Vec<String> = city.fleet().operators.iter().map(|key| key.display().to_string()).collect();
    let (admin, health) = (key("chen-jie"), key("liu-yang"));
    let run = |words: &[&str]| city.command(words);
    let good = |words: &[&str]| {
        let (status, out, err) = run(words);
        assert!(status.success(), "{words:?}: {out}{err}");
        out
    };
    let refused = |words: &[&str], expected: &str| {
        let (status, out, err) = run(words);
        assert_eq!(status.code(), Some(2), "{words:?}: {out}{err}");
        assert!(err.contains(expected), "{words:?}: {err}");
    };
    let add = |name, role, key, signs: &[&str]| {
        let public_key = tests::operator_key(name, key);
        let words = ["operator", "add", name, "--authority", "cdc", "--role", role];
        good(&[&words[..], &["--public-key", &public_key], signs].concat())
    };
    let public_key = "ab".repeat(32);
    let words = ["operator", "add", "zhao-min", "--authority", "cdc", "--role", "health"];
    let words = [&words[..], &["--public-key", &public_key]].concat();
    refused(&[&words[..], &["--sign", &bosses[0]]].concat(), "this takes 2 operator(s) with the role admin");
    add("chen-jie", "admin,health", &admin, &["--sign", &bosses[0], "--sign", &bosses[1]]);
    add("liu-yang", "health,records", &health, &["--sign", &admin, "--sign", &bosses[1]]);
    refused(&[&words[..], &["--sign", &health]].concat(), "this takes 2 operator(s) with the role admin");

    let until = days_after(day_of(clock::now_s()), 7).to_string();
    let cause = ["cause", "add", "--code", &number, "--kind", "close-contact", "--until", &until];
    refused(&[&cause[..], &["--sign", &health]].concat(), "2 operator(s) with the role health");
    refused(&cause, "1 signed");
    assert_eq!(shown(&city, code).0, Colour::Green, "nobody turns somebody red alone");
    let out = good(&[&cause[..], &["--sign", &health, "--sign", &admin]].concat());
    assert!(out.contains("is now red"), "{out}");
    assert_eq!(shown(&city, code), (Colour::Red, Advice::Stop), "at the next scan");

    refused(&["code", "why", &number, "--case", "A-1", "--sign", &admin], "with the role records");
    let why = good(&["code", "why", &number, "--case", "A-1", "--sign", &health]);
    for expected in ["red, verified", "close-contact", "by cdc", "green to red by cdc (liu-yang,chen-jie)"] {
        assert!(why.contains(expected), "{expected}: {why}");
    }
    assert!(why.contains("looked at 1 time(s)"), "{why}");

    let receipt = city.data().join("receipt.json").display().to_string();
    good(&["code", "why", &number, "--case", "A-1", "--receipt", &receipt, "--sign", &health]);
    let keys = city.data().join("keys").display().to_string();
    let offline = |words: &[&str]| {
        let out = std::process::Command::new(tests::binary()).args(words).output().expect("the program runs");
        (out.status.code(), String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let (_, public_key) = offline(&["audit", "key", "--keys", &keys]);
    let (status, shown_receipt) = offline(&["audit", "check", &receipt, "--public-key", &public_key]);
    assert!(status == Some(0) && shown_receipt.contains("is good"), "{shown_receipt}");
    held_outside(&city, &receipt, &public_key);
    let text = std::fs::read_to_string(&receipt).expect("a receipt");
    assert!(!text.contains(&number), "a receipt does not say whose it is");
    std::fs::write(&receipt, text.replace("liu-yang", "sun-li")).expect("written");
    assert_eq!(offline(&["audit", "check", &receipt, "--public-key", &public_key]).0, Some(2), "forged");

    let operators = good(&["operator", "list", "--sign", &admin]);
    assert!(operators.contains("liu-yang") && operators.contains("health,records"), "{operators}");
    refused(&["operator", "list", "--sign", &health], "with the role admin");

    good(&["cause", "clear", "1", "--sign", &health]);
    assert_eq!(shown(&city, code), (Colour::Green, Advice::Pass), "green as fast as red");
    assert!(!city.log().contains(&number), "no code is in the log");
    assert!(good(&["audit", "verify"]).contains("2 decisions are as they were made"));

    take_back(&city, code, &cause, &["--sign", &health, "--sign", &admin]);
    city.kill();
    city.restart();
    assert_eq!(shown(&city, code).0, Colour::Green, "and after a crash");
}
