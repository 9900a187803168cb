//! A device in another language on another QUIC, written from the specification alone: it verifies, punches, and
//! its punches are in the log.

use std::net::{SocketAddr, UdpSocket};

use device::Fleet;
use device::tokens::Tokens;
use protocol::gateways::{self, GatewayAddress};
use protocol::{Class, Colour, DeviceId, Scanned, token};
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

/// Returns addresses on this machine of which the device tries this one last, though the others are silent.
fn silent_first(device: DeviceId, open: SocketAddr) -> (Vec<UdpSocket>, Vec<String>) {
    let last: GatewayAddress = open.to_string().parse().expect("an address");
    let mut silent = Vec::new();
    while silent.len() < 2 {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address: GatewayAddress =
            socket.local_addr().expect("bound").to_string().parse().expect("an address");
        if gateways::weight(device, &address) > gateways::weight(device, &last) {
            silent.push((socket, address));
        }
    }
    let mut order: Vec<GatewayAddress> =
        silent.iter().map(|(_, address)| address.clone()).chain([last.clone()]).collect();
    gateways::order(device, &mut order);
    assert_eq!(order.last(), Some(&last));
    let sockets = silent.into_iter().map(|(socket, _)| socket).collect();
    (sockets, order.iter().map(ToString::to_string).collect())
}

#[test]
fn a_foreign_device_tries_silent_gateways_in_its_own_order_and_punches_at_the_one_that_answers() {
    run(&[]);
    let city = City::start(100, 2);
    let fleet = city.fleet();
    let device = &fleet.devices[0];
    let (place, region) = device.places().next().expect("a place");
    let (_silent, order) = silent_first(device.id(), fleet.quic[0]);
    let (given, port) = order[0].rsplit_once(':').expect("a port");
    let numbers = [region.to_string(), place.to_string()];
    let paths = [&fleet.ca, &device.certificate, &device.key].map(|path| path.display().to_string());
    let text = green_text(&fleet);
    let mut words = vec![given, port, &fleet.server_name];
    words.extend(paths.iter().chain(&numbers).map(String::as_str));
    words.push(&text);
    // In another order than the device's own.
    words.extend(order.iter().rev().map(String::as_str));
    let out = run(&words);
    assert!(out.contains("punch 3: unknown not-a-pass-code"), "{out}");
    let lost: Vec<&str> = out.lines().filter_map(|line| Some(line.split_once(" is lost")?.0)).collect();
    assert_eq!(lost, order[..2], "{out}");
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
