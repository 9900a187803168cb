//! Check-ins and scans of staff on their way to the punch log: presses of a button, and the writers of each region.

pub(super) mod presses;
pub(super) mod punches;
