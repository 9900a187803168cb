//! The actor of one carrier: decides whether a query may go, and starts it as a task of its own on the carrier's arbiter. The task
//! answers the caller directly and reports back; the actor never waits for a carrier.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, Supervised};
use metrics::Gauge;
use policy::trajectory::{CarrierAnswer, Unavailable};
use registry::Phone;
use runtime::clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::answer::{self, Areas, Heard, Question};
use super::breaker::{Admission, Breaker, RetryBudget, Standing};
use super::client::{Client, Exchanged};
use super::counts::{CarrierMetrics, Outcome};
use super::{CarrierSettings, Point};

/// With less time left than this a query is not sent a second time.
const RETRY_LEFT_MIN: Duration = Duration::from_millis(500);
/// A second attempt waits this long, and up to twice as long by chance.
const RETRY_WAIT: Duration = Duration::from_millis(50);
/// Messages are bounded by permits; this only keeps actix's own bound out of the way.
const MAILBOX_MESSAGES: usize = 1 << 20;

/// The state that an actor and its tasks share: nothing of it changes.
pub(super) struct Line {
    pub(super) client: Client,
    pub(super) areas: Areas,
    pub(super) settings: CarrierSettings,
    pub(super) reserved: Phone,
    pub(super) deadline: Duration,
    pub(super) permits: Arc<Semaphore>,
    pub(super) permits_max: usize,
    pub(super) metrics: CarrierMetrics,
}

impl Line {
    fn at(&self, point: Point) {
        if let Some(fault) = &self.settings.fault {
            fault(point);
        }
    }

    /// Room for one more query, if there is any.
    pub(super) fn slot(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let in_use = self.metrics.permits.clone();
        in_use.increment(1.0);
        Some(Slot { in_use, _permit: permit })
    }

    fn answer(&self, asker: Asker, answer: CarrierAnswer) {
        match asker {
            Asker::Citizen(reply) => {
                self.metrics.asked(Outcome::of(&answer));
                // Whoever asked may have left.
                let _ = reply.send(answer);
            }
            Asker::Probe => {}
        }
    }
}

/// A permit, counted for as long as it is held, also when a panic ends it.
pub(super) struct Slot {
    in_use: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.in_use.decrement(1.0);
    }
}

/// The waiting caller.
pub(super) enum Asker {
    Citizen(oneshot::Sender<CarrierAnswer>),
    Probe,
}

/// A query with the slot that it lives in.
pub(super) struct Query {
    pub(super) question: Question,
    pub(super) begun: Instant,
    pub(super) deadline: Instant,
    pub(super) asker: Asker,
    pub(super) slot: Slot,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Ask(pub(super) Query);

/// A task's report.
#[derive(Message)]
#[rtype(result = "()")]
struct Finished {
    /// True if the carrier works; `None` if this query cannot tell.
    healthy: Option<bool>,
    was_trial: bool,
    rest: Rest,
}

/// The rest of a query.
enum Rest {
    /// Answered; its permit ends here.
    Answered(Slot),
    /// It failed in a way that may be tried again; if not, that is its answer.
    Again(Query, CarrierAnswer),
}

/// The way in which a query is sent.
#[derive(Clone, Copy)]
enum Attempt {
    First,
    Trial,
    Second,
}

pub(super) struct CarrierActor {
    line: Arc<Line>,
    breaker: Breaker,
    budget: RetryBudget,
    random: fastrand::Rng,
}

impl CarrierActor {
    pub(super) fn new(line: Arc<Line>) -> Self {
        let breaker = Breaker::new(line.settings.breaker);
        line.metrics.breaker(breaker.standing());
        Self { line, breaker, budget: RetryBudget::default(), random: fastrand::Rng::new() }
    }

    fn admit(&mut self, query: Query, actor: Addr<Self>) {
        let now = clock::now();
        if now >= query.deadline {
            // It waited behind a restart. That tells nothing about the carrier.
            return self.line.answer(query.asker, CarrierAnswer::Unavailable(Unavailable::TimedOut));
        }
        let admission = self.breaker.admit(now);
        self.line.metrics.breaker(self.breaker.standing());
        match admission {
            Admission::Go => self.send(query, Attempt::First, Duration::ZERO, actor),
            Admission::Trial => self.send(query, Attempt::Trial, Duration::ZERO, actor),
            Admission::No => {
                if matches!(query.asker, Asker::Probe) {
                    self.line.metrics.not_probed();
                }
                self.line.answer(query.asker, CarrierAnswer::Unavailable(Unavailable::Paused));
            }
        }
    }

