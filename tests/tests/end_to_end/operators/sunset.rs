//! The end of the measure: announced, ordered by two operators, finished after any crash, and provable afterwards, when no key, no punch
//! and no person is left. The code's own tests crash at each step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use actors::sunset::{self, Estate, Plan};
use device::tokens::Tokens;
use protocol::{Direction, Punch};
use registry::KeptRegistry;
use registry::operator::{OperatorKey, Order};
use serde_json::Value;
use tests::people::{Citizen, demo};
use tests::walk::{device, endpoint};
use tests::{City, binary, block_on};

/// A demo person: a stay turns them red, which is a decision.
const WUHAN: &str = "thirty hours in Wuhan";

fn run(words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(binary()).args(words).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn good(words: &[&str]) -> String {
    let (code, said) = run(words);
    assert_eq!(code, Some(0), "{words:?}: {said}");
    said
}

fn refused(words: &[&str], expected: &str) {
    let (code, said) = run(words);
    assert!(code == Some(2) && said.contains(expected), "{words:?}: {said}");
}

fn plain(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Returns every file below, with its content. What the store keeps in memory shared with others is no file of its own.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).expect("listed").map(|entry| entry.expect("an entry")) {
        if entry.file_type().expect("a kind").is_dir() {
            files.extend(self::files(&entry.path()));
        } else if entry.file_type().expect("a kind").is_file() && !entry.path().ends_with("registry.db-shm") {
            files.insert(entry.path(), std::fs::read(entry.path()).expect("readable"));
        }
    }
    files
}

/// Runs a dry run; returns the plan and its digest.
fn plan(place: &[&str]) -> (Value, String) {
    let output = Command::new(binary()).args(["sunset", "--dry-run", "--json"]).args(place).output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    let digest = said["digest"].as_str().expect("a digest").to_owned();
    (said["plan"].clone(), digest)
}

/// Makes a city in which a person applied and people passed a gate; returns the phone and codes that must not be found later.
fn lived_in(city: &City) -> Vec<String> {
    let person = demo(WUHAN);
    let citizen = Citizen::new(city, person.phone);
    let (consent, ..) = citizen.consent("apply");
    let taken = citizen.apply(person.document, &["--consent", &consent]).expect("submitted");
    let fleet = city.fleet();
    let tokens = Tokens::load(&fleet).expect("the city's codes");
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        for person in &tokens.people()[..20] {
            let device_time_ms = runtime::clock::now_ms();
            let now_s = u32::try_from(device_time_ms / 1000).expect("before 2106");
            let (scanned, direction) = (tokens.scan(person, now_s), Direction::In);
            gate.punch(region, Punch { scanned, direction, place, device_time_ms, offline: None }, 0);
        }
        gate.settle().await.expect("acknowledged");
    });
    let mut traces = vec![person.phone.to_owned(), person.document.to_owned(), taken.code.to_string()];
    traces.extend(tokens.people().iter().map(|person| person.code.get().to_string()));
    traces
}

