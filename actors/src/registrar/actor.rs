//! The actix actor of the registrar. Jobs that wait are done in one transaction; one sync makes all of them durable, then memory follows,
//! then the callers are told. Between groups it does the chores of the clock.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, Message, Supervised};
use metrics::{Counter, Gauge, Histogram};
use protocol::metric;
use registry::{Registry, RegistryError};
use runtime::clock::{self, Reading};
use runtime::lock::lock;
use tokio::sync::OwnedSemaphorePermit;

use super::chores::Chore;
use super::state::{Job, RegistrarContext};
use super::{JOBS_MAX, RegistrarError};

/// The interval of the clock's turns, at which expired colours are looked for: green comes back within this.
const TURN: Duration = Duration::from_secs(1);
/// The interval at which the time is recorded: far more often than a start may be late.
const NOTED_EVERY_MS: u64 = 60_000;

/// The pause between two pieces of the chores, in which the thread's other futures run.
const PAUSE: Duration = Duration::from_millis(1);

/// A request to do a job with the next group.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Enqueue {
    pub(super) job: Box<dyn Job>,
    /// Bounds what waits.
    pub(super) permit: OwnedSemaphorePermit,
    /// The time when it was put into the mailbox.
    pub(super) sent: Instant,
}

/// A request to do now the jobs that wait.
#[derive(Message)]
#[rtype(result = "()")]
struct Commit;

/// A request to do now the next piece of the chores.
#[derive(Message)]
#[rtype(result = "()")]
struct Piece;

pub(super) struct RegistrarActor {
    context: RegistrarContext,
    waiting: Vec<Enqueue>,
    turns: u64,
    /// The chores of this turn that are left.
    chores: VecDeque<Chore>,
    /// The chores that panicked, with the end of their pause.
    resting: Vec<(Chore, Instant)>,
    done: Counter,
    refused: Counter,
    failed: Counter,
    group: Histogram,
    seconds: Histogram,
    waited: Histogram,
    lag: Gauge,
    /// The time until which every colour change that was due was made.
    settled: Instant,
    /// The time that was recorded last.
    noted_ms: u64,
}

impl RegistrarActor {
    pub(super) fn new(context: RegistrarContext) -> Self {
        let jobs = |outcome: &'static str| metrics::counter!(metric::REGISTRAR_ACTS, "outcome" => outcome);
        Self {
            context,
            waiting: Vec::new(),
            turns: 0,
            chores: VecDeque::new(),
            resting: Vec::new(),
            done: jobs("done"),
            refused: jobs("refused"),
            failed: jobs("failed"),
            group: metrics::histogram!(metric::REGISTRAR_GROUP_ACTS),
            seconds: metrics::histogram!(metric::REGISTRAR_COMMIT_SECONDS),
            waited: metrics::histogram!(metric::QUEUE_SECONDS, "queue" => "registrar"),
            lag: metrics::gauge!(metric::COLOUR_LAG_SECONDS),
            settled: clock::now(),
            noted_ms: 0,
        }
    }

