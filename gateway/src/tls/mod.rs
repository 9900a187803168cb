//! Certificates: the device authority, the gateway's own, and those that handshakes go by.

pub(crate) mod certificates;
pub(crate) mod identities;
pub(crate) mod pki;
