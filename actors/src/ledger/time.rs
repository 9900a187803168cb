//! Hours and days as the log counts them: Beijing time, UTC+8, all year.

const OFFSET_MS: u64 = 8 * 3_600_000;

/// Hours since 1970 in UTC+8.
pub(super) fn hour(now_ms: u64) -> u32 {
    u32::try_from((now_ms + OFFSET_MS) / 3_600_000).unwrap_or(u32::MAX)
}

/// Days since 1970 in UTC+8.
pub(super) fn day(now_ms: u64) -> u32 {
    hour(now_ms) / 24
}

/// When a day began, milliseconds since 1970 UTC.
pub(super) fn start_ms(day: u32) -> u64 {
    (u64::from(day) * 24 * 3_600_000).saturating_sub(OFFSET_MS)
}

/// The day as `YYYY-MM-DD`.
pub(super) fn day_name(day: u32) -> String {
    let date = jiff::civil::date(1970, 1, 1)
        .checked_add(jiff::Span::new().days(i64::from(day.min(2_000_000))))
        .expect("two million days after 1970 is a date");
    date.to_string()
}

/// Reads [`day_name`] back.
pub(super) fn day_of_name(name: &str) -> Option<u32> {
    let epoch = jiff::civil::date(1970, 1, 1);
    u32::try_from(name.parse::<jiff::civil::Date>().ok()?.since(epoch).ok()?.get_days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_beijing() {
        for (ms, expected) in [
            (0, "1970-01-01"),
            (1_700_000_000_000, "2023-11-15"),
            (1_700_063_999_999, "2023-11-15"),
            (1_700_064_000_000, "2023-11-16"),
        ] {
            assert_eq!(day_name(day(ms)), expected, "{ms}");
            assert_eq!(day_of_name(expected), Some(day(ms)));
            assert!(start_ms(day(ms)) <= ms && day(start_ms(day(ms))) == day(ms), "{ms}");
        }
    }
}
