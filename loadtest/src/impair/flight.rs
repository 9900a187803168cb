//! Packets in flight: delayed packets wait here until they are due, in the order of arrival if times are equal.
//! Bounded; what does not fit is dropped.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The largest packet that passes: an Ethernet frame's payload. QUIC's packets are smaller, since its MTU discovery is off.
pub(super) const PACKET_BYTES_MAX: usize = 1500;
/// The limit of packets in flight, 48 MiB: a second and a half of 20,000 packets a second.
pub(super) const PACKETS_MAX: usize = 32 * 1024;

/// The direction of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The direction to the target.
    Up,
    /// The direction to the client.
    Down,
}

/// A packet in flight.
pub(super) struct Packet {
    pub(super) client: SocketAddr,
    pub(super) way: Way,
    /// True if it is a second copy.
    pub(super) copy: bool,
    pub(super) bytes: Box<[u8]>,
}

/// All packets in flight.
#[derive(Default)]
pub(super) struct Flight {
    waiting: BTreeMap<(Duration, u64), Packet>,
    next: u64,
}

impl Flight {
    /// Keeps the packet until `due`; returns false if there is no room for it.
    pub(super) fn push(&mut self, due: Duration, packet: Packet) -> bool {
        if self.waiting.len() >= PACKETS_MAX {
            return false;
        }
        self.waiting.insert((due, self.next), packet);
        self.next += 1;
        true
    }

    /// Returns the time at which the first packet is due.
    pub(super) fn first_due(&self) -> Option<Duration> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes the next packet that is due at `now`.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<Packet> {
        let first = self.waiting.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u8) -> Packet {
        let client = SocketAddr::from(([127, 0, 0, 1], 1));
        Packet { client, way: Way::Up, copy: false, bytes: Box::new([number]) }
    }

    #[test]
    fn packets_leave_when_due_in_order_and_never_are_too_many() {
        let mut flight = Flight::default();
        for (number, due) in [(0, 30), (1, 10), (2, 20), (3, 10)] {
            assert!(flight.push(Duration::from_millis(due), packet(number)));
        }
        assert_eq!(flight.first_due(), Some(Duration::from_millis(10)));
        let mut pop = |ms| flight.pop_due(Duration::from_millis(ms)).map(|packet| packet.bytes[0]);
        assert_eq!(
            [pop(9), pop(20), pop(20), pop(20), pop(20), pop(99), pop(99)],
            [None, Some(1), Some(3), Some(2), None, Some(0), None]
        );
        for _ in 0..PACKETS_MAX {
            assert!(flight.push(Duration::ZERO, packet(0)));
        }
        assert!(!flight.push(Duration::ZERO, packet(0)));
    }
}
