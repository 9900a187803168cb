//! A device and the people before it: each is scanned when the device is free, waits up to a limit, and scans again
//! or leaves. Every acknowledged punch becomes a claim for the proof, also if the person has left.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use device::clock;
use device::{Acknowledged, Device, DeviceError};
use protocol::codec::Bounded;
use protocol::message::{Answer, Request, Verify};
use protocol::{Direction, ErrorCode, PlaceId, Punch, Reason, RegionId, RequestId};

use super::crowd::{Crowd, Try};
use super::model::Scan;
use super::shared::Shared;
use crate::proof::{Claim, Fact};
use crate::scenario::plan::Visit;
use crate::scenario::{Kind, Posts};

mod inbox;

use inbox::Arrival;
pub(super) use inbox::Inbox;

/// The limit of scans in one frame, far below a frame's size for any scans.
const VERIFY_SCANS_MAX: usize = 128;
/// Deadline for acknowledgements after the last person; a gateway restarts within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// The end of a post: its device, the acknowledged punches, and the error, if it failed.
pub(super) struct Posted {
    pub(super) device: Device,
    pub(super) claim: Claim,
    pub(super) error: Option<DeviceError>,
    /// The longest time from a punch to its acknowledgement.
    pub(super) longest: Duration,
}

/// A punch in flight, in the order of its device.
struct Pending {
    by: Try,
    begun: Instant,
    scan: Scan,
    fact: Fact,
}

/// The scans of one request in flight.
struct SentScans {
    at: Instant,
    frame: Vec<(Try, Scan)>,
}

/// The settings of a post.
#[derive(Clone, Copy)]
struct Habits {
    think: Duration,
    gather: Duration,
}

pub(super) struct Post {
    device: Device,
    places: Vec<(PlaceId, RegionId)>,
    habits: Habits,
    shared: Rc<Shared>,
    inbox: Rc<Inbox>,
    crowd: Crowd,
    free_at: Option<Instant>,
    gather_until: Option<Instant>,
    verifying: HashMap<RequestId, SentScans>,
    punching: VecDeque<Pending>,
    querying: u32,
    losses: u64,
    claim: Claim,
    longest: Duration,
}

impl Post {
    pub(super) fn new(
        device: Device,
        places: Vec<(PlaceId, RegionId)>,
        posts: &Posts,
        shared: &Rc<Shared>,
        inbox: &Rc<Inbox>,
    ) -> Self {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        Self {
            losses: device.counts().losses,
            device,
            places,
            habits: Habits { think: ms(posts.think_ms), gather: ms(posts.gather_ms) },
            shared: Rc::clone(shared),
            inbox: Rc::clone(inbox),
            crowd: Crowd::new(shared.retry.clone()),
            free_at: None,
            gather_until: None,
            verifying: HashMap::new(),
            punching: VecDeque::new(),
            querying: 0,
            claim: Claim::default(),
            longest: Duration::ZERO,
        }
    }

    /// Serves people until the post is closed and none waits.
    pub(super) async fn run(mut self) -> Posted {
        let error = self.serve().await.err();
        if error.is_some() {
            self.turn_away().await;
        }
        self.claim.sent = self.device.state().sent().0;
        Posted { device: self.device, claim: self.claim, error, longest: self.longest }
    }

