//! The answers to a device's punches on its first stream: verdicts, refusals, and what follows a refusal. Sockets, clocks and
//! who judges are the session's. Pure apart from counters, so that a model of the protocol drives what devices meet.

use actors::region::RegionOutcome;
use ledger::{AppendOutcome, RecordedRun};
use protocol::message::{Answer, BusyReason, Gap, Hello, PunchBatch};
use protocol::{DeviceClass, ErrorCode, RequestId, Sequence};

use super::answers::{Answers, busy};
use super::flight::{Departure, Flight, Landed, Read, Sent};
use super::intake::{Batch, Intake, Refusal, ends_connection};
use super::metrics::{Owed, QuicMetrics, Scans, Served};
use crate::fleet::{Places, Rights};

/// One connection after `Hello`.
pub(super) struct Stream {
    pub(super) intake: Intake,
    pub(super) flight: Flight,
    pub(super) answers: Answers,
    pub(super) owed: Owed,
}

impl Stream {
    /// Of a device that said `hello`, with punches up to `recorded` on disk.
    pub(super) fn new(class: DeviceClass, hello: Hello, recorded: Sequence) -> Self {
        Self {
            intake: Intake::new(class, hello.epoch, recorded),
            flight: Flight::new(hello.acknowledged),
            answers: Answers::default(),
            owed: Owed::default(),
        }
    }

    /// Takes a batch, unless it is empty or follows a refused punch.
    pub(super) fn punches(
        &mut self,
        id: RequestId,
        batch: PunchBatch,
        rights: &Rights,
        places: &Places,
    ) -> Result<(), Refusal> {
        self.intake.carries(batch.punches.0.len())?;
        if batch.punches.0.is_empty() || self.flight.is_refused(batch.first) {
            return Ok(());
        }
        self.intake.punches(id, batch, rights, places)
    }

    /// Answers a request that is refused. The error is what to close the connection with.
    pub(super) fn refuse(&mut self, id: RequestId, refusal: Refusal) -> Result<(), ErrorCode> {
        if ends_connection(refusal.code) {
            return Err(refusal.code);
        }
        self.answers.refuse(id, refusal.code, refusal.detail);
        self.intake.refused()
    }

    /// Notes when all that was taken so far was read; it may fly.
    pub(super) fn read(&mut self, read: Read) {
        self.flight.push(self.intake.take_batches(), read);
    }

    /// Lets fly what may.
    pub(super) fn launch(&mut self, depart: impl FnMut(Batch, Read) -> Departure) {
        self.flight.launch(depart);
    }

    /// Answers a batch. The error is what to close the connection with.
    pub(super) fn land(&mut self, landed: Landed, metrics: &QuicMetrics) -> Result<(), ErrorCode> {
        let Landed { batch, outcome } = landed;
        let (shed, from) = match outcome {
            RegionOutcome::Ledger(AppendOutcome::Recorded(runs)) => {
                self.recorded(batch, runs, metrics);
                return Ok(());
            }
            RegionOutcome::Ledger(AppendOutcome::NumberUsed { sequence }) => {
                self.answers.refuse(batch.first_request, ErrorCode::NumberUsed, sequence.0);
                return Err(ErrorCode::NumberUsed);
            }
            RegionOutcome::Ledger(AppendOutcome::Gap { expected }) => (None, expected),
            RegionOutcome::Ledger(AppendOutcome::EpochBehind { .. }) => return Err(ErrorCode::EpochBehind),
            RegionOutcome::Ledger(AppendOutcome::Down) => {
                metrics.served(Scans::Punch, Served::Failed, batch.frames);
                return Err(ErrorCode::LedgerDown);
            }
            RegionOutcome::Ledger(AppendOutcome::Busy) => (Some(BusyReason::Ledger), batch.first),
            RegionOutcome::Busy(reason) => (Some(reason), batch.first),
        };
        self.intake.resolved(batch.punches, None);
        if let Some(reason) = shed {
            metrics.shed(reason);
            metrics.served(Scans::Punch, Served::Busy, batch.frames);
        }
        // What was sent behind a refused batch is refused with it: one answer, not one for each.
        let (expected, dropped) = self.flight.refuse(from);
        self.intake.resolved(dropped, None);
        let answer = shed.map_or(Answer::Gap(Gap { expected }), busy);
        self.answers.push(batch.first_request, &answer);
        Ok(())
    }

