//! `changtong punches`: who passed a place, for contact tracing. Recorded for each person it shows.

use std::process::ExitCode;

use anyhow::Context;

use super::desk::Desk;
use crate::operator::orders::{CITY, Passages};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Lists who passed a place in a stretch of time of a day at most: codes, times, direction, colour, and the first character of names.
    Who {
        /// The place's number.
        #[arg(long)]
        place: u32,
        /// From when on: 2020-02-20T08:00 of the city, or with an offset.
        #[arg(long, value_parser = moment)]
        from: u64,
        /// Until when.
        #[arg(long, value_parser = moment)]
        to: u64,
        /// The case that the look-up is for.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        desk: Desk,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Who { place, from, to, case, desk } = self;
        desk.give(Passages { place, from_ms: from, to_ms: to, case })
    }
}

/// Milliseconds since 1970 UTC.
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
