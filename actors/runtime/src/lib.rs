//! The time that is believed, threads that hold actors, their supervision, and the watchdog over them.

pub mod clock;
pub mod front;
pub mod rebinding;
pub mod supervisor;
pub mod watchdog;
