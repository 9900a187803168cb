//! State and rules of Changtong Gateway. actix is private to this crate: others see typed handles.

pub mod audit;
pub mod backup;
pub mod bounds;
pub mod carrier;
pub mod city;
pub mod clock;
pub mod codes;
pub mod directory;
pub mod front;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod holders;
pub mod judge;
pub mod keys;
pub mod ledger;
pub mod lookups;
pub mod operators;
pub mod place_names;
pub mod policy;
pub mod query;
pub mod rebinding;
pub mod record;
pub mod region;
pub mod registrar;
pub mod registry;
pub mod residence;
pub mod scanners;
pub mod session;
pub mod simulator;
pub mod sms;
pub mod sunset;
pub mod supervisor;
pub mod tap;
pub mod trajectory;
pub mod vouch;
pub mod watchdog;
