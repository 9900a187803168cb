//! A device's life: a token that works once, a certificate, renewal, revocation.

use std::time::Duration;

use device::wire::WireError;
use device::{Device, DeviceError, Fleet};
use protocol::{Epoch, ErrorCode};
use rcgen::{CertificateParams, KeyPair};
use runtime::clock;
use tests::https::Client;
use tests::walk::{device, endpoint, punch};
use tests::{City, block_on};

/// A gate on its first day: a key, a request, the token from the operator.
struct Gate {
    key: String,
    certificate: String,
}

fn request(key: &KeyPair) -> String {
    CertificateParams::default().serialize_request(key).expect("a request").pem().expect("PEM")
}

fn token(city: &City, words: &[&str]) -> String {
    let (status, out, err) = city.command(&[&["device", "--json"], words].concat());
    assert!(status.success(), "{out}{err}");
    let answer: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    answer["token"]["token"].as_str().expect("a token").to_owned()
}

fn enrol(fleet: &Fleet, token: &str) -> Result<(u64, Gate), String> {
    let key = KeyPair::generate().expect("a key");
    let authority = std::fs::read_to_string(&fleet.ca).expect("the authority");
    let client = Client { authority: &authority, identity: None };
    let body = serde_json::json!({"token": token, "csr": request(&key)}).to_string();
    let (status, answer) = client.post(fleet.enrol, "/enrol/1", &body)?;
    if status != 200 {
        return Err(answer);
    }
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let certificate = answer["certificate"].as_str().expect("a certificate").to_owned();
    Ok((answer["device"].as_u64().expect("a device"), Gate { key: key.serialize_pem(), certificate }))
}

/// Returns the fleet's first device with another identity.
fn connect_as(city: &City, id: u64, gate: &Gate) -> (quinn::Endpoint, Device) {
    let (certificate, key) = (city.data().join("gate.pem"), city.data().join("gate.key"));
    std::fs::write(&certificate, &gate.certificate).expect("written");
    std::fs::write(&key, &gate.key).expect("written");
    let text = std::fs::read_to_string(city.data().join("fleet.json")).expect("the fleet file");
    let mut fleet: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let row = &mut fleet["devices"][0];
    (row["id"], row["certificate"], row["key"]) = (id.into(), path_of(&certificate), path_of(&key));
    let path = city.data().join("gate.json");
    std::fs::write(&path, fleet.to_string()).expect("written");
    let fleet = Fleet::read(&path).expect("a fleet file");
    let endpoint = endpoint(&fleet);
    let device = device(&endpoint, &fleet, 0);
    (endpoint, device)
}

fn path_of(path: &std::path::Path) -> serde_json::Value {
    path.to_str().expect("a plain path").into()
}

fn closed_with(error: &DeviceError) -> Option<ErrorCode> {
    if let DeviceError::Wire(WireError::Closed(code)) = error { ErrorCode::from_number(*code) } else { None }
}

