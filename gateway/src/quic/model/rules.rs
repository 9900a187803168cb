//! The specification's promises for one connection's batches, checked by an observer of both directions: batches that are owed an answer,
//! batches that are dropped behind a refusal, and the highest sequence with a verdict.

use protocol::RequestId;
use protocol::message::{Answer, PunchBatch};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Owed,
    Answered,
    /// It follows a refused punch: there is no answer.
    Dropped,
}

struct Sent {
    request: RequestId,
    first: u64,
    end: u64,
    fate: Fate,
}

/// One connection, seen from between.
pub(super) struct Rules {
    sent: Vec<Sent>,
    told: u64,
    /// The first refused punch, until the device sends from there again.
    refused: Option<u64>,
}

impl Rules {
    /// Of a device that holds acknowledgements up to there.
    pub(super) fn new(acknowledged: u64) -> Self {
        Self { sent: Vec::new(), told: acknowledged, refused: None }
    }

    /// The gateway reads a batch.
    pub(super) fn read(&mut self, request: RequestId, batch: &PunchBatch) {
        let first = batch.first.0;
        let dropped = self.refused.is_some_and(|refused| first > refused);
        if !dropped {
            self.refused = None;
        }
        let fate = if dropped { Fate::Dropped } else { Fate::Owed };
        self.sent.push(Sent { request, first, end: first + batch.punches.0.len() as u64, fate });
    }

    /// The gateway answers.
    pub(super) fn answer(&mut self, request: RequestId, answer: &Answer) {
        match answer {
            Answer::Verdicts(run) => {
                let (first, count) = (run.first.0, run.verdicts.0.len() as u64);
                assert!(first <= self.told + 1, "verdicts from {first} after {}", self.told);
                self.told = self.told.max(first + count - 1);
                let at = self.position(request);
                assert_ne!(self.sent[at].fate, Fate::Dropped, "verdicts for a batch that was dropped");
                let told = self.told;
                let all = self.sent[..=at].iter_mut();
                all.filter(|sent| sent.fate == Fate::Owed && sent.end <= told + 1)
                    .for_each(|sent| sent.fate = Fate::Answered);
            }
            Answer::Busy(_) => {
                let at = self.owed(request);
                self.refuse(at, self.sent[at].first);
            }
            Answer::Gap(gap) => {
                assert!(
                    gap.expected.0 > self.told,
                    "a gap at {} after verdicts up to {}",
                    gap.expected,
                    self.told
                );
                let at = self.owed(request);
                self.refuse(at, gap.expected.0);
            }
            Answer::Error(_) => {
                self.owed(request);
            }
            Answer::Drain(_) => {}
            Answer::Welcome(_) | Answer::Pong(_) | Answer::TrajectoryAnswer(_) | Answer::Gateways(_) => {
                panic!("nobody asked for {answer:?}")
            }
        }
    }

    /// Returns the highest sequence with a verdict.
    pub(super) fn told(&self) -> u64 {
        self.told
    }

    /// Returns the number of batches without an answer.
    pub(super) fn owing(&self) -> usize {
        self.sent.iter().filter(|sent| sent.fate == Fate::Owed).count()
    }

    fn refuse(&mut self, at: usize, from: u64) {
        let from = from.max(self.told + 1);
        // What was refused by an error has its answer, and is not on its way any more.
        for sent in self.sent[at + 1..].iter_mut().filter(|sent| sent.fate == Fate::Owed) {
            if sent.first <= from {
                return;
            }
            sent.fate = Fate::Dropped;
        }
        self.refused = Some(from);
    }

    fn owed(&mut self, request: RequestId) -> usize {
        let at = self.position(request);
        assert_eq!(self.sent[at].fate, Fate::Owed, "an answer to a batch that is not owed one");
        self.sent[at].fate = Fate::Answered;
        at
    }

    fn position(&self, request: RequestId) -> usize {
        self.sent.iter().position(|sent| sent.request == request).expect("answers name what was sent")
    }
}
