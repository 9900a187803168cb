//! Taps: verdicts shown to an operator while they are given. They hold no personal data: no code, no token, nothing but time and place
//! that two lines of one person share. The caller that opens a tap checks the operator's right and records the look.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ledger::RecordedRun;
use protocol::{Colour, DeviceId, Direction, PlaceId, Punch, RegionId, Scanned, Verdict, metric};
use runtime::lock::lock;

/// Taps at one time: a tap is for one case that is looked into, and each costs the devices' threads a little.
pub const TAPS_MAX: usize = 2;
/// Batches that wait for a tap to be read: one second of a busy front.
const BATCHES_WAITING_MAX: usize = 64;
/// Lines of one batch. With the number of batches that wait, it bounds a tap's memory to half a megabyte.
const LINES_PER_BATCH_MAX: usize = 256;

protocol::numbered! {
    /// The kind of a scan, as the device sent it.
    pub enum ScanShown {
        /// A token of a phone or of paper.
        Token = 1 => "token",
        /// Any other text.
        Text = 2 => "text",
        /// A signed-in citizen, who scanned the place's code.
        SignedIn = 3 => "signed-in",
        /// A person without phone or paper.
        Nothing = 4 => "nothing",
    }
}

impl From<&Scanned> for ScanShown {
    fn from(scanned: &Scanned) -> Self {
        match scanned {
            Scanned::Token(_) => Self::Token,
            Scanned::Text(_) => Self::Text,
            Scanned::SignedIn(_) => Self::SignedIn,
            Scanned::Nothing => Self::Nothing,
        }
    }
}

/// One line of a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The time of the verdict, seconds since 1970 UTC: a finer time would help to recognise a person.
    pub at_s: u64,
    /// The region.
    pub region: RegionId,
    /// The place and direction of a punch; `None` for a scan that was verified without a record.
    pub passage: Option<(PlaceId, Direction)>,
    /// The device that got the verdict.
    pub device: DeviceId,
    /// The kind of the scan.
    pub scan: ScanShown,
    /// The verdict.
    pub verdict: Verdict,
}

/// The filter of a tap; the default lets every verdict through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// The only region; `None` for all.
    pub region: Option<RegionId>,
    /// The only colour; `None` for all.
    pub colour: Option<Colour>,
}

impl Only {
    fn wants(self, line: &Shown) -> bool {
        self.region.is_none_or(|region| region == line.region)
            && self.colour.is_none_or(|colour| colour == line.verdict.colour)
    }
}

/// The open taps; clones share them.
#[derive(Clone)]
pub struct Taps(Arc<Inner>);

struct Inner {
    /// The number of open taps. Written while `taps` is locked, read without the lock for each batch.
    open: AtomicUsize,
    taps: Mutex<Vec<Open>>,
    opened: AtomicU64,
}

struct Open {
    number: u64,
    only: Only,
    batches: SyncSender<Vec<Shown>>,
    dropped: Arc<AtomicU64>,
}

impl Default for Taps {
    /// Starts without an open tap.
    fn default() -> Self {
        metrics::gauge!(metric::TAPS).set(0.0);
        Self(Arc::new(Inner { open: AtomicUsize::new(0), taps: Mutex::default(), opened: AtomicU64::new(0) }))
    }
}

impl Taps {
    /// Opens a tap; `None` while [`TAPS_MAX`] are open. Verdicts are queued for it from now on.
    pub fn open(&self, only: Only) -> Option<Tap> {
        let mut taps = self.taps();
        if taps.len() >= TAPS_MAX {
            return None;
        }
        let (batches, receiver) = sync_channel(BATCHES_WAITING_MAX);
        let number = self.0.opened.fetch_add(1, Ordering::Relaxed);
        let dropped = Arc::new(AtomicU64::new(0));
        taps.push(Open { number, only, batches, dropped: Arc::clone(&dropped) });
        self.counted(&taps);
        Some(Tap { taps: self.clone(), number, receiver, dropped })
    }

