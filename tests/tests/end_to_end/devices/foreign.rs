//! A device in another language on another QUIC, written from the specification alone: it verifies, punches, and
//! its punches are in the log.

use device::Fleet;
use device::tokens::Tokens;
use protocol::{Class, Colour, Scanned, token};
use runtime::clock;
use tests::{City, python};

/// Runs the device; returns its output.
fn run(arguments: &[&str]) -> String {
    python::run(env!("CARGO_TARGET_TMPDIR"), arguments)
}

/// Returns the text on a green person's phone now.
fn green_text(fleet: &Fleet) -> String {
    let tokens = Tokens::load(fleet).expect("a development city gives its token key away");
    let green = tokens.people().iter().find(|one| (one.colour, one.class) == (Colour::Green, Class::Person));
    let now_s = u32::try_from(clock::now_s()).expect("before 2106");
    match tokens.scan(green.expect("somebody is green"), now_s) {
        Scanned::Token(bytes) => token::to_text(&bytes),
        Scanned::Text(_) | Scanned::SignedIn(_) | Scanned::Nothing => unreachable!("a phone shows a token"),
    }
}

#[test]
fn a_foreign_device_says_hello_verifies_and_punches() {
    // The packages may take longer to arrive than a token is good for.
    run(&[]);
    let city = City::start(100, 2);
    let fleet = city.fleet();
    let device = &fleet.devices[0];
    let (place, region) = device.places().next().expect("a place");
    let (port, place_text, region_text) =
        (fleet.quic[0].port().to_string(), place.to_string(), region.to_string());
    let paths = [&fleet.ca, &device.certificate, &device.key].map(|path| path.display().to_string());
    let [ca, certificate, key] = &paths;
    let text = green_text(&fleet);
    let out = run(&[
        "127.0.0.1",
        &port,
        &fleet.server_name,
        ca,
        certificate,
        key,
        &region_text,
        &place_text,
        &text,
    ]);
    for said in ["verify: green pass", "punch 1: green pass", "punch 2: green pass"] {
        assert!(out.contains(said), "{said}: {out}");
    }
    assert!(out.contains("punch 3: unknown not-a-pass-code basis=3 reason=12"), "a place's link: {out}");

    let (status, csv, err) = city.command(&["ledger", "export", "--case", "foreign", "--format", "csv"]);
    assert!(status.success(), "{err}");
    let stored: Vec<_> = csv
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<_> = line.split(',').collect();
            (fields[1].to_owned(), fields[3].to_owned(), fields[5].to_owned(), fields[12].to_owned())
        })
        .collect();
    let expected: Vec<_> = ["green", "green", "unknown"]
        .iter()
        .zip(1..)
        .map(|(colour, sequence)| {
            (device.id().to_string(), sequence.to_string(), place.to_string(), (*colour).to_owned())
        })
        .collect();
    assert_eq!(stored, expected, "{csv}");
}
