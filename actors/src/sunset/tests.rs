//! Sunsets: the ones that are refused, the finishing after a crash between any two steps, and the detection of a false record.

use std::collections::BTreeMap;

use registry::KeptRegistry;
use registry::operator::{self, Operator, OperatorKey};
use simulator::city;

use super::*;

/// A gateway's data and keys with 40 people, two admins, and an operator who may only look.
struct Place {
    _directory: tempfile::TempDir,
    estate: Estate,
    operators: Vec<OperatorKey>,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (data, keys) = (directory.path().join("data"), directory.path().join("keys"));
        for name in ["ledger", "devices"] {
            std::fs::create_dir_all(data.join(name)).unwrap();
        }
        Keys::init(&keys).unwrap();
        for (path, text) in [
            (data.join("ledger/0000000001.seg"), "sealed punches"),
            (data.join("ledger/deletions.jsonl"), "{}\n"),
            (keys.join("days/2020-02-20.key"), "a day's key"),
            (data.join("fleet.json"), "made-up people"),
            (data.join("devices/1.key"), "a device's key"),
            (data.join("policy.toml"), "rules"),
        ] {
            std::fs::write(path, text).unwrap();
        }
        let loaded = Keys::load(&keys).unwrap();
        let mut registry = Registry::open(&data.join(REGISTRY), &loaded).unwrap();
        city::build(&mut registry, &loaded, 40, 7).unwrap();
        let mut operators = Vec::new();
        for (name, role) in [("li-na", Role::Admin), ("wang-wei", Role::Admin), ("zhao-min", Role::Records)] {
            let (key, _) = OperatorKey::generate(name).unwrap();
            let (name, authority, public_key) = (name.to_owned(), "cdc".to_owned(), key.public_key());
            let operator = Operator { name, authority, roles: vec![role], public_key, revoked: false };
            operator::add(&mut registry, &operator).unwrap();
            operators.push(key);
        }
        let estate = Estate {
            data,
            keys,
            made_up: vec!["fleet.json", "devices"],
            plain: vec!["policy.toml"],
            carriers: vec!["mobile".to_owned()],
            yours: vec!["the server's key".to_owned()],
        };
        Self { _directory: directory, estate, operators }
    }

    fn order(&self, digest: &str, who: &[usize]) -> (Order, Vec<Signature>) {
        let gateway = KeptRegistry::open(&self.estate.data.join(REGISTRY)).unwrap().gateway_id().unwrap();
        let (act, at_s) = (order_text(digest), clock::now_s());
        let order = Order { gateway, act, at_s, nonce: "5".to_owned() };
        let signatures = who.iter().map(|&index| self.operators[index].sign(&order)).collect();
        (order, signatures)
    }

    fn begin(&self) -> Record {
        let digest = Plan::make(&self.estate).unwrap().digest();
        let (order, signatures) = self.order(&digest, &[0, 1]);
        begin(&self.estate, &digest, &order, &signatures).unwrap()
    }

    /// Returns every file with its content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn read(directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    read(&entry.path(), files);
                } else {
                    files.insert(entry.path(), std::fs::read(entry.path()).unwrap());
                }
            }
        }
        let mut files = BTreeMap::new();
        read(&self.estate.data, &mut files);
        if self.estate.keys.exists() {
            read(&self.estate.keys, &mut files);
        }
        files
    }
}

fn steps(place: &Place, count: usize) {
    for (_, step) in &STEPS[..count] {
        step(&place.estate.data, &Record::read(&place.estate.data).unwrap()).unwrap();
    }
}

#[test]
fn looking_at_the_plan_changes_nothing_and_another_plan_is_another_digest() {
    let place = Place::new();
    let before = place.files();
    let plan = Plan::make(&place.estate).unwrap();
    assert_eq!(plan, Plan::make(&place.estate).unwrap());
    assert_eq!(place.files(), before);
    let rows = |of: &str| plan.emptied.iter().find(|count| count.of == of).unwrap().rows;
    assert_eq!((rows("people"), rows("codes")), (40, 40));
    assert_eq!(plan.keys.first().unwrap(), "days/2020-02-20.key");
    assert_eq!(plan.keys.last().unwrap(), "signing.pk8");
    assert_eq!(plan.made_up, ["fleet.json", "devices/1.key"]);
    assert_eq!((plan.punches.len(), plan.others.len()), (1, 0));
    std::fs::write(place.estate.data.join("ledger/0000000002.seg"), "more").unwrap();
    std::fs::write(place.estate.data.join("export.csv"), "somebody's").unwrap();
    let changed = Plan::make(&place.estate).unwrap();
    assert_ne!(changed.digest(), plan.digest());
    assert_eq!(changed.others, ["export.csv"]);
}

