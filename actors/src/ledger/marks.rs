//! How far each device's punches are recorded, and the verdicts of its last ones. Pure: decides what of a run is new.

use std::collections::{HashMap, VecDeque};

use protocol::{DeviceId, Epoch, Sequence, Verdict};

use super::format::Mark;
use super::{RecordedRun, Run};

#[derive(Default)]
struct Device {
    epoch: u32,
    recorded: u64,
    /// The last runs of this epoch, oldest first, without gaps between them.
    recent: VecDeque<RecordedRun>,
    recent_verdicts: usize,
}

/// What a run is, seen from the marks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// `repeats` punches are on record already, the rest is new; the mark has moved over it.
    Accepted {
        repeats: usize,
    },
    Gap {
        expected: Sequence,
    },
    EpochBehind {
        current: Epoch,
    },
}

/// All devices.
#[derive(Default)]
pub(super) struct Marks(HashMap<DeviceId, Device, foldhash::fast::RandomState>);

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

    /// Sets a mark, forgetting the verdicts below it when the epoch changes.
    pub(super) fn set(&mut self, mark: Mark) {
        let known = self.0.entry(mark.device).or_default();
        if known.epoch != mark.epoch.0 {
            *known = Device { epoch: mark.epoch.0, ..Device::default() };
        }
        known.recorded = mark.recorded.0;
    }

    /// Where the run stands; if it is accepted the mark has moved to its end.
    pub(super) fn see(&mut self, run: &Run) -> Seen {
        let (current, recorded) = self.get(run.device).unwrap_or((Epoch(0), Sequence(0)));
        if run.epoch < current {
            return Seen::EpochBehind { current };
        }
        let recorded = if run.epoch == current { recorded.0 } else { 0 };
        let count = run.records.len() as u64;
        let expected = recorded.saturating_add(1);
        let (Some(end), 1..) = (run.first.0.checked_add(count), run.first.0) else {
            return Seen::Gap { expected: Sequence(expected) };
        };
        if run.first.0 > expected {
            return Seen::Gap { expected: Sequence(expected) };
        }
        let repeats = (expected - run.first.0).min(count) as usize;
        if repeats == run.records.len() {
            return Seen::Accepted { repeats };
        }
        let recorded = Sequence(end - 1);
        self.set(Mark { device: run.device, epoch: run.epoch, recorded });
        Seen::Accepted { repeats }
    }

    /// Remembers the verdicts of a recorded run, which ends at the mark, and forgets what lies more than `window` back.
    pub(super) fn remember(&mut self, device: DeviceId, run: RecordedRun, window: u32) {
        let Some(known) = self.0.get_mut(&device) else { return };
        let contiguous =
            known.recent.back().is_none_or(|last| last.first.0 + last.verdicts.len() as u64 == run.first.0);
        if !contiguous {
            known.recent.clear();
            known.recent_verdicts = 0;
        }
        known.recent_verdicts += run.verdicts.len();
        known.recent.push_back(run);
        while let Some(oldest) = known.recent.front().map(|run| run.verdicts.len())
            && known.recent_verdicts - oldest >= window as usize
        {
            known.recent.pop_front();
            known.recent_verdicts -= oldest;
        }
    }

    /// The recorded verdicts of `count` punches from `first` on, as far as they are remembered: runs in ascending order, each
    /// inside the range.
    pub(super) fn recall(&self, device: DeviceId, first: Sequence, count: usize) -> Vec<RecordedRun> {
        let Some(known) = self.0.get(&device) else { return Vec::new() };
        let end = first.0 + count as u64;
        known.recent.iter().filter_map(|run| clip(run, first.0, end)).collect()
    }
}

/// The part of a run that lies in `from .. to`.
pub(super) fn clip(run: &RecordedRun, from: u64, to: u64) -> Option<RecordedRun> {
    let run_end = run.first.0 + run.verdicts.len() as u64;
    let (start, end) = (run.first.0.max(from), run_end.min(to));
    if start >= end {
        return None;
    }
    let verdicts: &[Verdict] = &run.verdicts[(start - run.first.0) as usize..(end - run.first.0) as usize];
    Some(RecordedRun { first: Sequence(start), as_of_ms: run.as_of_ms, verdicts: verdicts.to_vec() })
}
