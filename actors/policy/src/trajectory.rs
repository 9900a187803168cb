//! The place where a phone was in the window, as a carrier says it, and the calendar it is counted in. What it means is the policy's. A
//! trajectory is never stored.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

/// China has one time, UTC+8, all year.
const OFFSET: Offset = Offset::constant(8);

/// The calendar day of a moment, seconds since 1970 UTC.
pub fn day_of(at_s: u64) -> Date {
    let seconds = i64::try_from(at_s).unwrap_or(i64::MAX);
    let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    OFFSET.to_datetime(at).date()
}

/// The moment at which a day begins, seconds since 1970 UTC; 0 for a day before 1970.
pub fn start_of(day: Date) -> u64 {
    let start = OFFSET.to_timestamp(day.at(0, 0, 0, 0)).map_or(0, Timestamp::as_second);
    u64::try_from(start).unwrap_or(0)
}

/// The day so many days later, or earlier; the calendar's end stays its end.
pub fn days_after(day: Date, days: i32) -> Date {
    day.saturating_add(days.days())
}

/// A prefix of a division code (GB/T 2260): two digits are a province, four a prefecture-level city.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Division {
    digits: u32,
    len: u8,
}

impl Division {
    /// Reads two or four digits; no division begins with 0.
    pub fn parse(text: &str) -> Option<Self> {
        let good = matches!(text.len(), 2 | 4) && text.bytes().all(|byte| byte.is_ascii_digit());
        let digits = if good && !text.starts_with('0') { text.parse().ok()? } else { return None };
        Some(Self { digits, len: text.len() as u8 })
    }

    /// Says whether it is a prefecture-level city.
    pub const fn is_city(self) -> bool {
        self.len == 4
    }

    /// Says whether `other` lies in it, or is it.
    pub const fn contains(self, other: Self) -> bool {
        match (self.len, other.len) {
            (2, 4) => self.digits == other.digits / 100,
            (mine, others) => mine == others && self.digits == other.digits,
        }
    }
}

impl fmt::Display for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.digits)
    }
}

impl fmt::Debug for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Division({self})")
    }
}

/// A country or area of ISO 3166-1, two capitals. Hong Kong, Macau and Taiwan are rows of their own there: HK, MO, TW.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two capitals.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).expect("two capitals"))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Country({self})")
    }
}

/// The areas that carriers can tell apart: cities of the mainland, and abroad only the country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// A prefecture-level city.
    City(Division),
    /// A country.
    Country(Country),
}

/// An unbroken presence in one area. `until_s` is its end, not part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// Where.
    pub area: Area,
    /// Its begin, seconds since 1970 UTC.
    pub from_s: u64,
    /// Its end, seconds since 1970 UTC; after its begin.
    pub until_s: u64,
}

/// Days, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Days {
    /// The first.
    pub first: Date,
    /// The last, not before the first.
    pub last: Date,
}

impl Days {
    /// Says whether all of `other` lies in it.
    pub fn covers(self, other: Self) -> bool {
        self.first <= other.first && self.last >= other.last
    }
}

/// A carrier's answer about one number.
#[derive(Clone, PartialEq, Eq)]
pub struct Trajectory {
    /// The days that the carrier knows of: fewer than were asked after a port, or for a new number.
    pub covered: Days,
    /// The place where the phone was, in the order of time.
    pub visits: Vec<Visit>,
}

/// Personal data: not shown.
impl fmt::Debug for Trajectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trajectory(…)")
    }
}

/// Personal data: not shown.
impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visit(…)")
    }
}

/// Why a carrier gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// Nothing came in time.
    TimedOut,
    /// It could not be reached.
    Unreachable,
    /// It answered that it cannot.
    Refused,
    /// An answer that cannot be right.
    Garbage,
    /// Too many queries are under way, or it says so itself.
    Busy,
    /// It failed lately and is not asked for a while: its breaker is open, or its actor rests.
    Paused,
}

/// The outcome of a query of one number. Only a trajectory says anything about where somebody was: none of the others is a "no".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CarrierAnswer {
    /// The place where the phone was.
    Trajectory(Trajectory),
    /// Its subscriber, but too new to have been anywhere.
    NewNumber,
    /// Another carrier's subscriber: ask that one.
    NotSubscriber,
    /// A number that cannot have an answer: things, satellites, some resale, foreign ones.
    Unanswerable,
    /// No answer.
    Unavailable(Unavailable),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_china_whatever_the_season() {
        for (at_s, day) in [
            (0, "1970-01-01"),
            (1_582_473_599, "2020-02-23"),
            (1_582_473_600, "2020-02-24"),
            (1_582_905_600, "2020-02-29"),
            (1_709_136_000, "2024-02-29"),
            (1_751_299_199, "2025-06-30"),
            (1_751_299_200, "2025-07-01"),
        ] {
            let expected: Date = day.parse().unwrap();
            assert_eq!(day_of(at_s), expected, "{at_s}");
            assert!(start_of(expected) <= at_s && at_s < start_of(days_after(expected, 1)), "{day}");
        }
    }

    #[test]
    fn a_province_contains_its_cities_only() {
        let division = |text| Division::parse(text).unwrap();
        for (outer, inner, expected) in [
            ("42", "4201", true),
            ("42", "42", true),
            ("4201", "4201", true),
            ("4201", "42", false),
            ("42", "4301", false),
            ("4201", "4202", false),
        ] {
            assert_eq!(division(outer).contains(division(inner)), expected, "{outer} {inner}");
        }
        for bad in ["", "4", "420", "420102", "4a", "04", "４２"] {
            assert_eq!(Division::parse(bad), None, "{bad}");
        }
        for bad in ["", "U", "us", "USA", "U1", "中"] {
            assert_eq!(Country::parse(bad), None, "{bad}");
        }
    }
}
