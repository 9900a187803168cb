//! Accepting an order: whether enough operators signed it who may, for this gateway, not too long ago. What is accepted is on record
//! in the registry before it is done, and so is good once.

use super::{Operator, Order, OrderEntry, OrderError, Role, Signature};
use crate::Registry;

/// An order is good for this long: the first signs in the morning, the second by the evening of the same day. The order log keeps
/// each for good, so none is good twice.
pub const ORDER_S_MAX: u64 = 12 * 3_600;
/// An order comes from a clock that is ahead by this much at most.
pub const AHEAD_S_MAX: u64 = 5 * 60;
/// Signatures under one order.
const SIGNATURES_MAX: usize = 4;

/// The signatures that an act takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes<'a> {
    /// The act's name, for the record.
    pub act: &'a str,
    /// The role.
    pub role: Role,
    /// Their number.
    pub operators: usize,
}

/// An order that is on record, and is to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The operators who signed.
    pub by: Signed,
    /// Its entry in the order log.
    pub entry: OrderEntry,
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

/// Checks an order and puts it on record, so that it is good once. `signing_pkcs8` is the gateway's key.
pub fn accept(
    registry: &mut Registry,
    order: &Order,
    signatures: &[Signature],
    takes: Takes<'_>,
    (now_s, signing_pkcs8): (u64, &[u8]),
) -> Result<Accepted, OrderError> {
    registry.transaction(|registry| {
        let signed = check(registry, order, signatures, takes, now_s)?;
        let names: Vec<&str> = signed.iter().map(|(operator, _)| operator.name.as_str()).collect();
        let authority = signed.first().map(|(first, _)| first.authority.clone()).unwrap_or_default();
        let by = Signed { authority, operators: names.join(",") };
        let entry = registry.record_order(order, takes.act, &signed, (now_s, signing_pkcs8))?;
        entry.map(|entry| Accepted { by, entry }).ok_or(OrderError::Repeated)
    })
}

/// Checks who signed an order, and gives those with the role: as many as it takes, each person once.
pub fn check<'a>(
    registry: &Registry,
    order: &Order,
    signatures: &'a [Signature],
    takes: Takes<'_>,
    now_s: u64,
) -> Result<Vec<(Operator, &'a Signature)>, OrderError> {
    if order.gateway != registry.gateway_id()? {
        return Err(OrderError::Elsewhere);
    }
    if order.at_s > now_s + AHEAD_S_MAX || now_s.saturating_sub(order.at_s) > ORDER_S_MAX {
        return Err(OrderError::Stale);
    }
    let mut signed: Vec<(Operator, &Signature)> = Vec::new();
    for signature in signatures.iter().take(SIGNATURES_MAX) {
        let operator = signer(registry, order, signature)?;
        // One person is one, under however many names.
        let known = |(other, _): &(Operator, _)| {
            other.name == operator.name || other.public_key == operator.public_key
        };
        if operator.roles.contains(&takes.role) && !signed.iter().any(known) {
            signed.push((operator, signature));
        }
    }
    if signed.len() < takes.operators.max(1) {
        let (needed, role) = (takes.operators, takes.role.name());
        return Err(OrderError::Signatures { needed, role, given: signed.len() });
    }
    Ok(signed)
}

fn signer(registry: &Registry, order: &Order, signature: &Signature) -> Result<Operator, OrderError> {
    let forged = || OrderError::Forged { name: signature.operator.clone() };
    let operator = registry.operator(&signature.operator)?.filter(|operator| !operator.revoked);
    let operator = operator.ok_or_else(forged)?;
    if signature.is_genuine(order, &operator.public_key) { Ok(operator) } else { Err(forged()) }
}