    fn send(&self, query: Query, attempt: Attempt, after: Duration, actor: Addr<Self>) {
        actix_rt::spawn(run(Arc::clone(&self.line), query, attempt, after, actor));
    }

    fn probe(&mut self, actor: Addr<Self>) {
        self.line.at(Point::Timer);
        // Without room, enough citizens are asking to know how the carrier is.
        let Some(slot) = self.line.slot() else { return };
        let begun = clock::now();
        let question = Question::probe(&self.line.reserved, clock::now_ms() / 1000);
        let deadline = begun + self.line.deadline;
        self.admit(Query { question, begun, deadline, asker: Asker::Probe, slot }, actor);
    }

    /// Says whether a query that was not sent, or not wanted, goes once more.
    fn may_retry(&mut self, query: &Query) -> bool {
        let left = query.deadline.saturating_duration_since(clock::now());
        let closed = matches!(self.breaker.standing(), Standing::Closed);
        matches!(query.asker, Asker::Citizen(_)) && closed && left >= RETRY_LEFT_MIN && self.budget.take()
    }
}

impl Actor for CarrierActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX_MESSAGES);
        context.run_interval(self.line.settings.probe_every, |actor, context| actor.probe(context.address()));
    }
}

impl Supervised for CarrierActor {
    fn restarting(&mut self, _: &mut Self::Context) {
        *self = Self::new(Arc::clone(&self.line));
    }
}

impl Handler<Ask> for CarrierActor {
    type Result = ();

    fn handle(&mut self, Ask(query): Ask, context: &mut Self::Context) {
        self.line.at(Point::Handler);
        self.budget.earn();
        self.admit(query, context.address());
    }
}

impl Handler<Finished> for CarrierActor {
    type Result = ();

    fn handle(&mut self, finished: Finished, context: &mut Self::Context) {
        self.line.at(Point::Report);
        let Finished { healthy, was_trial, rest } = finished;
        if let Some(healthy) = healthy {
            self.breaker.record(healthy, was_trial, clock::now(), self.random.f64());
        }
        self.line.metrics.breaker(self.breaker.standing());
        match rest {
            Rest::Answered(slot) => drop(slot),
            Rest::Again(query, _) if self.may_retry(&query) => {
                self.line.metrics.retried();
                let wait = RETRY_WAIT.mul_f64(1.0 + self.random.f64());
                self.send(query, Attempt::Second, wait, context.address());
            }
            Rest::Again(query, answer) => self.line.answer(query.asker, answer),
        }
    }
}

/// One attempt: on the wire under the query's deadline, then the answer, then the report. The report is sent before the caller is
/// answered, so that whatever the caller asks next comes after it.
async fn run(line: Arc<Line>, query: Query, attempt: Attempt, after: Duration, actor: Addr<CarrierActor>) {
    line.at(Point::Task);
    if !after.is_zero() {
        tokio::time::sleep(after).await;
    }
    let Some(request) = line.client.request_id() else { return };
    let begun = clock::now();
    let exchange = line.client.exchange(&query.question, &request);
    let exchanged = tokio::time::timeout_at(query.deadline.into(), exchange).await;
    let Exchanged { heard, own } = exchanged.unwrap_or_else(|_| Heard::TimedOut.into());
    let wire = clock::since(begun);
    let read = answer::read(&heard, &query.question, &request, &line.areas);
    let wait = match attempt {
        Attempt::First | Attempt::Trial => Some(begun.saturating_duration_since(query.begun)),
        Attempt::Second => None,
    };
    match query.asker {
        Asker::Citizen(_) => line.metrics.was_on_the_wire(wait, wire, own),
        Asker::Probe => line.metrics.probed(read.healthy, wire, own),
    }
    let was_trial = matches!(attempt, Attempt::Trial);
    // Another carrier's slowness may have left this one too little time: that is not held against it.
    let was_cut_short = matches!(heard, Heard::TimedOut) && query.deadline < query.begun + line.deadline;
    let healthy = (!was_cut_short).then_some(read.healthy);
    if read.again && matches!(attempt, Attempt::First) {
        let rest = Rest::Again(query, read.answer);
        // With the actor gone the query is dropped, and its caller told so.
        let _ = actor.try_send(Finished { healthy, was_trial, rest });
        return;
    }
    let Query { asker, slot, .. } = query;
    let _ = actor.try_send(Finished { healthy, was_trial, rest: Rest::Answered(slot) });
    line.answer(asker, read.answer);
}
