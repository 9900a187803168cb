//! The marks of all devices, and for each device its last punches: verdict, time and digest. Pure: decides which punches of a run are
//! new, which are repeats, and which are refused. Older repeats are looked up on disk (`lookup`).

use std::collections::{HashMap, VecDeque};

use protocol::limits::{ACKNOWLEDGED_AHEAD_MAX, EPOCH_AHEAD_S_MAX};
use protocol::{DeviceId, Epoch, Sequence, Verdict};

use super::format::Mark;
use super::{RecordedRun, Run};
use crate::record::PunchDigest;

/// A recorded punch, in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RememberedPunch {
    pub(super) as_of_ms: u64,
    pub(super) verdict: Verdict,
    pub(super) digest: PunchDigest,
}

/// A window of 64 takes a kilobyte, and a hundred thousand gates a hundred megabytes.
const _: () = assert!(size_of::<RememberedPunch>() == 16);

#[derive(Default)]
struct Device {
    epoch: u32,
    recorded: u64,
    /// The last punches of this epoch, without gaps; the newest has the sequence `recorded`.
    recent: VecDeque<RememberedPunch>,
}

/// The result of checking a run against the marks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RunCheck {
    /// The first `repeats` punches are recorded, the others are new. The first `forgotten` repeats are not in memory and still have to be
    /// compared; the other repeats are the same as recorded.
    Accepted {
        repeats: usize,
        forgotten: usize,
    },
    /// The number was used for another punch.
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

/// The reason for refusing a hello.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HelloRefusal {
    EpochBehind { current: Epoch },
    EpochAhead { highest: Epoch },
    AcknowledgedAhead { highest: Sequence },
}

/// The marks of all devices.
#[derive(Default)]
pub(super) struct Marks {
    known: HashMap<DeviceId, Device, foldhash::fast::RandomState>,
    /// The highest number that other gateways' logs hold, of devices that came from there and have punched nothing here since. Memory only:
    /// after a restart a device's next hello tells it again.
    elsewhere: HashMap<DeviceId, (Epoch, Sequence), foldhash::fast::RandomState>,
}

impl Device {
    /// Returns the highest recorded sequence that is not in memory.
    fn forgotten(&self) -> u64 {
        self.recorded - self.recent.len() as u64
    }

