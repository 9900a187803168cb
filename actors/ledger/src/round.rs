//! The processing of one round of messages: separates new punches from repeats, and decides hellos. It collects the entries, marks
//! and answers; the writer writes them.

use metrics::Counter;
use protocol::{DeviceId, Epoch, Sequence, metric};
use tokio::sync::oneshot;

use super::format::{Entry, Mark};
use super::lookup::{AfterLookup, Lookup, number_used};
use super::marks::{HelloRefusal, Marks, RunCheck};
use super::port::{Append, Reply};
use super::seek::Wanted;
use super::{AppendOutcome, HelloOutcome, Message, Missing, RecordedRun, Run};

/// An answer that waits for the sync.
pub(super) enum Answer {
    Run {
        reply: Reply,
        runs: Vec<RecordedRun>,
    },
    /// A run with repeats that have to be looked up on disk.
    Lookup(Lookup),
    Hello {
        reply: oneshot::Sender<HelloOutcome>,
        outcome: HelloOutcome,
    },
    Marks {
        reply: oneshot::Sender<Vec<Sequence>>,
        recorded: Vec<Sequence>,
    },
    Missing {
        reply: oneshot::Sender<()>,
    },
}

/// The entries, marks and answers of one round.
#[derive(Default)]
pub(super) struct Round {
    pub(super) entries: Vec<Entry>,
    pub(super) marks: Vec<Mark>,
    pub(super) answers: Vec<Answer>,
    pub(super) punches: usize,
}

/// The counters of a round.
pub(super) struct Counts {
    duplicates: Counter,
    gaps: Counter,
    lost: Counter,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            duplicates: metrics::counter!(metric::DUPLICATES),
            gaps: metrics::counter!(metric::GAPS),
            lost: metrics::counter!(metric::LOST),
        }
    }
}

impl Round {
    /// Adds one message; marks advance over new punches.
    pub(super) fn add(&mut self, message: Message, marks: &mut Marks, counts: &Counts, now_ms: u64) {
        match message {
            Message::Append { runs, sent: _ } => {
                for Append { run, reply } in runs {
                    self.add_run(run, reply, marks, counts);
                }
            }
            Message::Hello { device, epoch, acknowledged, held, reply } => {
                match self.add_hello((device, epoch, acknowledged), held, marks, counts, now_ms) {
                    Ok(outcome) => self.answers.push(Answer::Hello { reply, outcome }),
                    Err(refusal) => drop(reply.send(refusal.into())),
                }
            }
            Message::CheckHello { device, epoch, acknowledged, reply } => {
                let checked = marks.check_hello(device, epoch, acknowledged, now_ms);
                drop(reply.send(checked.map_err(HelloOutcome::from)));
            }
            Message::Marks { of, reply } => {
                let recorded = of.into_iter().map(|(device, epoch)| marks.recorded(device, epoch)).collect();
                self.answers.push(Answer::Marks { reply, recorded });
            }
            Message::Missing { missing, reply } => {
                let Missing { device, epoch, to, .. } = missing;
                // Not again at the device's next hello.
                if marks.get(device).is_none_or(|known| known < (epoch, to)) {
                    self.set_mark(Mark { device, epoch, recorded: to }, marks);
                }
                self.add_missing(missing, counts, now_ms);
                self.answers.push(Answer::Missing { reply });
            }
        }
    }

    fn add_run(&mut self, run: Run, reply: Reply, marks: &mut Marks, counts: &Counts) {
        let refused = match marks.check_run(&run) {
            RunCheck::Accepted { repeats, forgotten: 0 } => {
                if repeats > 0 {
                    counts.duplicates.increment(repeats as u64);
                }
                let runs = self.add_whole(run, repeats, marks);
                return self.answers.push(Answer::Run { reply, runs });
            }
            RunCheck::Accepted { repeats, forgotten } => {
                return self.answers.push(Answer::Lookup(lookup(run, repeats, forgotten, reply, marks)));
            }
            RunCheck::NumberUsed { sequence } => number_used(run.device, sequence),
            RunCheck::Gap { expected } => {
                counts.gaps.increment(1);
                AppendOutcome::Gap { expected }
            }
            RunCheck::EpochBehind { current } => AppendOutcome::EpochBehind { current },
        };
        reply.send(refused);
    }

