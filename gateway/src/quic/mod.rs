//! The QUIC side: endpoint, admission, sessions.

pub(crate) mod admission;
mod answers;
mod derive;
mod intake;
pub(crate) mod transport;
