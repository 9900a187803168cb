//! Simulated checkpoint devices, open-loop load, the proof that nothing acknowledged is lost, and the raw floor under it.
//!
//! The device here is also the client of the end-to-end tests. A city is learnt from the fleet file that the gateway
//! writes in development, and the record from `changtong ledger export`: nothing here knows the gateway's insides.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod backoff;
pub mod citizens;
pub mod clock;
pub mod command;
pub mod compare;
pub mod cpu;
pub mod device;
pub mod fleet;
pub mod floor;
mod gauge;
pub mod hlog;
pub mod impair;
pub mod limit;
pub mod machine;
pub mod one;
pub mod out;
pub mod outcome;
pub mod pace;
pub mod pages;
pub mod peers;
pub mod plan;
mod progress;
pub mod proof;
pub mod queries;
pub mod quick;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
mod socket;
pub mod spread;
pub mod state;
pub mod tokens;
pub mod traffic;
pub mod view;
pub mod wire;

pub use device::{Device, DeviceError};
pub use fleet::Fleet;
pub use state::{Acknowledged, DeviceState};