#[test]
fn a_token_makes_a_device_once_and_a_lost_renewal_locks_nobody_out() {
    let city = City::start(100, 2);
    let fleet = city.fleet();
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    let region_text = region.to_string();
    let first = token(&city, &["enrol", "--name", "North gate", "--class", "gate", "--region", &region_text]);
    let (id, gate) = enrol(&fleet, &first).expect("a certificate");
    assert_eq!(id, fleet.devices.len() as u64 + 1);
    let again = enrol(&fleet, &first).map(|(id, _)| id).expect_err("a token works once");
    assert!(again.contains("token-unknown"), "{again}");
    assert!(enrol(&fleet, &"0".repeat(32)).is_err());

    block_on(async {
        let (_endpoint, mut device) = connect_as(&city, id, &gate);
        device.punch(region, punch(place), 0);
        device.settle().await.expect("the new gate punches");
    });

    let authority = std::fs::read_to_string(&fleet.ca).expect("the authority");
    let key = KeyPair::generate().expect("a key");
    let body = serde_json::json!({"csr": request(&key)}).to_string();
    let stranger = Client { authority: &authority, identity: None };
    let (status, answer) = stranger.post(fleet.enrol, "/renew/1", &body).expect("an answer");
    assert_eq!(status, 403, "{answer}");
    let itself = Client { authority: &authority, identity: Some((&gate.certificate, &gate.key)) };
    let (status, answer) = itself.post(fleet.enrol, "/renew/1", &body).expect("an answer");
    assert_eq!(status, 200, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let certificate = answer["certificate"].as_str().expect("a certificate").to_owned();
    let renewed = Gate { key: key.serialize_pem(), certificate };
    let connects = |gate: &Gate, epoch| {
        block_on(async {
            let (_endpoint, mut device) = connect_as(&city, id, gate);
            device.state_mut().start_epoch(Epoch(epoch));
            device.connect_once().await.map(|_| ())
        })
    };
    connects(&gate, 2).expect("the answer may have been lost: the old certificate still enters");
    connects(&renewed, 3).expect("and the new one does");
    let (status, answer) = itself.post(fleet.enrol, "/renew/1", &body).expect("an answer");
    assert_eq!(status, 200, "the old one renews again: {answer}");
    let refused = connects(&renewed, 4).expect_err("what was renewed twice is lost");
    assert_eq!(closed_with(&refused), Some(ErrorCode::DeviceRevoked), "{refused}");

    let again = token(&city, &["renew", &id.to_string()]);
    let (_, fresh) = enrol(&fleet, &again).expect("a certificate");
    connects(&fresh, 5).expect("an operator's token makes a new certificate");
    let refused = connects(&gate, 6).expect_err("after which no other is good");
    assert_eq!(closed_with(&refused), Some(ErrorCode::DeviceRevoked), "{refused}");
}

#[test]
fn what_is_no_enrolment_is_refused() {
    let city = City::start(100, 1);
    let fleet = city.fleet();
    let authority = std::fs::read_to_string(&fleet.ca).expect("the authority");
    let client = Client { authority: &authority, identity: None };
    let token = token(&city, &["enrol", "--name", "x", "--class", "gate", "--region", "1"]);
    let no_csr = serde_json::json!({"token": token, "csr": "nonsense"}).to_string();
    for (path, body, expected) in [
        ("/enrol/1", "{".to_owned(), 400),
        ("/enrol/1", "{\"token\":\"x\"}".to_owned(), 400),
        ("/enrol/1", "x".repeat(1 << 20), 413),
        ("/enrol/1", no_csr, 403),
        ("/enrol/2", "{}".to_owned(), 404),
    ] {
        let (status, answer) = client.post(fleet.enrol, path, &body).expect("an answer");
        assert_eq!(status, expected, "{path}: {answer}");
        assert!(!answer.contains(&token), "a token is not repeated");
    }
    for words in [
        ["enrol", "--name", "x", "--class", "lamp", "--region", "1"].as_slice(),
        &["enrol", "--name", "x", "--class", "gate", "--region", "99"],
        &["enrol", "--name", "x", "--class", "gate", "--region", "1", "--place", "9999"],
        &["enrol", "--name", "", "--class", "gate", "--region", "1"],
        &["renew", "9999"],
        &["revoke", "9999"],
    ] {
        let (status, out, err) = city.command(&[&["device"], words].concat());
        assert_eq!(status.code(), Some(2), "{words:?}: {out}{err}");
    }
}

#[test]
fn a_request_that_is_none_does_not_use_the_token_up() {
    let city = City::start(100, 1);
    let fleet = city.fleet();
    let authority = std::fs::read_to_string(&fleet.ca).expect("the authority");
    let client = Client { authority: &authority, identity: None };
    let token = token(&city, &["enrol", "--name", "x", "--class", "gate", "--region", "1"]);
    let good = request(&KeyPair::generate().expect("a key"));
    // A wrong signature: one character, near the end, is changed.
    let at = good.rfind("\n-----END").expect("PEM") - 8;
    let other = if &good[at..=at] == "A" { "B" } else { "A" };
    let forged = format!("{}{other}{}", &good[..at], &good[at + 1..]);
    for csr in ["nonsense", "", &forged] {
        let body = serde_json::json!({"token": token, "csr": csr}).to_string();
        let (status, answer) = client.post(fleet.enrol, "/enrol/1", &body).expect("an answer");
        assert!(status == 403 && answer.contains("request-unreadable"), "{csr}: {answer}");
    }
    enrol(&fleet, &token).expect("the same token with a good request");
}

#[test]
fn a_revocation_closes_the_live_connection_and_nobody_elses() {
    let city = City::start(100, 2);
    let fleet = city.fleet();
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut revoked = device(&endpoint, &fleet, 0);
        let mut other = device(&endpoint, &fleet, 1);
        revoked.connect().await.expect("connects");
        other.connect().await.expect("connects");
        let id = fleet.devices[0].id().to_string();
        let (status, out, err) = city.command(&["device", "revoke", &id]);
        assert!(status.success(), "{out}{err}");
        let end = clock::now() + Duration::from_secs(10);
        let error = loop {
            assert!(clock::now() < end, "the connection is closed");
            if let Err(error) = revoked.step().await {
                break error;
            }
        };
        assert_eq!(closed_with(&error), Some(ErrorCode::DeviceRevoked), "{error}");
        let again = revoked.connect_once().await.expect_err("and stays out");
        assert_eq!(closed_with(&again), Some(ErrorCode::DeviceRevoked), "{again}");
        other.ping().await.expect("others are not disturbed");
        assert_eq!(other.counts().losses, 0);
        let (_, out, _) = city.command(&["device", "list"]);
        assert_eq!(out.lines().filter(|line| line.contains("revoked")).count(), 1, "{out}");
    });
}

