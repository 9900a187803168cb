//! The last scans of each shift, so that one that is sent again, or held up for a while, is one punch. In memory only, bounded, and without
//! full names; the record itself is in the ledger.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use actors::bounds;
use actors::query::QueryError;
use actors::registrar::RECEIPT_S_MAX;
use protocol::trajectory::TrajectoryAnswer;
use protocol::{Class, CodeId, Verdict};
use registry::{DocumentKind, Shift, ShiftId};
use ring::digest;
use runtime::lock::lock;

/// Shifts that are remembered at once; one that is not is worked in all the same.
const SHIFTS_MAX: usize = bounds::SHIFTS.entries();
/// Scans that a page lists.
pub(super) const SCANS_MAX: usize = 20;
/// Scans that are remembered: more than a page sends before it gives one up.
const REMEMBERED_MAX: usize = 64;
/// The same text, or another code of the same person, within this time is held up by the same person still …
const AGAIN_MS: u64 = 3_000;
/// … and within this time if a camera has seen no gap, as long as a person stands at a gate.
const HELD_MS_MAX: u64 = 600_000;
const _: () = assert!(SCANS_MAX < REMEMBERED_MAX);
/// Cities that a citizen has shown are gone from the page after this long.
const CITIES_MS: u64 = 60_000;

/// An answer of the carriers, and whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Travel {
    pub(super) answer: TrajectoryAnswer,
    /// The first character of the name of the receipt's giver; `None` if no holder is registered with the phone.
    pub(super) giver: Option<String>,
    pub(super) whose: ReceiptOwner,
}

/// The owner of a receipt, beside the code that was scanned last: a receipt can be a friend's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReceiptOwner {
    /// The phone opens that code.
    Same,
    /// It does not.
    Other,
    /// No code was scanned just before.
    NotKnown,
}

impl ReceiptOwner {
    /// Compares the code that was scanned last with the codes that the receipt's phone opens.
    pub(super) fn of(last: Option<CodeId>, codes: &[CodeId]) -> Self {
        match last {
            Some(code) if codes.contains(&code) => Self::Same,
            Some(_) => Self::Other,
            None => Self::NotKnown,
        }
    }
}

/// The outcome of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ScanResult {
    /// A punch, recorded.
    Punch(Verdict),
    /// A citizen's receipt: what the carriers say. No punch.
    Travel(Box<Travel>),
    /// A receipt that was not good.
    NoTravel(QueryError),
}

/// One scan as staff see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Its number in the shift.
    pub(super) n: u64,
    pub(super) at_ms: u64,
    pub(super) came: ScanResult,
    pub(super) holder: Option<Holder>,
    /// Eight digits were typed that are over.
    pub(super) old_digits: bool,
}

/// The part of a holder's data that staff see after a scan.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) code: CodeId,
    /// The kind of code was shown.
    pub(super) class: Class,
    /// The first character of the name.
    pub(super) name: String,
    /// The kind of the document and the last four characters of its number, if they are to be compared.
    pub(super) document: Option<(DocumentKind, String)>,
}

impl std::fmt::Debug for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Holder({}, …)", self.class.name())
    }
}

/// A scan as a page numbers it. A page that has had no answer sends it again under the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The page's own.
    pub(super) page: u64,
    pub(super) n: u64,
    /// The process that it was sent to before, if it was.
    pub(super) sent_to: Option<u64>,
}

/// The thing that is held up.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldUp<'a> {
    pub(super) key: Option<Key>,
    pub(super) text: &'a str,
    /// The holder of the good code, and the kind of code that is shown.
    pub(super) whose: Option<(CodeId, Class)>,
    /// The camera has seen it in the place of the one before, without a gap.
    pub(super) follows: bool,
}

/// The fate of a scan that was begun.
enum Progress {
    /// It is being made.
    UnderWay,
    /// It was made.
    Made(Scan),
    /// It ended without a word of what it came to: it may be in the log or not.
    Unsure,
}

impl Progress {
    const fn made(&self) -> Option<&Scan> {
        match self {
            Self::Made(scan) => Some(scan),
            Self::UnderWay | Self::Unsure => None,
        }
    }

    /// The answer to a repeated request for the scan; `told` makes it of a scan that was made.
    fn begun(&self, told: fn(Scan) -> BeginOutcome) -> BeginOutcome {
        match self {
            Self::UnderWay => BeginOutcome::UnderWay,
            Self::Made(scan) => told(scan.clone()),
            Self::Unsure => BeginOutcome::Unsure,
        }
    }
}

