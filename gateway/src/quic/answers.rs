//! The answers to a device, in as few frames as possible: verdicts of consecutive punches become one run, all answers of one wake-up
//! one write. Pure: bytes in a buffer.

use ledger::HelloOutcome;
use protocol::codec::Bounded;
use protocol::limits::VERDICTS_PER_FRAME_MAX;
use protocol::message::{Answer, Busy, BusyReason, Error, Verdicts};
use protocol::{ErrorCode, RequestId, Sequence, Verdict, frame};

/// The time within which runs are joined into one, which has the older time.
const AS_OF_MS_MERGED: u64 = 10;

/// The time that a device waits after `Busy`: a few syncs.
const RETRY_AFTER_MS: u32 = 50;
/// The time that it waits when its region is parked, which lasts longer.
const RETRY_PARKED_MS: u32 = 2_000;

/// Returns the highest recorded sequence of a device that said hello, or the refusal, with a number that the device needs and no close
/// code can carry.
pub(crate) fn numbering(outcome: HelloOutcome) -> Result<Sequence, (ErrorCode, Option<u64>)> {
    match outcome {
        HelloOutcome::Known { recorded, .. } => Ok(recorded),
        HelloOutcome::EpochBehind { current } => Err((ErrorCode::EpochBehind, Some(current.0.into()))),
        HelloOutcome::EpochAhead { highest } => Err((ErrorCode::EpochAhead, Some(highest.0.into()))),
        HelloOutcome::AcknowledgedAhead { highest } => Err((ErrorCode::AcknowledgedAhead, Some(highest.0))),
        HelloOutcome::Busy | HelloOutcome::Down => Err((ErrorCode::LedgerDown, None)),
    }
}

/// Builds a `Busy` with the time after which the device sends again.
pub(crate) fn busy(reason: BusyReason) -> Answer {
    let retry_after_ms = match reason {
        BusyReason::Parked => RETRY_PARKED_MS,
        BusyReason::Region | BusyReason::Ledger | BusyReason::Failed | BusyReason::Queries => RETRY_AFTER_MS,
    };
    Answer::Busy(Busy { retry_after_ms, reason })
}

/// The answers of one wake-up.
#[derive(Default)]
pub(crate) struct Answers {
    bytes: Vec<u8>,
    run: Option<(RequestId, Verdicts)>,
}

impl Answers {
    /// Adds durable verdicts from `first` on; `request` is the last batch that they answer.
    pub(crate) fn punches(
        &mut self,
        request: RequestId,
        first: Sequence,
        as_of_ms: u64,
        mut verdicts: Vec<Verdict>,
    ) {
        if let Some((last, run)) = &mut self.run
            && run.first.0 + run.verdicts.0.len() as u64 == first.0
            && run.as_of_ms.abs_diff(as_of_ms) <= AS_OF_MS_MERGED
        {
            *last = request;
            run.as_of_ms = run.as_of_ms.min(as_of_ms);
            run.verdicts.0.append(&mut verdicts);
        } else {
            self.end_run();
            self.run = Some((request, Verdicts { first, as_of_ms, verdicts: Bounded(verdicts) }));
        }
    }

    /// Adds another answer, after the verdicts so far.
    pub(crate) fn push(&mut self, request: RequestId, answer: &Answer) {
        self.end_run();
        self.write(request, answer);
    }

    /// Adds an answer that may overtake the verdicts of punches.
    pub(crate) fn overtake(&mut self, request: RequestId, answer: &Answer) {
        self.write(request, answer);
    }

    /// Adds an error of the error table.
    pub(crate) fn refuse(&mut self, request: RequestId, code: ErrorCode, detail: u64) {
        self.push(request, &Answer::Error(Error::new(code, detail)));
    }

    /// Returns all answers so far, to be written at once.
    pub(crate) fn bytes(&mut self) -> &[u8] {
        self.end_run();
        &self.bytes
    }

    /// Clears the buffer after the write; a buffer that grew for one large answer is given back.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(4096);
    }

    fn end_run(&mut self) {
        let Some((request, mut run)) = self.run.take() else { return };
        while run.verdicts.0.len() > VERDICTS_PER_FRAME_MAX {
            let rest = run.verdicts.0.split_off(VERDICTS_PER_FRAME_MAX);
            let next = Sequence(run.first.0 + VERDICTS_PER_FRAME_MAX as u64);
            let full = std::mem::replace(&mut run.verdicts.0, rest);
            self.write(
                request,
                &Answer::Verdicts(Verdicts {
                    first: run.first,
                    as_of_ms: run.as_of_ms,
                    verdicts: Bounded(full),
                }),
            );
            run.first = next;
        }
        self.write(request, &Answer::Verdicts(run));
    }

    fn write(&mut self, request: RequestId, answer: &Answer) {
        frame::write_answer(request, answer, &mut self.bytes)
            .expect("every answer is built within its limits");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{FrameReader, Reason};

    fn verdicts(count: usize) -> Vec<Verdict> {
        vec![Verdict::ask_staff(Reason::NotLoaded); count]
    }

    /// (request, first sequence, verdicts) of each run.
    fn read(answers: &mut Answers) -> Vec<(u32, u64, usize)> {
        let mut reader = FrameReader::default();
        reader.push(answers.bytes());
        let mut runs = Vec::new();
        while let Some(frame) = reader.next_frame().unwrap() {
            let answer = frame.answer().unwrap().unwrap();
            runs.push(if let Answer::Verdicts(run) = answer {
                (frame.request.0, run.first.0, run.verdicts.0.len())
            } else {
                (frame.request.0, u64::from(answer.type_number()), 0)
            });
        }
        runs
    }

    #[test]
    fn consecutive_runs_become_one_and_gaps_do_not() {
        for (given, expected) in [
            (vec![(1, 1, 2), (2, 3, 4)], vec![(2, 1, 6)]),
            (vec![(1, 1, 2), (2, 4, 4)], vec![(1, 1, 2), (2, 4, 4)]),
            (vec![(1, 1, 8192), (2, 8193, 10)], vec![(2, 1, 8192), (2, 8193, 10)]),
        ] {
            let mut answers = Answers::default();
            for &(request, first, count) in &given {
                answers.punches(RequestId(request), Sequence(first), 5, verdicts(count));
            }
            assert_eq!(read(&mut answers), expected, "{given:?}");
        }
    }

    #[test]
    fn other_answers_keep_their_place_behind_verdicts() {
        let mut answers = Answers::default();
        answers.punches(RequestId(1), Sequence(1), 5, verdicts(1));
        answers.refuse(RequestId(2), ErrorCode::PlaceDenied, 0);
        answers.punches(RequestId(3), Sequence(2), 5, verdicts(1));
        assert_eq!(read(&mut answers), [(1, 1, 1), (2, 133, 0), (3, 2, 1)]);
    }
}
