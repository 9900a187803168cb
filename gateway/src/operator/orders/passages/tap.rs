//! The order for a tap: live verdicts on an operator's screen, for a limited time, without names or codes. It is recorded like an export
//! before the first line is shown: an operator who knows when a person passed a gate can tell which line is theirs.

use std::collections::HashMap;
use std::time::Duration;

use actors::tap::{self, Only, Shown, TAPS_MAX};
use anyhow::{Context, bail};
use protocol::{Colour, RegionId};
use registry::Registry;
use registry::lookups::{Lookup, Subjects};
use registry::operator::{Role, Signers};
use runtime::clock;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{At, Given, Order, Progress, Tell, codes::asked};

/// A tap is for looking, not for keeping: longer ones take another signature.
pub(crate) const SECONDS_MAX: u64 = 600;
/// The interval at which an operator hears that the tap is still open; their going is found this fast, and so is their revocation.
const BEAT: Duration = Duration::from_millis(500);

/// Live verdicts until the time is over, the listener has gone, or an operator who signed is revoked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tap {
    pub(crate) act: TapAct,
    pub(crate) case: String,
}

/// The verdicts that are shown, and the time for it.
#[derive(Serialize, Deserialize)]
pub(crate) struct TapAct {
    pub(crate) region: Option<u16>,
    pub(crate) colour: Option<String>,
    pub(crate) seconds: u64,
}

/// Lines since the last time, and all that were dropped so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tapped {
    pub(crate) lines: Vec<TapLine>,
    pub(crate) dropped: u64,
}

/// A verdict, without the person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TapLine {
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

    fn perform(self, given: Given<'_>, tell: &mut Tell<'_>) -> anyhow::Result<TapEnd> {
        let (Self { act, case }, Given { context, by, .. }) = (self, given);
        if !(1..=SECONDS_MAX).contains(&act.seconds) {
            bail!("a tap is open for 1 to {SECONDS_MAX} s");
        }
        let only = context.read(|registry| only(&act, registry))?;
        let taps = &context.running()?.taps;
        context.read(|registry| Ok(asked(Lookup::Tap, &case, by).check(registry, 0)?))?;
        let tap = taps.open(only).with_context(|| {
            format!("{TAPS_MAX} taps are open, which is as many as there may be; wait until one ends")
        })?;
        given.record(Lookup::Tap, &case, Subjects::Everybody)?;
        let names = context.read(Names::read)?;
        watch(context, &tap, &names, (by, Duration::from_secs(act.seconds)), tell)
    }
}

fn only(act: &TapAct, registry: &Registry) -> anyhow::Result<Only> {
    let region = act.region.map(RegionId);
    if let Some(region) = region
        && !registry.regions()?.iter().any(|row| row.id == region)
    {
        bail!("there is no region {region}");
    }
    let colour = act.colour.as_deref();
    let colour =
        colour.map(|name| Colour::from_name(name).context("a colour is green, yellow, red or unknown"));
    Ok(Only { region, colour: colour.transpose()? })
}

fn watch(
    context: &OperatorContext,
    tap: &tap::Tap,
    names: &Names,
    (by, time): (&Signers, Duration),
    tell: &mut Tell<'_>,
) -> anyhow::Result<TapEnd> {
    let start = clock::now();
    let mut shown = 0;
    // The first one says that the tap is open.
    let mut lines = Vec::new();
    loop {
        shown += lines.len() as u64;
        if !tell(&Progress::Tapped(Tapped { lines, dropped: tap.dropped() })) {
            bail!("nobody listens to the tap any more");
        }
        let left = time.saturating_sub(clock::since(start));
        if left.is_zero() {
            return Ok(TapEnd { shown, dropped: tap.dropped() });
        }
        lines = tap.next(BEAT.min(left)).iter().map(|line| names.line(line)).collect();
        context.read(|registry| Ok(by.still_good(registry)?))?;
    }
}

/// The names of regions, places and devices when the tap was opened.
struct Names {
    regions: HashMap<u16, String>,
    places: HashMap<u32, String>,
    devices: HashMap<u64, String>,
}

impl Names {
    fn read(registry: &Registry) -> anyhow::Result<Self> {
        Ok(Self {
            regions: registry.regions()?.into_iter().map(|row| (row.id.0, row.name)).collect(),
            places: registry.places()?.into_iter().map(|(id, _, name)| (id.0, name)).collect(),
            devices: registry.devices()?.into_iter().map(|row| (row.id.0, row.name)).collect(),
        })
    }

    fn line(&self, shown: &Shown) -> TapLine {
        let Shown { at_s, region, passage, device, scan, verdict } = *shown;
        let place = passage.map(|(place, _)| place.0);
        TapLine {
            at_s,
            given: if passage.is_some() { "punch" } else { "verify" }.to_owned(),
            region: region.0,
            region_name: self.regions.get(&region.0).cloned().unwrap_or_default(),
            place,
            place_name: place.map(|place| self.places.get(&place).cloned().unwrap_or_default()),
            direction: passage.map(|(_, direction)| direction.name().to_owned()),
            device: device.0,
            device_name: self.devices.get(&device.0).cloned().unwrap_or_default(),
            scan: scan.name().to_owned(),
            colour: verdict.colour.name().to_owned(),
            advice: verdict.advice.name().to_owned(),
            basis: verdict.basis.name().to_owned(),
            reason: verdict.reason.name().to_owned(),
        }
    }
}
