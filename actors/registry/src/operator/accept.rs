//! Acceptance of orders: signed for this gateway, recently, by enough operators with the role. An accepted order is on record
//! before it is carried out, so it is accepted once.

use super::{Operator, Order, OrderEntry, OrderError, Role, Signature};
use crate::Registry;

/// An order is valid for this many seconds: one operator signs in the morning, the second by the evening. The order log keeps
/// every order, so none is accepted twice.
pub const ORDER_S_MAX: u64 = 12 * 3_600;
/// The most seconds that the clock of an order may be ahead.
pub(super) const AHEAD_S_MAX: u64 = 5 * 60;
/// The most signatures under one order.
const SIGNATURES_MAX: usize = 4;

/// The signatures that an order requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement<'a> {
    /// The act's name, for the order log.
    pub act: &'a str,
    /// The role that signers must have.
    pub role: Role,
    /// The number of signers.
    pub operators: usize,
}

/// An accepted order: it is on record and may be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedOrder {
    /// The operators who signed.
    pub by: Signers,
    /// Its entry in the order log.
    pub entry: OrderEntry,
}

/// The operators whose signatures count. The first one's authority is the order's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signers {
    /// The authority in whose name the act is done.
    pub authority: String,
    /// Their names, separated by commas.
    pub operators: String,
}

impl Signers {
    fn of(signed: &[(Operator, &Signature)]) -> Self {
        let names: Vec<&str> = signed.iter().map(|(operator, _)| operator.name.as_str()).collect();
        let authority = signed.first().map(|(first, _)| first.authority.clone()).unwrap_or_default();
        Self { authority, operators: names.join(",") }
    }

    /// Returns their names one by one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.operators.split(',')
    }

    /// Returns an error if one of them was revoked meanwhile; long acts check again before they show anything.
    pub fn still_good(&self, registry: &Registry) -> Result<(), OrderError> {
        for name in self.names() {
            if registry.operator(name)?.is_none_or(|operator| operator.revoked) {
                return Err(OrderError::Forged { name: name.to_owned() });
            }
        }
        Ok(())
    }
}

/// Checks an order and puts it on record. `signing_pkcs8` is the gateway's key.
pub fn accept(
    registry: &mut Registry,
    order: &Order,
    signatures: &[Signature],
    requirement: Requirement<'_>,
    (now_s, signing_pkcs8): (u64, &[u8]),
) -> Result<AcceptedOrder, OrderError> {
    registry.transaction(|registry| {
        let signed = check(registry, order, signatures, requirement, now_s)?;
        let by = Signers::of(&signed);
        let entry = registry.record_order(order, requirement.act, &signed, (now_s, signing_pkcs8))?;
        entry.map(|entry| AcceptedOrder { by, entry }).ok_or(OrderError::Repeated)
    })
}

/// Checks an order and returns who signed it, without putting it on record.
pub fn signers(
    registry: &Registry,
    order: &Order,
    signatures: &[Signature],
    requirement: Requirement<'_>,
    now_s: u64,
) -> Result<Signers, OrderError> {
    check(registry, order, signatures, requirement, now_s).map(|signed| Signers::of(&signed))
}

/// Checks an order's signatures and returns those by operators with the role, each person once.
pub fn check<'a>(
    registry: &Registry,
    order: &Order,
    signatures: &'a [Signature],
    requirement: Requirement<'_>,
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
        // Two names with one key are one person.
        let known = |(other, _): &(Operator, _)| {
            other.name == operator.name || other.public_key == operator.public_key
        };
        if operator.roles.contains(&requirement.role) && !signed.iter().any(known) {
            signed.push((operator, signature));
        }
    }
    if signed.len() < requirement.operators.max(1) {
        let (needed, role) = (requirement.operators, requirement.role.name());
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
