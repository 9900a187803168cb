//! The display during a run: a few lines drawn anew on a terminal, one plain line now and then elsewhere. On standard error,
//! so that standard output holds the report alone.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::out::note;
use crate::record::{Point, Record};
use crate::scenario::curve::Curve;
use crate::scenario::{Kind, Scenario};

/// The interval between lines elsewhere than on a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of a run.
pub(super) struct View {
    bar: ProgressBar,
    words: Words,
    next_line: Duration,
}

impl View {
    /// Shows the start of a run.
    pub(super) fn start(scenario: &Scenario) -> Self {
        let words = Words::new(scenario);
        let bar = ProgressBar::new(words.length.as_millis() as u64);
        let style =
            ProgressStyle::with_template("{prefix}\n{wide_bar}\n{msg}").expect("the template is a constant");
        bar.set_style(style);
        let view = Self { bar, words, next_line: LINE_EVERY };
        if view.bar.is_hidden() {
            note!("{}: {}", scenario.name, view.words.place(Duration::ZERO));
        }
        view
    }

    /// Shows the progress: time from the start, the figures so far, and the number of waiting people. A few times a second is
    /// enough; figures change when an interval of the record closes.
    pub(super) fn show(&mut self, elapsed: Duration, record: &Record, waiting: u64) {
        if self.bar.is_hidden() {
            if elapsed >= self.next_line {
                note!("{}", self.words.line(elapsed, record, waiting));
                // Not one after another to make up for a stall.
                self.next_line = elapsed + LINE_EVERY;
            }
            return;
        }
        self.bar.set_prefix(self.words.place(elapsed));
        self.bar.set_message(self.words.table(record, waiting));
        self.bar.set_position(elapsed.min(self.words.length).as_millis() as u64);
    }

    /// Prints an event, in a line that stays.
    pub(super) fn say(&self, text: &str) {
        if self.bar.is_hidden() {
            note!("{text}");
        } else {
            self.bar.println(text);
        }
    }
}

/// The texts, from the scenario and the record alone.
struct Words {
    name: String,
    length: Duration,
    /// The stages' names with the end of each, seconds.
    stages: Vec<(String, f64)>,
    /// The next events, seconds, in order.
    events: Vec<(f64, String)>,
    kinds: Vec<Kind>,
}

/// The rates of an interval.
struct Now<'a> {
    seconds: f64,
    points: &'a [Point],
}

impl Words {
    fn new(scenario: &Scenario) -> Self {
        let curve = Curve::of(&scenario.stages);
        let stages = scenario.stages.iter().enumerate();
        let stages = stages.map(|(index, stage)| (stage.name.clone(), curve.span(index).1)).collect();
        let mut events: Vec<_> = scenario.events.iter().map(|event| (event.at_s, event.words())).collect();
        events.sort_by(|one, other| one.0.total_cmp(&other.0));
        Self {
            name: scenario.name.clone(),
            length: Duration::from_secs_f64(curve.seconds()),
            stages,
            events,
            kinds: Kind::ALL.into_iter().filter(|kind| scenario.mix.share(*kind) > 0.0).collect(),
        }
    }

    /// Returns the time, the stage and the next event.
    fn place(&self, elapsed: Duration) -> String {
        let at_s = elapsed.as_secs_f64();
        let stage = self.stages.iter().find(|(_, to_s)| at_s < *to_s);
        let stage = stage.map_or("waiting for the last answers", |(name, _)| name);
        let next = self.events.iter().find(|(from_s, _)| *from_s > at_s);
        let next = next.map(|(from_s, what)| format!(" · in {:.0} s: {what}", (from_s - at_s).ceil()));
        let (so_far, length) = (elapsed.as_secs(), self.length.as_secs());
        format!("{} · {so_far} of {length} s · {stage}{}", self.name, next.unwrap_or_default())
    }

