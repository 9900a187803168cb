//! The tree, its proofs and receipts, compared with the definitions of the standard.

use std::ops::Range;

use ring::signature::KeyPair;

use super::*;

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(format!("decision {n}").as_bytes())).collect()
}

fn key() -> (Vec<u8>, Vec<u8>) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    (pkcs8.as_ref().to_vec(), pair.public_key().as_ref().to_vec())
}

/// Returns the root hash by the definition of RFC 9162, word for word, as the reference.
fn defined(leaves: &[Hash]) -> Hash {
    match leaves {
        [leaf] => *leaf,
        _ => {
            let mut half = 1;
            while half * 2 < leaves.len() {
                half *= 2;
            }
            node_hash(&defined(&leaves[..half]), &defined(&leaves[half..]))
        }
    }
}

/// Computes the roots of whole subtrees from these leaves.
fn in_memory(leaves: &[Hash]) -> impl FnMut(Node) -> Result<Hash, ()> {
    |node: Node| {
        let Range { start, end } = node.leaves();
        leaves.get(start as usize..end as usize).map(defined).ok_or(())
    }
}

fn proof(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    prove(leaves.len() as u64, index as u64, in_memory(leaves)).unwrap()
}

fn signed(leaves: &[Hash], pkcs8: &[u8]) -> Checkpoint {
    Checkpoint::sign(leaves.len() as u64, &defined(leaves), 1_600_000_000, pkcs8).unwrap()
}

#[test]
fn the_root_is_the_one_of_the_standard() {
    let hex_of = |tree: &Tree| hex::encode(tree.root());
    let mut tree = Tree::default();
    assert_eq!(hex_of(&tree), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    tree.push(leaf_hash(b""), |_, _| ());
    assert_eq!(hex_of(&tree), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    let leaves = leaves(200);
    let mut tree = Tree::default();
    for count in 1..=leaves.len() {
        let whole = |node: Node, hash| assert_eq!(Ok(hash), in_memory(&leaves)(node), "{node:?}");
        tree.push(leaves[count - 1], whole);
        let expected = defined(&leaves[..count]);
        assert_eq!((tree.size(), tree.root()), (count as u64, expected), "{count}");
        assert_eq!(root(count as u64, in_memory(&leaves)), Ok(expected), "{count}");
    }
}

#[test]
fn every_leaf_is_proven_and_nothing_else_is() {
    let leaves = leaves(70);
    for size in 1..=leaves.len() {
        let root = defined(&leaves[..size]);
        for index in 0..size {
            let path = proof(&leaves[..size], index).unwrap();
            let climbed = |leaf: Hash, index: usize, size: usize, path: &[Hash]| {
                climb(leaf, index as u64, size as u64, path) == Some(root)
            };
            assert!(climbed(leaves[index], index, size, &path), "{index} of {size}");
            assert!(!climbed(leaf_hash(b"other"), index, size, &path), "{index} of {size}");
            assert!(!climbed(leaves[index], size, size, &path), "beyond {size}");
            if size > 1 {
                assert!(!climbed(leaves[index], (index + 1) % size, size, &path), "{index} of {size}");
                assert!(!climbed(leaves[index], index, size, &path[1..]), "{index} of {size}");
                assert!(!climbed(leaves[index], index, size, &[&path[..], &path[..1]].concat()));
            }
        }
        assert_eq!(proof(&leaves[..size], size), None);
    }
}

#[test]
fn a_receipt_is_checked_offline_and_forgeries_are_not_taken() {
    let ((pkcs8, public), (_, other)) = (key(), key());
    let leaves = leaves(11);
    let receipt = Receipt {
        decision: "decision 6".to_owned(),
        index: 6,
        path: proof(&leaves, 6).unwrap().iter().map(hex::encode).collect(),
        checkpoint: signed(&leaves, &pkcs8),
    };
    assert_eq!(receipt.check(&public), Ok(()));
    assert_eq!(receipt.check(&other), Err(ReceiptError::Signature));
    let change = |f: &dyn Fn(&mut Receipt)| {
        let mut changed = receipt.clone();
        f(&mut changed);
        changed.check(&public)
    };
    let (signature, decision) = (Err(ReceiptError::Signature), Err(ReceiptError::Decision));
    assert_eq!(change(&|receipt| receipt.decision = "decision 7".to_owned()), decision);
    assert_eq!(change(&|receipt| receipt.index = 7), decision);
    assert_eq!(change(&|receipt| receipt.path[0] = "zz".to_owned()), decision);
    assert_eq!(change(&|receipt| drop(receipt.path.pop())), decision);
    assert_eq!(change(&|receipt| receipt.checkpoint.size = 12), signature);
    assert_eq!(change(&|receipt| receipt.checkpoint.at_s += 1), signature);
    assert_eq!(change(&|receipt| receipt.checkpoint.root = hex::encode(leaves[0])), signature);
    assert_eq!(change(&|receipt| receipt.checkpoint.signature.clear()), signature);
}

#[test]
fn a_checkpoint_of_before_orders_is_good_and_one_with_them_is_no_better_than_their_signature() {
    let ((pkcs8, public), (other_pkcs8, _)) = (key(), key());
    let old = signed(&leaves(3), &pkcs8);
    let text = serde_json::to_string(&old).unwrap();
    assert!(!text.contains("orders"), "as earlier releases wrote and read it: {text}");
    assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), old);
    let with = |pkcs8: &[u8], number: u64| {
        let head = hex::encode(leaf_hash(b"head"));
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).unwrap();
        let signature = hex::encode(pair.sign(&order_head_text(7, &head)).as_ref());
        Checkpoint { orders: Some(OrdersUpTo { number, head, signature }), ..old.clone() }
    };
    let new = with(&pkcs8, 7);
    assert_eq!(serde_json::from_str::<Checkpoint>(&serde_json::to_string(&new).unwrap()).unwrap(), new);
    assert!(old.is_genuine(&public) && new.is_genuine(&public));
    assert!(!with(&pkcs8, 6).is_genuine(&public) && !with(&other_pkcs8, 7).is_genuine(&public));
}

