//! The order log: changes to the file are found, and texts are deleted while proofs remain.

use keys::Keys;

use super::ORDER_TEXT_S;
use crate::audit::OrdersUpTo;
use crate::operator::{self, Operator, OperatorKey, Order, Requirement, Role};
use crate::{KeptRegistry, OrderEnd, OrderEntry, Registry};

const NOW_S: u64 = 1_600_000_000;
/// A number that stands for a person's code.
const CODE: &str = "77007700770077";

struct Bench {
    directory: tempfile::TempDir,
    keys: Keys,
    registry: Registry,
    operators: Vec<OperatorKey>,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Keys::init(&directory.path().join("keys")).unwrap();
        let keys = Keys::load(&directory.path().join("keys")).unwrap();
        let mut registry = Registry::open(&directory.path().join("registry.db"), &keys).unwrap();
        let mut employ = |name: &str| {
            let (key, _) = OperatorKey::generate(name).unwrap();
            let (name, authority, public_key) = (name.to_owned(), "cdc".to_owned(), key.public_key());
            let operator = Operator { name, authority, roles: vec![Role::Admin], public_key, revoked: false };
            operator::add(&mut registry, &operator).unwrap();
            key
        };
        let operators = vec![employ("li-na"), employ("wang-wei")];
        Self { directory, keys, registry, operators }
    }

    fn order(&mut self, nonce: &str) -> OrderEntry {
        let gateway = self.registry.gateway_id().unwrap();
        let act = format!(r#"{{"order":"why","code":{CODE},"case":"A-1"}}"#);
        let order = Order { gateway, act, at_s: NOW_S, nonce: nonce.to_owned() };
        let signatures: Vec<_> = self.operators.iter().map(|key| key.sign(&order)).collect();
        let requirement = Requirement { act: "why", role: Role::Admin, operators: 2 };
        let by = (NOW_S, self.keys.signing_pkcs8());
        operator::accept(&mut self.registry, &order, &signatures, requirement, by).unwrap().entry
    }

    fn end(&mut self, order: &OrderEntry) {
        self.registry.record_end(order, OrderEnd::Done, (NOW_S, self.keys.signing_pkcs8())).unwrap();
    }

    fn verified(&self) -> Result<(u64, u64, u64), String> {
        let report = self.registry.verify_orders(&self.keys.signing_public());
        report.map(|report| (report.orders, report.ended, report.texts)).map_err(|error| error.to_string())
    }

    fn damage(&self, sql: &str) {
        self.registry.connection.execute_batch(sql).unwrap();
    }
}

#[test]
fn an_order_that_is_changed_or_removed_is_found() {
    for (name, sql, expected) in [
        (
            "one in the middle removed",
            "DELETE FROM order_log WHERE id = 2",
            "entry 2 of the order log: it is missing",
        ),
        (
            "the first removed",
            "DELETE FROM order_log WHERE id = 1",
            "entry 1 of the order log: it is missing",
        ),
        (
            "one removed, the others renumbered",
            "DELETE FROM order_log WHERE id = 2; UPDATE order_log SET id = 2 WHERE id = 3",
            "entry 2 of the order log: it, or the entry before it",
        ),
        (
            "another operator",
            "UPDATE order_log SET entry = replace(entry, 'wang-wei', 'sun-li-1') WHERE id = 1",
            "entry 1 of the order log: it, or the entry before it",
        ),
        (
            "another key",
            "UPDATE operators SET public_key = (SELECT public_key FROM operators WHERE name = 'li-na')
                WHERE name = 'wang-wei'",
            "an operator's key is not the one that signed",
        ),
        (
            "another text",
            "UPDATE order_log SET sealed = (SELECT sealed FROM order_log WHERE id = 3) WHERE id = 1",
            "entry 1 of the order log: its text is not the one that was signed",
        ),
        (
            "another end",
            "UPDATE order_log SET entry = replace(entry, 'done', 'refused')",
            "entry 2 of the order log",
        ),
        (
            "a signature of nobody",
            "UPDATE order_log SET signature = '00' WHERE id = 3",
            "entry 3 of the order log: it is not signed by this gateway",
        ),
    ] {
        let mut bench = Bench::new();
        let first = bench.order("1");
        bench.end(&first);
        bench.order("2");
        assert_eq!(bench.verified(), Ok((2, 1, 2)), "{name}");
        bench.damage(sql);
        let found = bench.verified().expect_err(name);
        assert!(found.contains(expected), "{name}: {found}");
    }
}

