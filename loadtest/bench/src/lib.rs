//! The gateway beside what it is compared with: raw QUIC, the floor under it, and Redis, NATS and PostgreSQL, its peers, all under the
//! same work in the same run. The measures that this takes are other load's as well: a schedule, latencies, processor time, the machine.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cpu;
pub mod floor;
mod gauge;
pub mod machine;
pub mod pace;
pub mod peers;
mod spread;

use std::fmt::Arguments;

pub use gauge::Gauge;
pub use spread::Spread;

/// Takes a line of progress, for people who wait.
pub type Note<'a> = &'a dyn Fn(Arguments<'_>);
