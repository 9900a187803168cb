//! A run of punches: what one device sent in a row for one region, as one value from the frame that brings it to the log that keeps it.

use protocol::{DeviceId, Epoch, Punch, RegionId, Sequence};

use super::Record;

/// Consecutive punches of one device in one region: [`Punch`]es as they were sent, [`Record`]s once they are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<P = Record> {
    /// The sender.
    pub device: DeviceId,
    /// The device's epoch.
    pub epoch: Epoch,
    /// The region of all their places.
    pub region: RegionId,
    /// The first punch's sequence.
    pub first: Sequence,
    /// The time of arrival, milliseconds since 1970 UTC.
    pub received_ms: u64,
    /// Verdicts of this device that the log keeps in memory for repeats.
    pub window_punches: u32,
    /// The punches, numbered from `first` on.
    pub punches: Vec<P>,
}

impl<P> Run<P> {
    /// Returns the sequence behind the last punch; the highest there is if the numbers end before.
    pub fn end(&self) -> Sequence {
        Sequence(self.first.0.saturating_add(self.punches.len() as u64))
    }
}

impl Run<Punch> {
    /// Returns the same run with a record in place of each punch, in order.
    pub fn judged(self, records: Vec<Record>) -> Run {
        let Self { device, epoch, region, first, received_ms, window_punches, punches } = self;
        debug_assert_eq!(punches.len(), records.len(), "each punch has one record");
        Run { device, epoch, region, first, received_ms, window_punches, punches: records }
    }
}