    fn commit(&mut self) {
        let jobs = std::mem::take(&mut self.waiting);
        if jobs.is_empty() {
            return;
        }
        let start = clock::now();
        if let Some(oldest) = jobs.first() {
            self.waited.record(start.saturating_duration_since(oldest.sent));
        }
        self.group.record(jobs.len() as f64);
        let (jobs, permits): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|queued| (queued.job, queued.permit)).unzip();
        let group = self.context.commit(jobs.into_iter());
        self.seconds.record(clock::since(start).as_secs_f64());
        let panic = match group {
            Ok(group) => {
                group.answer(|is_done| if is_done { &self.done } else { &self.refused }.increment(1))
            }
            Err(error) => {
                self.failed.increment(permits.len() as u64);
                if matches!(error, RegistryError::NotNow(_)) {
                    tracing::warn!(%error, acts = permits.len(), "the fleet did not take a group of acts");
                } else {
                    tracing::error!(%error, acts = permits.len(), "a group of acts is not durable");
                }
                None
            }
        };
        drop(permits);
        if let Some(panic) = panic {
            // The supervisor counts it; all other jobs are done.
            self.failed.increment(1);
            resume_unwind(panic);
        }
    }

    /// Begins the chores of this turn of the clock, unless those of the last one are not done yet.
    fn turn(&mut self, context: &mut Context<Self>) {
        if !self.context.codes.is_loaded() || !self.chores.is_empty() || self.follows() {
            return;
        }
        let now = clock::now();
        self.resting.retain(|&(_, until)| until > now);
        let rests = |chore: &Chore| self.resting.iter().any(|(resting, _)| resting == chore);
        if rests(&Chore::EndCauses) {
            self.lag.set(clock::since(self.settled));
        }
        self.chores.extend(Chore::of_turn(self.turns).filter(|chore| !rests(chore)));
        self.turns += 1;
        self.piece(context);
    }

    /// Reports a gateway that does not lead its fleet: the chores are the leader's. Notes the time, which is each gateway's own, and how long
    /// colours are overdue here.
    fn follows(&mut self) -> bool {
        let registry = Arc::clone(&self.context.registry);
        let registry = lock(&registry);
        if registry.leads() {
            return false;
        }
        let clock = clock::look();
        self.note(&registry, &clock);
        let certain_s = u32::try_from(clock.certain_ms / 1000).unwrap_or(u32::MAX);
        match registry.longest_due_s(certain_s) {
            Ok(overdue_s) => self.lag.set(f64::from(overdue_s)),
            Err(error) => tracing::error!(%error, "colours that are overdue cannot be looked for"),
        }
        true
    }

    /// Does one piece of the chores, after the jobs that came before it.
    fn piece(&mut self, context: &mut Context<Self>) {
        self.commit();
        let Some(chore) = self.chores.pop_front() else { return };
        let registry = Arc::clone(&self.context.registry);
        let mut registry = lock(&registry);
        match catch_unwind(AssertUnwindSafe(|| self.do_piece(chore, &mut registry))) {
            Ok(Ok(true)) => self.chores.push_back(chore),
            Ok(Ok(false)) => {}
            // Another gateway leads by now, and does them.
            Ok(Err(RegistrarError::Registry(RegistryError::NotNow(_)))) => self.chores.clear(),
            Ok(Err(error)) => tracing::error!(%error, "{}", chore.failed()),
            Err(_) => self.rest(chore, &mut registry),
        }
        if !self.chores.is_empty() {
            context.notify_later(Piece, PAUSE);
        }
    }

    /// Suspends a chore that panicked for a while; all others continue. The panic's own log line names the place.
    fn rest(&mut self, chore: Chore, registry: &mut Registry) {
        let rests_s = self.context.chore_rests.as_secs();
        tracing::error!(rests_s, "{}: the program failed, and tries again later", chore.failed());
        chore.count_restarts(1);
        self.resting.push((chore, clock::now() + self.context.chore_rests));
        if chore == Chore::EndCauses {
            self.lag.set(clock::since(self.settled));
        }
        // Another transaction rolls back what the panic has left of its own.
        if let Err(error) = registry.transaction::<_, RegistryError>(|_| Ok(())) {
            tracing::error!(%error, "what a failed piece of the clock's work left cannot be rolled back");
        }
    }

    /// Records the time for the next start: every minute, and at once if a clock that was ahead has been set right.
    fn note(&mut self, registry: &Registry, clock: &Reading) {
        let since_noted = clock.certain_ms.checked_sub(self.noted_ms);
        if !clock.is_dated || since_noted.is_some_and(|since_ms| since_ms < NOTED_EVERY_MS) {
            return;
        }
        match registry.note_ms(clock.certain_ms) {
            Ok(()) => self.noted_ms = clock.certain_ms,
            Err(error) => {
                tracing::error!(%error, "the time cannot be noted; the next start may not believe its clock");
            }
        }
    }

    fn do_piece(&mut self, chore: Chore, registry: &mut Registry) -> Result<bool, RegistrarError> {
        let clock = clock::look();
        let now_s = match chore {
            // What ends by the clock ends by the time that is certainly past.
            Chore::EndCauses | Chore::Forget => clock.certain_ms / 1000,
            Chore::Revise | Chore::Reseal | Chore::Sign => clock.now_ms / 1000,
        };
        if chore != Chore::EndCauses {
            return self.context.do_piece(chore, registry, now_s);
        }
        self.note(registry, &clock);
        let waited_s = registry.longest_due_s(u32::try_from(now_s).unwrap_or(u32::MAX));
        let done = self.context.do_piece(chore, registry, now_s);
        match (waited_s, &done) {
            (Ok(waited_s), Ok(more)) => {
                self.lag.set(f64::from(waited_s));
                if !more {
                    self.settled = clock::now();
                }
            }
            (Err(_), _) | (_, Err(_)) => self.lag.set(clock::since(self.settled)),
        }
        done
    }
}

impl Actor for RegistrarActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(JOBS_MAX);
        context.run_interval(TURN, Self::turn);
    }
}

/// A restart drops the jobs that waited, which tells their callers, and the chores of a turn during which a job failed, which would keep
/// every later turn from beginning.
impl Supervised for RegistrarActor {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.waiting.clear();
        self.chores.clear();
    }
}

impl Handler<Enqueue> for RegistrarActor {
    type Result = ();

    fn handle(&mut self, job: Enqueue, context: &mut Self::Context) {
        // Comes after everything that waits in the mailbox now: that is the group.
        if self.waiting.is_empty() {
            context.notify(Commit);
        }
        self.waiting.push(job);
    }
}

impl Handler<Piece> for RegistrarActor {
    type Result = ();

    fn handle(&mut self, _: Piece, context: &mut Self::Context) {
        self.piece(context);
    }
}

impl Handler<Commit> for RegistrarActor {
    type Result = ();

    fn handle(&mut self, _: Commit, _: &mut Self::Context) {
        self.commit();
    }
}
