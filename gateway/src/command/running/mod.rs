//! Commands about a gateway that runs: how it is, its policy, its clock, and files that it reads again.

pub(super) mod clock;
pub(super) mod doctor;
pub(super) mod findings;
pub(super) mod policy;
pub(super) mod reload;
pub(super) mod status;
