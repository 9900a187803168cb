//! The counts of a device.

/// The counts of a device so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The number of welcomed connections.
    pub welcomes: u64,
    /// The number of connections lost, or not established.
    pub losses: u64,
    /// The number of `Busy` answers after which it sent again.
    pub busy: u64,
    /// The number of `Gap` answers after which it sent again.
    pub gaps: u64,
    /// The number of `Drain` messages: the gateway shuts down.
    pub drains: u64,
}
