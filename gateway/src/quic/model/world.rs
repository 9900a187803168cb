//! One device of the load generator, its connections, and the session's own stream between it and the model of what lies behind.
//! Each step is one that a network, a disk or a failing actor can make at any time; at the end all of them heal.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use actors::region::RegionOutcome;
use device::DeviceState;
use ledger::AppendOutcome;
use protocol::message::{Answer, Drain, Hello, PunchBatch, Welcome};
use protocol::{
    CodeId, DeviceClass, DeviceId, Direction, Epoch, ErrorCode, FrameReader, PlaceId, Punch, RegionId,
    RequestId, Scanned,
};
use runtime::clock;

use super::beyond::{Beyond, Departure, depart, verdict_of};
use super::rules::Rules;
use super::{Op, What};
use crate::fleet::{Places, Rights};
use crate::quic::metrics::QuicMetrics;
use crate::quic::stream::Stream;

/// Small batches, so that many are under way.
const BATCH_PUNCHES: u32 = 3;
/// More than any case needs to come to rest once everything is well.
const ROUNDS_MAX: usize = 400;
/// Longer than any `Busy` asks to wait.
const ROUND_MS: u64 = 5_000;

struct Link {
    stream: Stream<Departure>,
    requests: VecDeque<(RequestId, PunchBatch)>,
    answers: VecDeque<(RequestId, Answer)>,
    rules: Rules,
    draining: bool,
    /// The gateway has said its last word.
    closed: bool,
}

impl Link {
    /// Sends the gateway's answers on their way, past the observer; returns their number.
    fn hear_gateway(&mut self) -> u64 {
        let mut frames = FrameReader::default();
        frames.push(self.stream.answers.bytes());
        self.stream.answers.clear();
        let mut heard = 0;
        while let Some(frame) = frames.next_frame().expect("the gateway sends frames") {
            let answer = frame.answer().expect("a known type").expect("a sound body");
            self.rules.answer(frame.request, &answer);
            self.answers.push_back((frame.request, answer));
            heard += 1;
        }
        heard
    }
}

/// The counts of events in a run that is rare in itself.
#[derive(Default)]
pub(super) struct Seen {
    /// The gaps that the log named to batches that a caller waited for.
    pub(super) gaps: Cell<u32>,
    /// Of these, after verdicts of the same connection.
    pub(super) behind_verdicts: Cell<u32>,
    /// Of these, at a punch that has its verdict by now: it takes a batch that overtakes another on its way to the log.
    pub(super) overtaken: Cell<u32>,
}

impl Seen {
    fn gap(&self, expected: u64, told: u64) {
        for (count, is_it) in
            [(&self.gaps, true), (&self.behind_verdicts, told > 0), (&self.overtaken, expected <= told)]
        {
            count.set(count.get() + u32::from(is_it));
        }
    }
}

pub(super) struct World<'a> {
    seen: &'a Seen,
    metrics: &'a QuicMetrics,
    beyond: Rc<RefCell<Beyond>>,
    rights: Rights,
    places: Places,
    device: DeviceState,
    link: Option<Link>,
    now_ms: u64,
    pushed: u64,
    acknowledged: HashSet<u64>,
    set_aside: HashSet<u64>,
    /// The number of events so far; while it stays the same, nothing happens.
    moves: u64,
}

impl<'a> World<'a> {
    pub(super) fn new(metrics: &'a QuicMetrics, seen: &'a Seen) -> Self {
        let rights = Rights {
            device: DeviceId(1),
            class: DeviceClass::Gate,
            regions: vec![RegionId(1), RegionId(2)],
            places: None,
            certificates: Vec::new(),
            revoked: false,
        };
        let mut world = Self {
            seen,
            metrics,
            beyond: Rc::default(),
            rights,
            places: Places::from_iter([(PlaceId(1), RegionId(1)), (PlaceId(2), RegionId(2))]),
            device: DeviceState::new(Epoch(1)),
            link: None,
            now_ms: 0,
            pushed: 0,
            acknowledged: HashSet::new(),
            set_aside: HashSet::new(),
            moves: 0,
        };
        world.connect();
        world
    }