#[test]
fn it_takes_two_admins_and_the_plan_that_they_saw() {
    let place = Place::new();
    let digest = Plan::make(&place.estate).unwrap().digest();
    let other = "0".repeat(64);
    for (signed, given, who, expected) in [
        (&digest, &digest, &[0][..], "2 operator(s) with the role admin"),
        (&digest, &digest, &[0, 0], "2 operator(s) with the role admin"),
        (&digest, &digest, &[0, 2], "2 operator(s) with the role admin"),
        (&digest, &digest, &[], "2 operator(s) with the role admin"),
        (&other, &digest, &[0, 1], "the plan has changed"),
        (&other, &other, &[0, 1], "the plan has changed"),
    ] {
        let (order, signatures) = place.order(signed, who);
        let error = begin(&place.estate, given, &order, &signatures).unwrap_err().to_string();
        assert!(error.contains(expected), "{who:?}: {error}");
        assert!(refuse(&place.estate.data).is_ok());
    }
    let (order, mut signatures) = place.order(&digest, &[0, 1]);
    signatures[1].signature = signatures[0].signature.clone();
    assert!(begin(&place.estate, &digest, &order, &signatures).unwrap_err().to_string().contains("wang-wei"));
    place.begin();
    let (order, signatures) = place.order(&digest, &[0, 1]);
    let again = begin(&place.estate, &digest, &order, &signatures).unwrap_err();
    assert!(matches!(again, SunsetError::Ended { .. }), "{again}");
}

#[test]
fn a_crash_between_any_two_steps_is_finished_by_doing_it_again() {
    for done in 0..=STEPS.len() {
        let place = Place::new();
        let data = &place.estate.data;
        let begun = place.begin();
        steps(&place, done);
        let refused = refuse(data).unwrap_err().to_string();
        assert!(refused.contains("sunset.json"), "{done}: {refused}");
        if done < STEPS.len() {
            verify(data, None).expect_err("it is not finished");
        }
        let record = carry_out(data).unwrap();
        assert_eq!(carry_out(data).unwrap(), record, "{done}: again it changes nothing");
        assert_eq!(Record { ended_s: None, ..record.clone() }, begun);
        let verified = verify(data, Some(&record.public_key)).unwrap();
        assert_eq!(verified.operators, ["li-na", "wang-wei"]);
        assert!(refuse(data).unwrap_err().to_string().contains("No gateway starts"), "{done}");
        assert!(!place.estate.keys.exists(), "{done}");
        let left: Vec<String> = plan::names(data).unwrap();
        assert_eq!(left, ["ledger", "policy.toml", "registry.db", "sunset.json"], "{done}");
    }
}

#[test]
fn directories_among_the_files_are_named_and_stay_and_do_not_stop_the_end() {
    let place = Place::new();
    let (data, keys) = (&place.estate.data, &place.estate.keys);
    for name in [data.join("ledger/lost+found"), keys.join("days/lost+found"), keys.join("old")] {
        std::fs::create_dir(name).unwrap();
    }
    let begun = place.begin();
    assert_eq!(begun.plan.punches, ["0000000001.seg"]);
    assert!(begun.plan.keys.iter().all(|name| !name.contains("lost+found")), "{:?}", begun.plan.keys);
    let (old, lost) = (keys.join("old"), keys.join("days/lost+found"));
    let others = ["ledger/lost+found", old.to_str().unwrap(), lost.to_str().unwrap()];
    assert_eq!(begun.plan.others, others);
    carry_out(data).unwrap();
    verify(data, None).unwrap();
    assert!(data.join("ledger/lost+found").is_dir() && lost.is_dir());
}

#[test]
fn a_file_among_the_keys_that_is_no_known_key_is_named_beforehand_and_afterwards() {
    let place = Place::new();
    let (data, keys) = (&place.estate.data, &place.estate.keys);
    std::fs::create_dir(keys.join("old")).unwrap();
    let strays = ["field.key.bak", "field.key~", "old/pepper.key"].map(|name| keys.join(name));
    for path in &strays {
        std::fs::copy(keys.join("field.key"), path).unwrap();
    }
    let others = Plan::make(&place.estate).unwrap().others;
    let named = |path: &Path| others.iter().any(|other| Path::new(other) == path);
    assert!(named(&strays[0]) && named(&strays[1]) && named(&keys.join("old")), "{others:?}");
    place.begin();
    carry_out(data).unwrap();
    for path in &strays {
        let error = verify(data, None).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()) && error.contains("destroy it"), "{error}");
        std::fs::remove_file(path).unwrap();
    }
    verify(data, None).unwrap();
}

