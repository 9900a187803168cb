//! The words of a reload, without a gateway: what waits for a restart and stays as it runs, how carriers differ, when the policy's file
//! is not what is in effect.

use std::path::Path;
use std::time::Duration;

use actors::carrier::CarrierConfig;
use policy::DEVELOPMENT;
use registry::{Phone, PolicyRow};
use zeroize::Zeroizing;

use super::changes::{self, At, Reloaded};
use crate::config;
use crate::config::Settings;

const EXAMPLE: &str = include_str!("../../changtong.example.toml");

fn settings(directory: &Path, text: &str) -> (Settings, At) {
    let path = directory.join("changtong.toml");
    std::fs::write(&path, text).unwrap();
    let config::Config { path, settings, lines } = config::read_file(&path).unwrap();
    (settings, At(Some((path, lines))))
}

#[test]
fn what_a_running_gateway_cannot_take_is_named_with_its_line_and_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (runs, at) = settings(directory.path(), EXAMPLE);
    let mut told = Reloaded::default();
    let taken = changes::take(&runs, runs.clone(), &at, &mut told);
    assert_eq!(format!("{taken:?}"), format!("{runs:?}"));
    assert_eq!(told, Reloaded::default());

    for (from, to, key) in [
        ("test = false", "test = true", "test"),
        ("data = \"/var/lib/changtong\"", "data = \"/srv\"", "data"),
        ("keys = \"/etc/changtong/keys\"", "keys = \"/srv/keys\"", "keys"),
        ("listen = \"0.0.0.0:7443\"", "listen = \"0.0.0.0:17443\"", "quic.listen"),
        ("listen = \"127.0.0.1:9464\"", "listen = \"127.0.0.1:19464\"", "http.listen"),
        ("listen = \"0.0.0.0:7444\"", "listen = \"0.0.0.0:17444\"", "enrol.listen"),
        ("segment_bytes_max = 268435456", "segment_bytes_max = 134217728", "ledger.segment_bytes_max"),
        ("fronts = \"auto\"", "fronts = 3", "quic.fronts"),
        ("connections_max = 20000", "connections_max = 30000", "quic.connections_max"),
        ("queue_punches_max = 262144", "queue_punches_max = 131072", "ledger.queue_punches_max"),
        ("listen = \"0.0.0.0:443\"", "listen = \"0.0.0.0:8443\"", "pages.listen"),
        ("host = \"code.example\"", "host = \"health.example\"", "pages.host"),
    ] {
        assert!(EXAMPLE.contains(from), "{from}");
        let text = EXAMPLE.replacen(from, to, 1);
        let line = text.lines().position(|line| line.starts_with(to)).expect(to) + 1;
        let (read, at) = settings(directory.path(), &text);
        let mut told = Reloaded::default();
        let taken = changes::take(&runs, read, &at, &mut told);
        let [said] = &told.restart[..] else { panic!("{key}: {told:?}") };
        let expected = format!("changtong.toml:{line}: `{key}` is ");
        assert!(said.contains(&expected) && said.contains("and it runs with"), "{said}");
        assert_eq!(format!("{taken:?}"), format!("{runs:?}"), "{key} stays");
    }
}

#[test]
fn sections_that_come_or_go_wait_for_a_restart_and_the_rest_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let (runs, _) = settings(directory.path(), EXAMPLE);
    let (before, pages) = EXAMPLE.split_once("[pages]").unwrap();
    let (without_sms, _) = EXAMPLE.split_once("[sms]").unwrap();
    let log = |text: &str| text.replacen("info,actix_server=warn", "debug", 1);
    for (text, expected) in [
        (log(before), &["`pages` is no pages, and it runs with pages"][..]),
        (log(&format!("{without_sms}[pages]{pages}")), &["`sms` is no message service"]),
        (log(without_sms), &["`sms`", "`pages`"]),
    ] {
        let (read, at) = settings(directory.path(), &text);
        let mut told = Reloaded::default();
        let taken = changes::take(&runs, read, &at, &mut told);
        assert_eq!(taken.log, "debug");
        assert!(taken.pages.is_some() && matches!(taken.sms, config::Sms::Service(_)));
        assert_eq!(told.restart.len(), expected.len(), "{told:?}");
        assert!(expected.iter().all(|what| told.restart.iter().any(|said| said.contains(what))), "{told:?}");
    }
}

