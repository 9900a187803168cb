//! The device protocol and the shared vocabulary of Changtong Gateway.
//!
//! The messages between devices and the gateway, and the types that every other crate uses: ids, colours,
//! punches, verdicts, frames, tokens, limits, error codes and metric names. No IO, no clock, no async.
//! `SPEC.md` beside this crate is the specification for device vendors.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[macro_use]
mod numbered;

mod base45;
pub mod codec;
pub mod colour;
pub mod error;
pub mod frame;
pub mod gateways;
pub mod ids;
pub mod legacy;
pub mod limits;
pub mod message;
pub mod metric;
pub mod place;
pub mod punch;
pub mod receipt;
pub mod scanner;
pub mod token;
pub mod trajectory;
pub mod typed_text;
pub mod verdict;

pub use colour::{Basis, Class, Colour};
pub use error::ErrorCode;
pub use frame::{Frame, FrameError, FrameReader};
pub use gateways::GatewayAddress;
pub use ids::{CodeId, DeviceClass, DeviceId, Epoch, PlaceId, RegionId, RequestId, Sequence};
pub use message::{Answer, Request};
pub use punch::{Direction, OfflineDecision, Punch, Scanned};
pub use verdict::{Advice, Reason, Verdict};