    /// Returns true while a tap is open. Without one this is all that a batch costs.
    pub fn are_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) > 0
    }

    /// Keeps what is shown of punches beside their verdicts, until the verdicts are there; `None` while no tap is open.
    pub(crate) fn passing(&self, punches: &[Punch]) -> Option<Passing> {
        let passing = |punch: &Punch| (punch.place, punch.direction, ScanShown::from(&punch.scanned));
        self.are_open().then(|| Passing(punches.iter().map(passing).collect()))
    }

    /// Shows recorded punches with the verdicts that go to their device.
    pub(crate) fn punches(
        &self,
        region: RegionId,
        device: DeviceId,
        passing: &Passing,
        runs: &[RecordedRun],
    ) {
        let verdicts =
            runs.iter().flat_map(|run| run.verdicts.iter().map(|verdict| (run.as_of_ms, *verdict)));
        self.show(passing.0.iter().zip(verdicts).map(|(&(place, direction, scan), (as_of_ms, verdict))| {
            let passage = Some((place, direction));
            Shown { at_s: as_of_ms / 1000, region, passage, device, scan, verdict }
        }));
    }

    /// Shows scans that were verified without a record. To be called only while [`Self::are_open`].
    pub fn verified<'a>(
        &self,
        region: RegionId,
        device: DeviceId,
        now_ms: u64,
        scans: impl Iterator<Item = (&'a Scanned, Verdict)> + Clone,
    ) {
        self.show(scans.map(|(scanned, verdict)| Shown {
            at_s: now_ms / 1000,
            region,
            passage: None,
            device,
            scan: scanned.into(),
            verdict,
        }));
    }

    /// Queues lines for each tap whose filter lets them through. Lines that do not fit are dropped and counted: no device waits for an
    /// operator.
    fn show(&self, lines: impl Iterator<Item = Shown> + Clone) {
        for tap in self.taps().iter() {
            let mut wanted = lines.clone().filter(|line| tap.only.wants(line));
            let batch: Vec<Shown> = wanted.by_ref().take(LINES_PER_BATCH_MAX).collect();
            let mut dropped = wanted.count() as u64;
            if !batch.is_empty()
                && let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) =
                    tap.batches.try_send(batch)
            {
                dropped += batch.len() as u64;
            }
            tap.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
    }

    fn counted(&self, taps: &[Open]) {
        self.0.open.store(taps.len(), Ordering::Relaxed);
        metrics::gauge!(metric::TAPS).set(taps.len() as f64);
    }

    fn taps(&self) -> MutexGuard<'_, Vec<Open>> {
        lock(&self.0.taps)
    }
}

/// The part of punches that a tap shows beside their verdicts: place, direction and kind of each.
pub(crate) struct Passing(Vec<(PlaceId, Direction, ScanShown)>);

/// An open tap; dropping it closes the tap.
pub struct Tap {
    taps: Taps,
    number: u64,
    receiver: Receiver<Vec<Shown>>,
    dropped: Arc<AtomicU64>,
}

impl Tap {
    /// Waits up to `wait` for the next lines; empty if none came.
    pub fn next(&self, wait: Duration) -> Vec<Shown> {
        self.receiver.recv_timeout(wait).unwrap_or_default()
    }

