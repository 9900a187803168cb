//! The QUIC side: sockets, endpoint, admission, sessions, and trajectory queries beside them.

pub(crate) mod admission;
mod answers;
mod end;
pub(crate) mod endpoint;
mod frame_stream;
pub(crate) mod front;
mod intake;
mod metrics;
#[cfg(test)]
mod model;
mod numbers;
mod queries;
mod session;
pub(crate) mod steering;
mod stream;
