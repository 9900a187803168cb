//! The QUIC side: endpoint, admission, sessions, and trajectory queries beside them.

pub(crate) mod admission;
mod answers;
mod derive;
pub(crate) mod endpoint;
mod flight;
mod intake;
mod metrics;
pub(crate) mod queries;
mod reading;
mod session;
pub(crate) mod transport;
