//! The activation of another policy on a real registry: it does what the diff foretold, also if the process dies between. The number of
//! codes in the timed run is taken from `CHANGTONG_POLICY_CODES` when the tests are built.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use keys::Keys;
use policy::trajectory::{day_of, days_after, start_of};
use policy::{Cause, CauseKind, DEVELOPMENT, Policy, Stay};
use protocol::{Basis, CodeId, Colour};
use registry::colours::Codes;
use registry::{Change, Phone, Registry};
use runtime::clock;
use tempfile::TempDir;

use super::*;
use crate::test_registry::TestRegistry;

const DAY_S: u64 = 86_400;

fn now_s() -> u64 {
    start_of("2020-02-24".parse().unwrap()) + 9 * 3600
}

fn parse(text: &str) -> Policy {
    Policy::parse(text, Path::new("policy.toml")).unwrap()
}

/// Returns the development city's policy with changes and another version.
fn text(version: &str, changes: &[(&str, &str)]) -> String {
    let mut text = DEVELOPMENT.replace("version = \"2020-02-24\"", &format!("version = \"{version}\""));
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

struct Bench {
    directory: TempDir,
    keys: Keys,
    registry: Registry,
    codes: Codes,
    policy: Arc<Policy>,
}

impl Bench {
    fn new(people: u32, seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Keys::init(&directory.path().join("keys")).unwrap();
        let keys = Keys::load(&directory.path().join("keys")).unwrap();
        let mut registry = Registry::open(&directory.path().join("registry.db"), &keys).unwrap();
        simulator::city::build(&mut registry, &keys, people, seed).unwrap();
        let (codes, policy) = (Codes::new(0), Arc::new(parse(DEVELOPMENT)));
        registry.load_codes(&codes).unwrap();
        registry.insert_policy(policy.version(), DEVELOPMENT, "", 0).unwrap();
        Self { directory, keys, registry, codes, policy }
    }

    fn registrar(&mut self) -> Registrar<'_> {
        Registrar::new(&mut self.registry, &self.codes, Arc::clone(&self.policy))
    }

    /// Restarts the process after a crash.
    fn restarted(self) -> Self {
        let Self { directory, keys, registry, .. } = self;
        drop(registry);
        let registry = Registry::open(&directory.path().join("registry.db"), &keys).unwrap();
        let codes = Codes::new(0);
        registry.load_codes(&codes).unwrap();
        let policy = Arc::new(parse(&registry.newest_policy().unwrap().unwrap().text));
        Self { directory, keys, registry, codes, policy }
    }

    fn everybody(&self) -> BTreeMap<u64, CodeEntry> {
        let mut all = BTreeMap::new();
        self.registry
            .for_each_code(|code, entry| {
                all.insert(code.get(), entry);
            })
            .unwrap();
        all
    }

    /// Sets causes on codes, one transaction for all. Without rest basis, as imported.
    fn cause(&mut self, causes: &[(CodeId, Cause, Option<Stay>)]) {
        let (codes, policy) = (&self.codes, &self.policy);
        let entries = self
            .registry
            .transaction::<_, RegistryError>(|registry| {
                let mut entries = Vec::new();
                for (code, cause, stay) in causes {
                    let evidence = stay
                        .clone()
                        .map(|stay| registry.evidence(&Phone::parse("16300000001").expect("a number"), stay));
                    let id =
                        registry.insert_cause(*code, *cause, "cdc", policy.version(), evidence.as_ref())?;
                    let change =
                        Change { cause: Some(id), authority: "cdc", operators: "", policy: policy.version() };
                    entries.push((*code, registry.settle(*code, &change, now_s())?));
                }
                Ok(entries)
            })
            .unwrap();
        entries.into_iter().for_each(|(code, entry)| codes.put(code, entry));
    }

    fn activate(&mut self, text: &str) {
        let policy = parse(text);
        self.registrar().activate(policy.clone(), text, "wang-wei,li-na", now_s()).unwrap();
        self.policy = Arc::new(policy);
    }

    fn follow(&mut self) -> usize {
        let mut parts = 0;
        while self.registrar().revise_some(now_s()).unwrap() {
            parts += 1;
        }
        parts
    }

    fn check_audit(&mut self) {
        self.registry.checkpoint(self.keys.signing_pkcs8(), now_s()).unwrap();
        self.registry.verify_decisions(&self.keys.signing_public()).unwrap();
    }
}

fn through(kind: CauseKind, policy: &Policy, from_s: u64, day: Date) -> Cause {
    let rule = policy.rule(kind).unwrap();
    let until_s = start_of(days_after(day, i32::from(rule.days) + 1));
    Cause { kind, colour: rule.colour, from_s, until_s }
}

