//! Operators have names, and each signs with an own key. Here stands who is one and who makes them; their keys, what they sign and
//! how that is accepted stand in the files below.

mod accept;
pub(crate) mod accesses;
mod key;
pub mod lookups;
mod order;
pub(crate) mod order_log;
pub(crate) mod rows;

use serde::{Deserialize, Serialize};

use crate::{Registry, RegistryError};

pub use accept::{AHEAD_S_MAX, Accepted, ORDER_S_MAX, Signed, Takes, accept, check};
pub use key::OperatorKey;
pub use order::{Order, OrderEntry, Signature};
pub(crate) use order::{is_signed, signed_text};

/// Names are shown and logged.
const NAME_CHARS_MAX: usize = 32;

/// The roles of operators.
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
    /// Their roles.
    pub roles: Vec<Role>,
    /// Ed25519, hexadecimal.
    pub public_key: String,
    /// True if they may no longer.
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
        /// Their number.
        needed: usize,
        /// With which role.
        role: &'static str,
        /// The number of signatures that count.
        given: usize,
    },
    /// A signature that is not that operator's.
    #[error("the signature of {name} is not good: an unknown or revoked operator, or another key")]
    Forged {
        /// The one who is said to have signed.
        name: String,
    },
    /// Given too late, or on a clock that is wrong.
    #[error(
        "the order was given more than {} h ago, or by a clock that is ahead; check the clock and give it again",
        ORDER_S_MAX / 3_600
    )]
    Stale,
    /// Signed for another gateway, or for a copy of this one.
    #[error("the order was signed for another gateway, or before this one was restored; give it again")]
    Elsewhere,
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

/// Adds the first operator of a registry, whom nobody can sign for; refused once there is one.
pub fn add_first(registry: &mut Registry, operator: &Operator) -> Result<(), OrderError> {
    if registry.operators()?.is_empty() {
        return add(registry, operator);
    }
    Err(OrderError::Signatures { needed: 1, role: Role::Admin.name(), given: 0 })
}

/// Counts the admins that it takes to add an operator with those roles. One admin alone adds the second, and nobody else: from then on it
/// always takes two, for whoever adds operators alone multiplies signatures and quotas.
pub fn to_add(registry: &Registry, roles: &[Role]) -> Result<usize, RegistryError> {
    let second = roles.contains(&Role::Admin) && admins_ever(registry)? < 2;
    Ok(if second { 1 } else { 2 })
}

/// Counts the admins that it takes to revoke that operator: two for those whose signature others need, as soon as there have been two.
pub fn to_revoke(registry: &Registry, name: &str) -> Result<usize, RegistryError> {
    let counts = |operator: Operator| operator.roles.iter().any(|role| *role != Role::Records);
    let needed = registry.operator(name)?.is_some_and(counts);
    Ok(if needed && admins_ever(registry)? > 1 { 2 } else { 1 })
}

/// Admins in office and revoked ones: what takes two does not take one again because somebody left.
fn admins_ever(registry: &Registry) -> Result<usize, RegistryError> {
    Ok(registry.operators()?.iter().filter(|one| one.roles.contains(&Role::Admin)).count())
}

/// From now on that operator's signature is worth nothing. Refused while it would leave one admin, who could add nobody.
pub fn revoke(registry: &mut Registry, name: &str) -> Result<(), OrderError> {
    registry.transaction(|registry| {
        let admin = |one: &Operator| !one.revoked && one.roles.contains(&Role::Admin);
        let operators = registry.operators()?;
        let left = operators.iter().filter(|one| one.name != name && admin(one)).count();
        if left < 2 && operators.iter().any(|one| one.name == name && admin(one)) {
            return Err(OrderError::Invalid(
                "fewer than two admins would be left, and nobody could add another: add one first",
            ));
        }
        Ok(registry.revoke_operator(name)?)
    })
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
