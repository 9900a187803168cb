//! Checks of damaged stores and starts on them: the doctor that reads the whole punch log, a registry whose codes cannot be loaded, and
//! a disk that is full before the gateway starts.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use protocol::{Advice, Class, Colour, Scanned};
use serde_json::Value;
use tests::walk::{device, endpoint, punch};
use tests::web::shift::{green, text_of};
use tests::{City, PATIENCE, binary, block_on, clock_of, wait_for};

/// Records the first punch of a device.
fn record(city: &City, index: usize) {
    let fleet = city.fleet();
    let (place, region) = fleet.devices[index].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, index);
        gate.punch(region, punch(place), 0);
        gate.settle().await.expect("acknowledged");
    });
}

fn segments(city: &City) -> Vec<PathBuf> {
    let listed = fs::read_dir(city.data().join("ledger")).expect("listed");
    let mut segments: Vec<_> = listed.map(|entry| entry.expect("an entry").path()).collect();
    segments.retain(|path| path.extension().is_some_and(|ending| ending == "segment"));
    segments.sort();
    segments
}

/// Runs the doctor with the log's clock; returns its state for the punch log, its message, and its exit code.
fn looked(city: &City, full: bool) -> (String, String, Option<i32>) {
    let words = ["doctor", "--json", "--full"];
    let (status, out, err) = city.signed_under(0, &words[..if full { 3 } else { 2 }]);
    let findings: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let found = findings.as_array().expect("a list").iter().find(|one| one["id"] == "ledger-damaged");
    let found = found.expect("the log is looked at");
    let text = |name: &str| found[name].as_str().expect("a text").to_owned();
    (text("state"), text("what"), status.code())
}

#[test]
fn the_doctor_reads_closed_segments_only_when_it_reads_all_of_the_log() {
    let mut city = City::start(50, 1);
    // A segment is closed when an hour has gone by; the last two are read at each start.
    for (index, hours) in ["FAKETIME=+1h", "FAKETIME=+2h", "FAKETIME=+3h"].into_iter().enumerate() {
        assert!(city.terminate().success(), "{}", city.log());
        city.run_under(&clock_of(hours));
        city.restart();
        record(&city, index);
    }
    assert!(city.terminate().success(), "{}", city.log());
    let segments = segments(&city);
    assert!(segments.len() > 3, "{segments:?}");
    let (state, what, _) = looked(&city, true);
    assert!(state == "ok" && what.contains(&format!("all {} segments are sound", segments.len())), "{what}");
    let whole = fs::read(&segments[0]).expect("read");
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segments[0], bytes).expect("written");
    let (state, what, _) = looked(&city, false);
    assert!(state == "ok" && what.contains("doctor --full"), "it says what it has not read: {what}");
    let (state, what, code) = looked(&city, true);
    let name = segments[0].file_name().expect("a name").to_string_lossy().into_owned();
    assert!(state == "fail" && code == Some(2) && what.contains(&name), "{what}");
    fs::write(&segments[0], whole).expect("written");
    assert_eq!(looked(&city, true).0, "ok");
}

/// Returns a row's number as the store writes it: seven bits a byte, the last of nine whole.
fn varint(number: u64) -> Vec<u8> {
    if number >> 56 == 0 {
        let groups = (1..=8).find(|groups| number >> (7 * groups) == 0).expect("below 2^56");
        let byte = |group: u32| (number >> (7 * group)) as u8 & 0x7f | if group > 0 { 0x80 } else { 0 };
        return (0..groups).rev().map(byte).collect();
    }
    let byte = |group: u32| (number >> (8 + 7 * group)) as u8 & 0x7f | 0x80;
    (0..8).rev().map(byte).chain([number as u8]).collect()
}