    fn add_whole(&mut self, mut run: Run, repeats: usize, marks: &mut Marks) -> Vec<RecordedRun> {
        let mut runs = Vec::new();
        if repeats > 0 {
            runs = marks.recall(run.device, run.first, repeats);
            run.punches.drain(..repeats);
            run.first.0 += repeats as u64;
        }
        if !run.punches.is_empty() {
            marks.record(&run);
            runs.push(self.add_new(run));
        }
        runs
    }

    fn add_new(&mut self, run: Run) -> RecordedRun {
        let verdicts = run.punches.iter().map(|record| record.verdict).collect();
        self.punches += run.punches.len();
        let (device, epoch, recorded) = (run.device, run.epoch, Sequence(run.end().0 - 1));
        self.marks.push(Mark { device, epoch, recorded });
        let recorded = RecordedRun { first: run.first, as_of_ms: run.received_ms, verdicts };
        self.entries.push(Entry::Run(run));
        recorded
    }

    fn add_hello(
        &mut self,
        (device, epoch, acknowledged): (DeviceId, Epoch, Sequence),
        held: Sequence,
        marks: &mut Marks,
        counts: &Counts,
        now_ms: u64,
    ) -> Result<HelloOutcome, HelloRefusal> {
        let recorded = marks.check_hello(device, epoch, acknowledged, now_ms)?;
        if acknowledged <= recorded {
            return Ok(HelloOutcome::Known { recorded, lost: 0 });
        }
        if held >= acknowledged {
            marks.hold_elsewhere(device, epoch, acknowledged);
            return Ok(HelloOutcome::Known { recorded: acknowledged, lost: 0 });
        }
        let from = Sequence(recorded.max(held).0 + 1);
        self.set_mark(Mark { device, epoch, recorded: acknowledged }, marks);
        let lost = self.add_missing(Missing { device, epoch, from, to: acknowledged }, counts, now_ms);
        Ok(HelloOutcome::Known { recorded: acknowledged, lost })
    }

    fn set_mark(&mut self, mark: Mark, marks: &mut Marks) {
        marks.set(mark);
        self.marks.push(mark);
    }

    /// Records a loss, and returns the number of its punches.
    fn add_missing(&mut self, missing: Missing, counts: &Counts, now_ms: u64) -> u64 {
        let Missing { device, epoch, from, to } = missing;
        let lost = to.0.saturating_sub(from.0).saturating_add(1);
        tracing::error!(%device, from = from.0, to = to.0,
            "punches that were acknowledged to a device are missing in the log");
        counts.lost.increment(lost);
        self.entries.push(Entry::Lost { device, epoch, from, to, noticed_ms: now_ms });
        lost
    }
}

/// Builds the look-up of a run's oldest `forgotten` punches. New punches in the run are recorded only after the repeats before them
/// are confirmed.
fn lookup(mut run: Run, repeats: usize, forgotten: usize, reply: Reply, marks: &Marks) -> Lookup {
    let Run { device, epoch, first, .. } = run;
    let then = if repeats < run.punches.len() {
        AfterLookup::Remember
    } else {
        AfterLookup::Answer(marks.recall(device, first, repeats))
    };
    run.punches.truncate(forgotten);
    Lookup { wanted: Wanted { device, epoch, first, count: forgotten }, sent: run.punches, then, reply }
}

impl From<HelloRefusal> for HelloOutcome {
    fn from(refusal: HelloRefusal) -> Self {
        match refusal {
            HelloRefusal::EpochBehind { current } => Self::EpochBehind { current },
            HelloRefusal::EpochAhead { highest } => Self::EpochAhead { highest },
            HelloRefusal::AcknowledgedAhead { highest } => Self::AcknowledgedAhead { highest },
        }
    }
}
