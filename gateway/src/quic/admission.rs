//! Who may begin a handshake: below half of the permits anybody, above half only an address that answered a Retry, when
//! all are taken nobody. A handshake costs a signature, so this is what a flood meets first.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Handshakes at a time on one front.
pub(crate) const HANDSHAKES_MAX: usize = 512;

/// What to do with a connection attempt.
pub(crate) enum Admission {
    /// Go on; the permit is held until the handshake ends.
    Accept(OwnedSemaphorePermit),
    /// Have it prove its address first.
    Retry,
    /// Say nothing: an answer would cost more than it is worth.
    Ignore,
}

/// The permits of one front.
pub(crate) struct Handshakes {
    permits: Arc<Semaphore>,
    max: usize,
}

impl Handshakes {
    pub(crate) fn new(max: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(max)), max }
    }

    /// Decides about one attempt from an address that is, or is not, validated.
    pub(crate) fn admit(&self, validated: bool) -> Admission {
        let free = self.permits.available_permits();
        if free > 0 && !validated && free <= self.max / 2 {
            return Admission::Retry;
        }
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => Admission::Accept(permit),
            Err(_) => Admission::Ignore,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_half_addresses_are_validated_and_above_full_nobody_is_answered() {
        let handshakes = Handshakes::new(4);
        let mut held = Vec::new();
        for (validated, expected) in
            [(false, 'a'), (false, 'a'), (false, 'r'), (true, 'a'), (true, 'a'), (true, 'i'), (false, 'i')]
        {
            let got = match handshakes.admit(validated) {
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
        assert!(matches!(handshakes.admit(false), Admission::Accept(_)));
    }
}
