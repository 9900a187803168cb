//! The clock, threads, locks, supervision of actors, and the watchdog.

pub mod arbiter;
pub mod clock;
pub mod host;
pub mod lock;
pub mod rebinding;
pub mod supervisor;
pub mod thread;
pub mod watchdog;
