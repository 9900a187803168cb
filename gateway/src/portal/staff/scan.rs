//! One scan from its text to what staff are told: made once however often it is sent, recorded before it is told, and made to its end
//! although nobody waits for the answer any more.

use std::time::Duration;

use actix_web::web;
use protocol::limits::SCANNED_TEXT_BYTES_MAX;
use protocol::{Advice, Class, CodeId, Scanned, Verdict, scanner};
use registry::Shift;
use runtime::clock;

use super::super::Portal;
use super::digits::Taken;
use super::shift::{Begun, Came, HeldUp, Holder, Key, Scan, Travel, Whose};
use crate::trajectory;

/// Longer ago a page has given a scan up.
const AGO_MS_MAX: u64 = 60_000;
/// For the end of a document, which is looked up where imports are written, too.
const DOCUMENT_WAITS: Duration = Duration::from_millis(300);

/// A scan as a page sends it.
#[derive(Debug)]
pub(super) struct Sent {
    /// As it was read or typed: nothing is taken away, a code may begin with a space. Empty if nothing was shown.
    pub(super) text: String,
    pub(super) key: Option<Key>,
    /// The camera saw it in the place of the one before.
    pub(super) follows: bool,
    /// The time for which the page has had it.
    pub(super) ago_ms: u64,
}

/// A scan that was made.
pub(super) struct Made {
    pub(super) scan: Scan,
    /// It is the one of a moment ago: the same person holds up a code still.
    pub(super) again: bool,
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The same scan is being made.
    UnderWay,
    /// Nothing, or more than any code holds.
    NotAText,
    /// It is not in the log, and may be made again.
    NotRecorded,
    /// It was sent before, to a process that is no more: it may be in the log or not.
    Unsure,
}

/// Makes a scan in a task of its own: whoever sent it may be gone before it is recorded, and asks again.
pub(super) async fn scan(
    portal: &web::Data<Portal>,
    shift: &Shift,
    sent: Sent,
    nothing: bool,
) -> Result<Made, Trouble> {
    if sent.text.trim().is_empty() != nothing || sent.text.len() > SCANNED_TEXT_BYTES_MAX {
        return Err(Trouble::NotAText);
    }
    let text = if nothing { String::new() } else { sent.text };
    let (portal, shift, sent) = (portal.clone(), shift.clone(), Sent { text, ..sent });
    let made = actix_web::rt::spawn(async move { once(&portal, &shift, &sent).await }).await;
    made.unwrap_or_else(|error| {
        tracing::error!(%error, "a scan panicked");
        Err(Trouble::NotRecorded)
    })
}

async fn once(portal: &Portal, shift: &Shift, sent: &Sent) -> Result<Made, Trouble> {
    let (text, now_ms) = (sent.text.as_str(), clock::now_ms());
    // When it was scanned: what waited for a network may arrive together, or the later one first.
    let at_ms = now_ms - sent.ago_ms.min(AGO_MS_MAX);
    let whose = portal.staff.judge.holder_of(text, at_ms);
    let held = HeldUp { key: sent.key, text, whose, follows: sent.follows };
    let shifts = &portal.staff.shifts;
    let turn = match shifts.begin(shift, &held, at_ms) {
        Begun::Now(turn) => turn,
        Begun::Before(scan) => return Ok(Made { scan, again: false }),
        Begun::Again(scan) => return Ok(Made { scan, again: true }),
        Begun::UnderWay => return Err(Trouble::UnderWay),
        Begun::Unsure => return Err(Trouble::Unsure),
    };
    let blank = |came| Scan { n: turn.n, at_ms, came, holder: None, old_digits: false };
    let made = match scanner::receipt_of(text) {
        Some(receipt) => {
            let last = shifts.last_code(shift.id, turn, now_ms);
            Some(blank(match trajectory::ask(&portal.queries, &receipt).await {
                Ok((answer, giver)) => {
                    let whose = Whose::of(last, giver.as_ref().map_or(&[], |giver| &giver.codes));
                    let giver = giver.map(|giver| giver.name);
                    Came::Travel(Box::new(Travel { answer, giver, whose }))
                }
                Err(error) => Came::NoTravel(error),
            }))
        }
        None => {
            let taken = portal.staff.digits.take(text, now_ms / 1000);
            let (shown, whose) = match &taken {
                Taken::Code(sealed) => (sealed.as_str(), portal.staff.judge.holder_of(sealed, now_ms)),
                Taken::Over | Taken::None => (text, whose),
            };
            let verdict = punch(portal, shift, shown, at_ms).await;
            if verdict.is_none() && taken != Taken::None {
                portal.staff.digits.give_back(text);
            }
            let scan = verdict.map(|verdict| (blank(Came::Punch(verdict)), verdict));
            match scan {
                Some((scan, verdict)) => {
                    let holder = holder(portal, whose, verdict).await;
                    Some(Scan { holder, old_digits: taken == Taken::Over, ..scan })
                }
                None => None,
            }
        }
    };
    shifts.end(shift.id, turn, made.as_ref());
    made.map(|scan| Made { scan, again: false }).ok_or(Trouble::NotRecorded)
}

/// A punch at the shift's place; `None` if nothing was recorded.
async fn punch(portal: &Portal, shift: &Shift, text: &str, at_ms: u64) -> Option<Verdict> {
    let scanned = if text.is_empty() { Scanned::Nothing } else { Scanned::Text(text.to_owned()) };
    portal.punches.scan(shift.region, shift.place, scanned, at_ms).await
}

/// Says what staff see of whom they have scanned. The end of the document is shown if the policy says so, once the look is on record.
async fn holder(portal: &Portal, whose: Option<(CodeId, Class)>, verdict: Verdict) -> Option<Holder> {
    let (code, class) = whose.filter(|_| verdict.advice != Advice::NotAPassCode)?;
    let name = portal.read(|registrar| registrar.masked_name(code))?;
    let name = name.inspect_err(|error| tracing::error!(%error, "a name cannot be read")).ok()??;
    let document = if portal.policy.get().document_shown().goes_with(verdict.advice) {
        let now_s = clock::now_ms() / 1000;
        let look = portal.registrar.act(move |registrar| registrar.document_for(code, now_s));
        // The sign does not wait for an import.
        match tokio::time::timeout(DOCUMENT_WAITS, look).await {
            Ok(look) => look
                .inspect_err(|error| tracing::warn!(%error, "a document's end is not shown"))
                .ok()
                .flatten(),
            Err(_) => None,
        }
    } else {
        None
    };
    Some(Holder { code, class, name, document })
}
