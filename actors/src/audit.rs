//! Decisions can be checked by whom they concern: they are leaves of one Merkle tree (RFC 9162, SHA-256), whose size and root are
//! signed. A receipt proves that a decision is in the tree, to anyone, offline, with the gateway's public key. Pure.

use ring::digest::{Context, SHA256};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// A hash of a leaf, a node, or the tree.
pub type Hash = [u8; 32];

const LEAF: u8 = 0;
const NODE: u8 = 1;
/// A path has a step for each doubling of the tree.
const PROOF_STEPS_MAX: usize = 64;

/// The hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    hash(LEAF, &[leaf])
}

fn hash(kind: u8, parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[kind]);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash(NODE, &[left, right])
}

/// The root over leaves that come one after another, in the memory of one hash for each doubling.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    /// Roots of whole subtrees, the largest first, each with its number of leaves.
    peaks: Vec<(u64, Hash)>,
}

impl Tree {
    /// How many leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let (mut count, mut hash) = (1, leaf);
        while let Some((left_count, left)) = self.peaks.pop_if(|(left_count, _)| *left_count == count) {
            hash = node_hash(&left, &hash);
            count += left_count;
        }
        self.peaks.push((count, hash));
        self.size += 1;
    }

    /// The tree as far as it is, to go on from: 40 bytes for each peak.
    pub fn to_bytes(&self) -> Vec<u8> {
        let peak = |(count, hash): &(u64, Hash)| [&count.to_le_bytes()[..], hash].concat();
        self.peaks.iter().flat_map(peak).collect()
    }

    /// Reads [`Self::to_bytes`] back.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (peaks, []) = bytes.as_chunks::<40>() else { return None };
        let read = |peak: &[u8; 40]| {
            let (count, hash) = peak.split_first_chunk()?;
            Some((u64::from_le_bytes(*count), *hash.first_chunk()?))
        };
        let peaks: Vec<(u64, Hash)> = peaks.iter().map(read).collect::<Option<_>>()?;
        Some(Self { size: peaks.iter().map(|(count, _)| count).sum(), peaks })
    }

    /// The root; that of no leaves is the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev().map(|(_, hash)| *hash);
        match peaks.next() {
            Some(last) => peaks.fold(last, |right, left| node_hash(&left, &right)),
            None => {
                let mut hash = [0; 32];
                hash.copy_from_slice(ring::digest::digest(&SHA256, &[]).as_ref());
                hash
            }
        }
    }
}

/// The hashes that lead from a leaf to the root, the leaf's neighbour first. `None` if there is no such leaf.
pub fn prove(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut leaves, mut index, mut path) = (leaves, index, Vec::new());
    while leaves.len() > 1 {
        // The left part is the largest power of two that leaves something to the right.
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        if index < left.len() {
            path.push(root_of(right));
            leaves = left;
        } else {
            path.push(root_of(left));
            index -= left.len();
            leaves = right;
        }
    }
    path.reverse();
    Some(path)
}

fn root_of(leaves: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    leaves.iter().for_each(|&leaf| tree.push(leaf));
    tree.root()
}

/// The root to which the path leads from that leaf of a tree of that size. `None` if no such path is possible.
fn climb(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size || path.len() > PROOF_STEPS_MAX {
        return None;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for step in path {
        if last == 0 {
            return None;
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(step, &hash);
            while node.is_multiple_of(2) && node != 0 {
                (node, last) = (node / 2, last / 2);
            }
        } else {
            hash = node_hash(&hash, step);
        }
        (node, last) = (node / 2, last / 2);
    }
    (last == 0).then_some(hash)
}

/// How far the decisions reached at a moment, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// How many decisions.
    pub size: u64,
    /// The root over them, hexadecimal.
    pub root: String,
    /// When it was signed, seconds since 1970 UTC.
    pub at_s: u64,
    /// Ed25519 over the rest, hexadecimal.
    pub signature: String,
}

