//! Certificates: the device authority, the gateway's own, and those that handshakes go by.

pub(crate) mod certificates;
pub(crate) mod connection_ids;
mod derive;
pub(crate) mod identities;
pub(crate) mod pki;
pub(crate) mod transport;