/// Returns a cause as the policy makes it, of any kind and day.
fn random_cause(random: &mut fastrand::Rng, policy: &Policy) -> (Cause, Option<Stay>) {
    let kind = CauseKind::ALL[random.usize(..CauseKind::ALL.len())];
    let from_s = now_s() - random.u64(0..20) * DAY_S;
    let day = day_of(from_s);
    if kind.is_manual() {
        let rule = policy.rule(kind).unwrap();
        let days = random.i32(0..i32::from(rule.days));
        let until_s = start_of(days_after(day, days + 1));
        return (Cause { kind, colour: rule.colour, from_s, until_s }, None);
    }
    if kind == CauseKind::Declaration {
        return (through(kind, policy, from_s, day), None);
    }
    let area = ["hubei", "abroad"][random.usize(..2)].to_owned();
    let stay = Stay { area, last_day: days_after(day, -random.i32(1..10)) };
    (through(kind, policy, from_s, stay.last_day), Some(stay))
}

fn random_policy(random: &mut fastrand::Rng, version: &str) -> String {
    let mut changes: Vec<(String, String)> = Vec::new();
    if random.bool() {
        let until = days_after(day_of(now_s()), -random.i32(1..25));
        changes.push(("from = 2020-01-01".into(), format!("from = 2020-01-01\nuntil = {until}")));
    }
    if random.bool() {
        changes.push(("\"abroad\"".into(), "\"overseas\"".into()));
    }
    let (colour, days) = (["red", "yellow"][random.usize(..2)], random.u16(1..40));
    changes.push(("colour = \"red\"\ndays = 14".into(), format!("colour = \"{colour}\"\ndays = {days}")));
    let colour = ["red", "yellow"][random.usize(..2)];
    changes.push(("colour = \"yellow\"\ndays = 21".into(), format!("colour = \"{colour}\"\ndays = 21")));
    let changes: Vec<(&str, &str)> = changes.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    text(version, &changes)
}

#[test]
fn what_a_diff_foretells_is_what_an_activation_does() {
    let (mut recoloured, mut moved) = (0, 0);
    for seed in 0..25 {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new(60, seed);
        let known: Vec<u64> = bench.everybody().into_keys().collect();
        let mut causes = Vec::new();
        for _ in 0..90 {
            let code = CodeId::from_u64(known[random.usize(..known.len())]).unwrap();
            let (cause, stay) = random_cause(&mut random, &bench.policy);
            causes.push((code, cause, stay));
        }
        bench.cause(&causes);
        for version in ["second", "third"] {
            let text = random_policy(&mut random, version);
            let (old, new) = (Arc::clone(&bench.policy), parse(&text));
            let diff = bench.registry.diff_policies(Some(&old), &new, now_s()).unwrap();
            assert_eq!(bench.registry.diff_policies(None, &new, now_s()).unwrap(), diff);
            let reader =
                Registry::open_to_read(&bench.directory.path().join("registry.db"), &bench.keys).unwrap();
            assert_eq!(reader.diff_policies(Some(&old), &new, now_s()).unwrap(), diff, "read only");
            let before = bench.everybody();
            bench.activate(&text);
            bench.follow();
            let mut done = policy::PolicyDiff { codes: diff.codes, ..Default::default() };
            for ((code, was), is) in before.iter().zip(bench.everybody().values()) {
                let index = |entry: &CodeEntry| usize::from(entry.colour().number()) - 1;
                let code = CodeId::from_u64(*code).unwrap();
                assert_eq!(bench.codes.get(code), Some(*is), "memory is what is durable");
                if was.colour() != is.colour() {
                    done.recoloured[index(was)][index(is)] += 1;
                    let decision = bench.registry.decisions(code).unwrap().pop().unwrap();
                    let by = (decision.authority.as_str(), decision.operators.as_str(), &*decision.policy);
                    assert_eq!(by, ("policy", "wang-wei,li-na", version));
                    assert_eq!((decision.from, decision.to), (was.colour(), is.colour()));
                } else if was.next_change_s() != is.next_change_s() {
                    done.moved += 1;
                }
            }
            assert_eq!(done, diff);
            recoloured += done.changed() - done.moved;
            moved += done.moved;
            assert_eq!(bench.registry.diff_policies(None, &new, now_s()).unwrap().changed(), 0);
        }
        bench.check_audit();
    }
    assert!(recoloured > 100 && moved > 100, "{recoloured} recoloured, {moved} moved: nothing was tried");
}

/// Adds so many codes with a stay in Hubei.
fn with_stays(bench: &mut Bench, count: usize) -> Vec<CodeId> {
    let stay = Stay { area: "hubei".to_owned(), last_day: "2020-02-20".parse().unwrap() };
    let cause = through(CauseKind::Trajectory, &bench.policy, now_s() - DAY_S, stay.last_day);
    let codes: Vec<CodeId> =
        bench.everybody().into_keys().take(count).map(|code| CodeId::from_u64(code).unwrap()).collect();
    let causes: Vec<_> = codes.iter().map(|&code| (code, cause, Some(stay.clone()))).collect();
    bench.cause(&causes);
    codes
}

fn without_hubei(version: &str) -> String {
    text(version, &[("from = 2020-01-01", "from = 2020-01-01\nuntil = 2020-02-10")])
}

