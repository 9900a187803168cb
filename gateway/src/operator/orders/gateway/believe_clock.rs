//! The order that the clock is right, whatever is on record. Each of two operators says by their own watch what time it is; what that
//! sets free is done by those whose work had waited for it.

use actors::registrar::NoteTime;
use anyhow::bail;
use registry::operator::Role;
use runtime::clock::{self, Doubt};
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{At, Given, Order, Tell};
use crate::out::say;

/// The distance that the operators' watches may have from the clock.
const WATCH_S_MAX: u64 = 10 * 60;

/// The statement that the clock is right: it is that time.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BelieveClock {
    /// Seconds since 1970 UTC.
    pub(crate) time_s: u64,
}

/// The clock as it is believed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Believed {
    /// Its distance from the time that it could be.
    step_s: i64,
}

impl Order for BelieveClock {
    const NAME: &'static str = "believe-clock";
    const REPLY: &'static str = "believed";
    const ROLE: Role = Role::Admin;
    type Reply = Believed;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(2)
    }

    fn at(&self) -> At {
        At::HereIfItLeads
    }

    /// The time of the wall clock: operators who order that it is right date their order by it.
    fn fresh_at_s(&self) -> u64 {
        clock::wall_ms() / 1000
    }

    fn perform(self, Given { context, by, .. }: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Believed> {
        let reading = clock::look();
        let differs_s = (reading.wall_ms / 1000).abs_diff(self.time_s);
        if differs_s > WATCH_S_MAX {
            bail!(
                "the clock does not say what you say: they are {differs_s} s apart; put the clock right instead"
            );
        }
        // Before it is believed: what is destroyed by it is destroyed with the order on record.
        context.write(NoteTime { at_ms: reading.wall_ms })?;
        clock::believe();
        let step_s = reading.doubt.map_or(0, Doubt::step_ms) / 1000;
        tracing::warn!(operators = by.operators, step_s, "operators say that the clock is right");
        Ok(Believed { step_s })
    }

    fn show(Believed { step_s }: &Believed) -> anyhow::Result<()> {
        say!("The clock is believed; it was {step_s} s from what it could be.");
        Ok(())
    }
}
