//! The log's hours and days: Beijing time, UTC+8 all year. Undated days stand for unknown days and have numbers of their own.

const OFFSET_MS: u64 = 8 * 3_600_000;

/// Returns the hours since 1970 in UTC+8.
pub(super) fn hour(now_ms: u64) -> u32 {
    u32::try_from((now_ms + OFFSET_MS) / 3_600_000).unwrap_or(u32::MAX)
}

/// Returns the days since 1970 in UTC+8.
pub(super) fn day(now_ms: u64) -> u32 {
    hour(now_ms) / 24
}

/// Returns the beginning of a day, milliseconds since 1970 UTC.
pub(super) fn start_ms(day: u32) -> u64 {
    (u64::from(day) * 24 * 3_600_000).saturating_sub(OFFSET_MS)
}

/// The lowest undated day, for batches of a process in which the clock has not been believed yet.
pub(super) const UNDATED: u32 = 1 << 31;

/// Returns the undated day of batches written from that segment on.
pub(super) fn undated(segment: u64) -> u32 {
    UNDATED | u32::try_from(segment).unwrap_or(u32::MAX)
}

/// Reports whether the day is a known one.
pub(super) const fn is_dated(day: u32) -> bool {
    day < UNDATED
}

/// Returns the day as `YYYY-MM-DD`; an undated one as `undated-` and its segment.
pub(super) fn day_name(day: u32) -> String {
    if !is_dated(day) {
        return format!("{UNDATED_NAME}{}", day - UNDATED);
    }
    let date = jiff::civil::date(1970, 1, 1)
        .checked_add(jiff::Span::new().days(i64::from(day.min(2_000_000))))
        .expect("two million days after 1970 is a date");
    date.to_string()
}

const UNDATED_NAME: &str = "undated-";

/// Reads a name that [`day_name`] returned; `None` for any other.
pub(super) fn day_of_name(name: &str) -> Option<u32> {
    if let Some(segment) = name.strip_prefix(UNDATED_NAME) {
        let segment: Option<u32> = segment.parse().ok();
        return segment.filter(|&segment| segment < UNDATED).map(|segment| UNDATED | segment);
    }
    let epoch = jiff::civil::date(1970, 1, 1);
    u32::try_from(name.parse::<jiff::civil::Date>().ok()?.since(epoch).ok()?.get_days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_nobody_knows_has_a_name_of_its_own() {
        let unknown = undated(12);
        assert!(!is_dated(unknown) && is_dated(day(1_795_924_800_000)));
        assert_eq!((day_name(unknown).as_str(), day_of_name("undated-12")), ("undated-12", Some(unknown)));
        assert_eq!([day_of_name("undated-4294967295"), day_of_name("undated-"), day_of_name("x")], [None; 3]);
    }

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
