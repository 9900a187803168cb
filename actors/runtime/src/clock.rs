//! The only place of this crate and the gateway that reads a clock; everything else takes time as an argument. A gateway watches its
//! wall clock: from then on all of its process goes by the time that is believed. What is believed is judged in `belief`.

mod belief;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use belief::{Belief, DOWN_MS_MAX, Doubt, RELEASED_MS, Reading, STEP_MS_MAX};

/// There is one wall clock in a process, and so one belief: [`watch`] begins it, [`look`] and [`believe`] change it, whoever asks for the
/// time reads it. A process that does not watch, such as a command, takes the wall clock's word.
static BELIEF: Mutex<Option<Belief>> = Mutex::new(None);
/// The difference to be added to the monotonic clock for the time to go by: one relaxed load for whoever asks on a punch's way.
static NOW_FROM_ELAPSED_MS: AtomicI64 = AtomicI64::new(UNWATCHED);
/// The same for the time that has certainly been reached.
static CERTAIN_FROM_ELAPSED_MS: AtomicI64 = AtomicI64::new(UNWATCHED);
const UNWATCHED: i64 = i64::MIN;

/// The time to go by, milliseconds since 1970 UTC: the wall clock's while it is believed, or nobody watches it.
pub fn now_ms() -> u64 {
    by(&NOW_FROM_ELAPSED_MS).unwrap_or_else(said_ms)
}

/// The earlier of `now_s` and the time that has certainly been reached, seconds since 1970 UTC: by that a colour ends.
pub fn certain_s(now_s: u64) -> u64 {
    by(&CERTAIN_FROM_ELAPSED_MS).map_or(now_s, |certain_ms| now_s.min(certain_ms / 1000))
}

fn by(offset_ms: &AtomicI64) -> Option<u64> {
    match offset_ms.load(Ordering::Relaxed) {
        UNWATCHED => None,
        offset_ms => Some(elapsed_ms().saturating_add_signed(offset_ms)),
    }
}

/// Says what the wall clock says, milliseconds since 1970 UTC. A clock set before 1970 reads 0.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn said_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Begins to watch the wall clock, with the newest time on record, if any.
pub fn watch(on_record_ms: Option<u64>) -> Reading {
    let elapsed_ms = elapsed_ms();
    let mut belief = BELIEF.lock().unwrap_or_else(PoisonError::into_inner);
    let reading = belief.insert(Belief::new(on_record_ms, elapsed_ms)).read(said_ms(), elapsed_ms);
    tell(reading, elapsed_ms)
}

/// Judges the wall clock, for all who ask for the time from now on.
pub fn look() -> Reading {
    let mut belief = BELIEF.lock().unwrap_or_else(PoisonError::into_inner);
    let (said_ms, elapsed_ms) = (said_ms(), elapsed_ms());
    match belief.as_mut() {
        Some(belief) => tell(belief.read(said_ms, elapsed_ms), elapsed_ms),
        None => Reading::plain(said_ms),
    }
}

/// Takes the wall clock's word from now on: those who may have said that it is right.
pub fn believe() -> Reading {
    let mut belief = BELIEF.lock().unwrap_or_else(PoisonError::into_inner);
    let (said_ms, elapsed_ms) = (said_ms(), elapsed_ms());
    match belief.as_mut() {
        Some(belief) => tell(belief.believe(said_ms, elapsed_ms), elapsed_ms),
        None => Reading::plain(said_ms),
    }
}

fn tell(reading: Reading, elapsed_ms: u64) -> Reading {
    for (offset_ms, time_ms) in
        [(&NOW_FROM_ELAPSED_MS, reading.now_ms), (&CERTAIN_FROM_ELAPSED_MS, reading.certain_ms)]
    {
        offset_ms.store(time_ms.wrapping_sub(elapsed_ms).cast_signed(), Ordering::Relaxed);
    }
    reading
}

/// Time that has gone by on a clock that only goes forward, also while the machine slept, milliseconds.
fn elapsed_ms() -> u64 {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    micros(clock) / 1000
}

/// Monotonic clock, for durations.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now() -> Instant {
    Instant::now()
}

/// Monotonic clock as the kernel has it, microseconds since boot: for who has to compare it with ours.
pub fn monotonic_us() -> u64 {
    micros(rustix::time::ClockId::Monotonic)
}

fn micros(clock: rustix::time::ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}

/// Time since `start`.
pub fn since(start: Instant) -> Duration {
    now().saturating_duration_since(start)
}
