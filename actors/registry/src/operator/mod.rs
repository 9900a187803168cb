//! Operators: people with a name, an authority, roles and a key of their own. This file adds and revokes them; keys, orders,
//! acceptance and records are in the other files of the folder.

mod accept;
pub(crate) mod accesses;
mod key;
pub mod lookups;
mod order;
pub(crate) mod order_log;
pub(crate) mod rows;

use serde::{Deserialize, Serialize};

use crate::{Registry, RegistryError};

pub use accept::{AcceptedOrder, ORDER_S_MAX, Requirement, Signers, accept, check, signers};
pub use key::OperatorKey;
pub use order::{Order, OrderEntry, Signature};
pub(crate) use order::{is_signed, signed_text};

/// Names are shown and logged, so they are short.
const NAME_CHARS_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Manages operators and devices.
    Admin,
    /// Sets and clears causes, answers appeals, imports; for one authority.
    Health,
    /// Makes look-ups and exports, each with a case.
    Records,
}

impl Role {
    /// Every role.
    pub const ALL: &[Self] = &[Self::Admin, Self::Health, Self::Records];

    /// Returns the name in commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Health => "health",
            Self::Records => "records",
        }
    }

    /// Returns the role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }
}

/// An operator as the registry stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The operator's name, which signatures carry.
    pub name: String,
    /// The authority that the operator acts for; causes carry it.
    pub authority: String,
    /// Their roles.
    pub roles: Vec<Role>,
    /// Ed25519, hexadecimal.
    pub public_key: String,
    /// True if the operator is revoked.
    pub revoked: bool,
}

/// Errors of orders and of changes to operators.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Too few valid signatures of operators with the role.
    #[error(
        "this takes {needed} operator(s) with the role {role}, each with their own signature; {given} signed"
    )]
    Signatures {
        /// The number that the act requires.
        needed: usize,
        /// The role that signers must have.
        role: &'static str,
        /// The number of valid signatures.
        given: usize,
    },
    /// A signature is not valid for this operator.
    #[error("the signature of {name} is not valid: the operator is unknown or revoked, or used another key")]
    Forged {
        /// The name in the signature.
        name: String,
    },
    /// The order is too old, or its clock is ahead.
    #[error(
        "the order was signed more than {} h ago, or on a clock that is ahead; check the clock and sign again",
        ORDER_S_MAX / 3_600
    )]
    Stale,
    /// The order was signed for another gateway, or before this one was restored.
    #[error("the order was signed for another gateway, or before this one was restored; sign it again")]
    Elsewhere,
    /// The order is on record already.
    #[error("this order was carried out already")]
    Repeated,
    /// A name, an authority or a key is not allowed.
    #[error("{0}")]
    Invalid(&'static str),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Adds the first operator of a registry, without a signature; returns an error if there is one already.
pub fn add_first(registry: &mut Registry, operator: &Operator) -> Result<(), OrderError> {
    if registry.operators()?.is_empty() {
        return add(registry, operator);
    }
    Err(OrderError::Signatures { needed: 1, role: Role::Admin.name(), given: 0 })
}

/// Returns how many admins must sign to add an operator with these roles: one for the second admin, two for every other operator.
/// An admin who could add operators alone could also sign as two.
pub fn to_add(registry: &Registry, roles: &[Role]) -> Result<usize, RegistryError> {
    let second = roles.contains(&Role::Admin) && admins_ever(registry)? < 2;
    Ok(if second { 1 } else { 2 })
}

/// Returns how many admins must sign to revoke the operator: two for an admin or health operator once there have been two admins,
/// otherwise one.
pub fn to_revoke(registry: &Registry, name: &str) -> Result<usize, RegistryError> {
    let counts = |operator: Operator| operator.roles.iter().any(|role| *role != Role::Records);
    let needed = registry.operator(name)?.is_some_and(counts);
    Ok(if needed && admins_ever(registry)? > 1 { 2 } else { 1 })
}

/// Counts all admins, also revoked ones: the requirement of two signatures does not end when an admin leaves.
fn admins_ever(registry: &Registry) -> Result<usize, RegistryError> {
    Ok(registry.operators()?.iter().filter(|one| one.roles.contains(&Role::Admin)).count())
}

/// Revokes an operator; later signatures are not valid. Returns an error if fewer than two admins would remain, who could not add
/// another.
pub fn revoke(registry: &mut Registry, name: &str) -> Result<(), OrderError> {
    registry.transaction(|registry| {
        let admin = |one: &Operator| !one.revoked && one.roles.contains(&Role::Admin);
        let operators = registry.operators()?;
        let left = operators.iter().filter(|one| one.name != name && admin(one)).count();
        if left < 2 && operators.iter().any(|one| one.name == name && admin(one)) {
            return Err(OrderError::Invalid(
                "fewer than two admins would be left, who could not add another: add one first",
            ));
        }
        Ok(registry.revoke_operator(name)?)
    })
}

/// Adds an operator after checking name, authority, roles and key. The first operator of a registry must be an admin.
pub fn add(registry: &mut Registry, operator: &Operator) -> Result<(), OrderError> {
    for name in [&operator.name, &operator.authority] {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_CHARS_MAX).contains(&name.len()) || !name.chars().all(plain) {
            return Err(OrderError::Invalid("a name has 1 to 32 characters: a-z, 0-9 and hyphens"));
        }
    }
    if ["citizen", "carrier", "clock", "former-system", "policy"].contains(&operator.authority.as_str()) {
        return Err(OrderError::Invalid(
            "this authority's name is reserved for decisions without an operator",
        ));
    }
    if operator.roles.is_empty() || hex::decode(&operator.public_key).map_or(0, |key| key.len()) != 32 {
        return Err(OrderError::Invalid("an operator needs a role and an Ed25519 key of 32 bytes"));
    }
    registry.transaction(|registry| {
        let others = registry.operators()?;
        if others.is_empty() && !operator.roles.contains(&Role::Admin) {
            return Err(OrderError::Invalid(
                "the first operator must have the role admin, to add the others",
            ));
        }
        if others.iter().any(|other| other.public_key.eq_ignore_ascii_case(&operator.public_key)) {
            return Err(OrderError::Invalid("another operator has this key already: each needs their own"));
        }
        Ok(registry.insert_operator(operator)?)
    })
}

#[cfg(test)]
mod tests;
