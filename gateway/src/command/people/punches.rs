//! `changtong punches`: who passed a place, for contact tracing. Recorded for each person it shows.

use std::process::ExitCode;

use crate::command::desk::Desk;
use crate::command::moment::moment;
use crate::operator::orders::Passages;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Lists who passed a place in a stretch of time of a day at most: codes, times, direction, colour, and the first character of names.
    /// In a fleet, at all gateways, each passage once. Exit code 1 if a gateway is away, which is named.
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
