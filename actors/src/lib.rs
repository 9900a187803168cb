//! The rules that need state, as supervised actors. actix is private to this crate and `runtime`: others see typed handles.

pub mod backup;
pub mod bounds;
pub mod carrier;
pub mod fault;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod holders;
pub mod judge;
pub mod query;
pub mod region;
pub mod registrar;
pub mod residence;
pub mod session;
pub mod sms;
pub mod sunset;
pub mod table;
pub mod tap;
#[cfg(test)]
mod test_registry;
pub mod vouch;