    fn recorded(&mut self, batch: Sent, runs: Vec<RecordedRun>, metrics: &QuicMetrics) {
        let end = batch.first.0 + batch.punches as u64 - 1;
        self.intake.resolved(batch.punches, Some(end));
        self.flight.answered(Sequence(end));
        metrics.served(Scans::Punch, Served::Answered, batch.frames);
        self.owed.punches(batch.read.at, batch.frames);
        for run in runs {
            metrics.rejected(&run.verdicts);
            self.answers.punches(batch.last_request, run.first, run.as_of_ms, run.verdicts);
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::codec::Bounded;
    use protocol::{
        DeviceId, Direction, Epoch, FrameReader, PlaceId, Punch, Reason, RegionId, Scanned, Verdict,
    };
    use runtime::clock;
    use tokio::sync::oneshot;

    use super::*;

    /// A gate, with what becomes of its batches in the test's hands.
    struct Gate {
        stream: Stream,
        metrics: QuicMetrics,
        departed: Vec<(u64, oneshot::Sender<RegionOutcome>)>,
    }

    impl Gate {
        fn new() -> Self {
            let hello = Hello { epoch: Epoch(1), acknowledged: Sequence(0) };
            let stream = Stream::new(DeviceClass::Gate, hello, Sequence(0));
            Self { stream, metrics: QuicMetrics::new(std::iter::empty()), departed: Vec::new() }
        }

        /// Sends one punch in a batch of its own.
        fn send(&mut self, request: u32, first: u64) {
            let rights = Rights {
                device: DeviceId(1),
                class: DeviceClass::Gate,
                regions: vec![RegionId(1)],
                places: None,
                certificates: Vec::new(),
                revoked: false,
            };
            let (place, direction, scanned) = (PlaceId(1), Direction::In, Scanned::Nothing);
            let punch = Punch { scanned, direction, place, device_time_ms: 1, offline: None };
            let batch =
                PunchBatch { region: RegionId(1), first: Sequence(first), punches: Bounded(vec![punch]) };
            let places = Places::from_iter([(place, RegionId(1))]);
            self.stream.punches(RequestId(request), batch, &rights, &places).expect("a good batch");
            self.stream.read(Read { ms: 1, at: clock::now() });
            let departed = &mut self.departed;
            self.stream.launch(|batch, _| {
                let (outcome, landed) = oneshot::channel();
                departed.push((batch.first.0, outcome));
                Box::pin(async move { landed.await.expect("the test says what becomes of it") })
            });
        }

        /// The first batch that departed comes to this.
        fn land(&mut self, first: u64, outcome: RegionOutcome) {
            let (departed, landing) = self.departed.remove(0);
            assert_eq!(departed, first);
            // What was dropped is waited for by nobody.
            let _ = landing.send(outcome);
            while let Some(landed) = self.stream.flight.landed_now() {
                self.stream.land(landed, &self.metrics).expect("nothing that closes");
            }
        }

        fn recorded(&mut self, first: u64) {
            let verdicts = vec![Verdict::ask_staff(Reason::NotLoaded)];
            let run = RecordedRun { first: Sequence(first), as_of_ms: 100 * first, verdicts };
            self.land(first, RegionOutcome::Ledger(AppendOutcome::Recorded(vec![run])));
        }

        /// The answers since the last call: the request and the type, with what a gap expects.
        fn heard(&mut self) -> Vec<(u32, &'static str, u64)> {
            let mut frames = FrameReader::default();
            frames.push(self.stream.answers.bytes());
            self.stream.answers.clear();
            let mut heard = Vec::new();
            while let Some(frame) = frames.next_frame().expect("frames") {
                heard.push(match frame.answer().expect("known").expect("sound") {
                    Answer::Verdicts(run) => (frame.request.0, "verdicts", run.first.0),
                    Answer::Busy(_) => (frame.request.0, "busy", 0),
                    Answer::Gap(gap) => (frame.request.0, "gap", gap.expected.0),
                    other @ (Answer::Welcome(_)
                    | Answer::Error(_)
                    | Answer::Drain(_)
                    | Answer::Pong(_)
                    | Answer::TrajectoryAnswer(_)) => panic!("{other:?}"),
                });
            }
            heard
        }
    }

    fn gap(expected: u64) -> RegionOutcome {
        RegionOutcome::Ledger(AppendOutcome::Gap { expected: Sequence(expected) })
    }

    #[test]
    fn a_gap_that_the_device_has_answered_already_silences_nobody() {
        let mut gate = Gate::new();
        gate.send(1, 1);
        gate.send(2, 2);
        gate.land(1, RegionOutcome::Busy(BusyReason::Failed));
        assert_eq!(gate.heard(), [(1, "busy", 0)]);
        gate.send(3, 1);
        gate.send(4, 2);
        gate.land(2, gap(1));
        assert!(gate.heard().is_empty(), "it was refused with the first");
        gate.recorded(1);
        gate.recorded(2);
        gate.send(5, 3);
        gate.recorded(3);
        assert_eq!(gate.heard(), [(3, "verdicts", 1), (4, "verdicts", 2), (5, "verdicts", 3)]);
    }

    #[test]
    fn a_busy_for_what_was_sent_again_is_answered_again() {
        let mut gate = Gate::new();
        for request in [1, 3, 5] {
            gate.send(request, 1);
            gate.send(request + 1, 2);
            gate.land(1, RegionOutcome::Busy(BusyReason::Failed));
            assert_eq!(gate.heard(), [(request, "busy", 0)]);
            gate.land(2, gap(1));
        }
        gate.send(7, 2);
        assert!(gate.departed.is_empty(), "it follows what was refused");
        gate.send(8, 1);
        gate.recorded(1);
        assert_eq!(gate.heard(), [(8, "verdicts", 1)]);
    }

    #[test]
    fn a_gap_is_said_of_what_has_no_verdict_yet() {
        let mut gate = Gate::new();
        gate.send(1, 1);
        gate.send(2, 2);
        // The second reached the log first; the first is recorded by now.
        gate.recorded(1);
        gate.land(2, gap(1));
        assert_eq!(gate.heard(), [(1, "verdicts", 1), (2, "gap", 2)]);
        gate.send(3, 2);
        gate.recorded(2);
        assert_eq!(gate.heard(), [(3, "verdicts", 2)]);
    }
}
