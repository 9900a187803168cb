//! The order for a tap: live verdicts on an operator's screen, for a limited time, without names or codes. It is recorded like an export
//! before the first line is shown: an operator who knows when a person passed a gate can tell which line is theirs.
//!
//! - `watch`: this gateway's verdicts. `all`: those of all gateways of a fleet.

mod all;
mod watch;

use anyhow::Context;
use registry::lookups::{Lookup, Subjects};
use registry::operator::{Role, Signers};
use serde::{Deserialize, Serialize};

use crate::across::Away;
use crate::operator::OperatorContext;
use crate::operator::orders::{At, Given, Order, Progress, Tell, codes::asked};
use watch::Watch;

/// A tap is for looking, not for keeping: longer ones take another signature.
pub(crate) const SECONDS_MAX: u64 = 600;

/// Live verdicts until the time is over, the listener has gone, or an operator who signed is revoked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tap {
    pub(crate) act: TapAct,
    pub(crate) case: String,
    /// The verdicts of all gateways of the fleet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) fleet: bool,
}

/// The verdicts that are shown, and the time for it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TapAct {
    pub(crate) region: Option<u16>,
    pub(crate) colour: Option<String>,
    pub(crate) seconds: u64,
}

/// Lines since the last time, and all that were dropped so far. The first one says that the tap is open.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tapped {
    /// The gateway, of a tap of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<String>,
    pub(crate) lines: Vec<TapLine>,
    pub(crate) dropped: u64,
    /// The reason for which nothing more of that gateway is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) away: Option<String>,
}

/// A verdict, without the person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TapLine {
    /// The gateway that gave it, of a tap of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<String>,
    /// Seconds since 1970 UTC.
    pub(crate) at_s: u64,
    /// punch: recorded. verify: answered without a record.
    pub(crate) given: String,
    pub(crate) region: u16,
    pub(crate) region_name: String,
    /// Of a punch.
    pub(crate) place: Option<u32>,
    pub(crate) place_name: Option<String>,
    pub(crate) direction: Option<String>,
    pub(crate) device: u64,
    pub(crate) device_name: String,
    pub(crate) scan: String,
    pub(crate) colour: String,
    pub(crate) advice: String,
    pub(crate) basis: String,
    pub(crate) reason: String,
}

/// The end of a tap.
#[derive(Serialize, Deserialize)]
pub(crate) struct TapEnd {
    pub(crate) shown: u64,
    pub(crate) dropped: u64,
    /// The share of each gateway, of a tap of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fleet: Option<TapShares>,
}

/// The shares of gateways in a tap of all.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TapShares {
    pub(crate) gateways: Vec<TapShare>,
    /// Gateways that were not shown, or not to the end.
    pub(crate) away: Vec<Away>,
}

/// The share of one gateway.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TapShare {
    pub(crate) gateway: String,
    pub(crate) shown: u64,
    pub(crate) dropped: u64,
}

impl Order for Tap {
    const NAME: &'static str = "tap";
    const REPLY: &'static str = "tapped";
    const ROLE: Role = Role::Records;
    type Reply = TapEnd;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn at(&self) -> At {
        At::Here
    }

    fn is_whole(TapEnd { fleet, .. }: &TapEnd) -> bool {
        fleet.as_ref().is_none_or(|fleet| fleet.away.is_empty())
    }

    fn perform(self, given: Given<'_>, tell: &mut Tell<'_>) -> anyhow::Result<TapEnd> {
        let (Self { act, case, fleet }, Given { context, by, .. }) = (self, given);
        let others = match fleet {
            true => Some(context.others()?.context("this gateway is in no fleet: leave --fleet out")?),
            false => None,
        };
        let watch = Watch::new(&act, by, context)?;
        context.read(|registry| Ok(asked(Lookup::Tap, &case, by).check(registry, 0)?))?;
        let watch = watch.open()?;
        given.record(Lookup::Tap, &case, Subjects::Everybody)?;
        match others {
            Some(others) => all::show(&watch, &others, &act, tell),
            None => watch.show(&mut |tapped| tell(&Progress::Tapped(tapped))),
        }
    }
}

/// Shows this gateway's verdicts to another one, whose operators' order is on record.
///
/// # Errors
/// The other gateway listens no more, an operator is revoked, or as many taps are open as there may be.
pub(crate) fn tap_for(
    act: &TapAct,
    by: &Signers,
    context: &OperatorContext,
    tell: &mut dyn FnMut(Tapped) -> bool,
) -> anyhow::Result<TapEnd> {
    Watch::new(act, by, context)?.open()?.show(tell)
}