#[test]
fn codes_that_cannot_be_loaded_are_a_stage_of_their_own_and_nobody_is_shown_green() {
    let mut city = City::start(50, 1);
    assert!(city.terminate().success(), "{}", city.log());
    let codes = fs::read_to_string(city.data().join("codes.csv")).expect("codes");
    let path = city.data().join("registry.db");
    let mut bytes = fs::read(&path).expect("the registry");
    // One code gets a colour that no code has; its page is as sound as before.
    let damaged = codes.lines().skip(1).any(|line| {
        let code: u64 = line.split(',').next().and_then(|code| code.parse().ok()).expect("a code");
        // Behind the row's number: the length of its header, no second copy of the number, and the kind of the tags' number.
        let row = [&varint(code)[..], &[4, 0]].concat();
        let Some(at) = bytes.windows(row.len()).position(|part| part == row) else { return false };
        let kind = at + row.len();
        let length = match bytes[kind] {
            kind @ 1..=4 => usize::from(kind),
            5 => 6,
            6 => 8,
            _ => return false,
        };
        // The last byte of the tags has the colour.
        bytes[kind + 1 + length] = 0;
        true
    });
    assert!(damaged, "a row of a code");
    fs::write(&path, bytes).expect("written");
    city.spawn();
    let said = wait_for("the end of the loading", || {
        let (status, body) = city.get("/ready")?;
        (!body.contains("loading")).then_some((status, body))
    });
    assert!(said.0 == 503 && said.1.contains("codes cannot be loaded"), "{said:?}");
    let (status, out, err) = city.command(&["status", "--json"]);
    let answer: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    assert_eq!((status.code(), answer["stage"].as_str()), (Some(2), Some("codes cannot be loaded")), "{out}");
    let (status, out, _) = city.command(&["doctor"]);
    assert!(status.code() == Some(2) && out.contains("it is not ready: codes cannot be loaded"), "{out}");
    let fleet = city.fleet();
    let (_, region) = fleet.devices[0].places().next().expect("a place");
    // Green people on record, some of whom were loaded before the damage, and a text that is no code.
    let greens = green(&city).into_iter().map(|code| text_of(&city, code, Class::Person, 0));
    let texts: Vec<String> = greens.chain(["NEAC-1".to_owned()]).collect();
    assert!(texts.len() > 10, "{} texts", texts.len());
    block_on(async {
        let mut gate = device(&endpoint(&fleet), &fleet, 0);
        gate.connect().await.expect("devices are let in");
        let scans: Vec<Scanned> = texts.iter().cloned().map(Scanned::Text).collect();
        for scans in scans.chunks(8) {
            for verdict in gate.verify(region, scans.to_vec()).await.expect("verdicts") {
                let shown = (verdict.colour, verdict.advice);
                assert_eq!(shown, (Colour::Unknown, Advice::AskStaff), "{verdict:?}");
            }
        }
    });
    assert!(city.log().contains("codes cannot be loaded"), "{}", city.log());
}

/// Puts all of a city on a small disk, fills that with nothing kept back, runs the program, makes room, and has the program look at what is
/// left there. Exits with the code of the first.
const FULL: &str = r#"cp -a "$0" "$0.was" && mount -t tmpfs -o size=64m,mode=700 none "$0" && cp -a "$0.was/." "$0" || exit 97
rm -f "$0/ledger/reserve"; cat /dev/zero > "$0/ballast" 2>/dev/null
"$@"; code=$?
rm "$0/ballast"
"$1" ledger verify --data "$0" && "$1" audit verify --data "$0" || exit 98
exit $code"#;

#[test]
fn a_start_on_a_full_disk_ends_with_the_code_that_is_started_again_and_harms_nothing() {
    let mut city = City::start(50, 1);
    record(&city, 0);
    assert!(city.terminate().success(), "{}", city.log());
    let mut command = Command::new("timeout");
    command.arg(PATIENCE.as_secs().to_string());
    command.args(["unshare", "--mount", "--map-root-user", "sh", "-c", FULL]).arg(city.data());
    command.arg(binary()).args(["--log", "warn", "dev", "--data"]).arg(city.data());
    for flag in ["--quic", "--http", "--enrol", "--control", "--pages"] {
        command.args([flag, "127.0.0.1:0"]);
    }
    let output = command.output().expect("util-linux is installed");
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.code() == Some(75), "{:?}: {said}", output.status);
    assert!(said.contains("changtong: "), "it says why: {said}");
    assert!(said.contains("The punch log is sound."), "{said}");
    city.restart();
    record(&city, 1);
}