    pub(super) fn step(&mut self, op: Op) {
        let region = |second: bool| usize::from(second);
        match op {
            Op::Push(second, what) => self.push(region(second), what),
            Op::Send(batches) => self.send(batches.into()),
            Op::Read(frames) => self.read(frames.into()),
            Op::Turn => self.turn(),
            Op::Hear(answers) => self.hear(answers.into()),
            Op::Judge(second) => {
                self.beyond.borrow_mut().judge(region(second));
            }
            Op::Panic(second) => self.beyond.borrow_mut().panic(region(second)),
            Op::Park(second, parked) => self.beyond.borrow_mut().park(region(second), parked),
            Op::FillRegion(second, full) => self.beyond.borrow_mut().fill_region(region(second), full),
            Op::FillLog(full) => self.beyond.borrow_mut().fill_log(full),
            Op::Forget(forgets) => self.beyond.borrow_mut().forget(forgets),
            Op::Write(batches) => {
                for _ in 0..batches {
                    self.beyond.borrow_mut().write();
                }
            }
            Op::Find(found) => {
                self.beyond.borrow_mut().find(found);
            }
            Op::Wait(ms) => self.now_ms += u64::from(ms),
            Op::Connect => self.connect(),
            Op::Lose => self.link = None,
            Op::Drain => self.drain(),
            Op::Crash => {
                self.link = None;
                self.beyond.borrow_mut().crash();
            }
            Op::Epoch => self.next_epoch(),
            Op::Allow(allowed) => {
                self.link = None;
                self.rights.regions = [RegionId(1), RegionId(2)][..1 + usize::from(allowed)].to_vec();
            }
        }
    }

    fn push(&mut self, region: usize, what: What) {
        self.pushed += 1;
        let (place, scanned) = match what {
            What::Good => (PlaceId(region as u32 + 1), Scanned::Nothing),
            What::Elsewhere => (PlaceId(99), Scanned::Nothing),
            What::SignedIn => {
                let code = CodeId::from_u64(7).expect("in range");
                (PlaceId(region as u32 + 1), Scanned::SignedIn(code))
            }
        };
        let punch =
            Punch { scanned, direction: Direction::In, place, device_time_ms: self.pushed, offline: None };
        self.device.push(RegionId(region as u16 + 1), punch, self.pushed);
    }

    fn connect(&mut self) {
        if self.link.is_some() {
            return;
        }
        let hello = Hello { epoch: self.device.epoch(), acknowledged: self.device.acknowledged() };
        let recorded = self.beyond.borrow_mut().hello(hello.epoch).expect("the device's epochs only rise");
        assert!(hello.acknowledged <= recorded, "the log has what was acknowledged");
        let stream = Stream::new(DeviceClass::Gate, hello, recorded);
        let welcome = Welcome {
            gateway_time_ms: self.now_ms,
            recorded,
            window_punches: stream.intake.window_punches(),
            batch_punches_max: BATCH_PUNCHES,
            idle_ms: 30_000,
        };
        self.device.connected(&welcome).expect("the log holds nothing that was not numbered");
        self.link = Some(Link {
            stream,
            requests: VecDeque::new(),
            answers: VecDeque::new(),
            rules: Rules::new(hello.acknowledged.0),
            draining: false,
            closed: false,
        });
        self.moves += 1;
    }

    /// Numbers anew all that is not acknowledged; a connection ends with its epoch.
    fn next_epoch(&mut self) {
        self.link = None;
        let Epoch(epoch) = self.device.epoch();
        self.device.start_epoch(Epoch(epoch + 1));
    }

    fn send(&mut self, batches: usize) {
        let Some(link) = self.link.as_mut() else { return };
        for _ in 0..batches {
            let Some(request) = self.device.next_batch(self.now_ms) else { return };
            link.requests.push_back(request);
            self.moves += 1;
        }
    }

    /// The gateway takes that many frames in one go, as far as it reads at all.
    fn read(&mut self, frames: usize) {
        let Some(link) = self.link.as_mut() else { return };
        if link.draining || !link.stream.intake.has_room() {
            return;
        }
        for _ in 0..frames {
            let Some((id, batch)) = link.requests.pop_front() else { break };
            link.rules.read(id, &batch);
            let taken = link.stream.punches(id, batch, (&self.rights, &self.places), self.now_ms);
            let refused = taken.or_else(|refusal| link.stream.refuse(id, refusal));
            refused.expect("no device here does what closes a connection");
            self.moves += 1;
        }
        link.stream.read(clock::now());
        self.turn();
    }

    /// The gateway looks at what has landed, lets fly what may, and writes.
    fn turn(&mut self) {
        let Some(link) = self.link.as_mut() else { return };
        while let Some(landed) = link.stream.flight.landed_now() {
            if let RegionOutcome::Ledger(AppendOutcome::Gap { expected }) = landed.outcome {
                self.seen.gap(expected.0, link.rules.told());
            }
            link.stream.land(landed, self.metrics).expect("nothing here closes a connection");
            self.moves += 1 + link.hear_gateway();
        }
        link.stream.launch(|run| depart(&self.beyond, run));
        self.moves += link.hear_gateway();
        link.closed = link.draining && link.stream.flight.is_empty();
    }

