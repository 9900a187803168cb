//! The gateway beside its comparisons: raw QUIC, the floor, and Redis, NATS and PostgreSQL, the peers, all under the
//! same load in the same run. Its parts serve other load tests as well: a schedule, latencies, processor time, the machine.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cpu;
pub mod floor;
mod gauge;
mod http;
pub mod machine;
pub mod pace;
pub mod peers;
mod program;
mod spread;
pub mod sums;

use std::fmt::Arguments;

pub use gauge::Gauge;
pub use spread::Spread;

/// A receiver of lines of progress.
pub type Note<'a> = &'a dyn Fn(Arguments<'_>);
