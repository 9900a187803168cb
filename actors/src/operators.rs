//! Operators have names: each signs with an own key, and what changes a colour to red, or who is an operator, is on record with
//! the names under it. An order is good once, for a few minutes.

use std::fmt;
use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::clock;
use crate::keys::{KeyError, read_secret};
use crate::registry::{Registry, RegistryError};

/// An order is signed and given within this time, on clocks that differ this much at most.
pub const ORDER_S_MAX: u64 = 5 * 60;
/// Signatures under one order.
const SIGNATURES_MAX: usize = 4;
/// Names are shown and logged.
const NAME_CHARS_MAX: usize = 32;

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Operators and devices.
    Admin,
    /// Causes, appeals and imports, for an authority.
    Health,
    /// Look-ups and exports, with a case.
    Records,
}

impl Role {
    /// Every role.
    pub const ALL: &[Self] = &[Self::Admin, Self::Health, Self::Records];

    /// Its name in commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Health => "health",
            Self::Records => "records",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }
}

/// An operator as the registry knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The name that signs.
    pub name: String,
    /// For whom they act: what causes they set carry.
    pub authority: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Ed25519, hexadecimal.
    pub public_key: String,
    /// Whether they may no longer.
    pub revoked: bool,
}

/// Why an order is refused.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Not enough good signatures.
    #[error(
        "this takes {needed} operator(s) with the role {role}, each with an own signature; {given} signed"
    )]
    Signatures {
        /// How many.
        needed: usize,
        /// With which role.
        role: &'static str,
        /// How many signed that may.
        given: usize,
    },
    /// A signature that is not that operator's.
    #[error("the signature of {name} is not good: an unknown or revoked operator, or another key")]
    Forged {
        /// Who is said to have signed.
        name: String,
    },
    /// Given too late, or on a clock that is wrong.
    #[error("the order is older or newer than {ORDER_S_MAX} s; check the clock and give it again")]
    Stale,
    /// Given before.
    #[error("this order was carried out already")]
    Repeated,
    /// A name, an authority or a key that cannot be.
    #[error("{0}")]
    Invalid(&'static str),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// An operator's own key, in a file that only they may read.
pub struct OperatorKey {
    name: String,
    pair: Ed25519KeyPair,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    operator: String,
    /// PKCS#8, hexadecimal.
    key: String,
}

impl OperatorKey {
    /// Makes a key for that operator, and the text of its file.
    pub fn generate(name: &str) -> Result<(Self, Zeroizing<String>), KeyError> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|_| KeyError::Random)?;
        let file = KeyFile { operator: name.to_owned(), key: hex::encode(pkcs8.as_ref()) };
        let text = serde_json::to_string(&file).expect("two texts");
        Ok((Self { name: name.to_owned(), pair }, Zeroizing::new(text + "\n")))
    }

    /// Reads a key's file. Refuses one that others may read.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed {
            path: path.to_owned(),
            expected: "an operator's key, as `changtong operator add` makes it".to_owned(),
        };
        let file: KeyFile = serde_json::from_str(&read_secret(path)?).map_err(|_| malformed())?;
        let pkcs8 = Zeroizing::new(hex::decode(file.key).map_err(|_| malformed())?);
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| malformed())?;
        Ok(Self { name: file.operator, pair })
    }

    /// What the registry knows the operator by, hexadecimal.
    pub fn public_key(&self) -> String {
        hex::encode(self.pair.public_key().as_ref())
    }

    /// Signs an order.
    pub fn sign(&self, order: &Order) -> Signature {
        let signature = hex::encode(self.pair.sign(&order.bytes()).as_ref());
        Signature { operator: self.name.clone(), signature }
    }
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperatorKey({})", self.name)
    }
}

/// What is signed: an act, as the text that is carried out, and when.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The act.
    pub act: String,
    /// When it was given, seconds since 1970 UTC.
    pub at_s: u64,
    /// Random, so that the same can be ordered twice in a second.
    pub nonce: u64,
}

/// It may name a code and a case: not shown.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Order(at {})", self.at_s)
    }
}

impl Order {
    fn bytes(&self) -> Vec<u8> {
        format!("changtong order 1\n{}\n{}\n{}", self.at_s, self.nonce, self.act).into_bytes()
    }
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
    /// Whether the owner of that key signed the order. The key is Ed25519, hexadecimal.
    pub fn is_genuine(&self, order: &Order, public_key: &str) -> bool {
        let (Ok(key), Ok(bytes)) = (hex::decode(public_key), hex::decode(&self.signature)) else {
            return false;
        };
        UnparsedPublicKey::new(&ED25519, key).verify(&order.bytes(), &bytes).is_ok()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.operator)
    }
}

