//! An order: an act for one gateway, as the text that is carried out, and the signatures under it. How it is accepted stands in
//! `accept`, how it is kept in the registry's order log.

use std::fmt;

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize};

/// An act as it is signed: for which gateway, and when. The act itself is signed by its [`Order::commitment`], which says nothing
/// about it once the nonce is gone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The gateway that it is for, by [`crate::Registry::gateway_id`]. Empty in a record from before gateways had ids;
    /// such an order is not accepted any more.
    #[serde(default)]
    pub gateway: String,
    /// The act.
    pub act: String,
    /// When it was given, seconds since 1970 UTC.
    pub at_s: u64,
    /// Random: 32 hexadecimal digits, so that nobody can try acts until one fits the commitment.
    #[serde(deserialize_with = "text_or_number")]
    pub nonce: String,
}

/// It may name a code and a case: not shown.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Order(at {})", self.at_s)
    }
}

impl Order {
    /// Gives what stands for the act wherever the act may not stand: SHA-256 over the nonce and the act, hexadecimal.
    pub fn commitment(&self) -> String {
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

/// Gives the bytes that operators sign.
pub(crate) fn signed_text(gateway: &str, at_s: u64, commitment: &str) -> Vec<u8> {
    format!("changtong order 2\n{gateway}\n{at_s}\n{commitment}").into_bytes()
}

/// A nonce was a number before.
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

/// An order's entry in the order log, for whoever is to know later that it is still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEntry {
    /// Its number, from 1.
    pub number: u64,
    /// The chain up to it, hexadecimal.
    pub head: String,
}

/// One operator's signature under an order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Who.
    pub operator: String,
    /// Ed25519 over the order, hexadecimal.
    pub signature: String,
}

impl Signature {
    /// Says whether the owner of that key signed the order. The key is Ed25519, hexadecimal.
    pub fn is_genuine(&self, order: &Order, public_key: &str) -> bool {
        is_signed(&order.bytes(), &self.signature, public_key)
    }
}

/// Says whether the owner of that key signed those bytes; key and signature are hexadecimal.
pub(crate) fn is_signed(bytes: &[u8], signature: &str, public_key: &str) -> bool {
    let (Ok(key), Ok(signature)) = (hex::decode(public_key), hex::decode(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, key).verify(bytes, &signature).is_ok()
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.operator)
    }
}