#[test]
fn killed_between_activation_and_its_codes_the_next_start_goes_on() {
    for parts in [0, 1, 2] {
        let mut bench = Bench::new(2_600, 1);
        let codes = with_stays(&mut bench, 2_500);
        bench.activate(&without_hubei("second"));
        for _ in 0..parts {
            assert!(bench.registrar().revise_some(now_s()).unwrap());
        }
        let red = |bench: &Bench| {
            codes.iter().filter(|&&code| bench.codes.get(code).unwrap().colour() == Colour::Red).count()
        };
        let before = red(&bench);
        let mut bench = bench.restarted();
        assert_eq!(bench.policy.version(), "second", "it is in effect all the same");
        assert_eq!(red(&bench), before, "{parts} parts");
        let third = without_hubei("third");
        let refused = bench.registrar().activate(parse(&third), &third, "li-na", now_s());
        assert!(matches!(refused, Err(RegistrarError::PolicyUnderWay)), "{refused:?}");
        assert_eq!(bench.follow(), 5 - parts);
        assert!(red(&bench) < 100, "some are red by what they came with");
        let decisions = bench.registry.decisions(codes[7]).unwrap();
        let by_policy = decisions.iter().filter(|decision| decision.authority == "policy").count();
        assert!(by_policy <= 1, "once");
        bench.check_audit();
        bench.activate(&third);
    }
}

#[test]
fn a_version_is_in_effect_once() {
    let mut bench = Bench::new(1, 1);
    let second = without_hubei("second");
    bench.activate(&second);
    bench.follow();
    for again in [second.as_str(), DEVELOPMENT] {
        let policy = parse(again);
        let refused = bench.registrar().activate(policy, again, "li-na", now_s()).unwrap_err();
        assert!(refused.to_string().contains("give a changed one a new version"), "{refused}");
    }
    let versions: Vec<String> =
        bench.registry.policies().unwrap().into_iter().map(|row| row.version).collect();
    assert_eq!(versions, ["2020-02-24", "second"]);
    assert_eq!(bench.restarted().policy.version(), "second");
}

#[test]
fn evidence_is_sealed_named_by_its_hash_in_the_decision_and_forgotten_when_its_cause_has_ended() {
    let mut bench = Bench::new(3, 1);
    let code = with_stays(&mut bench, 1)[0];
    let entry = bench.codes.get(code).unwrap();
    let sealed = |bench: &Bench| -> Option<Vec<u8>> {
        let store = rusqlite::Connection::open(bench.directory.path().join("registry.db")).unwrap();
        let sql = "SELECT evidence FROM causes WHERE code = ?1 ORDER BY id DESC LIMIT 1";
        store.query_row(sql, [code.get() as i64], |row| row.get(0)).unwrap()
    };
    let kept = sealed(&bench).unwrap();
    assert!(!kept.windows(5).any(|bytes| bytes == b"hubei"));
    let hash = hex::encode(ring::digest::digest(&ring::digest::SHA256, &kept));
    let decisions = bench.registry.decisions(code).unwrap();
    assert!(decisions.iter().all(|decision| decision.evidence == hash), "{decisions:?}");
    assert_eq!(entry.colour(), Colour::Red);
    let until_s = u32::try_from(start_of("2020-03-06".parse().unwrap())).unwrap();
    bench.registry.expire_due(&bench.codes, until_s - 1).unwrap();
    assert_eq!(sealed(&bench), Some(kept), "as long as its cause");
    bench.registry.expire_due(&bench.codes, until_s).unwrap();
    assert_eq!(sealed(&bench), None);
    bench.check_audit();
    let code = with_stays(&mut bench, 1)[0];
    bench.activate(&without_hubei("second"));
    bench.follow();
    bench.registry.expire_due(&bench.codes, u32::try_from(now_s()).unwrap()).unwrap();
    assert_eq!(sealed(&bench), None, "or was cleared");
    assert_ne!(bench.codes.get(code).unwrap().basis(), Basis::Nothing);
}

/// Measures a diff and an activation where few codes have causes.
#[test]
fn codes_without_open_causes_cost_nothing() {
    let people = option_env!("CHANGTONG_POLICY_CODES").and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let started = clock::now();
    let mut bench = Bench::new(people, 1);
    let built = clock::since(started);
    let caused = (people as usize / 100).max(200);
    with_stays(&mut bench, caused);
    let text = without_hubei("second");
    let started = clock::now();
    let diff = bench.registry.diff_policies(Some(&bench.policy), &parse(&text), now_s()).unwrap();
    let took = clock::since(started);
    let started = clock::now();
    bench.activate(&text);
    let parts = bench.follow();
    let followed = clock::since(started);
    println!(
        "{people} codes built in {built:.2?}, {caused} with causes: diff {took:.2?}, activation {followed:.2?} in {parts} parts"
    );
    assert_eq!(diff.codes, caused as u64);
}
