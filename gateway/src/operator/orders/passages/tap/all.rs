//! The taps of all gateways of a fleet as one display, at the gateway where it was ordered. Each gateway watches its own verdicts; what the
//! operator's screen does not take waits in the taps, which drop and count. A gateway that is away, or ends, is named, and the others go on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use runtime::clock;
use tokio::{task, time};

use super::watch::{BEAT, Open};
use super::{TapAct, TapEnd, TapShare, TapShares, Tapped};
use crate::across::{Away, Others};
use crate::operator::orders::{Progress, Tell};

/// The pause after which this gateway's own verdicts are looked for again, beside those of the others.
const PAUSE: Duration = Duration::from_millis(50);

/// Shows the verdicts of all until the time is over.
///
/// # Errors
/// The operator listens no more, or one who signed is revoked.
pub(super) fn show(
    watch: &Open<'_>,
    others: &Others<'_>,
    act: &TapAct,
    tell: &mut Tell<'_>,
) -> anyhow::Result<TapEnd> {
    let names = others.names().iter().map(String::as_str).chain([others.own()]);
    let display = RefCell::new(Display::new(names, tell));
    let hear = |gateway: &str, heard| display.borrow_mut().hear(gateway, heard);
    let own = async {
        hear(others.own(), Ok(Tapped::default()));
        let (mut told, mut tapped) = (clock::now(), Tapped::default());
        loop {
            if !tapped.lines.is_empty() || clock::since(told) >= BEAT {
                hear(others.own(), Ok(tapped));
                told = clock::now();
                // However many come, the others have their turn.
                task::yield_now().await;
            } else {
                time::sleep(PAUSE).await;
            }
            if !display.borrow().is_heard {
                bail!("nobody listens to the tap any more");
            }
            tapped = match watch.next(Duration::ZERO)? {
                Some(tapped) => tapped,
                None => return Ok(()),
            };
        }
    };
    others.listen(&watch.request(act), own, &hear)??;
    Ok(display.into_inner().end())
}

/// The display of several taps.
struct Display<'a, 'b> {
    tell: &'a mut Tell<'b>,
    /// The lines that were shown and dropped of each gateway.
    shares: BTreeMap<String, (u64, u64)>,
    away: Vec<Away>,
    /// False once nobody listens.
    is_heard: bool,
}

impl<'a, 'b> Display<'a, 'b> {
    fn new<'c>(gateways: impl Iterator<Item = &'c str>, tell: &'a mut Tell<'b>) -> Self {
        let shares = gateways.map(|gateway| (gateway.to_owned(), (0, 0))).collect();
        Self { tell, shares, away: Vec::new(), is_heard: true }
    }

    /// Tells what a gateway says, or why it says no more; false if nobody listens.
    fn hear(&mut self, gateway: &str, heard: Result<Tapped, String>) -> bool {
        let (shown, dropped) = self.shares.entry(gateway.to_owned()).or_default();
        let mut tapped = heard.unwrap_or_else(|why| {
            self.away.push(Away { gateway: gateway.to_owned(), why: why.clone() });
            Tapped { dropped: *dropped, away: Some(why), ..Tapped::default() }
        });
        *shown += tapped.lines.len() as u64;
        *dropped = tapped.dropped;
        tapped.gateway = Some(gateway.to_owned());
        tapped.lines.iter_mut().for_each(|line| line.gateway = Some(gateway.to_owned()));
        self.is_heard &= (self.tell)(&Progress::Tapped(tapped));
        self.is_heard
    }

    fn end(self) -> TapEnd {
        let share = |(gateway, (shown, dropped))| TapShare { gateway, shown, dropped };
        let gateways: Vec<_> = self.shares.into_iter().map(share).collect();
        let (shown, dropped) =
            gateways.iter().fold((0, 0), |sum, share| (sum.0 + share.shown, sum.1 + share.dropped));
        TapEnd { shown, dropped, fleet: Some(TapShares { gateways, away: self.away }) }
    }
}