    async fn serve(&mut self) -> Result<(), DeviceError> {
        let mut give_up = None;
        loop {
            let now = clock::now();
            self.hear(now);
            self.start(now)?;
            if self.inbox.is_closed() {
                let end = *give_up.get_or_insert(now + PATIENCE);
                let idle = self.crowd.is_empty() && self.device.state().unacknowledged() == 0;
                if idle || now >= end {
                    self.crowd.everybody_leaves("run-over").for_each(|ended| self.shared.ended(&ended, now));
                    return Ok(());
                }
            }
            let wake = [self.crowd.wake(), self.free_at, self.gather_until, give_up];
            let wake = wake.into_iter().flatten().min().unwrap_or(now + PATIENCE);
            tokio::select! {
                biased;
                () = self.inbox.rung() => {}
                stepped = self.device.step() => stepped?,
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            self.settle();
        }
    }

    /// Counts people as not answered after the device has stopped.
    async fn turn_away(&mut self) {
        loop {
            let now = clock::now();
            self.hear(now);
            self.crowd.everybody_leaves("device-stopped").for_each(|ended| self.shared.ended(&ended, now));
            if self.inbox.is_closed() {
                return;
            }
            self.inbox.rung().await;
        }
    }

    /// Takes new visits, repeated tries and exceeded deadlines.
    fn hear(&mut self, now: Instant) {
        if self.inbox.takes_connection() {
            self.device.disconnect();
        }
        while let Some(arrival) = self.inbox.next() {
            match arrival {
                Arrival::Visit(visit, intended) => {
                    self.shared.offered(&visit, now.saturating_duration_since(intended));
                    self.crowd.come(visit, intended, now);
                }
                Arrival::Queried(by, asked, answer) => self.queried((by, asked), answer, now),
            }
        }
        self.crowd.come_again(now);
        while let Some(ended) = self.crowd.overdue(now) {
            self.shared.ended(&ended, now);
        }
    }

    /// Scans the people who can be scanned now.
    fn start(&mut self, now: Instant) -> Result<(), DeviceError> {
        if self.free_at.is_some_and(|free| now < free) || (self.thinks() && self.in_flight() > 0) {
            return Ok(());
        }
        self.free_at = None;
        if !self.habits.gather.is_zero() && self.crowd.somebody_is_ready() {
            let until = *self.gather_until.get_or_insert(now + self.habits.gather);
            if now < until {
                return Ok(());
            }
            self.gather_until = None;
        }
        let mut scans: Vec<(Try, Scan, RegionId)> = Vec::new();
        let up = self.device.is_up();
        while let Some((by, visit)) = self.crowd.next_ready(up) {
            let (place, region) = self.places[(visit.luck >> 8) as usize % self.places.len()];
            match visit.kind {
                Kind::Punch => self.punch(by, &visit, (place, region), now),
                Kind::Verify => scans.push((by, self.shared.people.scan(&visit), region)),
                Kind::Query => self.query(by, region, now)?,
                Kind::Place | Kind::Code | Kind::Apply => unreachable!("the pages' kinds come to no device"),
            }
            if self.thinks() {
                break;
            }
        }
        self.verify(scans, now)
    }

    fn thinks(&self) -> bool {
        !self.habits.think.is_zero()
    }

    fn in_flight(&self) -> usize {
        self.verifying.len() + self.punching.len() + self.querying as usize
    }

    fn punch(&mut self, by: Try, visit: &Visit, (place, region): (PlaceId, RegionId), now: Instant) {
        let direction = if visit.luck & 1 == 0 { Direction::In } else { Direction::Out };
        let (scan, device_time_ms) = (self.shared.people.scan(visit), clock::now_ms());
        let scanned = scan.scanned.clone();
        let punch = Punch { scanned, direction, place, device_time_ms, offline: None };
        let fact = Fact::sent(region, &punch, scan.code);
        self.device.punch(region, punch, 0);
        self.punching.push_back(Pending { by, begun: now, scan, fact });
        self.sent(by);
    }

    fn verify(&mut self, scans: Vec<(Try, Scan, RegionId)>, now: Instant) -> Result<(), DeviceError> {
        let mut rest = scans.into_iter().peekable();
        while let Some((by, scan, region)) = rest.next() {
            let mut frame = vec![(by, scan)];
            while frame.len() < VERIFY_SCANS_MAX
                && let Some((by, scan, _)) = rest.next_if(|(_, _, other)| *other == region)
            {
                frame.push((by, scan));
            }
            let scanned = frame.iter().map(|(_, scan)| scan.scanned.clone()).collect();
            let request = Request::Verify(Verify { region, scanned: Bounded(scanned) });
            match self.device.start(&request)? {
                Some(id) => {
                    frame.iter().for_each(|(by, _)| self.sent(*by));
                    self.verifying.insert(id, SentScans { at: now, frame });
                }
                None => frame.iter().for_each(|(by, _)| self.crowd.back(*by)),
            }
        }
        Ok(())
    }

    fn query(&mut self, by: Try, region: RegionId, now: Instant) -> Result<(), DeviceError> {
        let Some(receipt) = self.crowd.receipt(by, || self.shared.receipt()) else {
            let ended = self.crowd.leave(by, "no-receipt");
            ended.into_iter().for_each(|ended| self.shared.ended(&ended, now));
            return Ok(());
        };
        let Some(asked) = self.device.start_query(region, receipt)? else {
            self.crowd.back(by);
            return Ok(());
        };
        self.sent(by);
        self.querying += 1;
        let inbox = Rc::clone(&self.inbox);
        // It ends with its own deadline, and a post outlives it or does not care.
        tokio::task::spawn_local(async move { inbox.queried(by, now, asked.await) });
        Ok(())
    }

    fn sent(&mut self, by: Try) {
        if let Some(seat) = self.crowd.seat(by) {
            self.shared.record.borrow_mut().tried(seat);
        }
    }

    /// Books the answers that have arrived.
    fn settle(&mut self) {
        let now = clock::now();
        for (id, answer) in self.device.take_replies() {
            if let Some(asked) = self.verifying.remove(&id) {
                self.verified(asked, answer, now);
            }
        }
        for answer in self.device.take_acknowledged() {
            self.acknowledged(&answer, now);
        }
        let losses = self.device.counts().losses;
        if losses != self.losses {
            self.losses = losses;
            // The device asks again on its next connection; people wait as long as they do.
            let lost: Vec<_> = self.verifying.drain().flat_map(|(_, asked)| asked.frame).collect();
            lost.into_iter().rev().for_each(|(by, _)| self.crowd.back(by));
        }
    }

    fn verified(&mut self, SentScans { at, frame }: SentScans, answer: Answer, now: Instant) {
        let verdicts = match answer {
            Answer::Verdicts(run) => run.verdicts.0,
            Answer::Busy(_) => return self.refused(&frame, "busy", now),
            Answer::Error(error) => return self.refused(&frame, error_name(error.code), now),
            Answer::Welcome(_)
            | Answer::Gap(_)
            | Answer::Drain(_)
            | Answer::Pong(_)
            | Answer::TrajectoryAnswer(_)
            | Answer::Gateways(_) => return self.refused(&frame, "out-of-place", now),
        };
        if verdicts.len() != frame.len() {
            return self.refused(&frame, "verdicts-missing", now);
        }
        for ((by, scan), verdict) in frame.into_iter().zip(verdicts) {
            self.shared.model.judge(&scan, verdict, at, now);
            if verdict.reason == Reason::NotLoaded {
                self.again(by, "not-loaded", now);
            } else {
                self.done(by, at, now);
            }
        }
    }

    fn refused(&mut self, frame: &[(Try, Scan)], reason: &'static str, now: Instant) {
        frame.iter().for_each(|(by, _)| self.again(*by, reason, now));
    }

    fn acknowledged(&mut self, answer: &Acknowledged, now: Instant) {
        let pending = self.punching.pop_front().expect("what is acknowledged was sent");
        self.shared.model.judge(&pending.scan, answer.verdict, pending.begun, now);
        self.claim.acknowledged.push(pending.fact.told(answer));
        self.longest = self.longest.max(now.saturating_duration_since(pending.begun));
        if answer.verdict.reason == Reason::NotLoaded {
            // It is on record, so it is not sent again; and no colour was shown.
            let ended = self.crowd.leave(pending.by, "not-loaded");
            ended.into_iter().for_each(|ended| self.shared.ended(&ended, now));
            return;
        }
        self.done(pending.by, pending.begun, now);
    }

    fn queried(&mut self, (by, asked): (Try, Instant), answer: Result<Answer, DeviceError>, now: Instant) {
        self.querying -= 1;
        let ended = match answer {
            Ok(Answer::TrajectoryAnswer(_)) => return self.done(by, asked, now),
            Ok(Answer::Busy(_)) => return self.again(by, "busy", now),
            Ok(Answer::Error(error)) => self.crowd.leave(by, error_name(error.code)),
            Ok(
                Answer::Welcome(_)
                | Answer::Verdicts(_)
                | Answer::Gap(_)
                | Answer::Drain(_)
                | Answer::Pong(_)
                | Answer::Gateways(_),
            ) => self.crowd.leave(by, "out-of-place"),
            Err(_) => self.crowd.leave(by, "connection"),
        };
        ended.into_iter().for_each(|ended| self.shared.ended(&ended, now));
    }

    fn again(&mut self, by: Try, reason: &'static str, now: Instant) {
        let ended = self.crowd.refused(by, reason, now);
        ended.into_iter().for_each(|ended| self.shared.ended(&ended, now));
    }

    /// Ends a visit with its answer; the device is free after its think time.
    fn done(&mut self, by: Try, sent: Instant, now: Instant) {
        if self.thinks() {
            self.free_at = Some(now + self.habits.think);
        }
        if let Some(ended) = self.crowd.answered(by, sent) {
            self.shared.ended(&ended, now);
        }
    }
}

fn error_name(code: u16) -> &'static str {
    ErrorCode::from_number(code).map_or("unknown-error", ErrorCode::name)
}
