//! The order that lists the shifts.

use registry::operator::Role;

use super::{ShiftAct, ShiftLine, list, show};
use crate::operator::OperatorContext;
use crate::operator::orders::{AnyOrder, Given, Order, Tell};

/// The list of all shifts.
pub(crate) struct ListShifts;

impl From<ListShifts> for AnyOrder {
    fn from(_: ListShifts) -> Self {
        ShiftAct::List.into()
    }
}

impl Order for ListShifts {
    const NAME: &'static str = "list-shifts";
    const REPLY: &'static str = "shifts";
    const ROLE: Role = Role::Admin;
    type Reply = Vec<ShiftLine>;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Vec<ShiftLine>> {
        list(given.context, |_| true)
    }

    fn show(shifts: &Vec<ShiftLine>) -> anyhow::Result<()> {
        show(shifts);
        Ok(())
    }
}
