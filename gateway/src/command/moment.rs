//! Moments as they are given on the command line.

use anyhow::Context;

use crate::operator::orders::CITY;

/// Reads a time of the city, or one with an offset: milliseconds since 1970 UTC.
pub(super) fn moment(text: &str) -> anyhow::Result<u64> {
    let timestamp = match text.parse::<jiff::Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) => {
            let civil: jiff::civil::DateTime =
                text.parse().context("a time is 2020-02-20T08:00, of the city, or with an offset")?;
            CITY.to_timestamp(civil)?
        }
    };
    u64::try_from(timestamp.as_millisecond()).context("a time lies after 1970")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_the_citys() {
        for (text, expected) in [
            ("2020-02-20T08:00", Some(1_582_156_800_000)),
            ("2020-02-20T08:00:00+08:00", Some(1_582_156_800_000)),
            ("2020-02-20T00:00:00Z", Some(1_582_156_800_000)),
            ("yesterday", None),
            ("1960-01-01T00:00", None),
        ] {
            assert_eq!(moment(text).ok(), expected, "{text}");
        }
    }
}
