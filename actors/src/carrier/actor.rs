//! The actix actor of a carrier: decides whether a query may go, and starts it as a task of its own on the carrier's arbiter. The task
//! answers the caller directly and reports to the actor; the actor never waits for a carrier.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, Supervised};
use policy::trajectory::{CarrierAnswer, Unavailable};
use runtime::clock;

use super::Step;
use super::answer::{self, Question, RawReply};
use super::breaker::Admission;
use super::client::{Exchanged, request_id};
use super::state::{Caller, CarrierContext, CarrierState, Permit, Query};

/// Permits bound the messages; this only keeps actix's own bound above theirs.
const MAILBOX_MESSAGES: usize = 1 << 20;

/// A request to ask the carrier.
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

/// The rest of a query after an attempt.
enum Rest {
    /// Answered; its permit ends here.
    Answered(Permit),
    /// A failure that allows a second attempt; without one, that is the answer.
    Again(Query, CarrierAnswer),
}

/// The kind of an attempt.
#[derive(Clone, Copy)]
enum Attempt {
    First,
    Trial,
    Second,
}

pub(super) struct CarrierActor {
    context: Arc<CarrierContext>,
    state: CarrierState,
}

impl CarrierActor {
    pub(super) fn new(context: Arc<CarrierContext>) -> Self {
        let state = CarrierState::new(context.settings.breaker);
        context.metrics.breaker(state.standing());
        Self { context, state }
    }

    fn admit(&mut self, query: Query, actor: Addr<Self>) {
        let now = clock::now();
        if now >= query.deadline {
            // It waited behind a restart, which tells nothing about the carrier.
            return self.context.answer(query.caller, CarrierAnswer::Unavailable(Unavailable::TimedOut));
        }
        let admission = self.state.admit(now);
        self.context.metrics.breaker(self.state.standing());
        match admission {
            Admission::Go => self.send(query, Attempt::First, Duration::ZERO, actor),
            Admission::Trial => self.send(query, Attempt::Trial, Duration::ZERO, actor),
            Admission::No => {
                if matches!(query.caller, Caller::Probe) {
                    self.context.metrics.not_probed();
                }
                self.context.answer(query.caller, CarrierAnswer::Unavailable(Unavailable::Paused));
            }
        }
    }

    fn send(&self, query: Query, attempt: Attempt, after: Duration, actor: Addr<Self>) {
        actix_rt::spawn(run(Arc::clone(&self.context), query, attempt, after, actor));
    }

    fn probe(&mut self, actor: Addr<Self>) {
        self.context.faults.reached(&Step::Timer);
        // Without a free permit, enough citizens are asking to know how the carrier is.
        let Some(permit) = self.context.permit() else { return };
        let begun = clock::now();
        let question = Question::probe(&self.context.reserved, clock::now_s());
        let deadline = begun + self.context.deadline;
        self.admit(Query { question, begun, deadline, caller: Caller::Probe, permit }, actor);
    }
}

impl Actor for CarrierActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX_MESSAGES);
        let every = self.context.settings.probe_every;
        context.run_interval(every, |actor, context| actor.probe(context.address()));
    }
}

/// A restart knows nothing of the carrier: the breaker is closed and the budget empty.
impl Supervised for CarrierActor {
    fn restarting(&mut self, _: &mut Self::Context) {
        *self = Self::new(Arc::clone(&self.context));
    }
}

impl Handler<Ask> for CarrierActor {
    type Result = ();

    fn handle(&mut self, Ask(query): Ask, context: &mut Self::Context) {
        self.context.faults.reached(&Step::Handler);
        self.state.earn();
        self.admit(query, context.address());
    }
}

impl Handler<Finished> for CarrierActor {
    type Result = ();

    fn handle(&mut self, finished: Finished, context: &mut Self::Context) {
        self.context.faults.reached(&Step::Report);
        let Finished { healthy, was_trial, rest } = finished;
        if let Some(healthy) = healthy {
            self.state.record(healthy, was_trial, clock::now());
        }
        self.context.metrics.breaker(self.state.standing());
        match rest {
            Rest::Answered(permit) => drop(permit),
            Rest::Again(query, answer) => match self.state.retry(&query) {
                Some(wait) => {
                    self.context.metrics.retried();
                    self.send(query, Attempt::Second, wait, context.address());
                }
                None => self.context.answer(query.caller, answer),
            },
        }
    }
}

/// Makes one attempt within the query's deadline, reports to the actor, then answers the caller. In this order, so that whatever the
/// caller asks next comes after the report.
async fn run(
    context: Arc<CarrierContext>,
    query: Query,
    attempt: Attempt,
    after: Duration,
    actor: Addr<CarrierActor>,
) {
    context.faults.reached(&Step::Task);
    if !after.is_zero() {
        tokio::time::sleep(after).await;
    }
    let Ok(request) = request_id() else { return };
    let begun = clock::now();
    let exchange = context.client.exchange(&query.question, &request);
    let exchanged = tokio::time::timeout_at(query.deadline.into(), exchange).await;
    let Exchanged { reply, own } = exchanged.unwrap_or_else(|_| RawReply::TimedOut.into());
    let wire = clock::since(begun);
    let read = answer::read(&reply, &query.question, &request, &context.areas);
    match query.caller {
        Caller::Citizen(_) => context.metrics.was_on_the_wire(wait(attempt, begun, &query), wire, own),
        Caller::Probe => context.metrics.probed(read.healthy, wire, own),
    }
    let was_trial = matches!(attempt, Attempt::Trial);
    // Another carrier's slowness may have left this one too little time; that does not count against it.
    let was_cut_short =
        matches!(reply, RawReply::TimedOut) && query.deadline < query.begun + context.deadline;
    let healthy = (!was_cut_short).then_some(read.healthy);
    if read.again && matches!(attempt, Attempt::First) {
        let rest = Rest::Again(query, read.answer);
        // With the actor gone the query is dropped, which tells its caller.
        let _ = actor.try_send(Finished { healthy, was_trial, rest });
        return;
    }
    let Query { caller, permit, .. } = query;
    let _ = actor.try_send(Finished { healthy, was_trial, rest: Rest::Answered(permit) });
    context.answer(caller, read.answer);
}

/// Returns the time that a query waited before its first attempt.
fn wait(attempt: Attempt, begun: Instant, query: &Query) -> Option<Duration> {
    match attempt {
        Attempt::First | Attempt::Trial => Some(begun.saturating_duration_since(query.begun)),
        Attempt::Second => None,
    }
}