#[test]
fn many_devices_are_enrolled_from_a_table_once_with_or_without_a_gateway_all_or_none() {
    let mut city = City::start(100, 1);
    let file = city.data().join("new.csv");
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    let path = file.to_str().expect("a plain path");
    let words = ["device", "--json", "enrol", "--csv", path];
    let others = |city: &City| {
        let (_, out, _) = city.command(&["device", "list"]);
        out.lines().filter(|line| !line.contains("built-in")).count()
    };
    let before = others(&city);
    write("名称;类型;区域\r\nEast;gate;1\r\n;;\r\nMetro;Concentrator;1 2 3\r\n");
    // The answer may be lost on its way: the same again gives tokens again.
    for (round, new) in [(1, 2), (2, 2)] {
        let (status, out, err) = city.command(&words);
        assert!(status.success(), "{out}{err}");
        let answer: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        let devices = answer["enrolled"]["devices"].as_array().expect("devices");
        let tokens = devices.iter().filter(|device| device["token"].is_string()).count();
        assert_eq!((devices.len(), tokens, others(&city)), (2, new, before + 2), "{out}");
        if round == 1 {
            let at = &answer["enrolled"]["at"];
            assert!(at["url"].as_str().is_some_and(|url| url.ends_with("/enrol/1")), "{out}");
            let authority = at["authority"].as_str().expect("a file");
            assert!(std::fs::read_to_string(authority).expect("readable").contains("BEGIN CERTIFICATE"));
            assert!(city.terminate().success());
        }
    }
    for (text, lines) in [
        ("class,name,regions\ngate,South,1\ngate,West,one\ngate,,1\n", &["new.csv:3: regions"][..]),
        (
            "class,name,regions\ngate,South,1\ngate,West,99\nlift,North,1\n",
            &["line 3: there is no region 99", "line 4: class is"],
        ),
        ("class,name\ngate,South\n", &["regions (区域) is missing"]),
    ] {
        write(text);
        let (status, _, err) = city.command(&words);
        assert!(status.code() == Some(2) && lines.iter().all(|line| err.contains(line)), "{err}");
        assert_eq!(others(&city), before + 2, "none of them: {text}");
    }
    let template = city.data().join("template.csv");
    let words = ["device", "enrol", "--template", template.to_str().expect("a plain path")];
    let (status, out, err) = city.command(&words);
    assert!(status.success() && out.contains("separated by spaces"), "{out}{err}");
    assert!(std::fs::read_to_string(&template).expect("readable").starts_with("\u{feff}类型 class,"));
    assert_eq!(city.command(&words).0.code(), Some(2), "nothing is overwritten");
}

