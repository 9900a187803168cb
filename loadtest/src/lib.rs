//! Open-loop load, faults, and the proof that nothing acknowledged is lost.
//!
//! The devices are those of the crate `device`, the comparisons those of `bench`. A city is learnt from the fleet file that the gateway
//! writes in development, and the record from `changtong ledger export`: nothing here knows the gateway's insides.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod citizens;
pub mod command;
pub mod compare;
pub mod hlog;
pub mod impair;
pub mod limit;
pub mod one;
pub mod out;
pub mod outcome;
pub mod pages;
pub mod plan;
mod progress;
pub mod proof;
pub mod queries;
pub mod quick;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod traffic;
pub mod view;
