//! Every way in which an order is not acceptable, one row each.

use keys::Keys;

use super::accept::AHEAD_S_MAX;
use super::*;

const NOW_S: u64 = 1_600_000_000;

fn registry() -> (tempfile::TempDir, Registry, Keys) {
    let directory = tempfile::tempdir().unwrap();
    Keys::init(&directory.path().join("keys")).unwrap();
    let keys = Keys::load(&directory.path().join("keys")).unwrap();
    let registry = Registry::open(&directory.path().join("registry.db"), &keys).unwrap();
    (directory, registry, keys)
}

fn operator(registry: &mut Registry, name: &str, roles: &[Role]) -> OperatorKey {
    let (key, _) = OperatorKey::generate(name).unwrap();
    let operator = Operator {
        name: name.to_owned(),
        authority: "cdc".to_owned(),
        roles: roles.to_vec(),
        public_key: key.public_key(),
        revoked: false,
    };
    add(registry, &operator).unwrap();
    key
}

fn order(registry: &Registry, act: &str) -> Order {
    let gateway = registry.gateway_id().unwrap();
    Order { gateway, act: act.to_owned(), at_s: NOW_S, nonce: "1".to_owned() }
}

fn requirement(role: Role, operators: usize) -> Requirement<'static> {
    Requirement { act: "act", role, operators }
}

#[test]
fn an_order_takes_as_many_operators_as_it_needs_and_is_good_once() {
    let (_directory, mut registry, keys) = registry();
    let admin = operator(&mut registry, "li-na", &[Role::Admin, Role::Health]);
    let health = operator(&mut registry, "wang-wei", &[Role::Health]);
    let records = operator(&mut registry, "zhao-min", &[Role::Records]);
    let gone = operator(&mut registry, "sun-li", &[Role::Health]);
    registry.revoke_operator("sun-li").unwrap();
    let (stranger, _) = OperatorKey::generate("wang-wei").unwrap();
    let order = order(&registry, "act");
    let other = Order { act: "another act".to_owned(), ..order.clone() };
    let elsewhere = Order { gateway: "0".repeat(32), ..order.clone() };
    let two = requirement(Role::Health, 2);
    let [admin_signs, health_signs, records_sign] = [&admin, &health, &records].map(|key| key.sign(&order));
    let by = |now_s| (now_s, keys.signing_pkcs8());
    let mut accepts = |signatures: &[Signature], now_s| {
        accept(&mut registry, &order, signatures, two, by(now_s)).map_err(|error| error.to_string())
    };
    for (name, signatures, now_s, expected) in [
        ("one of two", vec![health_signs.clone()], NOW_S, "1 signed"),
        ("the same twice", vec![health_signs.clone(), health_signs.clone()], NOW_S, "1 signed"),
        ("another role", vec![health_signs.clone(), records_sign], NOW_S, "1 signed"),
        ("a revoked one", vec![health_signs.clone(), gone.sign(&order)], NOW_S, "sun-li is not valid"),
        ("another key", vec![stranger.sign(&order)], NOW_S, "wang-wei is not valid"),
        (
            "another gateway",
            vec![admin_signs.clone(), health.sign(&elsewhere)],
            NOW_S,
            "wang-wei is not valid",
        ),
        ("another order", vec![admin_signs.clone(), health.sign(&other)], NOW_S, "wang-wei is not valid"),
        (
            "too old",
            vec![health_signs.clone(), admin_signs.clone()],
            NOW_S + ORDER_S_MAX + 1,
            "more than 12 h ago",
        ),
        (
            "from the future",
            vec![health_signs.clone(), admin_signs.clone()],
            NOW_S - AHEAD_S_MAX - 1,
            "a clock that is ahead",
        ),
    ] {
        let refused = accepts(&signatures, now_s).expect_err(name);
        assert!(refused.contains(expected), "{name}: {refused}");
    }
    let both = [health_signs, admin_signs];
    let signed = accepts(&both, NOW_S + ORDER_S_MAX).unwrap().by;
    assert_eq!((signed.authority.as_str(), signed.operators.as_str()), ("cdc", "wang-wei,li-na"));
    assert!(accepts(&both, NOW_S + ORDER_S_MAX).unwrap_err().contains("already"), "good once");
}

#[test]
fn the_first_operator_can_add_others_and_no_name_is_given_twice() {
    let (_directory, mut registry, _keys) = registry();
    let (key, _) = OperatorKey::generate("li-na").unwrap();
    let new = |name: &str, authority: &str, roles: &[Role]| Operator {
        name: name.to_owned(),
        authority: authority.to_owned(),
        roles: roles.to_vec(),
        public_key: key.public_key(),
        revoked: false,
    };
    for (name, authority, roles) in [
        ("li-na", "cdc", &[Role::Health][..]),
        ("li-na", "cdc", &[]),
        ("Li Na", "cdc", &[Role::Admin]),
        ("", "cdc", &[Role::Admin]),
        ("li-na", "citizen", &[Role::Admin]),
        ("li-na", "", &[Role::Admin]),
    ] {
        assert!(add(&mut registry, &new(name, authority, roles)).is_err(), "{name} {authority} {roles:?}");
    }
    add(&mut registry, &new("li-na", "cdc", &[Role::Admin])).unwrap();
    registry.revoke_operator("li-na").unwrap();
    assert!(add(&mut registry, &new("li-na", "cdc", &[Role::Admin])).is_err(), "not even after a revocation");
    assert!(registry.revoke_operator("nobody").is_err());
}

