//! A log on a simulated disk with a few devices that remember their acknowledgements. Drives the writer's steps without its thread,
//! and compares the disk with the acknowledgements.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::{DeviceId, Epoch, Sequence, Verdict};
use runtime::clock::Reading;
use tokio::sync::{oneshot, watch};

use super::simulated::SimulatedDisk;
use super::{config, flat, record, run};
use crate::deletions::forgotten;
use crate::format::Entry;
use crate::port::{Append, Reply};
use crate::recover::{entries, recover};
use crate::seal::DayKeys;
use crate::walk::for_each_segment;
use crate::writer::Writer;
use crate::{AppendOutcome, HelloOutcome, LedgerConfig, LedgerError, Message};

pub(super) const DEVICES: u64 = 3;
pub(super) const START_MS: u64 = 1_700_000_000_000;

/// The state of a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Device {
    pub(super) epoch: u32,
    pub(super) acknowledged: u64,
    /// The highest sequence sent in this epoch.
    pub(super) sent: u64,
}

/// The sequences and verdicts of each device and epoch, in the order of the log.
pub(super) type Stored = BTreeMap<(u64, u32), Vec<(u64, Verdict)>>;

/// An open log.
pub(super) struct Open {
    writer: Writer<SimulatedDisk>,
    queued: Arc<AtomicUsize>,
    poisoned: watch::Receiver<bool>,
}

/// The disk, the devices, and their acknowledgements.
pub(super) struct Bench {
    pub(super) disk: SimulatedDisk,
    pub(super) config: LedgerConfig,
    pub(super) devices: Vec<Device>,
    /// The acknowledged punches of earlier epochs.
    over: BTreeMap<(u64, u32), u64>,
    pub(super) now_ms: u64,
    /// The reading of a clock that is not believed; otherwise `now_ms` is the time.
    pub(super) reading: Option<Reading>,
}

impl Bench {
    pub(super) fn new(disk: SimulatedDisk, directory: &std::path::Path, segment_bytes_max: u64) -> Self {
        let config = LedgerConfig { segment_bytes_max, ..config(directory) };
        let devices = vec![Device { epoch: 1, acknowledged: 0, sent: 0 }; DEVICES as usize];
        Self { disk, config, devices, over: BTreeMap::new(), now_ms: START_MS, reading: None }
    }

    /// Returns a bench with the same devices and settings on another disk.
    pub(super) fn on(&self, disk: SimulatedDisk) -> Self {
        let Self { config, devices, over, now_ms, reading, .. } = self;
        let (config, devices, over) = (config.clone(), devices.clone(), over.clone());
        Self { disk, config, devices, over, now_ms: *now_ms, reading: *reading }
    }

    /// Returns the reading of the clock.
    pub(super) fn at(&self) -> Reading {
        self.reading.unwrap_or(Reading::plain(self.now_ms))
    }

    pub(super) fn open(&self) -> Result<Open, LedgerError> {
        let keys = DayKeys::open(&self.config.day_keys)?;
        let log = recover(self.disk.clone(), keys, &self.config, &self.at())?;
        let (_, messages) = std::sync::mpsc::sync_channel(1);
        let (poison, poisoned) = watch::channel(false);
        let queued = Arc::<AtomicUsize>::default();
        let mut writer = Writer::new(log, messages, Arc::clone(&queued), poison);
        writer.start_lookups();
        Ok(Open { writer, queued, poisoned })
    }

