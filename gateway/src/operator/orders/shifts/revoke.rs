//! The order that ends a shift.

use actors::registrar::EndShift;
use registry::ShiftId;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{ShiftAct, ShiftLine, list, show};
use crate::operator::OperatorContext;
use crate::operator::orders::{AnyOrder, Given, Order, Tell};

/// The revocation of a shift; the next scan of its phone is refused.
#[derive(Serialize, Deserialize)]
pub(crate) struct RevokeShift {
    pub(crate) shift: u64,
}

impl From<RevokeShift> for AnyOrder {
    fn from(order: RevokeShift) -> Self {
        ShiftAct::Revoke(order).into()
    }
}

impl Order for RevokeShift {
    const NAME: &'static str = "revoke-shift";
    const REPLY: &'static str = "shifts";
    const ROLE: Role = Role::Admin;
    /// The shift that is revoked.
    type Reply = Vec<ShiftLine>;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, Given { context, .. }: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Vec<ShiftLine>> {
        context.write(EndShift { shift: ShiftId(self.shift) })?;
        list(context, |row| row.id.0 == self.shift)
    }

    fn show(shifts: &Vec<ShiftLine>) -> anyhow::Result<()> {
        show(shifts);
        Ok(())
    }
}
