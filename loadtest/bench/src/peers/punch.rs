//! The punches that peers append: the fields of the gateway's record, for people of the city. The gateway itself gets frames with
//! sealed tokens of the same people.

use std::rc::Rc;

use anyhow::ensure;
use device::clock;
use device::fleet::Fleet;
use device::tokens::Tokens;
use protocol::Colour;

/// A punch without its colour: code, device, sequence, time, place, region, direction.
pub(super) const PUNCH_BYTES: usize = 8 + 8 + 8 + 8 + 4 + 2 + 1;
/// The distance between the lanes' first people, so that lanes use different people at a time.
const STRIDE: usize = 997;

/// One punch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Punch {
    pub(super) code: u64,
    /// The expected colour.
    pub(super) colour: Colour,
    pub(super) device: u64,
    pub(super) sequence: u64,
    pub(super) device_time_ms: u64,
    pub(super) place: u32,
    pub(super) region: u16,
    pub(super) direction: u8,
}

impl Punch {
    /// Encodes its fields one after another, little-endian.
    pub(super) fn bytes(&self) -> [u8; PUNCH_BYTES] {
        let mut bytes = [0; PUNCH_BYTES];
        bytes[..8].copy_from_slice(&self.code.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.device.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.device_time_ms.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.place.to_le_bytes());
        bytes[36..38].copy_from_slice(&self.region.to_le_bytes());
        bytes[38] = self.direction;
        bytes
    }

    /// Checks that the answered colour is the person's.
    pub(super) fn check(&self, colour: i64) -> anyhow::Result<()> {
        let expected = i64::from(self.colour.number());
        ensure!(
            colour == expected,
            "colour {colour} was answered for code {} of colour {expected}",
            self.code
        );
        Ok(())
    }
}

/// The punches of one lane, person after person.
pub(super) struct Source {
    tokens: Rc<Tokens>,
    at: usize,
    device: u64,
    place: (u32, u16),
    sequence: u64,
}

impl Source {
    /// Makes the source of the lane with that number.
    pub(super) fn new(tokens: &Rc<Tokens>, fleet: &Fleet, number: usize) -> Self {
        let device = &fleet.devices[number % fleet.devices.len()];
        let place = device.places().next().map_or((0, 0), |(place, region)| (place.0, region.0));
        Self { tokens: Rc::clone(tokens), at: number * STRIDE, device: device.id().0, place, sequence: 0 }
    }

    /// Replaces the punches in `out` by the next ones.
    pub(super) fn fill(&mut self, count: usize, out: &mut Vec<Punch>) {
        let (people, device_time_ms) = (self.tokens.people(), clock::now_ms());
        out.clear();
        for _ in 0..count {
            let person = &people[self.at % people.len()];
            self.at += 1;
            self.sequence += 1;
            out.push(Punch {
                code: person.code.get(),
                colour: person.colour,
                device: self.device,
                sequence: self.sequence,
                device_time_ms,
                place: self.place.0,
                region: self.place.1,
                direction: 1,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_own_bytes() {
        let zero = Punch {
            code: 0,
            colour: Colour::Green,
            device: 0,
            sequence: 0,
            device_time_ms: 0,
            place: 0,
            region: 0,
            direction: 0,
        };
        let ones = [
            Punch { code: u64::MAX, ..zero },
            Punch { device: u64::MAX, ..zero },
            Punch { sequence: u64::MAX, ..zero },
            Punch { device_time_ms: u64::MAX, ..zero },
            Punch { place: u32::MAX, ..zero },
            Punch { region: u16::MAX, ..zero },
            Punch { direction: u8::MAX, ..zero },
        ];
        let mut sum = [0u8; PUNCH_BYTES];
        for one in ones {
            sum.iter_mut().zip(one.bytes()).for_each(|(sum, byte)| *sum = sum.checked_add(byte).unwrap());
        }
        assert_eq!(sum, [u8::MAX; PUNCH_BYTES]);
    }
}
