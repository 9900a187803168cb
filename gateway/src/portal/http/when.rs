//! Moments as people read them: Beijing time, all year.

use jiff::civil::Date;
use policy::trajectory::day_of;

const AHEAD_S: u64 = 8 * 3600;
/// Ends after this, the year 9999, are no ends.
pub(crate) const NEVER_S: u64 = 253_402_300_800;

/// `2020-03-15 09:05`.
pub(crate) fn minute(at_s: u64) -> String {
    format!("{} {}", day_of(at_s), of_day(at_s))
}

/// `09:05:07`.
pub(crate) fn second(at_s: u64) -> String {
    format!("{}:{:02}", of_day(at_s), seconds_of_day(at_s) % 60)
}

/// `09:05`.
pub(crate) fn of_day(at_s: u64) -> String {
    let of_day = seconds_of_day(at_s);
    format!("{:02}:{:02}", of_day / 3600, of_day / 60 % 60)
}

/// The day, as `2020-03-15` is written.
pub(crate) fn day(at_s: u64) -> Date {
    day_of(at_s)
}

fn seconds_of_day(at_s: u64) -> u64 {
    at_s.saturating_add(AHEAD_S) % 86_400
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_in_beijing() {
        // 2020-03-14 15:59:59 and a second later in Greenwich.
        assert_eq!(
            (minute(1_584_201_599), second(1_584_201_599)),
            ("2020-03-14 23:59".to_owned(), "23:59:59".to_owned())
        );
        assert_eq!(
            (minute(1_584_201_600), second(1_584_201_600)),
            ("2020-03-15 00:00".to_owned(), "00:00:00".to_owned())
        );
        assert_eq!(day(1_584_201_600).to_string(), "2020-03-15");
    }
}