#[test]
fn a_step_that_was_half_done_is_finished() {
    let place = Place::new();
    let (data, keys) = (&place.estate.data, &place.estate.keys);
    place.begin();
    for gone in [data.join("devices/1.key"), keys.join("pepper.key"), keys.join("days/2020-02-20.key")] {
        std::fs::remove_file(gone).unwrap();
    }
    std::fs::write(keys.join("field.key"), "000").unwrap();
    std::fs::write(data.join("sunset.json.new"), "{").unwrap();
    carry_out(data).unwrap();
    verify(data, None).unwrap();
    assert!(!keys.exists());
}

#[test]
fn nobody_is_found_in_what_is_left() {
    let place = Place::new();
    let keys = Keys::load(&place.estate.keys).unwrap();
    let registry = Registry::open(&place.estate.data.join(REGISTRY), &keys).unwrap();
    let mut traces: Vec<Vec<u8>> = Vec::new();
    registry
        .for_each_code(|code, _| {
            traces.push(code.get().to_be_bytes().to_vec());
            traces.push(code.get().to_string().into_bytes());
        })
        .unwrap();
    drop(registry);
    for name in Keys::files(&place.estate.keys).unwrap() {
        traces.push(std::fs::read(place.estate.keys.join(name)).unwrap());
    }
    let found = |place: &Place| {
        let files = place.files();
        let holds = |trace: &&Vec<u8>| {
            files.values().any(|content| content.windows(trace.len()).any(|part| part == trace.as_slice()))
        };
        traces.iter().filter(holds).count()
    };
    assert!(found(&place) > 40, "they are there before");
    place.begin();
    carry_out(&place.estate.data).unwrap();
    assert_eq!(found(&place), 0);
}

#[test]
fn a_record_that_is_not_true_is_known() {
    let place = Place::new();
    let (data, keys) = (&place.estate.data, &place.estate.keys);
    place.begin();
    let record = carry_out(data).unwrap();
    let path = data.join("sunset.json");
    let good = std::fs::read_to_string(&path).unwrap();
    let digit = |text: &str| if text.starts_with('0') { "1".to_owned() } else { "0".to_owned() } + &text[1..];
    for (from, to) in [
        (record.begun_s.to_string(), (record.begun_s - 1).to_string()),
        (record.digest.clone(), digit(&record.digest)),
        (record.root.clone(), digit(&record.root)),
        ("\"rows\": 40".to_owned(), "\"rows\": 4".to_owned()),
        (record.signatures[0].signature.clone(), digit(&record.signatures[0].signature)),
        ("li-na".to_owned(), "li-no".to_owned()),
    ] {
        assert!(good.contains(&from), "{from}");
        std::fs::write(&path, good.replace(&from, &to)).unwrap();
        let error = verify(data, None).unwrap_err().to_string();
        assert!(error.contains("signature is not good"), "{from}: {error}");
    }
    std::fs::write(&path, &good).unwrap();
    assert!(
        verify(data, Some(&"0".repeat(64)))
            .unwrap_err()
            .to_string()
            .contains("not signed by the gateway with that public key")
    );

    // Destroyed files put back, one after the other.
    std::fs::create_dir_all(keys.join("days")).unwrap();
    for back in [keys.join("field.key"), keys.join("days/2020-02-20.key"), keys.join("token-7.key")]
        .into_iter()
        .chain([data.join("ledger/0000000001.seg"), data.join("fleet.json")])
    {
        std::fs::write(&back, "0").unwrap();
        let error = verify(data, None).unwrap_err().to_string();
        assert!(error.contains("still there") && error.contains(back.to_str().unwrap()), "{error}");
        std::fs::remove_file(&back).unwrap();
    }
    verify(data, None).unwrap();
    for (sql, expected) in [
        ("INSERT INTO codes VALUES (5, 5, 0)", "codes is not empty"),
        ("DELETE FROM codes; UPDATE operators SET revoked = 1 WHERE name = 'li-na'", "not signed by two"),
    ] {
        let registry = rusqlite::Connection::open(data.join(REGISTRY)).unwrap();
        registry.execute_batch(sql).unwrap();
        drop(registry);
        assert!(verify(data, None).unwrap_err().to_string().contains(expected), "{sql}");
    }
}