#[test]
fn an_order_log_without_its_end_is_sound_but_for_whoever_holds_a_checkpoint() {
    let mut bench = Bench::new();
    let path = bench.directory.path().join("registry.db");
    let kept = || KeptRegistry::open(&path).unwrap();
    bench.registry.checkpoint(bench.keys.signing_pkcs8(), NOW_S).unwrap();
    let before = bench.registry.checkpoint_to_keep().unwrap().unwrap();
    assert_eq!(before.orders, None, "there is no order yet");
    let first = bench.order("1");
    let early = bench.registry.checkpoint_to_keep().unwrap().unwrap().orders.unwrap();
    bench.end(&first);
    bench.order("2");
    let held = bench.registry.checkpoint_to_keep().unwrap().unwrap();
    assert!(held.is_genuine(&bench.keys.signing_public()));
    let late = held.orders.unwrap();
    assert_eq!((early.number, late.number), (1, 3));
    for held in [&early, &late] {
        kept().orders_begin_with(held).unwrap();
    }
    let changed = OrdersUpTo { head: early.head.clone(), ..late.clone() };
    let found = kept().orders_begin_with(&changed).unwrap_err().to_string();
    assert!(found.contains("entry 3 of the order log: it, or an earlier entry"), "{found}");
    bench.damage("DELETE FROM order_log WHERE id >= 2");
    assert_eq!(bench.verified(), Ok((1, 0, 1)), "nothing in it shows the cut");
    kept().orders_begin_with(&early).unwrap();
    let found = kept().orders_begin_with(&late).unwrap_err().to_string();
    assert!(found.contains("entry 3 of the order log: it is missing"), "{found}");
}

#[test]
fn whom_an_order_was_about_goes_after_half_a_year_and_who_signed_it_stays() {
    let mut bench = Bench::new();
    let order = bench.order("5");
    bench.end(&order);
    let plain = |bench: &Bench| {
        let sql = "SELECT group_concat(entry || coalesce(commitment, '')) FROM order_log";
        bench.registry.connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    let text = plain(&bench);
    assert!(!text.contains(CODE) && !text.contains("A-1") && text.contains("wang-wei"), "{text}");
    bench.registry.forget_some(NOW_S + ORDER_TEXT_S).unwrap();
    assert_eq!(bench.verified(), Ok((1, 1, 1)));
    bench.registry.forget_some(NOW_S + ORDER_TEXT_S + 1).unwrap();
    assert_eq!(bench.verified(), Ok((1, 1, 0)), "it is checked without its text");
    drop(bench.registry);
    let file = std::fs::read(bench.directory.path().join("registry.db")).unwrap();
    assert!(!file.windows(CODE.len()).any(|at| at == CODE.as_bytes()), "not in the file either");
}

#[test]
fn an_order_for_a_gateway_is_none_for_its_restored_copy() {
    let mut bench = Bench::new();
    let before = bench.registry.gateway_id().unwrap();
    bench.registry.renew_gateway_id().unwrap();
    assert_ne!(bench.registry.gateway_id().unwrap(), before);
    let order = Order { gateway: before, act: "{}".to_owned(), at_s: NOW_S, nonce: "1".to_owned() };
    let signatures: Vec<_> = bench.operators.iter().map(|key| key.sign(&order)).collect();
    let requirement = Requirement { act: "why", role: Role::Admin, operators: 1 };
    let by = (NOW_S, bench.keys.signing_pkcs8());
    let refused = operator::accept(&mut bench.registry, &order, &signatures, requirement, by).unwrap_err();
    assert!(refused.to_string().contains("another gateway"), "{refused}");
}
