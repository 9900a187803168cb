//! The only place that reads a clock, of this crate and of the crates that measure with its devices: a latency is the difference of two moments
//! from one place. Everything else takes time as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads the wall clock, milliseconds since 1970 UTC. A clock set before 1970 reads 0.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Reads the wall clock, seconds since 1970 UTC.
pub fn now_s() -> u32 {
    u32::try_from(now_ms() / 1000).unwrap_or(u32::MAX)
}

/// Reads the monotonic clock, for durations.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now() -> Instant {
    Instant::now()
}

/// Returns the time since `start`.
pub fn since(start: Instant) -> Duration {
    now().saturating_duration_since(start)
}
