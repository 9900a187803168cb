//! Orders about shifts of staff, who scan with a phone's browser. They stand under one name in the text, `shifts`, and under an own one
//! each in the order log.

pub(super) mod invite;
pub(super) mod list;
pub(super) mod revoke;

use registry::ShiftRow;
use runtime::clock;
use serde::{Deserialize, Serialize};

use super::{AnyOrder, order::Each};
use crate::operator::OperatorContext;
use crate::out::say;

pub(crate) use invite::InviteStaff;
pub(crate) use list::ListShifts;
pub(crate) use revoke::RevokeShift;

/// An order about shifts.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shifts {
    act: ShiftAct,
}

/// The orders about shifts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ShiftAct {
    Invite(InviteStaff),
    List,
    Revoke(RevokeShift),
}

impl Shifts {
    /// Applies the function to the order that it is.
    pub(super) fn each<E: Each>(self, each: E) -> E::Out {
        match self.act {
            ShiftAct::Invite(order) => each.order(order),
            ShiftAct::List => each.order(ListShifts),
            ShiftAct::Revoke(order) => each.order(order),
        }
    }
}

impl From<ShiftAct> for AnyOrder {
    fn from(act: ShiftAct) -> Self {
        Self::Shifts(Shifts { act })
    }
}

/// A shift, for people and programs.
#[derive(Serialize, Deserialize)]
pub(crate) struct ShiftLine {
    shift: u64,
    place: u32,
    place_name: String,
    name: String,
    /// The operators who invited.
    operators: String,
    /// waiting, open, over or revoked.
    state: String,
    expires_s: u64,
}

/// Reads the shifts that are asked for.
fn list(context: &OperatorContext, is_asked: impl Fn(&ShiftRow) -> bool) -> anyhow::Result<Vec<ShiftLine>> {
    let now_s = clock::now_s();
    context.read(|registry| {
        let mut lines = Vec::new();
        for row in registry.shifts()?.into_iter().filter(is_asked) {
            let place = registry.place(row.place)?.map_or_else(String::new, |place| place.name);
            lines.push(line(row, place, now_s));
        }
        Ok(lines)
    })
}

fn line(row: ShiftRow, place_name: String, now_s: u64) -> ShiftLine {
    let state = match (row.revoked, row.expires_s > now_s, row.joined_s) {
        (true, ..) => "revoked",
        (false, false, _) => "over",
        (false, true, None) => "waiting",
        (false, true, Some(_)) => "open",
    };
    ShiftLine {
        shift: row.id.0,
        place: row.place.0,
        place_name,
        name: row.name,
        operators: row.operators,
        state: state.to_owned(),
        expires_s: row.expires_s,
    }
}

/// Prints shifts.
fn show(shifts: &[ShiftLine]) {
    say!("{} shift(s)", shifts.len());
    for shift in shifts {
        let ShiftLine { shift, place, place_name, name, operators, state, .. } = shift;
        say!("  shift {shift:<6}place {place:<7}{state:<9}by {operators}  {name}, {place_name}");
    }
}
