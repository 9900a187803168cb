//! The marks of each device's punches, and what is remembered of its last ones: verdict, time and digest. Pure: decides what
//! of a run is new, what repeats a punch, and what is neither. What lies further back is looked for on disk, elsewhere.

use std::collections::{HashMap, VecDeque};

use protocol::limits::{ACKNOWLEDGED_AHEAD_MAX, EPOCH_AHEAD_S_MAX};
use protocol::{DeviceId, Epoch, Sequence, Verdict};

use super::format::Mark;
use super::{RecordedRun, Run};
use crate::record::PunchDigest;

/// The memory of a punch that is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) as_of_ms: u64,
    pub(super) verdict: Verdict,
    pub(super) digest: PunchDigest,
}

/// A window of 64 is a kilobyte: a hundred thousand gates are a hundred megabytes.
const _: () = assert!(size_of::<Known>() == 16);

#[derive(Default)]
struct Device {
    epoch: u32,
    recorded: u64,
    /// The last punches of this epoch, without gaps; the newest is the one at `recorded`.
    recent: VecDeque<Known>,
}

/// A run, seen from the marks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The first `repeats` punches are on record, the rest is new. The first `forgotten` of the repeats are not remembered; the
    /// others say what is on record.
    Accepted {
        repeats: usize,
        forgotten: usize,
    },
    /// The number stands for another punch.
    NumberUsed {
        sequence: Sequence,
    },
    Gap {
        expected: Sequence,
    },
    EpochBehind {
        current: Epoch,
    },
}

/// Why a device is not welcome.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unwelcome {
    EpochBehind { current: Epoch },
    EpochAhead { highest: Epoch },
    AcknowledgedAhead { highest: Sequence },
}

/// All devices.
#[derive(Default)]
pub(super) struct Marks(HashMap<DeviceId, Device, foldhash::fast::RandomState>);

impl Device {
    /// The highest sequence that is recorded and not remembered.
    fn forgotten(&self) -> u64 {
        self.recorded - self.recent.len() as u64
    }

    /// From `first` on, `count` punches at most, as far as they are remembered: the first one's sequence, and them.
    fn remembered(&self, first: Sequence, count: usize) -> (u64, impl Iterator<Item = &Known>) {
        let from = first.0.max(self.forgotten().saturating_add(1));
        let offset = usize::try_from((from - 1).saturating_sub(self.forgotten())).unwrap_or(usize::MAX);
        let left = count.saturating_sub(usize::try_from(from - first.0).unwrap_or(usize::MAX));
        (from, self.recent.iter().skip(offset).take(left))
    }
}

impl Marks {
    pub(super) fn from_all(marks: impl IntoIterator<Item = Mark>) -> Self {
        let mut all = Self::default();
        marks.into_iter().for_each(|mark| all.set(mark));
        all
    }

    /// Every mark.
    pub(super) fn all(&self) -> Vec<Mark> {
        self.0
            .iter()
            .map(|(&device, known)| Mark {
                device,
                epoch: Epoch(known.epoch),
                recorded: Sequence(known.recorded),
            })
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, device: DeviceId) -> Option<(Epoch, Sequence)> {
        self.0.get(&device).map(|known| (Epoch(known.epoch), Sequence(known.recorded)))
    }

    /// Sets a mark. What is remembered stays only if the mark was there already: it ends at the mark.
    pub(super) fn set(&mut self, mark: Mark) {
        let known = self.0.entry(mark.device).or_default();
        if (known.epoch, known.recorded) != (mark.epoch.0, mark.recorded.0) {
            *known = Device { epoch: mark.epoch.0, recorded: mark.recorded.0, recent: VecDeque::new() };
        }
    }

    /// Says how far the epoch of a device that says hello is recorded, if what it says can be.
    pub(super) fn greet(
        &self,
        device: DeviceId,
        epoch: Epoch,
        acknowledged: Sequence,
        now_ms: u64,
    ) -> Result<Sequence, Unwelcome> {
        let (current, recorded) = self.get(device).unwrap_or((Epoch(0), Sequence(0)));
        if epoch < current {
            return Err(Unwelcome::EpochBehind { current });
        }
        let by_clock = u32::try_from(now_ms / 1000).unwrap_or(u32::MAX).saturating_add(EPOCH_AHEAD_S_MAX);
        let highest = Epoch(by_clock.max(current.0.saturating_add(1)));
        if epoch > highest {
            return Err(Unwelcome::EpochAhead { highest });
        }
        let recorded = if epoch == current { recorded } else { Sequence(0) };
        let highest = Sequence(recorded.0.saturating_add(ACKNOWLEDGED_AHEAD_MAX));
        if acknowledged > highest {
            return Err(Unwelcome::AcknowledgedAhead { highest });
        }
        Ok(recorded)
    }

