//! The machine under the process: the service manager, the clock, the data's owner, and what the punch log and the registry know of
//! each other.

pub(crate) mod owner;
pub(crate) mod poison;
pub(crate) mod readiness;
pub(crate) mod service;
pub(crate) mod usage;
pub(crate) mod vouching;
pub(crate) mod wall_clock;
