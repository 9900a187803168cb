//! A gate's stream, with the outcome of each of its runs in the test's hands.

use protocol::codec::Bounded;
use protocol::{DeviceId, Direction, Epoch, FrameReader, PlaceId, Reason, Scanned, Verdict};
use runtime::clock;
use tokio::sync::oneshot;

use super::*;

type Departure = Pin<Box<dyn Future<Output = RegionOutcome>>>;

struct Gate {
    stream: Stream<Departure>,
    metrics: QuicMetrics,
    departed: Vec<(u64, oneshot::Sender<RegionOutcome>)>,
}

impl Gate {
    fn new() -> Self {
        let hello = Hello { epoch: Epoch(1), acknowledged: Sequence(0) };
        let stream = Stream::new(DeviceClass::Gate, hello, Sequence(0));
        Self { stream, metrics: QuicMetrics::new(0, std::iter::empty()), departed: Vec::new() }
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
        let batch = PunchBatch { region: RegionId(1), first: Sequence(first), punches: Bounded(vec![punch]) };
        let places = Places::from_iter([(place, RegionId(1))]);
        self.stream.punches(RequestId(request), batch, (&rights, &places), 1).expect("a good batch");
        self.stream.read(clock::now());
        let departed = &mut self.departed;
        self.stream.launch(|run| {
            let (outcome, landed) = oneshot::channel();
            departed.push((run.first.0, outcome));
            Box::pin(async move { landed.await.expect("the test says what becomes of it") })
        });
    }

    /// Gives the first batch under way this outcome.
    fn land(&mut self, first: u64, outcome: RegionOutcome) {
        let (departed, landing) = self.departed.remove(0);
        assert_eq!(departed, first);
        // A dropped run has no caller.
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

    /// Returns the answers since the last call: the request and the type, with the sequence that a gap expects.
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
                | Answer::TrajectoryAnswer(_)
                | Answer::Gateways(_)) => panic!("{other:?}"),
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
