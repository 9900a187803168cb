//! What this process remembers of shifts: their last scans, and which code was just held up, so that one held up for a while is one
//! punch. Only in memory, bounded, nothing that names a person in full; the record itself is the ledger's.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actors::bounds;
use actors::query::QueryError;
use actors::registrar::RECEIPT_S_MAX;
use actors::registry::{Shift, ShiftId};
use protocol::trajectory::TrajectoryAnswer;
use protocol::{Class, CodeId, Verdict};
use ring::digest;

/// Shifts that are remembered at once; one that is not is worked in all the same.
const SHIFTS_MAX: usize = bounds::SHIFTS.entries();
/// Scans that a page lists.
pub(super) const SCANS_MAX: usize = 20;
/// The same text within this time is the same person who still holds it up.
const AGAIN_MS: u64 = 3_000;
/// Cities that a citizen has shown are gone from the page after this long.
const CITIES_MS: u64 = 60_000;

/// An answer of the carriers, and whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Travel {
    pub(super) answer: TrajectoryAnswer,
    /// The first character of the name of whoever gave the receipt; `None` if nobody is registered with the phone.
    pub(super) giver: Option<String>,
    pub(super) whose: Whose,
}

/// The owner of a receipt, beside the code that was scanned last: a receipt can be a friend's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The phone opens that code.
    Same,
    /// It does not.
    Other,
    /// No code was scanned just before.
    NotKnown,
}

impl Whose {
    /// `last` is the code that was scanned last, `codes` those that the receipt's phone opens.
    pub(super) fn of(last: Option<CodeId>, codes: &[CodeId]) -> Self {
        match last {
            Some(code) if codes.contains(&code) => Self::Same,
            Some(_) => Self::Other,
            None => Self::NotKnown,
        }
    }
}

/// What a scan came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
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
    pub(super) at_ms: u64,
    pub(super) came: Came,
    pub(super) holder: Option<Holder>,
}

/// As much as staff see of whom they have scanned.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) code: CodeId,
    /// What kind of code was shown.
    pub(super) class: Class,
    /// The first character of the name.
    pub(super) name: String,
}

impl std::fmt::Debug for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Holder({}, …)", self.class.name())
    }
}

/// Whether a scan is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    Now,
    /// It was made a moment ago.
    Before(Scan),
    /// It is being made.
    UnderWay,
}

struct Held {
    mark: [u8; 32],
    at_ms: u64,
    scan: Option<Scan>,
}

struct Memory {
    until_s: u64,
    held: Option<Held>,
    scans: VecDeque<Scan>,
}

/// The shifts of this process. Written by requests of their own browsers, lost with a restart.
#[derive(Default)]
pub(crate) struct Shifts(Mutex<HashMap<ShiftId, Memory>>);

impl Shifts {
    /// The text is held up at that moment.
    pub(super) fn begin(&self, shift: &Shift, text: &str, now_ms: u64) -> Begun {
        let mark = mark(text);
        let mut shifts = self.lock();
        if !shifts.contains_key(&shift.id) {
            shifts.retain(|_, memory| memory.until_s > now_ms / 1000);
            if shifts.len() >= SHIFTS_MAX {
                return Begun::Now;
            }
        }
        let memory = shifts.entry(shift.id).or_insert_with(|| Memory {
            until_s: shift.expires_s,
            held: None,
            scans: VecDeque::with_capacity(SCANS_MAX),
        });
        match &memory.held {
            Some(held) if held.mark == mark && now_ms < held.at_ms + AGAIN_MS => {
                return held.scan.clone().map_or(Begun::UnderWay, Begun::Before);
            }
            Some(_) | None => memory.held = Some(Held { mark, at_ms: now_ms, scan: None }),
        }
        Begun::Now
    }

