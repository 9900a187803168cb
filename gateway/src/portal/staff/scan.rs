//! One scan, from its text to the result for staff: made once however often it is sent, recorded before the result is shown, and made to
//! its end although the browser has gone.

use std::time::Duration;

use actix_web::web;
use actors::registrar::{LookAtDocument, Receipt};
use protocol::limits::SCANNED_TEXT_BYTES_MAX;
use protocol::{Advice, Class, CodeId, Scanned, Verdict, scanner};
use registry::{Shift, ShiftId};
use runtime::clock;

use super::digits::Taken;
use super::shift::{BeginOutcome, HeldUp, Holder, Key, ReceiptOwner, Scan, ScanResult, Shifts, Travel, Turn};
use crate::portal::Portal;
use crate::portal::punch::punches::NotRecorded;
use crate::trajectory;

/// The time after which a page gives a scan up, milliseconds.
const AGO_MS_MAX: u64 = 60_000;
/// The longest wait for the last characters of a document: this look-up takes its turn with the registrar, as imports do.
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
    /// It may be in the log or not: the log failed while it was under way, its making panicked, or it was sent to a process that is no
    /// more.
    Unsure,
}

impl From<NotRecorded> for Trouble {
    fn from(why: NotRecorded) -> Self {
        match why {
            NotRecorded::Busy => Self::NotRecorded,
            NotRecorded::Unsure => Self::Unsure,
        }
    }
}

/// Makes a scan in a task of its own: a browser that is gone before it is recorded asks again.
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
        Err(Trouble::Unsure)
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
        BeginOutcome::Now(turn) => turn,
        BeginOutcome::Before(scan) => return Ok(Made { scan, again: false }),
        BeginOutcome::Again(scan) => return Ok(Made { scan, again: true }),
        BeginOutcome::UnderWay => return Err(Trouble::UnderWay),
        BeginOutcome::Unsure => return Err(Trouble::Unsure),
    };
    let turn = UnderWay { shifts, shift: shift.id, turn };
    let made = match scanner::receipt_of(text) {
        Some(receipt) => Ok(travel(portal, &turn, &receipt, at_ms).await),
        None => person(portal, shift, &turn, (text, whose), at_ms).await,
    };
    turn.end(made)
}

/// A scan that is being made. One that panics is remembered as unsure: else it would be under way for the rest of the shift.
struct UnderWay<'a> {
    shifts: &'a Shifts,
    shift: ShiftId,
    turn: Turn,
}

impl UnderWay<'_> {
    /// Keeps the result. Nothing is kept of a scan that was not recorded, so that it may be made again.
    fn end(self, made: Result<Scan, Trouble>) -> Result<Made, Trouble> {
        if !matches!(made, Err(Trouble::Unsure)) {
            self.shifts.end(self.shift, self.turn, made.as_ref().ok());
        }
        made.map(|scan| Made { scan, again: false })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.shifts.unsure(self.shift, self.turn);
    }
}

fn blank(turn: &UnderWay<'_>, at_ms: u64, came: ScanResult) -> Scan {
    Scan { n: turn.turn.n, at_ms, came, holder: None, old_digits: false }
}

/// A citizen's receipt: what the carriers say, and whom it is about. No punch.
async fn travel(portal: &Portal, turn: &UnderWay<'_>, receipt: &Receipt, at_ms: u64) -> Scan {
    let last = turn.shifts.last_code(turn.shift, turn.turn, clock::now_ms());
    let came = match trajectory::ask(&portal.queries, receipt).await {
        Ok((answer, giver)) => {
            let whose = ReceiptOwner::of(last, giver.as_ref().map_or(&[], |giver| &giver.codes));
            let giver = giver.map(|giver| giver.name);
            ScanResult::Travel(Box::new(Travel { answer, giver, whose }))
        }
        Err(error) => ScanResult::NoTravel(error),
    };
    blank(turn, at_ms, came)
}

/// A code, eight digits, or nothing that was shown: a punch at the shift's place, then what staff see of its holder.
async fn person(
    portal: &Portal,
    shift: &Shift,
    turn: &UnderWay<'_>,
    (text, whose): (&str, Option<(CodeId, Class)>),
    at_ms: u64,
) -> Result<Scan, Trouble> {
    let now_ms = clock::now_ms();
    let taken = portal.staff.digits.take(text, now_ms / 1000);
    let (shown, whose) = match &taken {
        Taken::Code(sealed) => (sealed.as_str(), portal.staff.judge.holder_of(sealed, now_ms)),
        Taken::Over | Taken::None => (text, whose),
    };
    let scanned = if shown.is_empty() { Scanned::Nothing } else { Scanned::Text(shown.to_owned()) };
    let verdict =
        portal.punches.scan(shift.region, shift.place, scanned, at_ms).await.inspect_err(|why| {
            if *why == NotRecorded::Busy && taken != Taken::None {
                portal.staff.digits.give_back(text);
            }
        })?;
    let holder = holder(portal, whose, verdict).await;
    let old_digits = taken == Taken::Over;
    Ok(Scan { holder, old_digits, ..blank(turn, at_ms, ScanResult::Punch(verdict)) })
}

/// Reads what staff see of a holder. The end of the document is shown if the policy says so, after the look is recorded.
async fn holder(portal: &Portal, whose: Option<(CodeId, Class)>, verdict: Verdict) -> Option<Holder> {
    let (code, class) = whose.filter(|_| verdict.advice != Advice::NotAPassCode)?;
    let name = portal.read(|registrar| registrar.masked_name(code))?;
    let name = name.inspect_err(|error| tracing::error!(%error, "a name cannot be read")).ok()??;
    let document = if portal.policy.get().document_shown().goes_with(verdict.advice) {
        let now_s = clock::now_s();
        let look = portal.registrar.act(LookAtDocument { code, now_s });
        // The result is shown without the document if the registrar is busy for longer, for example with an import.
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
