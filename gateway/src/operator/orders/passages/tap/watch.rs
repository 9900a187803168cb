//! The watch over this gateway's own verdicts: an open tap, with the names that its lines show, for a limited time and only while
//! the operators who signed are in office.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actors::tap::{self, Only, Shown, TAPS_MAX};
use anyhow::{Context, bail};
use protocol::{Colour, RegionId};
use registry::Registry;
use registry::operator::Signers;
use runtime::clock;

use super::{SECONDS_MAX, TapAct, TapEnd, TapLine, Tapped};
use crate::across::Request;
use crate::operator::OperatorContext;

/// The interval at which an operator hears that the tap is still open; their going is found this fast, and so is their revocation.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// The verdicts that are asked for, before the tap is open.
pub(super) struct Watch<'a> {
    context: &'a OperatorContext,
    by: &'a Signers,
    only: Only,
    time: Duration,
}

/// The watch with its tap.
pub(super) struct Open<'a> {
    watch: Watch<'a>,
    tap: tap::Tap,
    names: Names,
    start: Instant,
}

impl<'a> Watch<'a> {
    /// Reads what is asked for.
    pub(super) fn new(act: &TapAct, by: &'a Signers, context: &'a OperatorContext) -> anyhow::Result<Self> {
        if !(1..=SECONDS_MAX).contains(&act.seconds) {
            bail!("a tap is open for 1 to {SECONDS_MAX} s");
        }
        let only = context.read(|registry| only(act, registry))?;
        context.running()?;
        Ok(Self { context, by, only, time: Duration::from_secs(act.seconds) })
    }

    /// Opens the tap; its time begins.
    pub(super) fn open(self) -> anyhow::Result<Open<'a>> {
        let tap = self.context.running()?.taps.open(self.only).with_context(|| {
            format!("{TAPS_MAX} taps are open, which is as many as there may be; wait until one ends")
        })?;
        let names = self.context.read(Names::read)?;
        Ok(Open { watch: self, tap, names, start: clock::now() })
    }
}

impl Open<'_> {
    /// Returns the request to another gateway for the same watch there.
    pub(super) fn request(&self, act: &TapAct) -> Request {
        let (Signers { authority, operators }, TapAct { region, colour, seconds }) =
            (self.watch.by.clone(), act.clone());
        Request::Tap { authority, operators, region, colour, seconds }
    }

    /// Waits up to `wait` for the next lines; `None` when the time is over.
    ///
    /// # Errors
    /// An operator who signed is revoked.
    pub(super) fn next(&self, wait: Duration) -> anyhow::Result<Option<Tapped>> {
        let Self { watch: Watch { context, by, time, .. }, tap, names, start } = self;
        let left = time.saturating_sub(clock::since(*start));
        if left.is_zero() {
            return Ok(None);
        }
        let lines = tap.next(wait.min(left)).iter().map(|line| names.line(line)).collect();
        context.read(|registry| Ok(by.still_good(registry)?))?;
        Ok(Some(Tapped { lines, dropped: tap.dropped(), ..Tapped::default() }))
    }

    /// Tells all lines until the time is over.
    pub(super) fn show(&self, tell: &mut dyn FnMut(Tapped) -> bool) -> anyhow::Result<TapEnd> {
        let (mut shown, mut tapped) = (0, Some(Tapped::default()));
        while let Some(lines) = tapped {
            shown += lines.lines.len() as u64;
            if !tell(lines) {
                bail!("nobody listens to the tap any more");
            }
            tapped = self.next(BEAT)?;
        }
        Ok(TapEnd { shown, dropped: self.tap.dropped(), fleet: None })
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
            gateway: None,
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
