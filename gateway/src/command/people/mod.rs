//! Commands about people: their codes, causes and appeals, where they passed, and what an office does for them.

pub(super) mod appeal;
pub(super) mod cause;
pub(super) mod code;
pub(super) mod consents;
pub(super) mod counter;
pub(super) mod holders;
pub(super) mod punches;
pub(super) mod tap;
