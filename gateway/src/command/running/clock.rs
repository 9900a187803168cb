//! `changtong clock`: whether the gateway believes its wall clock, and the order of two operators that it is right. When a clock is not
//! believed stands in `runtime::clock`.

use std::process::ExitCode;

use anyhow::bail;
use protocol::metric;

use crate::command::desk::Desk;
use crate::command::moment::moment;
use crate::config::named::At;
use crate::history::History;
use crate::operator::orders::BelieveClock;
use crate::operator::{self, Act, Done};
use crate::out::say;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Shows whether the running gateway believes its clock, and by how much it is off.
    Status {
        #[command(flatten)]
        at: At,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Confirms that the gateway's clock is right, whatever is on record: what is over by it ends, and what is too old is destroyed. Takes
    /// two operators with the role admin.
    Believe {
        /// The time by the operators' own watches: 2020-02-20T08:00, of the city, or with an offset.
        #[arg(long)]
        time: String,
        #[command(flatten)]
        desk: Desk,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Status { at, json } => {
                let named = at.find()?;
                let asked = operator::ask_running(&named, &Act::Vitals)?;
                let Some(Done::Vitals { metrics, .. }) = asked else {
                    bail!("no gateway runs on {}; its clock is judged when it starts", named.display());
                };
                show(&metrics, json);
            }
            Self::Believe { time, desk } => {
                return desk.give(BelieveClock { time_s: moment(&time)? / 1000 });
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(metrics: &str, json: bool) {
    let metrics = History::of(metrics);
    let believed = metrics.sum(metric::CLOCK_DISBELIEVED) == 0.0;
    let step_s = metrics.sum(metric::CLOCK_STEP_SECONDS);
    if json {
        say!("{}", serde_json::json!({ "believed": believed, "step_s": step_s }));
    } else if believed {
        say!("The clock is believed.");
    } else {
        let direction = if step_s > 0.0 { "ahead of" } else { "behind" };
        say!("The clock is {:.0} s {direction} what it can be, and is not believed.", step_s.abs());
        say!("Nothing ends or is destroyed by it. Put it right; it is believed again by itself.");
        say!("If it is right, two operators with the role admin say so:");
        say!("  changtong clock believe --time 2020-02-20T08:00 --sign KEY --sign KEY");
    }
}