    /// Says where the run stands; nothing changes.
    pub(super) fn see(&self, run: &Run) -> Seen {
        let none = Device::default();
        let known = self.0.get(&run.device).unwrap_or(&none);
        if run.epoch.0 < known.epoch {
            return Seen::EpochBehind { current: Epoch(known.epoch) };
        }
        let known = if run.epoch.0 == known.epoch { known } else { &none };
        let (expected, count) = (known.recorded.saturating_add(1), run.records.len());
        let fits = run.first.0 > 0 && run.first.0.checked_add(count as u64).is_some();
        if !fits || run.first.0 > expected {
            return Seen::Gap { expected: Sequence(expected) };
        }
        let repeats = usize::try_from(expected - run.first.0).unwrap_or(usize::MAX).min(count);
        let (from, remembered) = known.remembered(run.first, repeats);
        let forgotten = usize::try_from(from - run.first.0).unwrap_or(usize::MAX).min(repeats);
        let said = run.records[forgotten..].iter().map(|record| record.digest);
        for ((known, said), sequence) in remembered.zip(said).zip(from..) {
            if said != Some(known.digest) {
                return Seen::NumberUsed { sequence: Sequence(sequence) };
            }
        }
        Seen::Accepted { repeats, forgotten }
    }

    /// Takes a run as recorded: the mark is at its end, and the last `window_punches` of the device are remembered.
    pub(super) fn record(&mut self, run: &Run) {
        let Some(end) =
            (run.records.len() as u64).checked_sub(1).map(|last| run.first.0.saturating_add(last))
        else {
            return;
        };
        let known = self.0.entry(run.device).or_default();
        if known.epoch != run.epoch.0 || known.recorded.checked_add(1) != Some(run.first.0) {
            known.recent.clear();
        }
        (known.epoch, known.recorded) = (run.epoch.0, end);
        let window = run.window_punches as usize;
        let newest = &run.records[run.records.len().saturating_sub(window)..];
        if newest.iter().any(|record| record.digest.is_none()) {
            // Of a version that kept none: only the record on disk says enough.
            known.recent.clear();
            return;
        }
        let too_many = (known.recent.len() + newest.len()).saturating_sub(window);
        known.recent.drain(..too_many.min(known.recent.len()));
        let as_of_ms = run.received_ms;
        known.recent.extend(newest.iter().filter_map(|record| {
            record.digest.map(|digest| Known { as_of_ms, verdict: record.verdict, digest })
        }));
    }

    /// Remembers what was found on disk, if what is remembered begins right behind it.
    pub(super) fn found(&mut self, device: DeviceId, epoch: Epoch, first: Sequence, found: &[Known]) {
        let Some(known) = self.0.get_mut(&device).filter(|known| known.epoch == epoch.0) else { return };
        if first.0.saturating_add(found.len() as u64) == known.forgotten().saturating_add(1) {
            found.iter().rev().for_each(|found| known.recent.push_front(*found));
        }
    }

    /// The recorded verdicts of `count` punches from `first` on, as far as they are remembered: runs in ascending order, each
    /// inside the range.
    pub(super) fn recall(&self, device: DeviceId, first: Sequence, count: usize) -> Vec<RecordedRun> {
        let Some(known) = self.0.get(&device) else { return Vec::new() };
        let (from, remembered) = known.remembered(first, count);
        runs(from, remembered.map(|known| (known.as_of_ms, known.verdict)))
    }
}

/// Consecutive verdicts as runs of one time each.
pub(super) fn runs(first: u64, verdicts: impl IntoIterator<Item = (u64, Verdict)>) -> Vec<RecordedRun> {
    let mut runs: Vec<RecordedRun> = Vec::new();
    for ((as_of_ms, verdict), sequence) in verdicts.into_iter().zip(first..) {
        match runs.last_mut() {
            Some(run) if run.as_of_ms == as_of_ms => run.verdicts.push(verdict),
            Some(_) | None => {
                runs.push(RecordedRun { first: Sequence(sequence), as_of_ms, verdicts: vec![verdict] });
            }
        }
    }
    runs
}