/// Enrols the devices of a table; returns number and token of each.
fn table(city: &City, path: &str) -> Vec<(u64, Option<String>)> {
    let (status, out, err) = city.command(&["device", "--json", "enrol", "--csv", path]);
    assert!(status.success(), "{out}{err}");
    let answer: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let devices = answer["enrolled"]["devices"].as_array().expect("devices");
    let row = |row: &serde_json::Value| {
        (row["device"].as_u64().expect("a number"), row["token"].as_str().map(ToOwned::to_owned))
    };
    devices.iter().map(row).collect()
}

#[test]
fn a_table_given_again_gives_tokens_again_in_place_of_the_old_ones_and_says_who_is_enrolled() {
    let city = City::start(50, 1);
    let fleet = city.fleet();
    let file = city.data().join("new.csv");
    let path = file.to_str().expect("a plain path");
    std::fs::write(&file, "class,name,regions\ngate,East,1\n闸机,West,1\n").expect("written");
    let first = table(&city, path);
    let (east, old) = (first[0].1.as_deref().expect("a token"), first[1].1.as_deref().expect("a token"));
    enrol(&fleet, east).expect("a certificate");
    let second = table(&city, path);
    assert_eq!(
        second.iter().map(|row| row.0).collect::<Vec<_>>(),
        first.iter().map(|row| row.0).collect::<Vec<_>>()
    );
    let (enrolled, new) = (second[0].1.as_deref(), second[1].1.as_deref().expect("a token again"));
    assert_eq!(enrolled, None, "who has a certificate needs no token");
    let refused = enrol(&fleet, old).map(|(id, _)| id).expect_err("the old token is worth nothing");
    assert!(refused.contains("token-unknown"), "{refused}");
    let (status, out, err) = city.command(&["device", "enrol", "--csv", path]);
    assert!(status.success(), "{out}{err}");
    assert!(out.contains(&format!("device {}: enrolled already  East", first[0].0)), "{out}");
    assert!(out.contains("1 devices have a token, 1 are enrolled already"), "{out}");
    enrol(&fleet, new).map(|(id, _)| id).expect_err("nor is the one before the last");
    let third = out.lines().find_map(|line| line.split("token ").nth(1)?.split(' ').next()).expect("a token");
    assert_eq!(enrol(&fleet, third).expect("a certificate").0, first[1].0);

    std::fs::write(&file, "class,name,regions\ngate,South,1 2\ngate,North,1\nGate, South,2 1\n")
        .expect("written");
    let (status, _, err) = city.command(&["device", "enrol", "--csv", path]);
    assert!(status.code() == Some(2) && err.contains("new.csv:4: it is the same device as line 2"), "{err}");
    let (_, out, _) = city.command(&["device", "list"]);
    assert!(!out.contains("South") && !out.contains("North"), "none of them: {out}");
}

#[test]
fn a_table_whose_rows_are_longer_than_an_order_is_given_as_several_and_as_a_whole() {
    let city = City::start(50, 1);
    let file = city.data().join("new.csv");
    let path = file.to_str().expect("a plain path");
    let row = |n: usize| format!("concentrator,{}{n:03},1 2 3,\n", "\u{20bb7}".repeat(61));
    let rows: String = (0..200).map(row).collect();
    std::fs::write(&file, format!("class,name,regions,places\n{rows}")).expect("written");
    let order = city.data().join("order.json");
    let words = ["device", "enrol", "--csv", path, "--save", order.to_str().expect("a plain path")];
    let (status, _, err) = city.command(&words);
    assert!(status.code() == Some(2) && err.contains("cut it in two before line "), "{err}");
    // The last line is wrong: none of the earlier orders is given.
    std::fs::write(&file, format!("class,name,regions,places\n{rows}").replace("199,1 2 3", "199,99"))
        .expect("written");
    let (status, _, err) = city.command(&["device", "enrol", "--csv", path]);
    assert!(status.code() == Some(2) && err.contains("line 201: there is no region 99"), "{err}");
    let (_, out, _) = city.command(&["device", "list"]);
    assert!(!out.contains('\u{20bb7}'), "{out}");
    std::fs::write(&file, format!("class,name,regions,places\n{rows}")).expect("written");
    let devices = table(&city, path);
    assert!(devices.len() == 200 && devices.iter().all(|(_, token)| token.is_some()), "{devices:?}");
}
