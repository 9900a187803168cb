//! The order that the clock is right, whatever is on record. Each of two operators says by their own watch what time it is; what that
//! sets free is done by those whose work had waited for it.

use anyhow::bail;
use registry::operator::Signed;
use runtime::clock::{self, Doubt};

use super::{Ordered, OrderedAct};
use crate::operator::OperatorContext;

/// The distance that the operators' watches may have from the clock.
const WATCH_S_MAX: u64 = 10 * 60;

/// The time by which an order is fresh, seconds since 1970 UTC. Who says that the clock is right gives the order by it.
pub(super) fn of_order(act: &OrderedAct) -> u64 {
    let by_the_clock = matches!(act, OrderedAct::BelieveClock { .. });
    if by_the_clock { clock::said_ms() / 1000 } else { clock::now_ms() / 1000 }
}

/// Takes the clock's word from now on.
pub(super) fn believe(admin: &OperatorContext, time_s: u64, by: &Signed) -> anyhow::Result<Ordered> {
    let reading = clock::look();
    let said_s = reading.said_ms / 1000;
    if said_s.abs_diff(time_s) > WATCH_S_MAX {
        let differs_s = said_s.abs_diff(time_s);
        bail!(
            "the clock does not say what you say: they are {differs_s} s apart; put the clock right instead"
        );
    }
    // Before it is believed: what is destroyed by it is destroyed with the order on record.
    admin.read(|registry| Ok(registry.note_ms(reading.said_ms)?))?;
    clock::believe();
    let step_s = reading.doubt.map_or(0, Doubt::step_ms) / 1000;
    tracing::warn!(operators = by.operators, step_s, "operators say that the clock is right");
    Ok(Ordered::Believed { step_s })
}
