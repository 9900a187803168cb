//! The time that a device waits before it tries again: doubling up to a limit, with full jitter, so that thousands of devices
//! that lost their gateway at one moment do not come back at one moment. Pure: randomness comes from the caller's seed.

use std::time::Duration;

const FIRST_MS: u64 = 100;
const WAIT_MS_MAX: u64 = 5_000;

/// The back-off of one device.
#[derive(Debug)]
pub(crate) struct Backoff {
    attempt: u32,
    random: fastrand::Rng,
}

impl Backoff {
    /// Makes a back-off without failures so far.
    pub(crate) fn new(seed: u64) -> Self {
        Self { attempt: 0, random: fastrand::Rng::with_seed(seed) }
    }

    /// Returns the wait before the next attempt, at least `at_least`.
    pub(crate) fn next_wait(&mut self, at_least: Duration) -> Duration {
        let ceiling = FIRST_MS.saturating_mul(1 << self.attempt.min(16)).min(WAIT_MS_MAX);
        self.attempt = self.attempt.saturating_add(1);
        at_least + Duration::from_millis(self.random.u64(0..=ceiling))
    }

    /// Starts anew after a success.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_bounded_and_differ_between_devices() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..40).map(|_| backoff.next_wait(Duration::ZERO)).collect::<Vec<_>>()
        };
        assert_ne!(waits(1), waits(2));
        assert!(waits(1).iter().all(|wait| *wait <= Duration::from_millis(WAIT_MS_MAX)));
        assert!(waits(1)[..1].iter().all(|wait| *wait <= Duration::from_millis(FIRST_MS)));
        assert!(waits(1).iter().any(|wait| *wait > Duration::from_secs(1)));
    }
}
