//! Orders about causes by hand. The registrar decides what is allowed.

pub(super) mod add;
pub(super) mod add_table;
pub(super) mod clear;
pub(super) mod clear_since;

use anyhow::Context;
use policy::CauseKind;
use protocol::CodeId;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::out::say;

/// A cause that was set or cleared, and the colour of its code since.
#[derive(Serialize, Deserialize)]
pub(crate) struct CauseChanged {
    cause: i64,
    code: u64,
    colour: String,
}

/// Reads a cause that is set by hand.
fn kind_of(name: &str) -> anyhow::Result<CauseKind> {
    let manual: Vec<&str> =
        CauseKind::ALL.iter().filter(|kind| kind.is_manual()).map(|kind| kind.name()).collect();
    CauseKind::from_name(name)
        .filter(|kind| kind.is_manual())
        .with_context(|| format!("a cause by hand is one of {}", manual.join(", ")))
}

/// Names the colour of the code afterwards; its holder may have withdrawn, which makes the act no less done.
pub(super) fn colour(context: &OperatorContext, code: CodeId) -> String {
    context.codes.get(code).map_or("withdrawn", |entry| entry.colour().name()).to_owned()
}

/// Prints a cause that was set or cleared.
fn show(CauseChanged { cause, code, colour }: &CauseChanged) {
    say!("Cause {cause}: code {code} is now {colour}.");
}
