//! The QUIC side: endpoint, admission, sessions.

pub(crate) mod admission;
mod answers;
mod derive;
pub(crate) mod endpoint;
mod flight;
mod intake;
mod metrics;
mod reading;
mod session;
pub(crate) mod transport;