    fn drain(&mut self) {
        let Some(link) = self.link.as_mut().filter(|link| !link.draining) else { return };
        link.draining = true;
        link.stream.answers.push(RequestId(0), &Answer::Drain(Drain { reconnect_after_ms: 1_000 }));
        self.turn();
    }

    fn hear(&mut self, answers: usize) {
        for _ in 0..answers {
            let heard = self.link.as_mut().and_then(|link| link.answers.pop_front());
            let Some((id, answer)) = heard else { break };
            self.moves += 1;
            match answer {
                Answer::Verdicts(run) => {
                    let mut acknowledged = Vec::new();
                    self.device.verdicts(id, &run, &mut acknowledged).expect("what was sent is answered");
                    acknowledged.iter().for_each(|acknowledged| self.acknowledge(acknowledged));
                }
                // What it has sent again already is passed over.
                Answer::Busy(busy) => {
                    self.device.busy(id, &busy, self.now_ms);
                }
                Answer::Gap(gap) => {
                    self.device.gap(id, &gap);
                }
                Answer::Error(error) => {
                    self.device.refused(id, &error);
                }
                Answer::Drain(_) => self.device.drain(),
                Answer::Welcome(_) | Answer::Pong(_) | Answer::TrajectoryAnswer(_) | Answer::Gateways(_) => {
                    unreachable!("rules")
                }
            }
            self.note_set_aside();
        }
        let over = |link: &Link| {
            link.answers.is_empty() && (link.closed || link.draining && !self.device.awaits_answers())
        };
        if self.link.as_ref().is_some_and(over) {
            self.link = None;
            self.moves += 1;
        }
    }

    /// A verdict is for a punch that is on disk under its number, and comes once.
    fn acknowledge(&mut self, acknowledged: &device::Acknowledged) {
        let beyond = self.beyond.borrow();
        let recorded = beyond.recorded(self.device.epoch());
        let at = acknowledged.sequence.0 as usize - 1;
        assert_eq!(recorded.get(at), Some(&acknowledged.tag), "acknowledged and not on disk");
        assert_eq!(acknowledged.verdict, verdict_of(acknowledged.tag));
        assert!(self.acknowledged.insert(acknowledged.tag), "acknowledged twice");
    }

    fn note_set_aside(&mut self) {
        for aside in self.device.take_set_aside() {
            let code = ErrorCode::from_number(aside.code).expect("a number of the table");
            assert!([ErrorCode::RegionDenied, ErrorCode::PlaceDenied, ErrorCode::ScanDenied].contains(&code));
            let recorded = self.beyond.borrow().recorded(self.device.epoch()).contains(&aside.tag);
            assert!(!recorded, "refused and on disk");
            assert!(self.set_aside.insert(aside.tag), "set aside twice");
        }
    }

    /// Heals everything: all punches that the device still has are acknowledged or refused, without another connection if it has one.
    pub(super) fn settle(mut self) {
        for region in [0, 1] {
            let mut beyond = self.beyond.borrow_mut();
            beyond.park(region, false);
            beyond.fill_region(region, false);
            beyond.fill_log(false);
        }
        for _ in 0..ROUNDS_MAX {
            // Before the device is asked: one that waits out a `Busy` is not silent.
            self.now_ms += ROUND_MS;
            let moves = self.moves;
            self.connect();
            self.send(usize::MAX);
            self.read(usize::MAX);
            for region in [0, 1] {
                while self.beyond.borrow_mut().judge(region) {}
            }
            while self.beyond.borrow_mut().write() {}
            while self.beyond.borrow_mut().find(true) {}
            self.turn();
            self.hear(usize::MAX);
            if self.moves == moves {
                return self.at_rest();
            }
        }
        panic!("the device and the gateway talk for ever");
    }

    fn at_rest(&self) {
        assert_eq!(self.device.unacknowledged(), 0, "the device is silent for good");
        let link = self.link.as_ref().expect("connected");
        assert!(link.stream.flight.is_empty() && link.stream.intake.has_room());
        assert_eq!(link.rules.owing(), 0, "a batch has no answer");
        let all: HashSet<u64> = (1..=self.pushed).collect();
        let answered: HashSet<u64> = self.acknowledged.union(&self.set_aside).copied().collect();
        assert_eq!(answered, all, "acknowledged, or refused by name");
        assert!(self.acknowledged.is_disjoint(&self.set_aside));
        let beyond = self.beyond.borrow();
        let recorded = beyond.recorded(self.device.epoch());
        assert_eq!(recorded.len() as u64, self.device.acknowledged().0, "on disk and not acknowledged");
        assert!(recorded.is_sorted_by(|one, other| one < other), "in the device's order, each once");
    }
}
