//! The history of a device.

/// The counts of a device so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Times it was welcomed.
    pub welcomes: u64,
    /// Connections lost, or not got.
    pub losses: u64,
    /// `Busy` answers that made it send again.
    pub busy: u64,
    /// `Gap` answers that made it send again.
    pub gaps: u64,
    /// Times it was told that the gateway shuts down.
    pub drains: u64,
}
