//! The signed Merkle tree over the decisions (RFC 9162, SHA-256). A receipt proves that a decision is in the tree; a growth proof
//! shows that a later tree begins with an earlier one. Both are checked offline with the gateway's public key. Pure: no IO.

mod tree;

use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

pub use tree::{Hash, Node, Tree, leaf_hash, prove};
use tree::{climb, has_grown};
pub(crate) use tree::{node_hash, prove_growth, root};

/// The signed size and root of the tree at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The number of decisions.
    pub size: u64,
    /// The root over them, in hexadecimal.
    pub root: String,
    /// The time of the signature, Unix seconds.
    pub at_s: u64,
    /// Ed25519 over size, root and time, in hexadecimal.
    pub signature: String,
    /// The last entry of the order log, in checkpoints that are exported; `None` in receipts, in proofs and in files of earlier
    /// releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders: Option<OrdersUpTo>,
}

/// The last entry of the order log at one moment, with its signature. Its chain hash covers every earlier entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrdersUpTo {
    /// The entry's number, from 1.
    pub number: u64,
    /// The chain hash up to this entry, in hexadecimal.
    pub head: String,
    /// Ed25519 over number and chain hash, in hexadecimal.
    pub signature: String,
}

impl OrdersUpTo {
    /// Returns whether this key signed the entry.
    pub fn is_genuine(&self, public_key: &[u8]) -> bool {
        is_signed(&order_head_text(self.number, &self.head), &self.signature, public_key)
    }
}

impl Checkpoint {
    /// Signs a tree of this size and root. Returns `None` if the key is not a PKCS#8 Ed25519 key.
    pub fn sign(size: u64, root: &Hash, at_s: u64, signing_pkcs8: &[u8]) -> Option<Self> {
        let key = Ed25519KeyPair::from_pkcs8(signing_pkcs8).ok()?;
        let root = hex::encode(root);
        let signature = hex::encode(key.sign(&signed_text(size, &root, at_s)).as_ref());
        Some(Self { size, root, at_s, signature, orders: None })
    }

    /// Returns whether this key signed the checkpoint and, if present, the order log's entry.
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

/// Returns the text that is signed for an entry of the order log.
pub(crate) fn order_head_text(number: u64, head: &str) -> Vec<u8> {
    format!("changtong order log 1\n{number}\n{head}").into_bytes()
}

fn signed_text(size: u64, root: &str, at_s: u64) -> Vec<u8> {
    format!("changtong checkpoint 1\n{size}\n{root}\n{at_s}").into_bytes()
}

/// A decision with the proof that it is in the signed tree; citizens can download theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The decision's text, as it is hashed.
    pub decision: String,
    /// The leaf's index, from 0.
    pub index: u64,
    /// The Merkle path from the leaf to the root, in hexadecimal.
    pub path: Vec<String>,
    /// The signed root.
    pub checkpoint: Checkpoint,
}

/// Errors of [`Receipt::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The checkpoint was not signed with this key.
    #[error("the checkpoint was not signed by this gateway")]
    Signature,
    /// The decision and its path do not lead to the signed root.
    #[error("the decision is not the one that was signed")]
    Decision,
}

impl Receipt {
    /// Checks the receipt with the gateway's public key (Ed25519, 32 bytes).
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

/// A proof that the first `since` decisions of a later checkpoint are exactly those of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// The earlier size.
    pub since: u64,
    /// The Merkle consistency path to the later root, in hexadecimal.
    pub path: Vec<String>,
    /// The later checkpoint.
    pub checkpoint: Checkpoint,
}

/// Errors of [`Growth::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrowthError {
    /// One of the two checkpoints was not signed with this key.
    #[error("a checkpoint was not signed by this gateway")]
    Signature,
    /// The later tree has fewer decisions.
    #[error("there are {size} decisions, but {since} were signed: the last ones were removed")]
    Shorter {
        /// The earlier number of decisions.
        since: u64,
        /// The later number of decisions.
        size: u64,
    },
    /// The proof starts at another size than the checkpoint that is held.
    #[error(
        "the proof starts at {since} decisions, but the checkpoint covers {wanted}; request a proof from {wanted}"
    )]
    Since {
        /// The size at which the proof starts.
        since: u64,
        /// The size at which it has to start.
        wanted: u64,
    },
    /// The later tree does not begin with the earlier one.
    #[error("the later checkpoint does not begin with the {since} decisions that were signed")]
    Changed {
        /// The earlier number of decisions.
        since: u64,
    },
}

impl Growth {
    /// Checks that this tree begins with the tree of `held`, with the gateway's public key (Ed25519, 32 bytes).
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
