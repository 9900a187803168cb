//! Commands about where people are scanned: regions, places and units, devices, shifts of staff.

pub(super) mod device;
pub(super) mod place;
pub(super) mod region;
pub(super) mod staff;
