//! Live verdicts on an operator's screen: they come at once, without personal data, the look is on record before the first
//! line, and no device waits for a screen.

use std::process::Command;

use device::tokens::{Person, Tokens};
use device::{Device, Fleet};
use protocol::{Direction, PlaceId, Punch, RegionId, Scanned};
use serde_json::Value;
use tests::tapping::Tapping;
use tests::walk::{Crew, device, endpoint, prove};
use tests::{City, binary, block_on, wait_for};

/// More than a pipe, a socket and a tap hold together without a reader.
const MANY: u64 = 60_000;
/// Scans of one frame.
const FRAME: usize = 64;

/// Begins a tap; with `reads`, its lines are read.
fn begin(city: &City, case: &str, words: &[&str], reads: bool) -> Tapping {
    let mut command = Command::new(binary());
    command.args(["--log", "warn", "tap", "--case", case, "--json", "--data"]).arg(city.data());
    command.arg("--sign").arg(&city.fleet().operators[0]).args(words);
    Tapping::begin(command, reads)
}

/// Does what [`begin`] does, and waits until the tap is open.
fn open(city: &City, case: &str, words: &[&str], reads: bool) -> Tapping {
    begin(city, case, words, reads).wait_until_it_says("the tap is open")
}

fn seen(person: &Person, place: PlaceId, tokens: &Tokens) -> Punch {
    let now_ms = runtime::clock::now_ms();
    let scanned = tokens.scan(person, u32::try_from(now_ms / 1000).expect("before 2106"));
    Punch { scanned, direction: Direction::Out, place, device_time_ms: now_ms, offline: None }
}

/// Lets the first 40 people pass the first gate; what their devices sent.
async fn passes(gate: &mut Device, fleet: &Fleet, tokens: &Tokens) -> Vec<Punch> {
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    let mut sent = Vec::new();
    for person in &tokens.people()[..40] {
        let punch = seen(person, place, tokens);
        sent.push(punch.clone());
        gate.punch(region, punch, 0);
    }
    gate.settle().await.expect("acknowledged");
    sent
}

fn field<'a>(line: &'a Value, name: &str) -> &'a str {
    line[name].as_str().unwrap_or_default()
}

#[test]
fn verdicts_are_shown_while_they_are_given_and_nobody_is_in_them() {
    let city = City::start(300, 1);
    let (fleet, tokens) = (city.fleet(), Tokens::load(&city.fleet()).expect("the city's codes"));
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    let number = region.0.to_string();
    let all = open(&city, "T-1", &["--region", &number], true);
    let other = RegionId(if region.0 == 1 { 2 } else { 1 }).0.to_string();
    let red = open(&city, "T-2", &["--region", &other, "--colour", "red"], true);
    assert!((city.metric("changtong_taps", "") - 2.0).abs() < 0.1);

    let sent = block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        let sent = passes(&mut gate, &fleet, &tokens).await;
        gate.verify(region, vec![Scanned::Nothing, sent[0].scanned.clone()]).await.expect("verified");
        sent
    });
    let lines = wait_for("every line", || Some(all.lines()).filter(|lines| lines.len() >= 42));
    assert_eq!(lines.len(), 42, "{lines:?}");
    let device = &fleet.devices[0];
    for (at, line) in lines.iter().enumerate() {
        let punch = at < 40;
        assert_eq!(field(line, "given"), if punch { "punch" } else { "verify" }, "{line}");
        assert_eq!(line["place"].as_u64(), punch.then_some(u64::from(place.0)), "{line}");
        assert_eq!(field(line, "direction"), if punch { "out" } else { "" }, "{line}");
        assert_eq!(line["device"].as_u64(), Some(device.id().0), "{line}");
        assert_eq!(line["region"].as_u64(), Some(u64::from(region.0)), "{line}");
        assert!(!field(line, "region_name").is_empty() && !field(line, "device_name").is_empty(), "{line}");
        assert_eq!(field(line, "scan"), if at == 40 { "nothing" } else { "token" }, "{line}");
        assert!(!field(line, "advice").is_empty() && !field(line, "basis").is_empty(), "{line}");
    }
    assert_eq!(field(&lines[40], "reason"), "nothing-shown");
    assert!(red.lines().is_empty(), "another region's: {:?}", red.lines());

    // No personal data: neither a code in any form, nor the scanned text, nor a phone.
    let shown = all.lines().iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + &all.said();
    for (person, punch) in tokens.people().iter().zip(&sent) {
        let code = person.code.get();
        let Scanned::Token(token) = &punch.scanned else { panic!("people of the city show tokens") };
        for trace in [code.to_string(), format!("{code:x}"), hex::encode(token), format!("{token:?}")] {
            assert!(!shown.contains(&trace), "{trace}: {shown}");
        }
    }
    let csv = std::fs::read_to_string(city.data().join("codes.csv")).expect("codes");
    assert!(
        csv.lines()
            .skip(1)
            .flat_map(|line| line.split(','))
            .filter(|cell| cell.len() >= 11)
            .all(|cell| !shown.contains(cell))
    );
    let longest = shown.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or_default();
    assert!(longest <= 10, "seconds are the longest number: {shown}");
    let code = tokens.people()[0].code.get().to_string();
    let (status, out, err) = city.signed(1, &["code", "accesses", &code, "--case", "C-1"]);
    assert!(status.success(), "{err}");
    for case in ["T-1", "T-2"] {
        let on_record = |line: &str| line.contains("tap ") && line.contains(case) && line.contains("li-na");
        assert!(out.lines().any(on_record), "{case}: {out}");
    }
    assert!(city.metric("changtong_lookups_total", "tap") >= 2.0);
}

