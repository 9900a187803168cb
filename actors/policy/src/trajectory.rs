//! Trajectories: the areas where a phone was during the window, as carriers report them, and the calendar of China. Trajectories are
//! never stored.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

/// The time zone of China: UTC+8 all year.
const OFFSET: Offset = Offset::constant(8);

/// Returns the calendar day in China of a time in seconds since 1970 UTC.
pub fn day_of(at_s: u64) -> Date {
    let seconds = i64::try_from(at_s).unwrap_or(i64::MAX);
    let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    OFFSET.to_datetime(at).date()
}

/// Returns the beginning of a day in China, seconds since 1970 UTC; 0 for a day before 1970.
pub fn start_of(day: Date) -> u64 {
    let start = OFFSET.to_timestamp(day.at(0, 0, 0, 0)).map_or(0, Timestamp::as_second);
    u64::try_from(start).unwrap_or(0)
}

/// Returns the day `days` later, or earlier if negative; saturates at the ends of the calendar.
pub fn days_after(day: Date, days: i32) -> Date {
    day.saturating_add(days.days())
}

/// A prefix of a division code (GB/T 2260): two digits for a province, four for a prefecture-level city.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Division {
    digits: u32,
    len: u8,
}

impl Division {
    /// Reads two or four digits, of which the first is not 0.
    pub fn parse(text: &str) -> Option<Self> {
        let good = matches!(text.len(), 2 | 4) && text.bytes().all(|byte| byte.is_ascii_digit());
        let digits = if good && !text.starts_with('0') { text.parse().ok()? } else { return None };
        Some(Self { digits, len: text.len() as u8 })
    }

    /// Reports a prefecture-level city.
    pub const fn is_city(self) -> bool {
        self.len == 4
    }

    /// Reports whether `other` is this division or lies in it.
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

/// A country or area by its ISO 3166-1 code of two upper-case letters. Hong Kong, Macau and Taiwan have codes of their own: HK, MO, TW.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two upper-case letters.
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

/// An area in the resolution that carriers have: a city of the mainland, or a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// A prefecture-level city.
    City(Division),
    /// A country.
    Country(Country),
}

/// A continuous presence in one area, from `from_s` until before `until_s`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// The area.
    pub area: Area,
    /// The beginning, seconds since 1970 UTC.
    pub from_s: u64,
    /// The end, exclusive, seconds since 1970 UTC; after the beginning.
    pub until_s: u64,
}

/// An inclusive range of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Days {
    /// The first day.
    pub first: Date,
    /// The last day, not before the first.
    pub last: Date,
}

impl Days {
    /// Reports whether `other` lies within this range.
    pub fn covers(self, other: Self) -> bool {
        self.first <= other.first && self.last >= other.last
    }
}

/// A carrier's answer about one number.
#[derive(Clone, PartialEq, Eq)]
pub struct Trajectory {
    /// The covered days: fewer than requested for a ported or a new number.
    pub covered: Days,
    /// The visits, in order of time.
    pub visits: Vec<Visit>,
}

/// Hides the content: it is personal data.
impl fmt::Debug for Trajectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trajectory(…)")
    }
}

/// Hides the content: it is personal data.
impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visit(…)")
    }
}

/// The reason why a carrier gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// No answer arrived in time.
    TimedOut,
    /// The carrier could not be reached.
    Unreachable,
    /// The carrier refused to answer.
    Refused,
    /// The answer was invalid.
    Garbage,
    /// Too many queries are in progress here or at the carrier.
    Busy,
    /// The carrier failed recently and is not asked for a while: its breaker is open, or its actor is parked.
    Paused,
}

/// The answer to a query about one number. Only a trajectory has information about the phone's whereabouts; no other answer is a "no".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CarrierAnswer {
    /// The trajectory of the phone.
    Trajectory(Trajectory),
    /// The carrier's subscriber, with a number too new for a trajectory.
    NewNumber,
    /// Another carrier's subscriber, which has to be asked instead.
    NotSubscriber,
    /// A number for which no answer is possible: of machines, satellites, some resellers, or a foreign one.
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