impl Checkpoint {
    /// Signs the tree as it is. The key is PKCS#8; `None` if it is none.
    pub fn sign(tree: &Tree, at_s: u64, signing_pkcs8: &[u8]) -> Option<Self> {
        let key = Ed25519KeyPair::from_pkcs8(signing_pkcs8).ok()?;
        let (size, root) = (tree.size(), hex::encode(tree.root()));
        let signature = hex::encode(key.sign(&signed_text(size, &root, at_s)).as_ref());
        Some(Self { size, root, at_s, signature })
    }

    /// Whether the owner of that key signed it.
    pub fn is_genuine(&self, public_key: &[u8]) -> bool {
        let text = signed_text(self.size, &self.root, self.at_s);
        let key = UnparsedPublicKey::new(&ED25519, public_key);
        hex::decode(&self.signature).is_ok_and(|signature| key.verify(&text, &signature).is_ok())
    }
}

fn signed_text(size: u64, root: &str, at_s: u64) -> Vec<u8> {
    format!("changtong checkpoint 1\n{size}\n{root}\n{at_s}").into_bytes()
}

/// What a citizen keeps: a decision, and the proof that it was made and is on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The decision, as it is hashed.
    pub decision: String,
    /// Its place among the decisions, from 0.
    pub index: u64,
    /// The hashes to the root, hexadecimal.
    pub path: Vec<String>,
    /// The signed root.
    pub checkpoint: Checkpoint,
}

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The root was not signed with that key.
    #[error("its checkpoint was not signed by this gateway")]
    Signature,
    /// The decision is not what stands under the root.
    #[error("its decision is not the one that was signed")]
    Decision,
}

impl Receipt {
    /// Checks it, with nothing but the gateway's public key: Ed25519, 32 bytes.
    pub fn check(&self, public_key: &[u8]) -> Result<(), ReceiptError> {
        if !self.checkpoint.is_genuine(public_key) {
            return Err(ReceiptError::Signature);
        }
        let step = |text: &String| hex::decode(text).ok()?.try_into().ok();
        let path: Option<Vec<Hash>> = self.path.iter().map(step).collect();
        let leaf = leaf_hash(self.decision.as_bytes());
        let root = path.and_then(|path| climb(leaf, self.index, self.checkpoint.size, &path));
        match root {
            Some(root) if hex::encode(root) == self.checkpoint.root => Ok(()),
            Some(_) | None => Err(ReceiptError::Decision),
        }
    }
}

#[cfg(test)]
mod tests {
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

    /// The definition of RFC 9162, word for word, to compare with.
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

    #[test]
    fn the_root_is_the_one_of_the_standard() {
        let hex_of = |tree: &Tree| hex::encode(tree.root());
        let mut tree = Tree::default();
        assert_eq!(hex_of(&tree), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        tree.push(leaf_hash(b""));
        assert_eq!(hex_of(&tree), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        let leaves = leaves(200);
        let mut tree = Tree::default();
        for count in 1..=leaves.len() {
            tree.push(leaves[count - 1]);
            assert_eq!((tree.size(), tree.root()), (count as u64, defined(&leaves[..count])), "{count}");
            tree = Tree::from_bytes(&tree.to_bytes()).unwrap();
        }
    }

    #[test]
    fn every_leaf_is_proven_and_nothing_else_is() {
        let leaves = leaves(70);
        for size in 1..=leaves.len() {
            let root = root_of(&leaves[..size]);
            for index in 0..size {
                let path = prove(&leaves[..size], index).unwrap();
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
            assert_eq!(prove(&leaves[..size], size), None);
        }
    }

    #[test]
    fn a_receipt_is_checked_offline_and_forgeries_are_not_taken() {
        let ((pkcs8, public), (_, other)) = (key(), key());
        let leaves = leaves(11);
        let mut tree = Tree::default();
        leaves.iter().for_each(|&leaf| tree.push(leaf));
        let receipt = Receipt {
            decision: "decision 6".to_owned(),
            index: 6,
            path: prove(&leaves, 6).unwrap().iter().map(hex::encode).collect(),
            checkpoint: Checkpoint::sign(&tree, 1_600_000_000, &pkcs8).unwrap(),
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
}
