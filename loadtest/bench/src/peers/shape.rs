//! The shape of the load: connections, punches in a frame, frames in flight. It does not name a
//! peer.

use std::fmt;
use std::str::FromStr;

use protocol::DeviceClass;
use protocol::limits::{BATCH_PUNCHES_MAX, window_punches_max};

/// Limit of connections: as many devices as a large development city has.
const DEVICES_MAX: u32 = 10_000;

/// Connections, punches in a frame, frames under way on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Shape {
    /// Connections.
    pub devices: u32,
    /// Punches in a frame.
    pub batch: u32,
    /// Frames under way on a connection.
    pub in_flight: u32,
}

impl Shape {
    /// Returns the number of frames in flight on all connections.
    pub fn frames(&self) -> usize {
        self.devices as usize * self.in_flight as usize
    }

    /// Returns the lowest class of device that may have so many punches in flight.
    pub(super) fn class(&self) -> DeviceClass {
        let is_small = self.batch * self.in_flight <= window_punches_max(DeviceClass::Gate);
        if is_small { DeviceClass::Gate } else { DeviceClass::Concentrator }
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u32>, _> = text.split(['x', '×']).map(|part| part.trim().parse()).collect();
        let (devices, batch, in_flight) = match numbers.as_deref() {
            Ok(&[devices, batch]) => (devices, batch, 1),
            Ok(&[devices, batch, in_flight]) => (devices, batch, in_flight),
            Ok(_) | Err(_) => return Err("a shape is like 1000x1, 16x256 or 16x256x4".to_owned()),
        };
        let window = window_punches_max(DeviceClass::Concentrator);
        if !(1..=DEVICES_MAX).contains(&devices) {
            return Err(format!("1 to {DEVICES_MAX} connections"));
        }
        if !(1..=BATCH_PUNCHES_MAX as u32).contains(&batch) {
            return Err(format!("1 to {BATCH_PUNCHES_MAX} punches in a frame"));
        }
        if in_flight == 0 || batch.saturating_mul(in_flight) > window {
            return Err(format!("1 to {window} punches under way on a connection"));
        }
        Ok(Self { devices, batch, in_flight })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {}", thousands(self.devices.into()), thousands(self.batch.into()))?;
        if self.in_flight > 1 { write!(f, " × {}", self.in_flight) } else { Ok(()) }
    }
}

/// Formats a number with a comma before every three digits.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_reads_as_it_is_written() {
        for (text, expected, class) in [
            ("1000x1", "1,000 × 1", DeviceClass::Gate),
            ("16x256", "16 × 256", DeviceClass::Concentrator),
            ("4 × 16 × 4", "4 × 16 × 4", DeviceClass::Gate),
        ] {
            let shape: Shape = text.parse().unwrap();
            assert_eq!((shape.to_string().as_str(), shape.class()), (expected, class));
            assert_eq!(expected.replace(',', "").parse(), Ok(shape));
        }
    }

    #[test]
    fn a_shape_beyond_the_limits_is_refused() {
        for text in
            ["", "16", "16x", "0x1", "1x0", "1x1x0", "1x1x1x1", "10001x1", "1x99999", "1x1024x17", "ax1"]
        {
            assert!(text.parse::<Shape>().is_err(), "{text}");
        }
    }

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), expected);
        }
    }
}