/// Whoever signed and may; the first one's authority is the order's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The authority in whose name it is done.
    pub authority: String,
    /// The operators, separated by commas.
    pub operators: String,
}

impl Signed {
    /// The operators, one by one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.operators.split(',')
    }

    /// Refuses what an operator signed who was revoked since: what takes long is checked again before anything is shown.
    pub fn still_good(&self, registry: &Registry) -> Result<(), OrderError> {
        for name in self.names() {
            if registry.operator(name)?.is_none_or(|operator| operator.revoked) {
                return Err(OrderError::Forged { name: name.to_owned() });
            }
        }
        Ok(())
    }
}

/// Checks an order and notes it, so that it is good once.
pub fn accept(
    registry: &mut Registry,
    order: &Order,
    signatures: &[Signature],
    (role, needed): (Role, usize),
    now_s: u64,
) -> Result<Signed, OrderError> {
    if now_s.abs_diff(order.at_s) > ORDER_S_MAX {
        return Err(OrderError::Stale);
    }
    let mut signed: Vec<Operator> = Vec::new();
    for signature in signatures.iter().take(SIGNATURES_MAX) {
        let operator = check(registry, order, signature)?;
        // One person is one, under however many names.
        let known = |other: &Operator| other.name == operator.name || other.public_key == operator.public_key;
        if operator.roles.contains(&role) && !signed.iter().any(known) {
            signed.push(operator);
        }
    }
    let first = signed.first().filter(|_| signed.len() >= needed);
    let Some(first) = first else {
        return Err(OrderError::Signatures { needed, role: role.name(), given: signed.len() });
    };
    let digest = ring::digest::digest(&ring::digest::SHA256, &order.bytes());
    registry.transaction::<_, OrderError>(|registry| {
        match registry.note_order(
            digest.as_ref(),
            order.at_s,
            clock::certain_s(now_s).saturating_sub(2 * ORDER_S_MAX),
        )? {
            true => Ok(()),
            false => Err(OrderError::Repeated),
        }
    })?;
    let names: Vec<&str> = signed.iter().map(|operator| operator.name.as_str()).collect();
    Ok(Signed { authority: first.authority.clone(), operators: names.join(",") })
}

fn check(registry: &Registry, order: &Order, signature: &Signature) -> Result<Operator, OrderError> {
    let forged = || OrderError::Forged { name: signature.operator.clone() };
    let operator = registry.operator(&signature.operator)?.filter(|operator| !operator.revoked);
    let operator = operator.ok_or_else(forged)?;
    if signature.is_genuine(order, &operator.public_key) { Ok(operator) } else { Err(forged()) }
}

/// Adds the first operator of a registry, whom nobody can sign for; refused once there is one.
pub fn add_first(registry: &mut Registry, operator: &Operator) -> Result<(), OrderError> {
    if registry.operators()?.is_empty() {
        return add(registry, operator);
    }
    Err(OrderError::Signatures { needed: 1, role: Role::Admin.name(), given: 0 })
}

/// Adds an operator. The first one of a registry has to be able to add others.
pub fn add(registry: &mut Registry, operator: &Operator) -> Result<(), OrderError> {
    for name in [&operator.name, &operator.authority] {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_CHARS_MAX).contains(&name.len()) || !name.chars().all(plain) {
            return Err(OrderError::Invalid("names have 1 to 32 small letters, digits or hyphens"));
        }
    }
    if ["citizen", "carrier", "clock", "former-system", "policy"].contains(&operator.authority.as_str()) {
        return Err(OrderError::Invalid("that is no authority of people"));
    }
    if operator.roles.is_empty() || hex::decode(&operator.public_key).map_or(0, |key| key.len()) != 32 {
        return Err(OrderError::Invalid("an operator has a role and an Ed25519 key of 32 bytes"));
    }
    registry.transaction(|registry| {
        let others = registry.operators()?;
        if others.is_empty() && !operator.roles.contains(&Role::Admin) {
            return Err(OrderError::Invalid("the first operator has the role admin, to add the others"));
        }
        if others.iter().any(|other| other.public_key.eq_ignore_ascii_case(&operator.public_key)) {
            return Err(OrderError::Invalid("that key is another operator's: each has an own one"));
        }
        Ok(registry.insert_operator(operator)?)
    })
}

#[cfg(test)]
mod tests;
