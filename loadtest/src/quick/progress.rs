//! The progress of a run: a bar on a terminal, a line now and then elsewhere. It goes to standard error, so that
//! standard output holds the report alone.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use protocol::Colour;

use super::traffic::Tally;
use crate::out::note;

/// The interval at which [`Progress::show`] wants to be called.
pub(crate) const EVERY: Duration = Duration::from_millis(200);
/// The interval between lines elsewhere than on a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of a run.
pub(crate) struct Progress {
    bar: ProgressBar,
    length: Duration,
    next_line: Duration,
}

impl Progress {
    pub(crate) fn start(length: Duration) -> Self {
        let bar = ProgressBar::new(length.as_millis() as u64);
        let style = ProgressStyle::with_template("{wide_bar} {msg}").expect("the template is a constant");
        bar.set_style(style);
        Self { bar, length, next_line: LINE_EVERY }
    }

    pub(crate) fn show(&mut self, elapsed: Duration, tally: &Tally) {
        self.bar.set_position(elapsed.min(self.length).as_millis() as u64);
        let text = text(elapsed, tally);
        if self.bar.is_hidden() && elapsed >= self.next_line {
            note!("{text}");
            self.next_line = elapsed + LINE_EVERY;
        }
        self.bar.set_message(text);
    }

    pub(crate) fn end(self) {
        self.bar.finish_and_clear();
    }
}

fn text(elapsed: Duration, tally: &Tally) -> String {
    let waiting = tally.offered - tally.acknowledged;
    let p99 = tally.latency_us.value_at_quantile(0.99) as f64 / 1000.0;
    let red = Colour::ALL.iter().zip(tally.colours).find(|(colour, _)| **colour == Colour::Red);
    format!(
        "{} s · {} acknowledged, {waiting} waiting · p99 {p99:.1} ms · {} red",
        elapsed.as_secs(),
        tally.acknowledged,
        red.map_or(0, |(_, count)| count),
    )
}