    /// Returns those of `count` punches from `first` on that are in memory, with the first one's sequence.
    fn remembered(&self, first: Sequence, count: usize) -> (u64, impl Iterator<Item = &RememberedPunch>) {
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

    /// Returns every mark.
    pub(super) fn all(&self) -> Vec<Mark> {
        self.known
            .iter()
            .map(|(&device, known)| Mark {
                device,
                epoch: Epoch(known.epoch),
                recorded: Sequence(known.recorded),
            })
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn get(&self, device: DeviceId) -> Option<(Epoch, Sequence)> {
        self.known.get(&device).map(|known| (Epoch(known.epoch), Sequence(known.recorded)))
    }

    /// Sets a mark. Drops the device's punches in memory unless they end at this mark.
    pub(super) fn set(&mut self, mark: Mark) {
        let known = self.known.entry(mark.device).or_default();
        if (known.epoch, known.recorded) != (mark.epoch.0, mark.recorded.0) {
            *known = Device { epoch: mark.epoch.0, recorded: mark.recorded.0, recent: VecDeque::new() };
        }
    }

    /// Checks a hello and returns the highest recorded sequence of its epoch.
    ///
    /// # Errors
    /// The epoch or the acknowledged sequence is out of range.
    pub(super) fn check_hello(
        &self,
        device: DeviceId,
        epoch: Epoch,
        acknowledged: Sequence,
        now_ms: u64,
    ) -> Result<Sequence, HelloRefusal> {
        let (current, recorded) = self.get(device).unwrap_or((Epoch(0), Sequence(0)));
        if epoch < current {
            return Err(HelloRefusal::EpochBehind { current });
        }
        let by_clock = u32::try_from(now_ms / 1000).unwrap_or(u32::MAX).saturating_add(EPOCH_AHEAD_S_MAX);
        let highest = Epoch(by_clock.max(current.0.saturating_add(1)));
        if epoch > highest {
            return Err(HelloRefusal::EpochAhead { highest });
        }
        let recorded = if epoch == current { recorded } else { Sequence(0) };
        let recorded = recorded.max(self.elsewhere(device, epoch));
        let highest = Sequence(recorded.0.saturating_add(ACKNOWLEDGED_AHEAD_MAX));
        if acknowledged > highest {
            return Err(HelloRefusal::AcknowledgedAhead { highest });
        }
        Ok(recorded)
    }

    /// Returns the device's highest number of that epoch in this log; 0 if there is none.
    pub(super) fn recorded(&self, device: DeviceId, epoch: Epoch) -> Sequence {
        self.get(device)
            .filter(|(current, _)| *current == epoch)
            .map_or(Sequence(0), |(_, recorded)| recorded)
    }

    /// Continues the device's numbering above a number that another gateway's log holds.
    pub(super) fn hold_elsewhere(&mut self, device: DeviceId, epoch: Epoch, held: Sequence) {
        self.elsewhere.insert(device, (epoch, held));
    }

    /// Returns the highest number of that epoch that another gateway's log holds and this one does not; 0 if there is none.
    fn elsewhere(&self, device: DeviceId, epoch: Epoch) -> Sequence {
        match self.elsewhere.get(&device) {
            Some(&(of, held)) if of == epoch => held,
            Some(_) | None => Sequence(0),
        }
    }

    /// Checks a run that is not wholly in this log, of a device whose numbers go on above those in another gateway's log.
    fn check_above(run: &Run, recorded: u64, held: u64) -> RunCheck {
        let expected = held.saturating_add(1);
        if run.first.0 == 0 || run.first.0 > expected {
            RunCheck::Gap { expected: Sequence(expected) }
        } else if run.first.0 == expected && run.first.0.checked_add(run.punches.len() as u64).is_some() {
            RunCheck::Accepted { repeats: 0, forgotten: 0 }
        } else {
            RunCheck::NumberUsed { sequence: Sequence(run.first.0.max(recorded.saturating_add(1))) }
        }
    }

    /// Checks a run; changes nothing.
    pub(super) fn check_run(&self, run: &Run) -> RunCheck {
        let none = Device::default();
        let known = self.known.get(&run.device).unwrap_or(&none);
        if run.epoch.0 < known.epoch {
            return RunCheck::EpochBehind { current: Epoch(known.epoch) };
        }
        let known = if run.epoch.0 == known.epoch { known } else { &none };
        let held = self.elsewhere(run.device, run.epoch).0;
        let end = run.first.0.saturating_add(run.punches.len() as u64);
        if held > known.recorded && end > known.recorded.saturating_add(1) {
            return Self::check_above(run, known.recorded, held);
        }
        let (expected, count) = (known.recorded.saturating_add(1), run.punches.len());
        let fits = run.first.0 > 0 && run.first.0.checked_add(count as u64).is_some();
        if !fits || run.first.0 > expected {
            return RunCheck::Gap { expected: Sequence(expected) };
        }
        let repeats = usize::try_from(expected - run.first.0).unwrap_or(usize::MAX).min(count);
        let (from, remembered) = known.remembered(run.first, repeats);
        let forgotten = usize::try_from(from - run.first.0).unwrap_or(usize::MAX).min(repeats);
        let sent = run.punches[forgotten..].iter().map(|record| record.digest);
        for ((known, sent), sequence) in remembered.zip(sent).zip(from..) {
            if sent != Some(known.digest) {
                return RunCheck::NumberUsed { sequence: Sequence(sequence) };
            }
        }
        RunCheck::Accepted { repeats, forgotten }
    }

    /// Records a run: moves the mark to its end, and keeps the device's last `window_punches` punches in memory.
    pub(super) fn record(&mut self, run: &Run) {
        let Some(end) =
            (run.punches.len() as u64).checked_sub(1).map(|last| run.first.0.saturating_add(last))
        else {
            return;
        };
        self.elsewhere.remove(&run.device);
        let known = self.known.entry(run.device).or_default();
        if known.epoch != run.epoch.0 || known.recorded.checked_add(1) != Some(run.first.0) {
            known.recent.clear();
        }
        (known.epoch, known.recorded) = (run.epoch.0, end);
        let window = run.window_punches as usize;
        let newest = &run.punches[run.punches.len().saturating_sub(window)..];
        if newest.iter().any(|record| record.digest.is_none()) {
            // Written by a release without digests: only the records on disk can be compared.
            known.recent.clear();
            return;
        }
        let too_many = (known.recent.len() + newest.len()).saturating_sub(window);
        known.recent.drain(..too_many.min(known.recent.len()));
        let as_of_ms = run.received_ms;
        known.recent.extend(newest.iter().filter_map(|record| {
            record.digest.map(|digest| RememberedPunch { as_of_ms, verdict: record.verdict, digest })
        }));
    }

    /// Adds punches found on disk to memory, if they end right before those in memory.
    pub(super) fn remember(
        &mut self,
        device: DeviceId,
        epoch: Epoch,
        first: Sequence,
        found: &[RememberedPunch],
    ) {
        let Some(known) = self.known.get_mut(&device).filter(|known| known.epoch == epoch.0) else { return };
        if first.0.saturating_add(found.len() as u64) == known.forgotten().saturating_add(1) {
            found.iter().rev().for_each(|found| known.recent.push_front(*found));
        }
    }

    /// Returns the recorded verdicts of `count` punches from `first` on that are in memory, as runs in ascending order.
    pub(super) fn recall(&self, device: DeviceId, first: Sequence, count: usize) -> Vec<RecordedRun> {
        let Some(known) = self.known.get(&device) else { return Vec::new() };
        let (from, remembered) = known.remembered(first, count);
        runs(from, remembered.map(|known| (known.as_of_ms, known.verdict)))
    }
}

/// Groups consecutive verdicts into runs of the same time.
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
