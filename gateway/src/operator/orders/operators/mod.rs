//! Orders about operators: who may sign.

pub(super) mod add;
pub(super) mod list;
pub(super) mod revoke;

use registry::operator::Operator;

use crate::out::{note, say};

/// Prints an operator who was added or revoked.
fn show(Operator { name, authority, roles, public_key, revoked }: &Operator) {
    if *revoked {
        return say!("Operator {name} is revoked: what they sign from now on is worth nothing.");
    }
    let roles = roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ");
    say!("Operator {name} acts for {authority}, as {roles}, and signs with the key whose public half is");
    say!("{public_key}");
    note!("next: changtong check-config, then changtong serve, unless the gateway runs");
}
