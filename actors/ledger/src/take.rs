//! The outcome of messages: which punches of a run are new, which are repeats and are answered as recorded, and whether a device that
//! says hello is welcome. Nothing is written here; the writer does that for all that came in one go.

use metrics::Counter;
use protocol::{DeviceId, Epoch, Sequence, metric};
use tokio::sync::oneshot;

use super::format::{Entry, Mark};
use super::lookup::{Lookup, Then, number_used};
use super::marks::{Marks, Seen, Unwelcome};
use super::seek::Wanted;
use super::{HelloOutcome, Message, Outcome, RecordedRun, Reply, Run};

/// An answer that waits for the sync.
pub(super) enum Answer {
    Run {
        reply: Reply,
        runs: Vec<RecordedRun>,
    },
    /// Part of it has to be looked for on disk.
    Lookup(Lookup),
    Hello {
        reply: oneshot::Sender<HelloOutcome>,
        outcome: HelloOutcome,
    },
}

/// The outcome of the messages of one round.
#[derive(Default)]
pub(super) struct Round {
    pub(super) entries: Vec<Entry>,
    pub(super) marks: Vec<Mark>,
    pub(super) answers: Vec<Answer>,
    pub(super) punches: usize,
}

/// The counts on the way.
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
    /// Takes one message; the marks move over what is new.
    pub(super) fn take(&mut self, message: Message, marks: &mut Marks, counts: &Counts, now_ms: u64) {
        match message {
            Message::Append { run, reply, sent: _ } => self.take_run(run, reply, marks, counts),
            Message::Hello { device, epoch, acknowledged, reply } => {
                match self.greet((device, epoch, acknowledged), marks, counts, now_ms) {
                    Ok(outcome) => self.answers.push(Answer::Hello { reply, outcome }),
                    Err(unwelcome) => drop(reply.send(unwelcome.into())),
                }
            }
        }
    }

    fn take_run(&mut self, run: Run, reply: Reply, marks: &mut Marks, counts: &Counts) {
        let refused = match marks.see(&run) {
            Seen::Accepted { repeats, forgotten: 0 } => {
                if repeats > 0 {
                    counts.duplicates.increment(repeats as u64);
                }
                let runs = self.take_whole(run, repeats, marks);
                return self.answers.push(Answer::Run { reply, runs });
            }
            Seen::Accepted { repeats, forgotten } => {
                return self.answers.push(Answer::Lookup(lookup(run, repeats, forgotten, reply, marks)));
            }
            Seen::NumberUsed { sequence } => number_used(run.device, sequence),
            Seen::Gap { expected } => {
                counts.gaps.increment(1);
                Outcome::Gap { expected }
            }
            Seen::EpochBehind { current } => Outcome::EpochBehind { current },
        };
        let _ = reply.send(refused);
    }

    fn take_whole(&mut self, mut run: Run, repeats: usize, marks: &mut Marks) -> Vec<RecordedRun> {
        let mut runs = Vec::new();
        if repeats > 0 {
            runs = marks.recall(run.device, run.first, repeats);
            run.records.drain(..repeats);
            run.first.0 += repeats as u64;
        }
        if !run.records.is_empty() {
            marks.record(&run);
            runs.push(self.take_new(run));
        }
        runs
    }

    fn take_new(&mut self, run: Run) -> RecordedRun {
        let Run { device, epoch, region, first, received_ms, window_punches, records } = run;
        let verdicts = records.iter().map(|record| record.verdict).collect();
        self.punches += records.len();
        let recorded = Sequence(first.0 + records.len() as u64 - 1);
        self.marks.push(Mark { device, epoch, recorded });
        self.entries.push(Entry::Run { device, epoch, region, first, received_ms, window_punches, records });
        RecordedRun { first, as_of_ms: received_ms, verdicts }
    }

    fn greet(
        &mut self,
        (device, epoch, acknowledged): (DeviceId, Epoch, Sequence),
        marks: &mut Marks,
        counts: &Counts,
        now_ms: u64,
    ) -> Result<HelloOutcome, Unwelcome> {
        let recorded = marks.greet(device, epoch, acknowledged, now_ms)?;
        if acknowledged <= recorded {
            return Ok(HelloOutcome::Known { recorded, lost: 0 });
        }
        let lost = acknowledged.0 - recorded.0;
        tracing::error!(%device, from = recorded.0 + 1, to = acknowledged.0,
            "a device holds acknowledgements for punches that the log does not have");
        counts.lost.increment(lost);
        let mark = Mark { device, epoch, recorded: acknowledged };
        marks.set(mark);
        self.marks.push(mark);
        let from = Sequence(recorded.0 + 1);
        self.entries.push(Entry::Lost { device, epoch, from, to: acknowledged, noticed_ms: now_ms });
        Ok(HelloOutcome::Known { recorded: acknowledged, lost })
    }
}

/// New punches are never recorded before what is said of those before them is known to be true.
fn lookup(mut run: Run, repeats: usize, forgotten: usize, reply: Reply, marks: &Marks) -> Lookup {
    let Run { device, epoch, first, .. } = run;
    let then = match repeats < run.records.len() {
        true => Then::Remember,
        false => Then::Answer(marks.recall(device, first, repeats)),
    };
    run.records.truncate(forgotten);
    Lookup { wanted: Wanted { device, epoch, first, count: forgotten }, said: run.records, then, reply }
}

impl From<Unwelcome> for HelloOutcome {
    fn from(unwelcome: Unwelcome) -> Self {
        match unwelcome {
            Unwelcome::EpochBehind { current } => Self::EpochBehind { current },
            Unwelcome::EpochAhead { highest } => Self::EpochAhead { highest },
            Unwelcome::AcknowledgedAhead { highest } => Self::AcknowledgedAhead { highest },
        }
    }
}
