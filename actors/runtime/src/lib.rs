//! The clock of the process, its threads and locks, and the supervision of actors. It knows no punches, people or stores.
//!
//! - [`clock`]: the only module that reads a clock; [`clock::now_ms`] is the believed time.
//! - [`thread`], [`arbiter`], [`host`]: named threads with a stop request, threads that run actors, and an actor or loop on such a thread.
//! - [`supervisor`]: restarts an actor that panics, with its mailbox, and parks one that panics too often.
//! - [`watchdog`]: ends the process when an arbiter runs nothing for 10 s.
//! - [`lock`]: locks that stay usable after a panic. [`rebinding`]: the defence of loopback ports against DNS rebinding.

pub mod arbiter;
pub mod clock;
pub mod host;
pub mod lock;
pub mod rebinding;
pub mod supervisor;
pub mod thread;
pub mod watchdog;