/// The answer to a scan that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BeginOutcome {
    /// Yes; what [`Shifts::end`] wants to know.
    Now(Turn),
    /// It was made: the page has not had the answer.
    Before(Scan),
    /// The same person was scanned a moment ago and still holds up a code.
    Again(Scan),
    /// It is being made.
    UnderWay,
    /// It was sent before, and what came of it is not known, or no more.
    Unsure,
}

/// A scan that is made now: its number in the shift, and which of the remembered it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) n: u64,
    at: Option<u64>,
}

/// The state of a numbered scan, for a page that looks for its answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ScanState {
    /// It was made.
    Made(Scan),
    /// It is being made.
    UnderWay,
    /// It may be in the log or not.
    Unsure,
    /// Nothing was recorded under that number, or it is no more remembered.
    No,
}

struct Remembered {
    turn: u64,
    key: Option<(u64, u64)>,
    mark: [u8; 32],
    whose: Option<(CodeId, Class)>,
    at_ms: u64,
    fate: Progress,
}

impl Remembered {
    /// Reports the same person, who still holds up a code.
    fn is_held_up(&self, held: &HeldUp<'_>, mark: &[u8; 32], is_last: bool, at_ms: u64) -> bool {
        let same = self.mark == *mark || (held.whose.is_some() && held.whose == self.whose);
        // Each person who shows nothing counts as another person.
        let nobody = held.text.is_empty() && held.key.is_some();
        let for_ms = if held.follows && is_last { HELD_MS_MAX } else { AGAIN_MS };
        same && !nobody && at_ms.abs_diff(self.at_ms) < for_ms
    }
}

struct Memory {
    until_s: u64,
    /// The latest first.
    scans: VecDeque<Remembered>,
    /// Numbers of scans that repeated a code still held up, each with the turn of the scan that was made. The latest first.
    held_up: VecDeque<((u64, u64), u64)>,
    turns: u64,
    /// The highest number that a scan has had.
    numbered: u64,
}

impl Memory {
    /// Forgets cities: they are shown with the last scan alone, and for a moment.
    fn forget_cities(&mut self, now_ms: u64) {
        let mut is_last = true;
        for known in &mut self.scans {
            let Progress::Made(scan) = &mut known.fate else { continue };
            if let ScanResult::Travel(travel) = &mut scan.came
                && (!is_last || now_ms > scan.at_ms + CITIES_MS)
            {
                travel.answer.areas.0.clear();
            }
            is_last = false;
        }
    }
}

/// The shifts of this process. Written by requests of their own browsers, lost with a restart.
pub(crate) struct Shifts {
    /// The process: what was sent to another one may be in the log and is not remembered here.
    run: u64,
    of: Mutex<HashMap<ShiftId, Memory>>,
}

impl Shifts {
    pub(super) fn new(run: u64) -> Self {
        Self { run, of: Mutex::default() }
    }

    /// This process.
    pub(super) const fn run(&self) -> u64 {
        self.run
    }

    /// Begins a scan that was made at `at_ms`, a minute ago at most.
    pub(super) fn begin(&self, shift: &Shift, held: &HeldUp<'_>, at_ms: u64) -> BeginOutcome {
        let mark = mark(held.text);
        let sent_to = held.key.and_then(|key| key.sent_to);
        let mut shifts = self.lock();
        if !shifts.contains_key(&shift.id) {
            shifts.retain(|_, memory| memory.until_s > at_ms / 1000);
            if shifts.len() >= SHIFTS_MAX {
                let n = held.key.map_or(1, |key| key.n);
                return if sent_to.is_some() {
                    BeginOutcome::Unsure
                } else {
                    BeginOutcome::Now(Turn { n, at: None })
                };
            }
        }
        let memory = shifts.entry(shift.id).or_insert_with(|| Memory {
            until_s: shift.expires_s,
            scans: VecDeque::new(),
            held_up: VecDeque::new(),
            turns: 0,
            numbered: 0,
        });
        let key = held.key.map(|key| (key.page, key.n));
        let mut scans = memory.scans.iter();
        if let Some(known) = scans.find(|scan| key.is_some() && scan.key == key && scan.mark == mark) {
            return known.fate.begun(BeginOutcome::Before);
        }
        if sent_to.is_some_and(|run| run != self.run) {
            return BeginOutcome::Unsure;
        }
        let mut scans = memory.scans.iter().enumerate();
        if let Some((_, known)) = scans.find(|(at, scan)| scan.is_held_up(held, &mark, *at == 0, at_ms)) {
            let (turn, begun) = (known.turn, known.fate.begun(BeginOutcome::Again));
            if let Some(key) = key {
                memory.held_up.truncate(REMEMBERED_MAX - 1);
                memory.held_up.push_front((key, turn));
            }
            return begun;
        }
        memory.turns += 1;
        let (turn, whose) = (memory.turns, held.whose);
        let n = held.key.map_or(memory.numbered + 1, |key| key.n);
        memory.numbered = memory.numbered.max(n);
        memory.scans.truncate(REMEMBERED_MAX - 1);
        memory.scans.push_front(Remembered { turn, key, mark, whose, at_ms, fate: Progress::UnderWay });
        BeginOutcome::Now(Turn { n, at: Some(turn) })
    }

