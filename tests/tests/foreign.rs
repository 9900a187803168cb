//! A device that shares no code with ours, in another language on another QUIC: it verifies, punches, and its punches are in the
//! log.

use std::path::Path;
use std::process::Command;

use actors::clock;
use loadtest::tokens::{Person, Tokens};
use protocol::{Class, Colour, Scanned, token};
use tests::City;

#[test]
fn a_foreign_device_says_hello_verifies_and_punches() {
    let city = City::start(100, 2);
    let fleet = city.fleet();
    let device = &fleet.devices[0];
    let (place, region) = device.places().next().expect("a place");
    let tokens = Tokens::load(&fleet).expect("made-up people");
    let green = |person: &&Person| person.colour == Colour::Green && person.class == Class::Person;
    let person = tokens.people().iter().find(green).expect("somebody is green");
    let Scanned::Token(token) = tokens.scan(person, (clock::now_ms() / 1000) as u32) else {
        panic!("people show tokens")
    };
    let text = token::to_text(&token);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/run");
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-venv");
    let mut command = Command::new(script);
    command.arg(venv).args(["127.0.0.1", &fleet.quic[0].port().to_string(), &fleet.server_name]);
    command.args([&fleet.ca, &device.certificate, &device.key]);
    command.args([&region.to_string(), &place.to_string(), &text]);
    let output = command.output().expect("the script runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("verify: green pass"), "{out}");
    for (sequence, shown) in [(1, "green pass"), (2, "green pass"), (3, "unknown not-a-pass-code")] {
        assert!(out.contains(&format!("punch {sequence}: {shown}")), "{out}");
    }
    let (status, csv, err) = city.command(&["ledger", "export", "--format", "csv"]);
    assert!(status.success(), "{err}");
    assert_eq!(csv.lines().count(), 4, "a header and three punches: {csv}");
}
