//! The faults of a gateway, looked for when its operators ask: the doctor's checks and the probes of the network.

pub(crate) mod doctor;
pub(crate) mod probes;