    /// The scan was made; `None` if nothing was recorded, and then the same text may come again at once.
    pub(super) fn end(&self, shift: ShiftId, text: &str, scan: Option<&Scan>) {
        let mut shifts = self.lock();
        let Some(memory) = shifts.get_mut(&shift) else { return };
        let mark = mark(text);
        match (&mut memory.held, scan) {
            (Some(held), Some(scan)) if held.mark == mark => held.scan = Some(scan.clone()),
            (Some(held), None) if held.mark == mark => memory.held = None,
            (Some(_) | None, _) => {}
        }
        if let Some(scan) = scan {
            memory.scans.truncate(SCANS_MAX - 1);
            memory.scans.push_front(scan.clone());
        }
    }

    /// The last scans, the latest first.
    pub(super) fn scans(&self, shift: ShiftId, now_ms: u64) -> Vec<Scan> {
        let mut shifts = self.lock();
        let Some(memory) = shifts.get_mut(&shift) else { return Vec::new() };
        for (position, scan) in memory.scans.iter_mut().enumerate() {
            if let Came::Travel(travel) = &mut scan.came
                && (position > 0 || now_ms > scan.at_ms + CITIES_MS)
            {
                travel.answer.areas.0.clear();
            }
        }
        memory.scans.iter().cloned().collect()
    }

    /// The code that was scanned last, as long ago at most as a receipt is good.
    pub(super) fn last_code(&self, shift: ShiftId, now_ms: u64) -> Option<CodeId> {
        let shifts = self.lock();
        let is_punch = |scan: &&Scan| matches!(scan.came, Came::Punch(_));
        let last = shifts.get(&shift)?.scans.iter().find(is_punch)?;
        let recent = now_ms <= last.at_ms + RECEIPT_S_MAX * 1000;
        last.holder.as_ref().filter(|_| recent).map(|holder| holder.code)
    }