    /// Ends a scan; `None` if nothing was recorded, and then the same may come again at once.
    pub(super) fn end(&self, shift: ShiftId, turn: Turn, scan: Option<&Scan>) {
        let mut shifts = self.lock();
        let Some(memory) = shifts.get_mut(&shift) else { return };
        let is_it = |known: &Remembered| Some(known.turn) == turn.at;
        let Some(at) = memory.scans.iter().position(is_it) else { return };
        match scan {
            Some(scan) => memory.scans[at].fate = Progress::Made(scan.clone()),
            None => drop(memory.scans.remove(at)),
        }
    }

    /// Marks a scan as unsure if it has not ended; it is not made again.
    pub(super) fn unsure(&self, shift: ShiftId, turn: Turn) {
        let mut shifts = self.lock();
        let Some(memory) = shifts.get_mut(&shift) else { return };
        let is_it =
            |known: &&mut Remembered| Some(known.turn) == turn.at && matches!(known.fate, Progress::UnderWay);
        if let Some(known) = memory.scans.iter_mut().find(is_it) {
            known.fate = Progress::Unsure;
        }
    }

    /// Finds the scan that a page has numbered so.
    pub(super) fn known(&self, shift: ShiftId, key: (u64, u64), now_ms: u64) -> ScanState {
        let mut shifts = self.lock();
        let Some(memory) = shifts.get_mut(&shift) else { return ScanState::No };
        memory.forget_cities(now_ms);
        let held_up = memory.held_up.iter().find(|(held_up, _)| *held_up == key).map(|(_, turn)| *turn);
        let is_it = |known: &&Remembered| known.key == Some(key) || Some(known.turn) == held_up;
        match memory.scans.iter().find(is_it).map(|known| &known.fate) {
            Some(Progress::Made(scan)) => ScanState::Made(scan.clone()),
            Some(Progress::UnderWay) => ScanState::UnderWay,
            Some(Progress::Unsure) => ScanState::Unsure,
            None => ScanState::No,
        }
    }

    /// The last scans, the latest first.
    pub(super) fn scans(&self, shift: ShiftId, now_ms: u64) -> Vec<Scan> {
        let mut shifts = self.lock();
        let Some(memory) = shifts.get_mut(&shift) else { return Vec::new() };
        memory.forget_cities(now_ms);
        memory.scans.iter().filter_map(|known| known.fate.made().cloned()).take(SCANS_MAX).collect()
    }

    /// The number of the next scan.
    pub(super) fn next(&self, shift: ShiftId) -> u64 {
        self.lock().get(&shift).map_or(1, |memory| memory.numbered + 1)
    }

    /// The code that was scanned last before that scan, as long ago at most as a receipt is good; also one that is still under way or
    /// unsure, so that a receipt is never taken for one of the person before.
    pub(super) fn last_code(&self, shift: ShiftId, before: Turn, now_ms: u64) -> Option<CodeId> {
        let shifts = self.lock();
        let scans = shifts.get(&shift)?.scans.iter().filter(|known| Some(known.turn) != before.at);
        let is_travel =
            |fate: &Progress| fate.made().is_some_and(|scan| !matches!(scan.came, ScanResult::Punch(_)));
        let last = scans.into_iter().find(|known| !is_travel(&known.fate))?;
        let recent = now_ms <= last.at_ms + RECEIPT_S_MAX * 1000;
        let code = match &last.fate {
            Progress::Made(scan) => scan.holder.as_ref().map(|holder| holder.code),
            Progress::UnderWay | Progress::Unsure => last.whose.map(|(code, _)| code),
        };
        code.filter(|_| recent)
    }

    /// Forgets the scans of a shift that is over.
    pub(super) fn forget(&self, shift: ShiftId) {
        self.lock().remove(&shift);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ShiftId, Memory>> {
        lock(&self.of)
    }
}

/// The digest of what was held up: that it was the same is remembered, and what it was is not.
fn mark(text: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    *digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests;
