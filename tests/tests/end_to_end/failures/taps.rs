//! The verdicts of all gateways of a fleet on one operator's screen: each with its gateway's name, on record once, without any that is away,
//! and over everywhere when the operator has gone.

use std::collections::BTreeMap;
use std::time::Duration;

use device::tokens::Tokens;
use device::{Device, DeviceState};
use protocol::{Epoch, Scanned};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tests::members::Member;
use tests::nats::Nats;
use tests::tapping::Tapping;
use tests::walk::{endpoint, punch};
use tests::{City, block_on, wait_for};

use super::moving::three;

/// More than a pipe, sockets and a tap hold together without a reader.
const MANY: usize = 20_000;
/// Scans of one frame.
const FRAME: usize = 64;

/// Begins a tap of all gateways at one of them.
fn begin(member: &Member, case: &str, words: &[&str], reads: bool) -> Tapping {
    let tap = ["--log", "warn", "tap", "--fleet", "--json", "--case", case];
    Tapping::begin(member.prepared(1, &[&tap[..], words].concat()), reads)
}

/// Does what [`begin`] does, and waits until all three are shown.
fn open(member: &Member, case: &str, reads: bool) -> Tapping {
    let tapping = begin(member, case, &["--seconds", "600"], reads);
    ["north", "south", "west"]
        .iter()
        .fold(tapping, |tapping, name| tapping.wait_until_it_says(&format!("{name} is shown\n")))
}

/// Returns that device of the city at a gateway, which it does not leave.
fn gate(fleet: &device::Fleet, index: usize, epoch: u32) -> Device {
    let state = DeviceState::new(Epoch(epoch));
    let device = Device::new(&endpoint(fleet), fleet, &fleet.devices[index], state);
    let mut gate = device.expect("certificates");
    gate.come_home_after(Duration::from_secs(3_600));
    gate
}

/// Has a device punch so many times at a gateway, in a new epoch.
fn passes(member: &Member, (index, epoch): (usize, u32), times: usize) {
    let fleet = member.fleet();
    let (place, region) = fleet.devices[index].places().next().expect("a place");
    block_on(async {
        let mut gate = gate(&fleet, index, epoch);
        for _ in 0..times {
            gate.punch(region, punch(place), 0);
        }
        gate.settle().await.expect("acknowledged");
    });
}

/// Counts the verdicts in the lines, by gateway and device.
fn counted(lines: &[Value]) -> BTreeMap<(String, u64), usize> {
    let mut counts = BTreeMap::new();
    for line in lines.iter().filter(|line| line["given"] == "punch") {
        let gateway = line["gateway"].as_str().expect("each line names its gateway").to_owned();
        *counts.entry((gateway, line["device"].as_u64().expect("a number"))).or_default() += 1;
    }
    counts
}

fn wait_for_no_tap(members: &[&Member]) {
    let is_open = |member: &&Member| member.metric("changtong_taps", "") > 0.0;
    wait_for("the end of the taps", || (!members.iter().any(is_open)).then_some(()));
}

#[test]
fn a_tap_of_a_fleet_shows_all_gateways_is_on_record_once_and_names_who_is_away() {
    let mut city = City::start(200, 3);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let [north, mut south, west] = three(&mut city, root.path(), &nats);
    let tapping = open(&west, "T-1", true);
    let mut expected = BTreeMap::new();
    for (index, (member, name)) in [(&north, "north"), (&south, "south"), (&west, "west")].iter().enumerate()
    {
        passes(member, (index, 1), index + 3);
        expected.insert((name.to_string(), member.fleet().devices[index].id().0), index + 3);
    }
    let shown = wait_for("every line", || Some(tapping.lines()).filter(|lines| lines.len() >= 12));
    assert_eq!(counted(&shown), expected, "{shown:?}");
    let code = Tokens::load(&west.fleet()).expect("codes").people()[0].code.get().to_string();
    let (status, out, err) = west.order(1, &["code", "accesses", &code, "--case", "C-1"]);
    let on_record = out.lines().filter(|line| line.contains("tap ") && line.contains("T-1")).count();
    assert!(status.success() && on_record == 1, "{out}{err}");

    south.kill();
    let away = |line: &Value| line["gateway"] == "south" && line["away"].is_string();
    wait_for("the gateway that has died", || tapping.lines().iter().any(away).then_some(()));
    passes(&north, (0, 2), 3);
    *expected.values_mut().next().expect("north's") += 3;
    wait_for("the others' lines", || (counted(&tapping.lines()) == expected).then_some(()));
    assert!(tapping.said().contains("INCOMPLETE: south is not shown any more: "), "{}", tapping.said());
    // Not an interrupt as by Ctrl-C: a shell has its background commands ignore that.
    kill_process(tapping.pid(), Signal::TERM).expect("our own process");
    let (code, ..) = tapping.end();
    assert_eq!(code, None, "a signal ended it");
    wait_for_no_tap(&[&north, &west]);

    let (code, lines, said) = begin(&west, "T-2", &["--seconds", "1"], true).end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("INCOMPLETE: south is not shown: south does not answer"), "{said}");
    assert!(
        ["north: 0 shown, 0 dropped", "0 verdicts shown"].iter().all(|part| said.contains(part)),
        "{said}"
    );
    assert!(matches!(&lines[..], [line] if away(line)), "{lines:?}");
    let (status, out, err) = north.command(&["audit", "verify"]);
    assert!(status.success(), "{out}{err}");
}

#[test]
fn what_a_screen_does_not_take_is_dropped_where_it_is_given_and_a_revoked_operator_sees_no_more() {
    let mut city = City::start(100, 1);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let members @ [north, south, west] = &three(&mut city, root.path(), &nats);
    let mut slow = open(north, "T-1", false);
    let fleet = south.fleet();
    let region = fleet.devices[0].places().next().expect("a place").1;
    block_on(async {
        let mut gate = gate(&fleet, 0, 1);
        for _ in 0..MANY / FRAME {
            let answered = gate.verify(region, vec![Scanned::Nothing; FRAME]).await.expect("verified");
            assert_eq!(answered.len(), FRAME);
        }
    });
    slow.read();
    let dropped = wait_for("what was dropped", || {
        slow.lines()
            .iter()
            .filter_map(|line| {
                Some(line["gateway"].as_str()?.to_owned()).filter(|_| line["dropped"].is_u64())
            })
            .next_back()
    });
    assert_eq!(dropped, "south");

    let key = root.path().join("third.key").display().to_string();
    let third = tests::operator_key("chen-jie", &key);
    let add =
        ["operator", "add", "chen-jie", "--authority", "cdc", "--role", "admin", "--public-key", &third];
    for words in [&add[..], &["operator", "revoke", "li-na"]] {
        let (status, out, err) = west.order(2, words);
        assert!(status.success(), "{out}{err}");
    }
    let (code, lines, said) = slow.end();
    assert!(code == Some(2) && said.contains("the signature of li-na is not valid"), "{said}");
    let shown = lines.iter().filter(|line| line["given"] == "verify").count() as u64;
    let dropped = lines.iter().filter_map(|line| line["dropped"].as_u64()).next_back();
    let dropped = dropped.expect("some were dropped");
    let given = (MANY / FRAME * FRAME) as u64;
    assert!(shown > 0 && dropped > 0 && shown + dropped <= given, "{shown} and {dropped} of {given}");
    wait_for_no_tap(&members.each_ref());
}
