//! A checkpoint device of Changtong Gateway: it connects, numbers its punches, keeps them until they are acknowledged and sends them
//! again. It also reads a development city's devices and people.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod backoff;
pub mod clock;
mod device;
pub mod fleet;
pub mod socket;
pub mod state;
pub mod tokens;
pub mod wire;

pub use device::{Counts, Device, DeviceError};
pub use fleet::Fleet;
pub use state::{Acknowledged, DeviceState};
