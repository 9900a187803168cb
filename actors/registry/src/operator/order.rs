//! Orders: an act for one gateway as text, and the signatures under it. `accept` checks orders, `order_log` stores them.

use std::fmt;

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize};

/// An act for one gateway at one time. Operators sign its [`Order::commitment`], which reveals nothing about the act once the
/// nonce is deleted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The gateway's id, [`crate::Registry::gateway_id`]. Empty in records from before gateways had ids; such an order is not
    /// accepted any more.
    #[serde(default)]
    pub gateway: String,
    /// The act's text.
    pub act: String,
    /// The time of the order, Unix seconds.
    pub at_s: u64,
    /// Random, 32 hexadecimal digits: without it the act could be guessed from the commitment.
    #[serde(deserialize_with = "text_or_number")]
    pub nonce: String,
}

/// Hides the act, which may name a code and a case.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Order(at {})", self.at_s)
    }
}

impl Order {
    /// Returns the commitment to the act: SHA-256 over nonce and act, in hexadecimal.
    pub(crate) fn commitment(&self) -> String {
        let text = format!("{}\n{}\n{}", self.nonce.len(), self.nonce, self.act);
        hex::encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        if self.gateway.is_empty() {
            return format!("changtong order 1\n{}\n{}\n{}", self.at_s, self.nonce, self.act).into_bytes();
        }
        signed_text(&self.gateway, self.at_s, &self.commitment())
    }
}

/// Returns the bytes that operators sign.
pub(crate) fn signed_text(gateway: &str, at_s: u64, commitment: &str) -> Vec<u8> {
    format!("changtong order 2\n{gateway}\n{at_s}\n{commitment}").into_bytes()
}

/// Reads a nonce, which was a number in earlier releases.
fn text_or_number<'a, D: Deserializer<'a>>(from: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(u64),
    }
    Ok(match Either::deserialize(from)? {
        Either::Text(text) => text,
        Either::Number(number) => number.to_string(),
    })
}

/// The position of an entry in the order log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEntry {
    /// The entry's number, from 1.
    pub number: u64,
    /// The chain hash up to this entry, in hexadecimal.
    pub head: String,
}

/// One operator's signature under an order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The operator's name.
    pub operator: String,
    /// Ed25519 over the order, in hexadecimal.
    pub signature: String,
}

impl Signature {
    /// Returns whether this key signed the order. The key is Ed25519, in hexadecimal.
    pub fn is_genuine(&self, order: &Order, public_key: &str) -> bool {
        is_signed(&order.bytes(), &self.signature, public_key)
    }
}

/// Returns whether this key signed the bytes; key and signature are in hexadecimal.
pub(crate) fn is_signed(bytes: &[u8], signature: &str, public_key: &str) -> bool {
    let (Ok(key), Ok(signature)) = (hex::decode(public_key), hex::decode(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, key).verify(bytes, &signature).is_ok()
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.operator)
    }
}
