//! The admission of handshakes. Below half of the permits every address is admitted; above half only an address that answered a Retry and
//! whose network has less than its share; with all permits taken none. A handshake costs a signature, so a flood meets this first.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use actors::bounds::{self, Net, wide};
use metrics::Counter;

/// The handshakes at a time on one front. For each front: they cost its core, and a flood that aims at one front keeps nobody out of the
/// others.
pub(crate) const HANDSHAKES_MAX: usize = bounds::HANDSHAKES.entries();

/// The answer to a connection attempt.
pub(crate) enum Admission {
    /// The handshake begins; the permit is held until it ends.
    Accept(Permit),
    /// The client has to prove its address first.
    Retry,
    /// No answer: it would cost more than it is worth.
    Ignore,
}

#[derive(Default)]
struct Held {
    all: usize,
    networks: HashMap<Net, usize>,
}

/// The permits of one front.
pub(crate) struct Handshakes {
    held: Rc<RefCell<Held>>,
    max: usize,
    network_max: usize,
    limited: Counter,
}

impl Handshakes {
    pub(crate) fn new(max: usize, network_max: usize) -> Self {
        let limited = bounds::HANDSHAKES_NETWORK.limited();
        Self { held: Rc::default(), max, network_max, limited }
    }

    /// Decides about an attempt from an address that is validated or not.
    pub(crate) fn admit(&self, from: IpAddr, validated: bool) -> Admission {
        let mut held = self.held.borrow_mut();
        let (network, is_half_taken) = (wide(from), held.all >= self.max / 2);
        if held.all >= self.max {
            return Admission::Ignore;
        }
        if is_half_taken && !validated {
            return Admission::Retry;
        }
        let of_network = held.networks.entry(network).or_default();
        if is_half_taken && *of_network >= self.network_max {
            self.limited.increment(1);
            return Admission::Ignore;
        }
        *of_network += 1;
        held.all += 1;
        Admission::Accept(Permit { held: Rc::clone(&self.held), network })
    }
}

/// One handshake under way.
pub(crate) struct Permit {
    held: Rc<RefCell<Held>>,
    network: Net,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.held.borrow_mut();
        held.all -= 1;
        if let Some(count) = held.networks.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                held.networks.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u8) -> IpAddr {
        IpAddr::from([198, 51, n, 7])
    }

    #[test]
    fn above_half_addresses_are_validated_and_above_full_nobody_is_answered() {
        let handshakes = Handshakes::new(4, 4);
        let mut held = Vec::new();
        for (validated, expected) in
            [(false, 'a'), (false, 'a'), (false, 'r'), (true, 'a'), (true, 'a'), (true, 'i'), (false, 'i')]
        {
            let got = match handshakes.admit(at(1), validated) {
                Admission::Accept(permit) => {
                    held.push(permit);
                    'a'
                }
                Admission::Retry => 'r',
                Admission::Ignore => 'i',
            };
            assert_eq!(got, expected, "with {} held", held.len());
        }
        held.clear();
        assert!(matches!(handshakes.admit(at(1), false), Admission::Accept(_)));
    }

    /// The trap: one address proves itself, begins handshake after handshake and ends none, and no device reconnects.
    #[test]
    fn a_network_that_ends_no_handshake_leaves_half_of_the_permits_to_others() {
        let handshakes = Handshakes::new(HANDSHAKES_MAX, bounds::HANDSHAKES_NETWORK.entries());
        let accepted = |from| match handshakes.admit(from, true) {
            Admission::Accept(permit) => Some(permit),
            Admission::Retry | Admission::Ignore => None,
        };
        let hostile: Vec<_> = (0..10_000).filter_map(|_| accepted(at(1))).collect();
        assert_eq!(hostile.len(), HANDSHAKES_MAX / 2);
        for n in 2..=5 {
            let begun: Vec<_> = (0..100).filter_map(|_| accepted(at(n))).collect();
            assert_eq!(begun.len(), bounds::HANDSHAKES_NETWORK.entries(), "network {n}");
        }
        drop(hostile);
        assert!(handshakes.held.borrow().networks.is_empty() && accepted(at(1)).is_some());
    }
}
