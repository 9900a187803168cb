//! The only place of this crate and the gateway that reads a clock; everything else takes time as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall clock, milliseconds since 1970 UTC. A clock set before 1970 reads 0.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Monotonic clock, for durations.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now() -> Instant {
    Instant::now()
}

/// Monotonic clock as the kernel has it, microseconds since boot: for who has to compare it with ours.
pub fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}

/// Time since `start`.
pub fn since(start: Instant) -> Duration {
    now().saturating_duration_since(start)
}