fn carrier(id: &str) -> CarrierConfig {
    CarrierConfig {
        id: id.to_owned(),
        name: id.to_owned(),
        name_zh: id.to_owned(),
        url: "https://one.example".to_owned(),
        authority_pem: None,
        key_id: "k".to_owned(),
        secret: Zeroizing::new(vec![1; 32]),
        permits: 16,
        deadline: Duration::from_secs(9),
        reserved: Phone::parse("13400000000").unwrap(),
        travel_page: String::new(),
        prefixes: Vec::new(),
    }
}

#[test]
fn carriers_are_told_apart_by_what_differs() {
    let runs = [carrier("a"), carrier("b"), carrier("c")];
    let mut others = vec![carrier("d"), carrier("c"), carrier("a")];
    others[1].url = "https://other.example".to_owned();
    others[1].secret = Zeroizing::new(vec![2; 32]);
    let told = |read: &[CarrierConfig]| {
        let mut told = Reloaded::default();
        changes::carriers(&runs, read, &mut told);
        told
    };
    let said = told(&others);
    let changed = ["carrier d, which is new", "carrier c: url, key", "carrier b, which is asked no more"];
    assert_eq!(said.changed, changed);
    assert_eq!(said.same, ["carrier a"]);
    assert!(told(&runs).changed.is_empty());
    let turned: Vec<_> = runs.iter().rev().cloned().collect();
    assert_eq!(told(&turned).changed, ["the order in which carriers are asked"]);
}

#[test]
fn the_command_line_counts_more_than_the_file() {
    for (runs, read, flag, expected) in [
        ("info", "info", None, [0, 1, 0]),
        ("info", "debug", None, [1, 0, 0]),
        ("info", "debug", Some("warn"), [0, 0, 1]),
        ("info", "warn", Some("warn"), [0, 0, 0]),
    ] {
        let mut told = Reloaded::default();
        changes::log(runs, read, flag, &mut told);
        let lines = [told.changed.len(), told.same.len(), told.notes.len()];
        assert_eq!(lines, expected, "{runs} {read} {flag:?}: {told:?}");
    }
}

#[test]
fn a_policy_file_takes_no_effect_or_is_refused_and_the_command_that_gives_it_effect_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.toml");
    let version = toml::from_str::<toml::Table>(DEVELOPMENT).unwrap()["version"].as_str().unwrap().to_owned();
    let row = PolicyRow {
        version: version.clone(),
        text: DEVELOPMENT.to_owned(),
        activated_s: 1,
        operators: String::new(),
    };
    let before = PolicyRow { version: "earlier-1".to_owned(), ..row.clone() };
    let all = [before, row];
    let told = |text: Option<&str>| {
        match text {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let mut told = Reloaded::default();
        changes::policy(&all, &file, &mut told).map(|()| told).map_err(|error| error.to_string())
    };
    let refused = told(Some("version = 1\n")).unwrap_err();
    assert!(refused.contains("policy.toml:"), "{refused}");
    let told = |text| told(text).unwrap();
    assert_eq!(told(Some(DEVELOPMENT)).same, [format!("policy {version}")]);
    let other = DEVELOPMENT.replace(&version, "another-1");
    let earlier = DEVELOPMENT.replace(&version, "earlier-1");
    for (text, expected) in [
        (
            Some(other.as_str()),
            "is version another-1, which operators put into effect with `changtong policy activate",
        ),
        (
            Some(earlier.as_str()),
            "is still earlier-1, which it replaced; write `changtong policy show` into it",
        ),
        (Some(&format!("{DEVELOPMENT}\n# said otherwise\n")), "under the same version"),
        (None, "reading"),
    ] {
        let told = told(text);
        let [note] = &told.notes[..] else { panic!("{told:?}") };
        assert!(note.starts_with(&format!("policy {version} stays in effect: ")), "{note}");
        assert!(note.contains(expected), "{expected}: {note}");
        assert!(told.changed.is_empty() && told.same.is_empty());
    }
}
