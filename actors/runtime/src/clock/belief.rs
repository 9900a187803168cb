//! Judges what the wall clock says, by a clock that only goes forward and by the newest time on record. Pure: both clocks are
//! arguments. Who reads them is in the parent module; what may not be done meanwhile is with those who would do it.

/// The step by which a clock may be set while a process runs: an hour is what a wrong summer time or a hand sets it by, and at most this much
/// too early a day's key is destroyed, or a red ends.
pub const STEP_MS_MAX: u64 = 3_600_000;
/// The time after the newest time on record at which a start may be: a night's maintenance. A clock that is wrong by less than that is not
/// told from a gateway that was down, and ends things by that much too early.
pub const DOWN_MS_MAX: u64 = 24 * 3_600_000;
/// The interval at which the time that was seen follows upwards: a clock that is set on by an hour again and again gains an hour a day at most.
const FOLLOWED_EVERY_MS: u64 = 24 * 3_600_000;
/// No clock is believed that says less where nothing is on record: 2025-01-01, before which this program did not exist. To be raised
/// with releases.
pub const RELEASED_MS: u64 = 1_735_689_600_000;

/// The difference of the wall clock from the time that can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is that many milliseconds ahead.
    Ahead(u64),
    /// It is that many milliseconds behind.
    Behind(u64),
}

impl Doubt {
    /// The step, milliseconds, positive if the clock is ahead.
    pub fn step_ms(self) -> i64 {
        let signed = |ms| i64::try_from(ms).unwrap_or(i64::MAX);
        match self {
            Self::Ahead(ms) => signed(ms),
            Self::Behind(ms) => -signed(ms),
        }
    }
}

/// A time, and how far that can be relied upon. All milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time to go by: what the wall clock says while it is believed.
    pub now_ms: u64,
    /// The latest time that has certainly been reached: what cannot be undone goes by this one.
    pub certain_ms: u64,
    /// The wall clock's time.
    pub said_ms: u64,
    /// Why the wall clock is not believed; `None` if it is.
    pub doubt: Option<Doubt>,
    /// True if the day is known. It is not when the clock has not been believed since the process began.
    pub is_dated: bool,
}

impl Reading {
    /// A clock that nobody doubts.
    pub const fn plain(said_ms: u64) -> Self {
        Self { now_ms: said_ms, certain_ms: said_ms, said_ms, doubt: None, is_dated: true }
    }
}

/// A wall time, and what the monotonic clock said then.
#[derive(Clone, Copy, Debug)]
struct Point {
    wall_ms: u64,
    elapsed_ms: u64,
}

impl Point {
    /// Says what the wall clock should say by now.
    fn reached(self, elapsed_ms: u64) -> u64 {
        self.wall_ms.saturating_add(elapsed_ms.saturating_sub(self.elapsed_ms))
    }
}

/// Everything known of the time in one process's life.
#[derive(Clone, Copy, Debug)]
pub struct Belief {
    /// Not before this: the newest time on record, and when the process began.
    least: Point,
    /// True if anything is on record: with nothing, every time since the release may be right.
    is_recorded: bool,
    /// The wall clock when it was believed, which it has not been since the process began if there is none.
    seen: Option<Point>,
}

impl Belief {
    /// At the start of a process, with the newest time on record, if any.
    pub fn new(on_record_ms: Option<u64>, elapsed_ms: u64) -> Self {
        let wall_ms = on_record_ms.unwrap_or(RELEASED_MS);
        Self { least: Point { wall_ms, elapsed_ms }, is_recorded: on_record_ms.is_some(), seen: None }
    }

    /// Judges what the wall clock says at that moment of the monotonic one.
    pub fn read(&mut self, said_ms: u64, elapsed_ms: u64) -> Reading {
        let least_ms = self.least.reached(elapsed_ms);
        let reached_ms = self.seen.map_or(least_ms, |seen| seen.reached(elapsed_ms));
        let most_ms = match self.seen {
            Some(_) => reached_ms.saturating_add(STEP_MS_MAX),
            None if self.is_recorded => least_ms.saturating_add(DOWN_MS_MAX),
            None => u64::MAX,
        };
        if said_ms > most_ms {
            // Before the first belief the later time is the likelier one to go by: gateways are down more often than clocks run ahead.
            let now_ms = if self.seen.is_some() { reached_ms } else { said_ms };
            return self.doubted(Doubt::Ahead(said_ms - reached_ms), (now_ms, reached_ms), said_ms);
        }
        if said_ms.saturating_add(STEP_MS_MAX) < least_ms {
            return self.doubted(Doubt::Behind(reached_ms - said_ms), (reached_ms, reached_ms), said_ms);
        }
        if !self.is_recorded {
            // From here on there is: a clock that is put right in the first hours may have been as wrong as at any start.
            (self.least, self.is_recorded) =
                (Point { wall_ms: said_ms.saturating_sub(DOWN_MS_MAX), elapsed_ms }, true);
        }
        let is_later =
            self.seen.is_some_and(|seen| elapsed_ms.saturating_sub(seen.elapsed_ms) < FOLLOWED_EVERY_MS);
        if !is_later || said_ms < reached_ms {
            self.seen = Some(Point { wall_ms: said_ms, elapsed_ms });
        }
        Reading::plain(said_ms)
    }

    /// Takes the wall clock's word: somebody who may has said that it is right.
    pub fn believe(&mut self, said_ms: u64, elapsed_ms: u64) -> Reading {
        let point = Point { wall_ms: said_ms, elapsed_ms };
        *self = Self { least: point, is_recorded: true, seen: Some(point) };
        Reading::plain(said_ms)
    }

    fn doubted(&self, doubt: Doubt, (now_ms, certain_ms): (u64, u64), said_ms: u64) -> Reading {
        Reading { now_ms, certain_ms, said_ms, doubt: Some(doubt), is_dated: self.seen.is_some() }
    }
}

#[cfg(test)]
mod tests;