#[test]
fn a_city_ends_by_two_operators_and_nobody_is_left_in_it() {
    let mut city = City::start(200, 1);
    let directory = tempfile::tempdir().expect("a directory");
    let traces = lived_in(&city);
    let data = city.data().canonicalize().expect("there");
    let [first, second] = [0, 1].map(|index| directory.path().join(format!("{index}.key")));
    for (index, key) in [&first, &second].into_iter().enumerate() {
        std::fs::copy(&city.fleet().operators[index], key).expect("copied");
    }
    let (first, second) = (plain(&first), plain(&second));
    let backup = directory.path().join("backup");
    assert!(city.signed(1, &["backup", "--out", plain(&backup), "--case", "B-1"]).0.success());
    let place = ["--data", plain(&data)];
    let end = |digest: &str, signers: &[&str]| {
        let mut words = vec!["sunset", "--plan", digest];
        signers.iter().for_each(|key| words.extend(["--sign", key]));
        words.extend(place);
        words.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let words = |words: &[String]| words.iter().map(String::as_str).collect::<Vec<_>>().join("\u{1}");
    let say = |given: Vec<String>, expected: &str| {
        let joined = words(&given);
        refused(&joined.split('\u{1}').collect::<Vec<_>>(), expected);
    };
    let (_, running) = plan(&place);
    say(end(&running, &[first, second]), "stop it first");
    assert!(city.terminate().success());

    let before = files(&data);
    let (said, digest) = plan(&place);
    let text = good(&[&["sunset"][..], &place].concat());
    assert!(text.contains(&digest) && text.contains("nothing is done yet"), "{text}");
    assert_eq!(files(&data), before, "looking changes nothing");
    let rows = |of: &str| {
        let counts = said["emptied"].as_array().expect("counts");
        counts.iter().find(|count| count["of"] == of).and_then(|count| count["rows"].as_u64()).expect("rows")
    };
    assert!(rows("people") >= 200 && rows("codes") >= 200 && rows("consents") >= 1, "{said}");
    say(end(&digest, &[first]), "2 operator(s) with the role admin");
    say(end(&digest, &[first, first]), "2 operator(s) with the role admin");
    say(end(&running.replace(|_: char| true, "0"), &[first, second]), "the plan has changed");
    let export = data.join("export.csv");
    std::fs::write(&export, "left here").expect("written");
    say(end(&digest, &[first, second]), "the plan has changed");
    std::fs::remove_file(&export).expect("removed");
    let public_key = good(&["audit", "key", "--keys", plain(&data.join("keys"))]).trim().to_owned();

    let done = words(&end(&digest, &[first, second]));
    let out = good(&done.split('\u{1}').collect::<Vec<_>>());
    assert!(out.contains("li-na and wang-wei") && out.contains(&public_key), "{out}");
    after(&data, &public_key, &traces);
    refused(
        &[
            "restore",
            "--from",
            plain(&backup),
            "--data",
            plain(&directory.path().join("back")),
            "--keys",
            plain(&data.join("keys")),
        ],
        "is missing",
    );
    let verified = good(&[&["sunset", "--verify"][..], &place].concat());
    for key in ["field.key", "pepper.key", "days/", "token-1.key", "signing.pk8"] {
        assert!(verified.contains(key), "{key}: {verified}");
    }
    city.spawn();
    assert_eq!(city.wait_exit().code(), Some(2));
    assert!(city.log().contains("sunset.json"), "{}", city.log());
    tampered(&data);
}

/// Checks what can be said of it when nothing opens it any more.
fn after(data: &Path, public_key: &str, traces: &[String]) {
    let place = ["--data", plain(data)];
    let left = files(data);
    for trace in traces {
        let number = trace.parse::<u64>().map(u64::to_be_bytes);
        for (path, content) in &left {
            let holds = |needle: &[u8]| content.windows(needle.len()).any(|part| part == needle);
            let found = holds(trace.as_bytes()) || number.as_ref().is_ok_and(|bytes| holds(bytes));
            assert!(!found, "{trace} is in {}", path.display());
        }
    }
    let audit = good(&[&["audit", "verify"][..], &place].concat());
    assert!(audit.contains("decisions are as they were made") && !audit.starts_with("0 "), "{audit}");
    let verify = [&["sunset", "--verify", "--public-key", public_key][..], &place].concat();
    assert!(good(&verify).contains("li-na and wang-wei"));
    refused(
        &[&["sunset", "--verify", "--public-key", &"0".repeat(64)][..], &place].concat(),
        "not signed by the gateway with that public key",
    );
    refused(&[&["dev", "--http", "127.0.0.1:0"][..], &place].concat(), "sunset.json");
    refused(&[&["policy", "list"][..], &place].concat(), "sunset.json");
    // Again it only says what was done, in the same words.
    let record = std::fs::read(data.join("sunset.json")).expect("the record");
    assert!(good(&[&["sunset"][..], &place].concat()).contains("The measure has ended"));
    assert_eq!(std::fs::read(data.join("sunset.json")).expect("the record"), record);
    assert!(files(data).keys().eq(left.keys()));
}

fn tampered(data: &Path) {
    let (path, verify) = (data.join("sunset.json"), ["sunset", "--verify", "--data", plain(data)]);
    let record = std::fs::read_to_string(&path).expect("the record");
    std::fs::write(&path, record.replace("wang-wei", "zhao-min")).expect("written");
    refused(&verify, "cut or altered");
    refused(&["audit", "verify", "--data", plain(data)], "cut or altered");
    std::fs::write(&path, record).expect("written");
    std::fs::write(data.join("ledger/1.seg"), "a punch").expect("written");
    refused(&verify, "it is still there");
    std::fs::remove_file(data.join("ledger/1.seg")).expect("removed");
    good(&verify);
}

/// Creates data and keys of a gateway that never ran, and the keys of its two admins.
fn never_ran(directory: &Path) -> (String, String, [String; 2]) {
    let path = |name: &str| directory.join(name).display().to_string();
    let (data, keys, operators) = (path("data"), path("keys"), ["first.key", "second.key"].map(path));
    std::fs::create_dir(&data).expect("made");
    good(&["keys", "init", "--keys", &keys]);
    let place = ["--data", data.as_str(), "--keys", keys.as_str()];
    for (name, key, signer) in
        [("li-na", &operators[0], None), ("wang-wei", &operators[1], Some(&operators[0]))]
    {
        let add = ["operator", "add", name, "--authority", "cdc", "--role", "admin"];
        let public_key = tests::operator_key(name, key);
        let add = [&add[..], &["--public-key", &public_key]].concat();
        let sign: Vec<&str> = signer.iter().flat_map(|key| ["--sign", key.as_str()]).collect();
        good(&[&add[..], &place, &sign].concat());
    }
    (data, keys, operators)
}

#[test]
fn what_was_begun_and_cut_off_is_only_looked_at_until_somebody_says_finish() {
    let directory = tempfile::tempdir().expect("a directory");
    let (data, keys, operators) = never_ran(directory.path());
    let place = ["--data", data.as_str()];
    refused(&[&["sunset", "--finish"][..], &place].concat(), "has not ended here");
    let estate = Estate {
        data: directory.path().join("data"),
        keys: directory.path().join("keys"),
        made_up: Vec::new(),
        plain: Vec::new(),
        carriers: Vec::new(),
        yours: Vec::new(),
    };
    let digest = Plan::make(&estate).expect("a plan").digest();
    let at_s = runtime::clock::now_s();
    let registry = KeptRegistry::open(&Path::new(&data).join("registry.db")).expect("the registry");
    let gateway = registry.gateway_id().expect("an id");
    let order = Order { gateway, act: sunset::order_text(&digest), at_s, nonce: "5".to_owned() };
    let sign = |path: &String| OperatorKey::load(Path::new(path)).expect("a key").sign(&order);
    let signatures: Vec<_> = operators.iter().map(sign).collect();
    sunset::begin(&estate, &digest, &order, &signatures).expect("begun");

    let before = files(directory.path());
    for words in [&["sunset"][..], &["sunset", "--dry-run"]] {
        let said = good(&[words, &place].concat());
        assert!(said.contains("not finished") && said.contains("keys/field.key"), "{said}");
        assert!(said.contains("--finish"), "{said}");
        let said = good(&[words, &["--json"], &place].concat());
        let said: Value = serde_json::from_str(&said).expect("JSON alone");
        assert!(said["left"]["files"].to_string().contains("signing.pk8"), "{said}");
        assert_eq!(files(directory.path()), before, "{words:?} destroys nothing");
    }
    let other = "0".repeat(64);
    refused(&[&["sunset", "--plan", &other, "--sign", &operators[0]][..], &place].concat(), "another plan");
    assert_eq!(files(directory.path()), before);
    refused(
        &[&["operator", "list"][..], &place, &["--keys", &keys, "--sign", &operators[0]]].concat(),
        "--finish",
    );
    for _ in 0..2 {
        assert!(good(&[&["sunset", "--finish"][..], &place].concat()).contains("The measure has ended"));
        assert!(!Path::new(&keys).exists());
    }
    good(&[&["sunset", "--verify"][..], &place].concat());
}

#[test]
fn a_gateway_with_a_configuration_ends_as_well_and_names_what_is_its_owners() {
    let directory = tempfile::tempdir().expect("a directory");
    let (data, keys, [first, second]) = never_ran(directory.path());
    let file = directory.path().join("changtong.toml").display().to_string();
    let place = ["--data", data.as_str(), "--keys", keys.as_str()];
    let example = tests::repository::read("gateway/changtong.example.toml");
    let text = example.replace("/var/lib/changtong", &data).replace("/etc/changtong/keys", &keys);
    std::fs::write(&file, text).expect("written");

    let config = ["--config", file.as_str()];
    let (plan, digest) = plan(&config);
    for key in ["server.key", "pages.key", "messages.key", "china-mobile.key"] {
        assert!(plan["yours"].to_string().contains(key), "{key}: {plan}");
    }
    good(
        &[&["sunset", "--plan", &digest, "--operator", &first, "--operator", &second][..], &config].concat(),
    );
    good(&[&["sunset", "--verify"][..], &config].concat());
    assert!(!Path::new(&keys).exists() && Path::new(&first).exists());
    let serve = [&["serve"][..], &config].concat();
    refused(&serve, "sunset.json");
    refused(&[&["operator", "list"][..], &place, &["--sign", &first]].concat(), "sunset.json");
}
