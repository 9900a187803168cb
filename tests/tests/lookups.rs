//! Looking at people: who passed a gate, how to reach them, and that each of them sees who looked.

use std::process::Command;

use loadtest::tokens::Tokens;
use protocol::{Direction, Punch};
use tests::walk::{device, endpoint};
use tests::{City, binary, block_on};

/// Lets the first person of the city pass the first gate, and gives code and place.
fn pass(city: &City) -> (u64, u32) {
    let fleet = city.fleet();
    let tokens = Tokens::load(&fleet).expect("the city's codes");
    let person = tokens.people()[0];
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        let now_ms = actors::clock::now_ms();
        let scanned = tokens.scan(&person, u32::try_from(now_ms / 1000).expect("before 2106"));
        gate.punch(
            region,
            Punch { scanned, direction: Direction::In, place, device_time_ms: now_ms, offline: None },
            0,
        );
        gate.settle().await.expect("acknowledged");
    });
    (person.code.get(), place.0)
}

/// Today, in the city's time.
fn today() -> (String, String) {
    let day = actors::trajectory::day_of(actors::clock::now_ms() / 1000);
    (format!("{day}T00:00"), format!("{}T00:00", actors::trajectory::days_after(day, 1)))
}

#[test]
fn who_passed_is_shown_masked_and_each_of_them_sees_who_looked() {
    let mut city = City::start(200, 1);
    let (code, place) = pass(&city);
    let (from, to) = today();
    let (number, place) = (code.to_string(), place.to_string());
    let good = |city: &City, words: &[&str]| {
        let (status, out, err) = city.signed(1, words);
        assert!(status.success(), "{words:?}: {out}{err}");
        out
    };
    let refused = |city: &City, words: &[&str], expected: &str| {
        let (status, out, err) = city.signed(1, words);
        assert!(status.code() == Some(2) && err.contains(expected), "{words:?}: {out}{err}");
    };
    let who = ["punches", "who", "--place", &place, "--from", &from, "--to", &to, "--case", "C-7"];
    let out = good(&city, &who);
    assert!(out.contains(&number) && out.contains("＊") && out.contains("1 people"), "{out}");
    let contact = good(&city, &["code", "contact", &number, "--case", "C-7"]);
    let phone: String = contact.chars().filter(char::is_ascii_digit).collect();
    assert!(phone.len() >= 11 && !out.contains(&phone[phone.len() - 11..]), "{out}");
    let before = ["ledger", "export", "--case", "C-8"];
    assert!(good(&city, &before).contains(&number));

    let accesses = good(&city, &["code", "accesses", &number, "--case", "C-9"]);
    for (lookup, case) in [("passages", "C-7"), ("contact", "C-7"), ("export", "C-8"), ("accesses", "C-9")] {
        let seen = |line: &str| line.contains(lookup) && line.contains(case) && line.contains("li-na");
        assert!(accesses.lines().any(seen), "{lookup}: {accesses}");
    }
    refused(&city, &["code", "contact", &number, "--case", " "], "names its case");
    refused(&city, &["code", "contact", "77", "--case", "C-7"], "there is no such code");
    refused(&city, &[&who[..6], &["--to", &from, "--case", "C-7"]].concat(), "within a day");
    assert!(city.metric("changtong_lookups_total", "passages") >= 1.0);
    let log = city.log();
    assert!(!log.contains(&phone[phone.len() - 11..]) && !log.contains(&number), "{log}");

    for _ in 0..20 {
        let (status, ..) = city.signed(1, &who);
        if !status.success() {
            break;
        }
    }
    refused(&city, &who, "has looked at as much as one operator may in a day");
    assert!(city.metric("changtong_lookups_refused_total", "passages") >= 1.0, "a look-up over quota alarms");

    assert!(city.terminate().success());
    refused(&city, &who, "has looked at as much");
    let offline = good(&city, &["code", "accesses", &number, "--case", "C-10"]);
    assert!(offline.lines().count() > accesses.lines().count(), "also when no gateway runs: {offline}");
}

#[test]
fn every_administrative_act_takes_an_operator() {
    let city = City::start(100, 1);
    let key = city.data().join("records.key").display().to_string();
    let add = ["operator", "add", "zhao-min", "--authority", "cdc", "--role", "records", "--key", &key];
    let (status, out, err) = city.signed(1, &add);
    assert!(status.success(), "{out}{err}");
    let file = city.data().join("holders.csv");
    std::fs::write(&file, "name,document_kind,document,phone,district,colour,basis,until,qr_text\n")
        .expect("written");
    for words in [
        &["device", "list"][..],
        &["device", "enrol", "--name", "x", "--class", "gate", "--region", "1"],
        &["device", "renew", "1"],
        &["device", "revoke", "1"],
        &["holders", "import", file.to_str().expect("a plain path")],
        &["operator", "revoke", "li-na"],
        &["appeal", "list"],
        &["appeal", "answer", "1", "--grant", "--text", "yes"],
    ] {
        let (status, out, err) = city.command(&[words, &["--sign", &key]].concat());
        assert_eq!(status.code(), Some(2), "{words:?}: {out}");
        assert!(err.contains("this takes 1 operator(s) with the role"), "{words:?}: {err}");
    }
    let (status, _, err) = city.command(&["device", "list"]);
    assert!(status.success() && err.contains("signed by li-na"), "a development city says who signs: {err}");
}

#[test]
fn the_first_operator_of_a_registry_signs_nothing_and_the_second_has_to_be_signed_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::create_dir(directory.path().join("data")).expect("made");
    let run = |words: &[&str]| {
        let output = Command::new(binary()).args(words).output().expect("the program runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (keys, data) = (path("keys"), path("data"));
    assert_eq!(run(&["keys", "init", "--keys", &keys]).0, Some(0));
    let (first, second) = (path("first.key"), path("second.key"));
    let place = ["--data", &data, "--keys", &keys];
    let add = |name, key, more: &[&str]| {
        let words = ["operator", "add", name, "--authority", "cdc", "--role", "admin", "--key", key];
        run(&[&words[..], &place, more].concat())
    };
    let (status, err) = run(&[&["device", "list"][..], &place].concat());
    assert!(status == Some(2) && err.contains("0 signed"), "nobody, before there is an operator: {err}");
    assert_eq!(add("li-na", &first, &[]).0, Some(0));
    let (status, err) = add("wang-wei", &second, &[]);
    assert!(status == Some(2) && err.contains("0 signed"), "{err}");
    assert_eq!(add("wang-wei", &second, &["--sign", &first]).0, Some(0));
}