#[test]
fn a_key_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("li-na.key");
    let (key, text) = OperatorKey::generate("li-na").unwrap();
    std::fs::write(&path, text.as_bytes()).unwrap();
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    assert!(OperatorKey::load(&path).is_err(), "others may read it");
    mode(0o600);
    let loaded = OperatorKey::load(&path).unwrap();
    let (gateway, nonce) = ("1".repeat(32), "1".to_owned());
    let order = Order { gateway, act: "act".to_owned(), at_s: NOW_S, nonce };
    assert_eq!(loaded.sign(&order), key.sign(&order));
    std::fs::write(&path, "{}").unwrap();
    assert!(OperatorKey::load(&path).unwrap_err().to_string().contains("operator's key"));
}

#[test]
fn one_person_counts_once_and_a_revoked_one_not_at_all() {
    let (_directory, mut registry, keys) = registry();
    let first = operator(&mut registry, "li-na", &[Role::Admin, Role::Health]);
    let health = operator(&mut registry, "wang-wei", &[Role::Health]);
    let same = Operator {
        name: "li-na-2".to_owned(),
        authority: "cdc".to_owned(),
        roles: vec![Role::Health],
        public_key: first.public_key().to_uppercase(),
        revoked: false,
    };
    let refused = add(&mut registry, &same).unwrap_err().to_string();
    assert!(refused.contains("another operator has"), "{refused}");
    // A registry of an earlier release may hold this.
    registry.insert_operator(&Operator { public_key: first.public_key(), ..same }).unwrap();
    let order = order(&registry, "act");
    let by = (NOW_S, keys.signing_pkcs8());
    let twice = [first.sign(&order), Signature { operator: "li-na-2".to_owned(), ..first.sign(&order) }];
    let refused = accept(&mut registry, &order, &twice, requirement(Role::Health, 2), by).unwrap_err();
    assert!(refused.to_string().contains("1 signed"), "{refused}");

    let refused = add_first(&mut registry, &stranger()).unwrap_err();
    assert!(refused.to_string().contains("0 signed"), "nobody is first twice: {refused}");

    let signed = [first.sign(&order), health.sign(&order)];
    registry.revoke_operator("wang-wei").unwrap();
    let refused = accept(&mut registry, &order, &signed, requirement(Role::Health, 2), by).unwrap_err();
    assert!(refused.to_string().contains("wang-wei is not valid"), "given before, come after: {refused}");
    let begun = Signers { authority: "cdc".to_owned(), operators: "li-na,wang-wei".to_owned() };
    assert!(begun.still_good(&registry).is_err(), "begun before, ended after");
}

fn stranger() -> Operator {
    let (key, _) = OperatorKey::generate("x").unwrap();
    Operator {
        name: "x".to_owned(),
        authority: "cdc".to_owned(),
        roles: vec![Role::Admin],
        public_key: key.public_key(),
        revoked: false,
    }
}

#[test]
fn one_admin_adds_the_second_and_from_then_on_it_takes_two_for_good() {
    let (_directory, mut registry, _keys) = registry();
    operator(&mut registry, "li-na", &[Role::Admin]);
    let adds = |registry: &Registry, role| to_add(registry, &[role]).unwrap();
    let alone = [Role::Admin, Role::Health, Role::Records].map(|role| adds(&registry, role));
    assert_eq!(alone, [1, 2, 2], "one admin alone adds the second, and nobody else");
    assert!(revoke(&mut registry, "li-na").unwrap_err().to_string().contains("fewer than two admins"));

    operator(&mut registry, "wang-wei", &[Role::Admin]);
    operator(&mut registry, "liu-yang", &[Role::Health]);
    operator(&mut registry, "zhao-min", &[Role::Records]);
    let revokes = |registry: &Registry, name| to_revoke(registry, name).unwrap();
    let needed = ["li-na", "liu-yang", "zhao-min"].map(|name| revokes(&registry, name));
    assert_eq!(needed, [2, 2, 1], "whose signature others need goes by two");
    assert!(revoke(&mut registry, "li-na").unwrap_err().to_string().contains("fewer than two admins"));

    operator(&mut registry, "chen-jie", &[Role::Admin]);
    revoke(&mut registry, "li-na").unwrap();
    // The registry may have lost one in another way.
    registry.revoke_operator("wang-wei").unwrap();
    assert_eq!(adds(&registry, Role::Admin), 2, "the one who is left does not rule alone");
    assert_eq!(revokes(&registry, "liu-yang"), 2);
}

#[test]
fn what_stands_for_an_act_tells_nothing_of_it_and_fits_no_other() {
    let order = |nonce: &str, act: &str| Order {
        gateway: "1".repeat(32),
        act: act.to_owned(),
        at_s: NOW_S,
        nonce: nonce.to_owned(),
    };
    let all =
        [order("1", "act"), order("2", "act"), order("1", "acts"), order("1\nact", ""), order("", "1\nact")];
    let distinct: std::collections::BTreeSet<String> = all.iter().map(Order::commitment).collect();
    assert_eq!(distinct.len(), all.len());
    let before = r#"{"act":"{}","at_s":5,"nonce":7}"#;
    let before: Order = serde_json::from_str(before).unwrap();
    assert_eq!(
        (before.nonce.as_str(), before.gateway.as_str()),
        ("7", ""),
        "as a record of an earlier release"
    );
}