    /// Sends runs `(device, first, count)` in one round and returns their outcomes.
    pub(super) fn send(&mut self, open: &mut Open, runs: &[(u64, u64, u64)]) -> Vec<AppendOutcome> {
        let mut messages = Vec::new();
        let mut answers = Vec::new();
        for &(device, first, count) in runs {
            let state = &mut self.devices[device as usize];
            state.sent = state.sent.max(first + count - 1);
            let mut run = run(device, state.epoch, first, count);
            run.received_ms = self.at().now_ms;
            let (reply, answer) = Reply::alone();
            messages.push(Message::Append { runs: vec![Append { run, reply }], sent: runtime::clock::now() });
            answers.push(answer);
        }
        open.round(messages, &self.at());
        let mut outcomes = Vec::new();
        for (answer, &(device, first, count)) in answers.into_iter().zip(runs) {
            let outcome = answer.blocking_recv().expect("every run is answered");
            if let AppendOutcome::Recorded(_) = &outcome {
                let expected: Vec<_> =
                    (first..first + count).map(|sequence| (sequence, record(sequence).verdict)).collect();
                assert_eq!(flat(&outcome), expected, "a run is answered with what it recorded");
                let state = &mut self.devices[device as usize];
                state.acknowledged = state.acknowledged.max(first + count - 1);
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Sends a hello of every device. The log must know every acknowledged punch.
    pub(super) fn greet(&self, open: &mut Open) {
        for (device, state) in self.devices.iter().enumerate() {
            let acknowledged = Sequence(state.acknowledged);
            match self.hello(open, device as u64, state.acknowledged) {
                HelloOutcome::Known { recorded, lost } => {
                    assert_eq!(lost, 0, "{state:?} {recorded:?}");
                    assert!(
                        (acknowledged..=Sequence(state.sent)).contains(&recorded),
                        "{state:?} {recorded:?}"
                    );
                }
                HelloOutcome::Busy | HelloOutcome::Down => {}
                other @ (HelloOutcome::EpochBehind { .. }
                | HelloOutcome::EpochAhead { .. }
                | HelloOutcome::AcknowledgedAhead { .. }) => panic!("{state:?}: {other:?}"),
            }
        }
    }

    /// Sends a hello of one device with this acknowledged sequence.
    pub(super) fn hello(&self, open: &mut Open, device: u64, acknowledged: u64) -> HelloOutcome {
        let (reply, mut answer) = oneshot::channel();
        let epoch = self.devices.get(device as usize).map_or(1, |state| state.epoch);
        let (device, acknowledged) = (DeviceId(device), Sequence(acknowledged));
        open.round(
            vec![Message::Hello { device, epoch: Epoch(epoch), acknowledged, held: Sequence(0), reply }],
            &self.at(),
        );
        answer.try_recv().expect("answered")
    }

    /// Makes the device lose its queue.
    pub(super) fn next_epoch(&mut self, device: u64) {
        let state = &mut self.devices[device as usize];
        self.over.insert((device, state.epoch), state.acknowledged);
        *state = Device { epoch: state.epoch + 1, acknowledged: 0, sent: 0 };
    }

    /// Reads all punches on disk.
    pub(super) fn stored(&self) -> Result<Stored, LedgerError> {
        let mut keys = DayKeys::open(&self.config.day_keys)?;
        let mut stored = Stored::new();
        for_each_segment(&self.disk, |segment| {
            for batch in &segment.batches {
                for entry in entries(&mut keys, batch, &forgotten(&self.disk)?)?.unwrap_or_default() {
                    match entry {
                        Entry::Run(run) => {
                            let verdicts = run.punches.iter().map(|record| record.verdict);
                            let punches = (run.first.0..).zip(verdicts);
                            stored.entry((run.device.0, run.epoch.0)).or_default().extend(punches);
                        }
                        Entry::Lost { .. } => panic!("nothing is lost"),
                        Entry::Clock { .. } => {}
                    }
                }
            }
            Ok(())
        })?;
        Ok(stored)
    }

    /// Checks that every acknowledged punch is on disk once, in order, without a gap, with its verdict, and that nothing else is.
    pub(super) fn check(&self) {
        let stored = self.stored().unwrap_or_else(|error| panic!("what is left is sound: {error}"));
        for ((device, epoch), punches) in &stored {
            for (at, (sequence, verdict)) in punches.iter().enumerate() {
                assert_eq!(*sequence, at as u64 + 1, "device {device} epoch {epoch}: {punches:?}");
                assert_eq!(*verdict, record(*sequence).verdict);
            }
        }
        let count =
            |device: u64, epoch: u32| stored.get(&(device, epoch)).map_or(0, |punches| punches.len() as u64);
        for (&(device, epoch), &acknowledged) in &self.over {
            assert!(count(device, epoch) >= acknowledged, "device {device} epoch {epoch}");
        }
        for (device, state) in self.devices.iter().enumerate() {
            let count = count(device as u64, state.epoch);
            assert!(
                (state.acknowledged..=state.sent).contains(&count),
                "device {device}: {state:?}, stored {count}"
            );
        }
    }
}

impl Open {
    pub(super) fn is_poisoned(&self) -> bool {
        *self.poisoned.borrow()
    }

    pub(super) fn idle(&mut self, at: &Reading) {
        self.writer.idle(at);
    }

    pub(super) fn close(&mut self, at: &Reading) {
        self.writer.close(at);
    }

    fn round(&mut self, messages: Vec<Message>, at: &Reading) {
        let punches: usize = messages.iter().map(Message::punches).sum();
        self.queued.fetch_add(punches, Ordering::Relaxed);
        self.writer.round(messages, at);
    }
}