    /// Returns the number of lines that were dropped so far because they were not read fast enough.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let mut taps = self.taps.taps();
        taps.retain(|tap| tap.number != self.number);
        self.taps.counted(&taps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Reason;

    const NOW: Duration = Duration::ZERO;

    fn verify(taps: &Taps, region: u16, colour: Colour, count: usize) {
        let verdict = Verdict { colour, ..Verdict::ask_staff(Reason::Clear) };
        let scans = std::iter::repeat_n((&Scanned::Nothing, verdict), count);
        taps.verified(RegionId(region), DeviceId(7), 1_999, scans);
    }

    #[test]
    fn a_tap_shows_what_it_was_opened_for() {
        let taps = Taps::default();
        verify(&taps, 1, Colour::Red, 1);
        for (only, expected) in [
            (Only::default(), 3),
            (Only { region: Some(RegionId(1)), colour: None }, 2),
            (Only { region: None, colour: Some(Colour::Red) }, 2),
            (Only { region: Some(RegionId(2)), colour: Some(Colour::Green) }, 0),
        ] {
            let tap = taps.open(only).unwrap();
            for (region, colour) in [(1, Colour::Red), (1, Colour::Green), (2, Colour::Red)] {
                verify(&taps, region, colour, 1);
            }
            let shown: Vec<Shown> = (0..3).flat_map(|_| tap.next(NOW)).collect();
            assert_eq!(shown.len(), expected, "{only:?}");
            assert!(shown.iter().all(|line| line.at_s == 1 && line.passage.is_none()), "{shown:?}");
            assert_eq!(tap.dropped(), 0);
        }
        assert!(!taps.are_open());
    }

    #[test]
    fn punches_are_shown_with_the_verdict_that_each_was_given() {
        let taps = Taps::default();
        let punch = |place| Punch {
            scanned: Scanned::Text("a text that is somebody's".to_owned()),
            direction: Direction::In,
            place: PlaceId(place),
            device_time_ms: 5,
            offline: None,
        };
        let punches = [punch(1), punch(2), punch(3)];
        assert!(taps.passing(&punches).is_none(), "nobody taps");
        let tap = taps.open(Only::default()).unwrap();
        let passing = taps.passing(&punches).unwrap();
        let (first, second) = (Verdict::ask_staff(Reason::Clear), Verdict::not_a_pass_code(Reason::NotACode));
        let run = |as_of_ms, verdicts| RecordedRun { first: protocol::Sequence(1), as_of_ms, verdicts };
        taps.punches(
            RegionId(4),
            DeviceId(9),
            &passing,
            &[run(1_000, vec![first]), run(3_000, vec![second; 2])],
        );
        let shown = tap.next(NOW);
        let seen: Vec<_> =
            shown.iter().map(|line| (line.at_s, line.passage.unwrap().0.0, line.verdict)).collect();
        assert_eq!(seen, [(1, 1, first), (3, 2, second), (3, 3, second)]);
        assert!(!format!("{shown:?}").contains("somebody"));
    }

    #[test]
    fn what_a_slow_reader_does_not_take_is_dropped_and_counted() {
        let taps = Taps::default();
        let (slow, quick) = (taps.open(Only::default()).unwrap(), taps.open(Only::default()).unwrap());
        let mut read = 0;
        for _ in 0..BATCHES_WAITING_MAX + 10 {
            verify(&taps, 1, Colour::Green, LINES_PER_BATCH_MAX + 1);
            read += quick.next(NOW).len();
        }
        assert_eq!(read, (BATCHES_WAITING_MAX + 10) * LINES_PER_BATCH_MAX);
        assert_eq!(quick.dropped() as usize, BATCHES_WAITING_MAX + 10);
        let kept: usize =
            std::iter::repeat_with(|| slow.next(NOW).len()).take_while(|&lines| lines > 0).sum();
        assert_eq!(kept, BATCHES_WAITING_MAX * LINES_PER_BATCH_MAX);
        let given = (BATCHES_WAITING_MAX + 10) * (LINES_PER_BATCH_MAX + 1);
        assert_eq!(slow.dropped() as usize, given - kept);
    }

    #[test]
    fn there_are_so_many_taps_at_a_time_and_one_that_ends_makes_room() {
        let taps = Taps::default();
        let mut open: Vec<Tap> = (0..TAPS_MAX).map(|_| taps.open(Only::default()).unwrap()).collect();
        assert!(taps.open(Only::default()).is_none());
        open.pop();
        assert!(taps.are_open() && taps.open(Only::default()).is_some());
        drop(open);
        assert!(!taps.are_open());
    }
}