#[test]
fn a_filter_by_colour_shows_that_colour_alone() {
    let city = City::start(2_000, 1);
    let (fleet, tokens) = (city.fleet(), Tokens::load(&city.fleet()).expect("the city's codes"));
    let all = open(&city, "T-1", &[], true);
    let one = open(&city, "T-2", &["--colour", "green"], true);
    let region = fleet.devices[0].places().next().expect("a place").1;
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        let _ = passes(&mut gate, &fleet, &tokens).await;
        // The last one, and what is never green.
        gate.verify(region, vec![Scanned::Nothing]).await.expect("verified");
    });
    let lines = wait_for("every line", || Some(all.lines()).filter(|lines| lines.len() >= 41));
    let expected: Vec<&Value> = lines.iter().filter(|line| field(line, "colour") == "green").collect();
    assert!(!expected.is_empty() && expected.len() < lines.len(), "{lines:?}");
    let shown = wait_for("green ones", || Some(one.lines()).filter(|lines| lines.len() >= expected.len()));
    assert_eq!(shown.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_tap_that_is_killed_at_once_is_on_record_and_ends() {
    let city = City::start(100, 1);
    let mut tapping = open(&city, "T-9", &["--seconds", "600"], true);
    tapping.kill();
    let code = Tokens::load(&city.fleet()).expect("codes").people()[0].code.get().to_string();
    let (status, out, err) = city.signed(1, &["code", "accesses", &code, "--case", "C-1"]);
    assert!(status.success() && out.contains("T-9"), "{out}{err}");
    wait_for("the tap's end", || (city.metric("changtong_taps", "") == 0.0).then_some(()));
    let (done, _, said) = begin(&city, "T-10", &["--seconds", "1"], true).end();
    assert!(done == Some(0) && said.contains("0 verdicts shown, 0 dropped"), "it ends by itself: {said}");
}

#[test]
fn a_tap_takes_a_case_a_role_and_an_operator_who_is_in_office() {
    let mut city = City::start(100, 1);
    let key = city.data().join("admin.key").display().to_string();
    let add = ["operator", "add", "zhao-min", "--authority", "cdc", "--role", "health"];
    let public_key = tests::operator_key("zhao-min", &key);
    let add = [&add[..], &["--public-key", &public_key]].concat();
    assert!(city.signed(2, &add).0.success());
    let refused = |city: &City, words: &[&str], expected: &str| {
        let (status, out, err) = city.command(&[&["tap"][..], words].concat());
        assert!(
            status.code() == Some(2) && err.contains(expected) && out.is_empty(),
            "{words:?}: {out}{err}"
        );
    };
    refused(&city, &[], "--case");
    refused(&city, &["--case", " "], "names its case");
    refused(&city, &["--case", "T-1", "--sign", &key], "with the role records");
    refused(&city, &["--case", "T-1", "--region", "999"], "there is no region 999");
    refused(&city, &["--case", "T-1", "--colour", "blue"], "a colour is");
    refused(&city, &["--case", "T-1", "--seconds", "601"], "601");
    refused(&city, &["--case", "T-1", "--fleet"], "in no fleet");

    let open: Vec<Tapping> = (0..2).map(|_| open(&city, "T-2", &["--seconds", "600"], true)).collect();
    refused(&city, &["--case", "T-3"], "2 taps are open");
    // A revoked operator sees no more.
    let second = city.fleet().operators[1].display().to_string();
    let third = tests::operator_key("chen-jie", &city.data().join("third.key").display().to_string());
    let add =
        ["operator", "add", "chen-jie", "--authority", "cdc", "--role", "admin", "--public-key", &third];
    for words in [&add[..], &["operator", "revoke", "li-na"]] {
        let (status, _, err) = city.signed(2, words);
        assert!(status.success(), "{err}");
    }
    for tapping in open {
        let (done, _, said) = tapping.end();
        assert!(done == Some(2) && said.contains("the signature of li-na is not valid"), "{said}");
    }
    refused(&city, &["--case", "T-4"], "the signature of li-na is not valid");
    assert!(city.terminate().success());
    refused(&city, &["--case", "T-5", "--sign", &second], "takes a running gateway");
}

#[test]
fn a_screen_that_takes_nothing_slows_no_device_down() {
    let city = City::start(100, 2);
    let fleet = city.fleet();
    let region = fleet.devices[0].places().next().expect("a place").1;
    let mut slow = open(&city, "T-1", &["--seconds", "600"], false);
    let walkers = block_on(async {
        let (crew, mut gate) = (Crew::start(&fleet, 1..2), device(&endpoint(&fleet), &fleet, 0));
        for _ in 0..MANY / FRAME as u64 {
            let answered = gate.verify(region, vec![Scanned::Nothing; FRAME]).await.expect("verified");
            assert_eq!(answered.len(), FRAME);
        }
        crew.end().await
    });
    // Every punch beside it was acknowledged, once; and the screen that is read again says what it missed.
    println!("{:?}", prove(&city, walkers));
    slow.read();
    let dropped = wait_for("what was dropped", || {
        slow.lines().iter().filter_map(|line| line["dropped"].as_u64()).next_back()
    });
    let shown = slow.lines().iter().filter(|line| line["dropped"].is_null()).count() as u64;
    println!("{dropped} dropped, {shown} shown");
    assert!(dropped > 0 && shown > 0);
}
