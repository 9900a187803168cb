//! Open-loop load, faults, and the proof that nothing acknowledged is lost.
//!
//! The devices are those of the crate `device`, the comparisons those of `bench`. A city is read from the fleet file that the gateway
//! writes in development, and the record from `changtong ledger export`: nothing here depends on the gateway's code.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod brokers;
pub mod citizens;
pub mod command;
pub mod compare;
pub mod http;
pub mod impair;
pub mod out;
pub mod outcome;
pub mod pages;
pub mod ports;
pub mod proof;
pub mod quick;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
