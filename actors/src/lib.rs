//! The rules that need state: punches are judged and made durable, consents become queries, forms become causes and colours. Regions,
//! carriers and the registrar are supervised actors; a call of their handles resolves whatever happens to the actor, and success means
//! durable. actix is private to this crate and `runtime`.
//!
//! # Public surface
//!
//! - Punches: [`judge::Judge`] forms verdicts from the codes in memory; [`region::Directory`] takes runs of punches through the region's
//!   actor to the log, or answers `Busy`; [`tap::Taps`] show verdicts to operators.
//! - People: [`registrar::RegistrarHandle`] is the only writer of the registry, with one job for each change ([`registrar::Registrar`]);
//!   [`query::Queries`] asks carriers with a consent or a receipt; [`carrier::Carriers`] are the carriers, one actor each.
//! - Sign-in: [`sms::Sms`] proves phones by codes; [`session::Sessions`] seals a visitor's session into a cookie; [`bounds`] is the table of
//!   each visitor's share of everything.
//! - Texts and tables: [`residence`] checks names, districts and communities; [`table`] reads offices' tables; [`holders`] imports people.
//! - Whole stores: [`backup`] copies and restores them, [`vouch`] lets log and registry check each other, [`sunset`] destroys them.
//! - [`fault::FaultHook`]: the seam by which tests make a step fail; in production it does nothing.
//!
//! # What it does not do
//!
//! It serves no device, page or operator and reads no configuration file: that is `gateway`. It has no rule for a colour (`policy`) and no
//! format on disk (`ledger`, `registry`), and reads no clock but `runtime`'s.

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
