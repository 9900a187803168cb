//! Commands about the data of a gateway: the punch log, the registry, copies of both, the proofs over them, and their end.

pub(super) mod audit;
pub(super) mod backup;
pub(super) mod ledger;
pub(super) mod stores;
pub(super) mod sunset;
