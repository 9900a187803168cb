//! A development city's simulated carriers, by an operator's commands: listed, made to fail, healed, and there again after a
//! restart, also in a city that an older release built.

use serde_json::Value;
use tests::https::Client;
use tests::{City, wait_for};

fn run(city: &City, words: &[&str]) -> String {
    let (status, out, err) = city.command(words);
    assert!(status.success(), "{words:?}: {out}{err}");
    out
}

fn list(city: &City) -> Value {
    serde_json::from_str(&run(city, &["carrier", "list", "--json"])).expect("JSON")
}

/// Posts an unsigned query to the first carrier: the status, or why there was none.
fn unsigned(city: &City) -> Result<u16, String> {
    let url = list(city)["carriers"][0]["url"].as_str().expect("a URL").to_owned();
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let authority = std::fs::read_to_string(city.fleet().ca).expect("the authority");
    let client = Client { authority: &authority, identity: None };
    client.post(([127, 0, 0, 1], port).into(), "/v1/trajectory", "{}").map(|(status, _)| status)
}

#[test]
fn carriers_are_listed_made_to_fail_and_healed() {
    let city = City::start(100, 1);
    let ids: Vec<_> =
        list(&city)["carriers"].as_array().expect("rows").iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, ["china-mobile", "china-unicom", "china-telecom"]);
    assert_eq!(unsigned(&city), Ok(401), "over HTTPS, by the city's authority");
    assert_eq!(list(&city)["carriers"][0]["refused_signatures"], 1);

    let said = run(&city, &["carrier", "fault", "china-mobile", "slow", "--ms", "1200", "--share", "0.5"]);
    assert_eq!(said.trim(), "china-mobile has the fault slow, 1200 ms, for a share of 0.5");
    assert!(run(&city, &["carrier", "list"]).contains("has the fault slow"));
    run(&city, &["carrier", "fault", "china-mobile", "down"]);
    assert!(unsigned(&city).is_err_and(|error| error.contains("refused")));
    run(&city, &["carrier", "fault", "china-mobile", "wrong-name"]);
    assert!(unsigned(&city).is_err_and(|error| error.contains("not valid for name")));
    run(&city, &["carrier", "fault", "china-mobile", "none"]);
    assert_eq!(unsigned(&city), Ok(401));

    for (words, expected) in [
        (&["carrier", "fault", "china-broadnet", "down"][..], "simulated are china-mobile"),
        (&["carrier", "fault", "china-mobile", "tired"], "faults are none, down"),
        (&["carrier", "fault", "china-mobile", "slow", "--share", "2"], "share is above 0"),
    ] {
        let (status, out, err) = city.command(words);
        assert_eq!(status.code(), Some(2), "{words:?}: {out}");
        assert!(err.contains(expected), "{err}");
    }
    assert!(run(&city, &["carrier", "people"]).contains("four hours in Wuhan exactly"));
}

#[test]
fn a_city_of_an_older_release_gets_carriers_at_its_next_start() {
    let mut city = City::start(100, 1);
    city.terminate();
    let (status, _, err) = city.command(&["carrier", "list"]);
    assert_eq!(status.code(), Some(2));
    assert!(err.contains("does the development city run"), "{err}");

    let path = city.data().join("fleet.json");
    let mut fleet: Value =
        serde_json::from_slice(&std::fs::read(&path).expect("the fleet file")).expect("JSON");
    for field in ["carriers", "seed"] {
        fleet.as_object_mut().expect("an object").remove(field).expect(field);
    }
    std::fs::write(&path, fleet.to_string()).expect("the fleet file");
    std::fs::remove_dir_all(city.data().join("carriers")).expect("the carriers' keys");
    city.restart();
    wait_for("the carriers", || city.command(&["carrier", "list"]).0.success().then_some(()));
    assert_eq!(unsigned(&city), Ok(401));
    assert!(city.data().join("carriers/china-telecom.key").exists());
}