    /// The shift is over: what was seen in it is gone.
    pub(super) fn forget(&self, shift: ShiftId) {
        self.lock().remove(&shift);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ShiftId, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was held up is not kept, only that it was the same.
fn mark(text: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    *digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::Bounded;
    use protocol::trajectory::{Day, TrajectoryReason, VisitedArea};
    use protocol::{PlaceId, Reason, RegionId};

    fn shift(id: u64) -> Shift {
        let (place_name, name) = (String::new(), String::new());
        Shift { id: ShiftId(id), place: PlaceId(1), region: RegionId(1), place_name, name, expires_s: 100 }
    }

    fn scan(at_ms: u64) -> Scan {
        Scan { at_ms, came: Came::Punch(Verdict::ask_staff(Reason::NotLoaded)), holder: None }
    }

    #[test]
    fn a_code_held_up_for_a_while_is_one_scan() {
        let (shifts, mine) = (Shifts::default(), shift(1));
        assert_eq!(shifts.begin(&mine, "a", 1_000), Begun::Now);
        assert_eq!(shifts.begin(&mine, "a", 1_100), Begun::UnderWay);
        shifts.end(mine.id, "a", Some(&scan(1_000)));
        assert_eq!(shifts.begin(&mine, "a", 3_999), Begun::Before(scan(1_000)));
        assert_eq!(shifts.begin(&shift(2), "a", 3_999), Begun::Now, "at another gate");
        assert_eq!(shifts.begin(&mine, "a", 4_000), Begun::Now, "the same person once more");
        shifts.end(mine.id, "a", None);
        assert_eq!(shifts.begin(&mine, "a", 4_001), Begun::Now, "nothing was recorded");
        assert_eq!(shifts.begin(&mine, "b", 4_002), Begun::Now, "the next person");
        assert_eq!(shifts.scans(mine.id, 5_000), [scan(1_000)]);
    }

    #[test]
    fn a_shift_remembers_its_last_scans_and_nothing_once_it_is_over() {
        let (shifts, mine) = (Shifts::default(), shift(1));
        for at in 0..30 {
            assert_eq!(shifts.begin(&mine, &at.to_string(), at), Begun::Now);
            shifts.end(mine.id, &at.to_string(), Some(&scan(at)));
        }
        let times: Vec<u64> = shifts.scans(mine.id, 30).iter().map(|scan| scan.at_ms).collect();
        assert_eq!((times.len(), times[0], times[19]), (SCANS_MAX, 29, 10));
        assert_eq!(shifts.begin(&shift(2), "x", 100_000), Begun::Now, "after the first one's end");
        assert!(shifts.scans(mine.id, 100_000).is_empty());
        for id in 0..2 * SHIFTS_MAX as u64 {
            assert_eq!(shifts.begin(&shift(id + 3), "x", 1), Begun::Now);
        }
        assert_eq!(shifts.lock().len(), SHIFTS_MAX);
    }

    #[test]
    fn a_receipt_is_compared_with_the_code_that_was_scanned_last() {
        let (shifts, mine) = (Shifts::default(), shift(1));
        let code = |n| CodeId::from_u64(n).unwrap();
        let holder = |n| Some(Holder { code: code(n), class: Class::Person, name: "王＊".to_owned() });
        let scanned = |at_ms: u64, holder| {
            shifts.begin(&mine, &at_ms.to_string(), at_ms);
            shifts.end(mine.id, &at_ms.to_string(), Some(&Scan { holder, ..scan(at_ms) }));
        };
        let whose = |now_ms, codes: &[CodeId]| Whose::of(shifts.last_code(mine.id, now_ms), codes);
        assert_eq!(whose(1, &[code(7)]), Whose::NotKnown, "nobody was scanned");
        scanned(1, holder(7));
        assert_eq!(whose(2, &[code(6), code(7)]), Whose::Same, "a guardian's phone opens the ward's code");
        assert_eq!(whose(2, &[code(8)]), Whose::Other, "a friend's receipt");
        assert_eq!(whose(2, &[]), Whose::Other, "of a phone that nobody is registered with");
        assert_eq!(whose(2 + RECEIPT_S_MAX * 1000, &[code(7)]), Whose::NotKnown, "that was somebody before");
        scanned(3, None);
        assert_eq!(whose(4, &[code(7)]), Whose::NotKnown, "who came last has shown nothing");
    }

    #[test]
    fn cities_that_were_shown_are_gone_with_the_next_scan_or_after_a_minute() {
        let (shifts, mine) = (Shifts::default(), shift(1));
        let answer = TrajectoryAnswer {
            reason: TrajectoryReason::Clean,
            first_day: Day::NONE,
            last_day: Day::NONE,
            last_stay_day: Day::NONE,
            areas: Bounded(vec![VisitedArea::parse("3601").unwrap()]),
        };
        let travel = Travel { answer, giver: None, whose: Whose::NotKnown };
        let travel = |at_ms| Scan { at_ms, came: Came::Travel(Box::new(travel.clone())), holder: None };
        let cities = |now_ms| {
            shifts
                .scans(mine.id, now_ms)
                .iter()
                .map(|scan| match &scan.came {
                    Came::Travel(travel) => travel.answer.areas.0.len(),
                    Came::Punch(_) | Came::NoTravel(_) => 0,
                })
                .collect::<Vec<_>>()
        };
        shifts.begin(&mine, "a", 1);
        shifts.end(mine.id, "a", Some(&travel(1)));
        assert_eq!(cities(1 + CITIES_MS), [1]);
        assert_eq!(cities(2 + CITIES_MS), [0]);
        shifts.begin(&mine, "b", CITIES_MS);
        shifts.end(mine.id, "b", Some(&travel(CITIES_MS)));
        assert_eq!(cities(CITIES_MS), [1, 0]);
        shifts.begin(&mine, "c", CITIES_MS);
        shifts.end(mine.id, "c", Some(&scan(CITIES_MS)));
        assert_eq!(cities(CITIES_MS), [0, 0, 0]);
    }
}
