//! The QUIC side: endpoint, admission, sessions, and trajectory queries beside them.

pub(crate) mod admission;
mod answers;
mod end;
pub(crate) mod endpoint;
mod intake;
mod metrics;
#[cfg(test)]
mod model;
pub(crate) mod queries;
mod reading;
mod session;
mod stream;
