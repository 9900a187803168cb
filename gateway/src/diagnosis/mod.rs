//! What is wrong with a gateway, as its operators ask: the doctor's checks and the probes of the network.

pub(crate) mod doctor;
pub(crate) mod probes;
