//! The clock of the process. No other module reads a clock; all code below takes time as an argument. A gateway watches its wall
//! clock: from then on [`now_ms`] returns the believed time, which `belief` derives from the wall clock, the monotonic clock and the
//! newest time on record.

mod belief;

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use belief::{Belief, Doubt, Reading, STEP_MS_MAX};

use crate::lock::lock;

/// The belief in the process's one wall clock. [`watch`] sets it, [`look`] and [`believe`] change it. `None` in a process that does
/// not watch its clock, such as a command.
static BELIEF: Mutex<Option<Belief>> = Mutex::new(None);
/// The believed time minus the monotonic time. Readers need one relaxed load.
static NOW_FROM_ELAPSED_MS: AtomicI64 = AtomicI64::new(UNWATCHED);
/// The certain time minus the monotonic time.
static CERTAIN_FROM_ELAPSED_MS: AtomicI64 = AtomicI64::new(UNWATCHED);
const UNWATCHED: i64 = i64::MIN;

/// Returns the believed time, milliseconds since 1970 UTC: the wall clock's while it is believed or not watched.
pub fn now_ms() -> u64 {
    watched(&NOW_FROM_ELAPSED_MS).unwrap_or_else(wall_ms)
}

/// Returns the believed time, seconds since 1970 UTC.
pub fn now_s() -> u64 {
    now_ms() / 1000
}

/// Returns the earlier of `now_s` and the certain time ([`Reading::certain_ms`]), seconds since 1970 UTC. Colours end by it.
pub fn certain_s(now_s: u64) -> u64 {
    watched(&CERTAIN_FROM_ELAPSED_MS).map_or(now_s, |certain_ms| now_s.min(certain_ms / 1000))
}

fn watched(offset_ms: &AtomicI64) -> Option<u64> {
    match offset_ms.load(Ordering::Relaxed) {
        UNWATCHED => None,
        offset_ms => Some(elapsed_ms().saturating_add_signed(offset_ms)),
    }
}

/// Reads the wall clock, milliseconds since 1970 UTC; 0 if it is set before 1970.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Starts to watch the wall clock, beginning with the newest time on record, if any.
pub fn watch(on_record_ms: Option<u64>) -> Reading {
    let elapsed_ms = elapsed_ms();
    let mut belief = lock(&BELIEF);
    let reading = belief.insert(Belief::new(on_record_ms, elapsed_ms)).read(wall_ms(), elapsed_ms);
    publish(reading, elapsed_ms)
}

/// Reads the clocks, judges the wall clock, and publishes the believed time. Called twice a second and before each batch of the log.
pub fn look() -> Reading {
    let mut belief = lock(&BELIEF);
    let (wall_ms, elapsed_ms) = (wall_ms(), elapsed_ms());
    match belief.as_mut() {
        Some(belief) => publish(belief.read(wall_ms, elapsed_ms), elapsed_ms),
        None => Reading::plain(wall_ms),
    }
}

/// Accepts the wall clock's present time, on the order of operators.
pub fn believe() -> Reading {
    let mut belief = lock(&BELIEF);
    let (wall_ms, elapsed_ms) = (wall_ms(), elapsed_ms());
    match belief.as_mut() {
        Some(belief) => publish(belief.believe(wall_ms, elapsed_ms), elapsed_ms),
        None => Reading::plain(wall_ms),
    }
}

fn publish(reading: Reading, elapsed_ms: u64) -> Reading {
    for (offset_ms, time_ms) in
        [(&NOW_FROM_ELAPSED_MS, reading.now_ms), (&CERTAIN_FROM_ELAPSED_MS, reading.certain_ms)]
    {
        offset_ms.store(time_ms.wrapping_sub(elapsed_ms).cast_signed(), Ordering::Relaxed);
    }
    reading
}

/// Reads a monotonic clock that also advances while the machine sleeps, milliseconds.
fn elapsed_ms() -> u64 {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    micros(clock) / 1000
}

/// Reads the monotonic clock, for durations.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now() -> Instant {
    Instant::now()
}

/// Reads the kernel's monotonic clock, microseconds since boot, for comparison with times of other processes.
pub fn monotonic_us() -> u64 {
    micros(rustix::time::ClockId::Monotonic)
}

fn micros(clock: rustix::time::ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}

/// Returns the time since `start`.
pub fn since(start: Instant) -> Duration {
    now().saturating_duration_since(start)
}
