//! Decisions can be checked by whom they concern: they are leaves of one Merkle tree (RFC 9162, SHA-256), whose size and root are
//! signed. A receipt proves that a decision is in the tree, and a growth that a later tree begins with an earlier one: to anyone, offline,
//! with the gateway's public key. Pure.

mod tree;

use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

pub use tree::{Hash, Node, Tree, leaf_hash, node_hash, prove, prove_growth, root};
use tree::{climb, has_grown};

/// The point up to which the decisions reached at a moment, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The number of decisions.
    pub size: u64,
    /// The root over them, hexadecimal.
    pub root: String,
    /// When it was signed, seconds since 1970 UTC.
    pub at_s: u64,
    /// Ed25519 over these three, hexadecimal.
    pub signature: String,
    /// The end of the order log when the checkpoint was given out; `None` in receipts and proofs, and of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders: Option<OrdersUpTo>,
}

/// The last entry of the order log at a moment: its head stands for every entry up to it. Signed with the entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrdersUpTo {
    /// Its number, from 1.
    pub number: u64,
    /// The chain up to it, hexadecimal.
    pub head: String,
    /// Ed25519 over both, hexadecimal.
    pub signature: String,
}

impl OrdersUpTo {
    /// Checks that the owner of that key signed it.
    pub fn is_genuine(&self, public_key: &[u8]) -> bool {
        is_signed(&order_head_text(self.number, &self.head), &self.signature, public_key)
    }
}

impl Checkpoint {
    /// Signs the tree of that size and root. The key is PKCS#8; `None` if it is none.
    pub fn sign(size: u64, root: &Hash, at_s: u64, signing_pkcs8: &[u8]) -> Option<Self> {
        let key = Ed25519KeyPair::from_pkcs8(signing_pkcs8).ok()?;
        let root = hex::encode(root);
        let signature = hex::encode(key.sign(&signed_text(size, &root, at_s)).as_ref());
        Some(Self { size, root, at_s, signature, orders: None })
    }

    /// Checks that the owner of that key signed it, and the end of the order log with it.
    pub fn is_genuine(&self, public_key: &[u8]) -> bool {
        let text = signed_text(self.size, &self.root, self.at_s);
        is_signed(&text, &self.signature, public_key)
            && self.orders.as_ref().is_none_or(|orders| orders.is_genuine(public_key))
    }
}

fn is_signed(text: &[u8], signature: &str, public_key: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, public_key);
    hex::decode(signature).is_ok_and(|signature| key.verify(text, &signature).is_ok())
}

/// The signed part of an entry of the order log.
pub(crate) fn order_head_text(number: u64, head: &str) -> Vec<u8> {
    format!("changtong order log 1\n{number}\n{head}").into_bytes()
}

fn signed_text(size: u64, root: &str, at_s: u64) -> Vec<u8> {
    format!("changtong checkpoint 1\n{size}\n{root}\n{at_s}").into_bytes()
}

/// The papers of a citizen: a decision, and the proof that it was made and is on record.
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
        let leaf = leaf_hash(self.decision.as_bytes());
        let root =
            read_path(&self.path).and_then(|path| climb(leaf, self.index, self.checkpoint.size, &path));
        match root {
            Some(root) if hex::encode(root) == self.checkpoint.root => Ok(()),
            Some(_) | None => Err(ReceiptError::Decision),
        }
    }
}

/// That the decisions of a later checkpoint begin with those of an earlier size, none of them changed or taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// The earlier size.
    pub since: u64,
    /// The hashes that lead from it to the later root, hexadecimal.
    pub path: Vec<String>,
    /// The later tree.
    pub checkpoint: Checkpoint,
}

/// Why one tree does not follow from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrowthError {
    /// One of the two was not signed with that key.
    #[error("a checkpoint was not signed by this gateway")]
    Signature,
    /// The later tree has fewer decisions.
    #[error("there are {size} decisions where {since} were signed: the last ones were taken out")]
    Shorter {
        /// Decisions that there were.
        since: u64,
        /// Decisions that there are.
        size: u64,
    },
    /// The proof begins elsewhere.
    #[error(
        "the proof is one from {since} decisions on, not from the {wanted} that are held; ask for that one"
    )]
    Since {
        /// The place where it begins.
        since: u64,
        /// The place where it should.
        wanted: u64,
    },
    /// The later tree does not begin with the earlier one.
    #[error("the {since} decisions that were signed are not those that the later checkpoint begins with")]
    Changed {
        /// Decisions that there were.
        since: u64,
    },
}

impl Growth {
    /// Checks that the tree has grown from the one of `held`, with nothing but the gateway's public key: Ed25519, 32 bytes.
    pub fn check(&self, held: &Checkpoint, public_key: &[u8]) -> Result<(), GrowthError> {
        if !held.is_genuine(public_key) || !self.checkpoint.is_genuine(public_key) {
            return Err(GrowthError::Signature);
        }
        let (since, size) = (held.size, self.checkpoint.size);
        if size < since {
            return Err(GrowthError::Shorter { since, size });
        }
        if self.since != since {
            return Err(GrowthError::Since { since: self.since, wanted: since });
        }
        let roots = read_hash(&held.root).zip(read_hash(&self.checkpoint.root)).zip(read_path(&self.path));
        match roots {
            Some(((old, new), path)) if has_grown((since, old), (size, new), &path) => Ok(()),
            Some(_) | None => Err(GrowthError::Changed { since }),
        }
    }
}

fn read_hash(text: &String) -> Option<Hash> {
    hex::decode(text).ok()?.try_into().ok()
}

fn read_path(path: &[String]) -> Option<Vec<Hash>> {
    path.iter().map(read_hash).collect()
}

#[cfg(test)]
mod tests;
