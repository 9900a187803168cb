//! The judgement of the wall clock by a monotonic clock and the newest time on record. Pure: both clocks are arguments, read by the
//! parent module.

/// The maximum step of a believed wall clock while the process runs: an hour, as by a wrong daylight-saving setting or an operator. A
/// day's key is destroyed, and a red ends, at most this much too early.
pub const STEP_MS_MAX: u64 = 3_600_000;
/// The maximum time between the newest record and a start at which the wall clock is believed: a night's maintenance. A clock that is
/// ahead by less cannot be distinguished from downtime, and expires things that much too early.
const DOWN_MS_MAX: u64 = 24 * 3_600_000;
/// The interval at which the reference point follows a clock that is ahead. A clock that is repeatedly set forward by an hour gains at
/// most an hour a day.
const FOLLOWED_EVERY_MS: u64 = 24 * 3_600_000;
/// The earliest believed time if nothing is on record: 2025-01-01, before the first release. Raise it with releases.
const RELEASED_MS: u64 = 1_735_689_600_000;

/// The difference of a wall clock from the plausible time, for which it is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The clock is ahead by that many milliseconds.
    Ahead(u64),
    /// The clock is behind by that many milliseconds.
    Behind(u64),
}

impl Doubt {
    /// Returns the difference in milliseconds, positive if the clock is ahead.
    pub fn step_ms(self) -> i64 {
        let signed = |ms| i64::try_from(ms).unwrap_or(i64::MAX);
        match self {
            Self::Ahead(ms) => signed(ms),
            Self::Behind(ms) => -signed(ms),
        }
    }
}

/// A reading of the clocks with its reliability. Times are milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The believed time: the wall clock's while it is believed.
    pub now_ms: u64,
    /// The latest time that has certainly been reached. Irreversible actions use it.
    pub certain_ms: u64,
    /// The wall clock's time.
    pub wall_ms: u64,
    /// The reason for not believing the wall clock; `None` if it is believed.
    pub doubt: Option<Doubt>,
    /// True once the wall clock has been believed in this process, so that the day is known.
    pub is_dated: bool,
}

impl Reading {
    /// Returns the reading of a believed wall clock.
    pub const fn plain(wall_ms: u64) -> Self {
        Self { now_ms: wall_ms, certain_ms: wall_ms, wall_ms, doubt: None, is_dated: true }
    }
}

/// A wall-clock time with the monotonic time of the same moment.
#[derive(Clone, Copy, Debug)]
struct Point {
    wall_ms: u64,
    elapsed_ms: u64,
}

impl Point {
    /// Returns the wall-clock time that corresponds to `elapsed_ms`.
    fn reached(self, elapsed_ms: u64) -> u64 {
        self.wall_ms.saturating_add(elapsed_ms.saturating_sub(self.elapsed_ms))
    }
}

/// The state of the judgement during one process.
#[derive(Clone, Copy, Debug)]
pub struct Belief {
    /// The lower bound: the newest time on record, at the start of the process.
    least: Point,
    /// True if a time is on record. Without one, every time after [`RELEASED_MS`] is plausible.
    is_recorded: bool,
    /// The reference point of the believed wall clock; `None` until it is first believed.
    seen: Option<Point>,
}

impl Belief {
    /// Starts with the newest time on record, if any.
    pub fn new(on_record_ms: Option<u64>, elapsed_ms: u64) -> Self {
        let wall_ms = on_record_ms.unwrap_or(RELEASED_MS);
        Self { least: Point { wall_ms, elapsed_ms }, is_recorded: on_record_ms.is_some(), seen: None }
    }

    /// Judges the wall clock's time at the monotonic time `elapsed_ms`.
    pub fn read(&mut self, wall_ms: u64, elapsed_ms: u64) -> Reading {
        let least_ms = self.least.reached(elapsed_ms);
        let reached_ms = self.seen.map_or(least_ms, |seen| seen.reached(elapsed_ms));
        let most_ms = match self.seen {
            Some(_) => reached_ms.saturating_add(STEP_MS_MAX),
            None if self.is_recorded => least_ms.saturating_add(DOWN_MS_MAX),
            None => u64::MAX,
        };
        if wall_ms > most_ms {
            // Until the clock is first believed its later time is used: downtime is more likely than a clock that is ahead.
            let now_ms = if self.seen.is_some() { reached_ms } else { wall_ms };
            return self.doubted(Doubt::Ahead(wall_ms - reached_ms), (now_ms, reached_ms), wall_ms);
        }
        if wall_ms.saturating_add(STEP_MS_MAX) < least_ms {
            return self.doubted(Doubt::Behind(reached_ms - wall_ms), (reached_ms, reached_ms), wall_ms);
        }
        if !self.is_recorded {
            // The lower bound allows for a first clock that was ahead as much as one at a start may be.
            (self.least, self.is_recorded) =
                (Point { wall_ms: wall_ms.saturating_sub(DOWN_MS_MAX), elapsed_ms }, true);
        }
        let is_later =
            self.seen.is_some_and(|seen| elapsed_ms.saturating_sub(seen.elapsed_ms) < FOLLOWED_EVERY_MS);
        if !is_later || wall_ms < reached_ms {
            self.seen = Some(Point { wall_ms, elapsed_ms });
        }
        Reading::plain(wall_ms)
    }

    /// Accepts the wall clock's time, on the order of operators.
    pub fn believe(&mut self, wall_ms: u64, elapsed_ms: u64) -> Reading {
        let point = Point { wall_ms, elapsed_ms };
        *self = Self { least: point, is_recorded: true, seen: Some(point) };
        Reading::plain(wall_ms)
    }

    fn doubted(&self, doubt: Doubt, (now_ms, certain_ms): (u64, u64), wall_ms: u64) -> Reading {
        Reading { now_ms, certain_ms, wall_ms, doubt: Some(doubt), is_dated: self.seen.is_some() }
    }
}

#[cfg(test)]
mod tests;