    /// Returns the last interval as a table, a line for each kind, and the failures so far.
    fn table(&self, record: &Record, waiting: u64) -> String {
        let Some(now) = Now::of(record) else { return "the first interval is not over".to_owned() };
        let mut text = format!(
            "{:<8}{:>11}{:>12}{:>11}{:>11}{:>9}",
            "", "offered/s", "answered/s", "p50 ms", "p99 ms", "left"
        );
        for kind in &self.kinds {
            let (point, left) = (now.points[*kind as usize], left(record, *kind));
            let ms = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1}"));
            text += &format!(
                "\n{:<8}{:>11.0}{:>12.0}{:>11}{:>11}{left:>9}",
                kind.name(),
                point.counts.offered as f64 / now.seconds,
                point.counts.answered as f64 / now.seconds,
                ms(point.p50_ms),
                ms(point.p99_ms),
            );
        }
        text + &format!("\n{waiting} punches waiting for an acknowledgement")
    }

    /// Returns the progress in one line.
    fn line(&self, elapsed: Duration, record: &Record, waiting: u64) -> String {
        let mut text = self.place(elapsed);
        if let Some(now) = Now::of(record) {
            for kind in &self.kinds {
                let point = now.points[*kind as usize];
                let rate = |count: u64| count as f64 / now.seconds;
                let (offered, answered) = (rate(point.counts.offered), rate(point.counts.answered));
                text += &format!(" · {} {answered:.0} of {offered:.0}/s", kind.name());
                if let Some(p99_ms) = point.p99_ms {
                    text += &format!(" p99 {p99_ms:.1} ms");
                }
            }
        }
        let left: u64 = self.kinds.iter().map(|kind| left(record, *kind)).sum();
        text + &format!(" · {left} left · {waiting} waiting")
    }
}

impl<'a> Now<'a> {
    /// Returns the last closed interval.
    fn of(record: &'a Record) -> Option<Self> {
        let (end, points) = record.points().last()?;
        let before = record.points().iter().rev().nth(1).map_or(Duration::ZERO, |(end, _)| *end);
        Some(Self { seconds: end.saturating_sub(before).as_secs_f64(), points })
    }
}

/// Returns the number of people who left without an answer so far, the warm-up too.
fn left(record: &Record, kind: Kind) -> u64 {
    record.points().iter().map(|(_, points)| points[kind as usize].counts.failed).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Seat;
    use crate::scenario;

    const SCENARIO: &str = r#"name = "x"
about = "a test"
[city]
people = 100
gates = 4
[[fleet]]
class = "gate"
count = 4
[[stage]]
name = "first"
kind = "step"
seconds = 20.0
rate = 10.0
[[stage]]
name = "second"
kind = "hold"
seconds = 40.0
[[event]]
at_s = 30.0
do = "rebind"
[[event]]
at_s = 10.0
do = "colours"
count = 7
"#;

    fn record(scenario: &Scenario) -> Record {
        let mut record = Record::new(scenario);
        for (kind, people, failed) in [(Kind::Verify, 200, 0), (Kind::Punch, 20, 4)] {
            let seat = Seat { kind, stage: 0 };
            for n in 0..people {
                record.offered(seat);
                if n < failed {
                    record.failed(seat, "busy");
                } else {
                    record.answered(seat, Duration::from_millis(5), Duration::from_millis(3));
                }
            }
        }
        record.tick(Duration::from_secs(2));
        record
    }

    #[test]
    fn the_place_names_stage_and_what_comes_next() {
        let words = Words::new(&scenario::parse(SCENARIO, "x.toml").unwrap());
        for (second, expected) in [
            (0, "x · 0 of 60 s · first · in 10 s: 7 people are turned red"),
            (25, "x · 25 of 60 s · second · in 5 s: every device moves to another address"),
            (59, "x · 59 of 60 s · second"),
            (61, "x · 61 of 60 s · waiting for the last answers"),
        ] {
            assert_eq!(words.place(Duration::from_secs(second)), expected);
        }
    }

    #[test]
    fn the_last_interval_is_shown_as_rates() {
        let scenario = scenario::parse(SCENARIO, "x.toml").unwrap();
        let (words, record) = (Words::new(&scenario), record(&scenario));
        let table = words.table(&record, 3);
        let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["verify", "100", "100", "5.0", "5.0", "0"]);
        assert_eq!(rows[2], ["punch", "10", "8", "5.0", "5.0", "4"]);
        assert_eq!(rows.len(), 4);
        assert!(table.lines().all(|line| line.chars().count() < 80));
        let line = words.line(Duration::from_secs(2), &record, 3);
        assert!(
            line.ends_with(
                "verify 100 of 100/s p99 5.0 ms · punch 8 of 10/s p99 5.0 ms · 4 left · 3 waiting"
            ),
            "{line}"
        );
        assert!(words.table(&Record::new(&scenario), 0).contains("first interval"));
    }

    #[test]
    fn a_whole_run_is_shown_where_there_is_no_terminal() {
        let scenario = scenario::parse(SCENARIO, "x.toml").unwrap();
        let record = record(&scenario);
        let mut view = View::start(&scenario);
        for second in 0..70 {
            view.show(Duration::from_secs(second), &record, 0);
        }
        view.say("every device has another address");
    }
}