#[test]
fn growth_from_every_size_to_every_other_is_proven_and_nothing_else_is() {
    let leaves = leaves(40);
    for size in 0..=leaves.len() {
        let new = (size as u64, root(size as u64, in_memory(&leaves)).unwrap());
        for since in 0..=size {
            let old = (since as u64, root(since as u64, in_memory(&leaves)).unwrap());
            let path = prove_growth(old.0, new.0, in_memory(&leaves)).unwrap().unwrap();
            assert!(has_grown(old, new, &path), "{since} to {size}");
            assert!(path.len() <= 8, "{since} to {size}: {} steps", path.len());
            let other = leaf_hash(b"other");
            assert!(!has_grown((old.0, other), new, &path), "{since} to {size}, another before");
            assert!(!has_grown(old, new, &[&path[..], &[other]].concat()), "{since} to {size}, a step more");
            if 0 < since && since < size {
                assert!(!has_grown(old, (new.0, other), &path), "{since} to {size}, another after");
                assert!(!has_grown(old, new, &path[1..]), "{since} to {size}, a step less");
                assert!(
                    !has_grown((old.0 - 1, old.1), new, &path),
                    "{since} to {size}, a smaller one before"
                );
                assert!(!has_grown(new, old, &path), "{size} to {since}");
            }
        }
        assert_eq!(prove_growth(new.0 + 1, new.0, in_memory(&leaves)), Ok(None));
    }
}

#[test]
fn a_tree_whose_end_was_cut_or_whose_past_was_changed_does_not_follow_from_a_held_checkpoint() {
    let ((pkcs8, public), (other_pkcs8, _)) = (key(), key());
    let leaves = leaves(20);
    let held = signed(&leaves[..13], &pkcs8);
    let growth = |leaves: &[Hash], since: u64| Growth {
        since,
        path: prove_growth(since, leaves.len() as u64, in_memory(leaves))
            .unwrap()
            .unwrap_or_default()
            .iter()
            .map(hex::encode)
            .collect(),
        checkpoint: signed(leaves, &pkcs8),
    };
    let mut changed = leaves.clone();
    changed[12] = leaf_hash(b"another");
    let mut forged = growth(&leaves, 13);
    forged.checkpoint = signed(&leaves, &other_pkcs8);
    for (growth, expected) in [
        (growth(&leaves, 13), Ok(())),
        (growth(&leaves[..13], 13), Ok(())),
        (growth(&leaves[..12], 13), Err(GrowthError::Shorter { since: 13, size: 12 })),
        (growth(&leaves, 12), Err(GrowthError::Since { since: 12, wanted: 13 })),
        (growth(&changed, 13), Err(GrowthError::Changed { since: 13 })),
        (growth(&changed[..13], 13), Err(GrowthError::Changed { since: 13 })),
        (forged, Err(GrowthError::Signature)),
    ] {
        assert_eq!(growth.check(&held, &public), expected, "{growth:?}");
    }
}
