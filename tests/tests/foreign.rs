//! A device that is not ours, in another language on another QUIC, written from the specification alone: it verifies, punches, and
//! its punches are in the log.

use std::path::Path;
use std::process::Command;

use tests::City;

#[test]
fn a_foreign_device_says_hello_verifies_and_punches() {
    let city = City::start(100, 2);
    let fleet = city.fleet();
    let device = &fleet.devices[0];
    let (place, region) = device.places().next().expect("a place");
    let text = "https://example.com/menu";
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/run");
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-venv");
    let mut command = Command::new(script);
    command.arg(venv).args(["127.0.0.1", &fleet.quic[0].port().to_string(), &fleet.server_name]);
    command.args([&fleet.ca, &device.certificate, &device.key]);
    command.args([&region.to_string(), &place.to_string(), text]);
    let output = command.output().expect("the script runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("verify: unknown not-a-pass-code"), "{out}");
    for sequence in 1..=3 {
        assert!(out.contains(&format!("punch {sequence}: unknown not-a-pass-code")), "{out}");
    }
    let (status, csv, err) = city.command(&["ledger", "export", "--format", "csv"]);
    assert!(status.success(), "{err}");
    assert_eq!(csv.lines().count(), 4, "a header and three punches: {csv}");
}
