//! The actor behind [`super::RegistrarHandle`]. Acts that wait are done in one transaction, each a step of it that happens whole or
//! not at all; one sync makes all of them durable, then memory follows, then the callers are told.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, Message, Supervised};
use metrics::{Counter, Gauge, Histogram};
use protocol::{CodeId, metric};
use registry::colours::CodeEntry;
use registry::{Registry, RegistryError};
use runtime::clock::{self, Reading};
use tokio::sync::OwnedSemaphorePermit;

use super::chores::Chore;
use super::context::RegistrarContext;
use super::{Registrar, RegistrarError};
use crate::bounds;

/// Acts that may wait: two seconds of a busy day; who comes beyond is told to try again.
pub(super) const ACTS_MAX: usize = bounds::ACTS.entries();

/// The interval at which colours whose time is over are looked for: green comes back within this.
const CLOCK: Duration = Duration::from_secs(1);
/// The interval at which the time is noted: far more often than a start may be late.
const NOTED_EVERY_MS: u64 = 60_000;
/// Between two pieces of the clock's work: an operator who waits for the registry gets it.
const PAUSE: Duration = Duration::from_millis(1);
/// Before a piece is tried again that found the registry held, by an import or an operator.
const HELD: Duration = Duration::from_millis(20);
/// A chore that panicked rests for this long: it would most likely panic at the next turn, too, and nobody is to wait for that.
pub(super) const CHORE_RESTS: Duration = Duration::from_secs(60);

/// Tells the caller; true if what was done is durable.
pub(super) type Tell = Box<dyn FnOnce(bool) + Send>;
/// Does the act; true if it, or the try of one that is refused, is to stay.
pub(super) type Work = Box<dyn FnOnce(&mut Registrar<'_>) -> (bool, Tell) + Send>;

/// An act, and the permit that bounds what waits.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Act {
    pub(super) work: Work,
    pub(super) permit: OwnedSemaphorePermit,
    /// When it was put into the mailbox.
    pub(super) sent: Instant,
}

/// An order to do now whatever waits.
#[derive(Message)]
#[rtype(result = "()")]
struct Commit;

/// The next piece of the clock's work is done now.
#[derive(Message)]
#[rtype(result = "()")]
struct Piece;

pub(super) struct RegistrarActor {
    shared: RegistrarContext,
    waiting: Vec<Act>,
    turns: u64,
    /// The chores of the clock.
    chores: VecDeque<Chore>,
    /// Those that panicked, and until when they rest.
    resting: Vec<(Chore, Instant)>,
    done: Counter,
    refused: Counter,
    failed: Counter,
    group: Histogram,
    seconds: Histogram,
    waited: Histogram,
    lag: Gauge,
    /// Until when every colour change that was due was made.
    settled: Instant,
    /// The time that was noted last.
    noted_ms: u64,
}

/// Why a step of the group is rolled back.
enum Undone {
    Refused(Tell),
    Panicked(Box<dyn Any + Send>),
    Lost,
}

impl From<RegistryError> for Undone {
    fn from(error: RegistryError) -> Self {
        tracing::error!(%error, "an act could not be begun or ended");
        Self::Lost
    }
}

/// The outcome of a group, before it is durable.
#[derive(Default)]
struct Group {
    tells: Vec<(bool, Tell)>,
    later: Vec<(CodeId, Option<CodeEntry>)>,
    panic: Option<Box<dyn Any + Send>>,
}

impl RegistrarActor {
    pub(super) fn new(shared: RegistrarContext) -> Self {
        let acts = |outcome: &'static str| metrics::counter!(metric::REGISTRAR_ACTS, "outcome" => outcome);
        Self {
            shared,
            waiting: Vec::new(),
            turns: 0,
            chores: VecDeque::new(),
            resting: Vec::new(),
            done: acts("done"),
            refused: acts("refused"),
            failed: acts("failed"),
            group: metrics::histogram!(metric::REGISTRAR_GROUP_ACTS),
            seconds: metrics::histogram!(metric::REGISTRAR_COMMIT_SECONDS),
            waited: metrics::histogram!(metric::QUEUE_SECONDS, "queue" => "registrar"),
            lag: metrics::gauge!(metric::COLOUR_LAG_SECONDS),
            settled: clock::now(),
            noted_ms: 0,
        }
    }

    fn commit(&mut self) {
        let acts = std::mem::take(&mut self.waiting);
        if acts.is_empty() {
            return;
        }
        let start = clock::now();
        if let Some(oldest) = acts.first() {
            self.waited.record(start.saturating_duration_since(oldest.sent));
        }
        self.group.record(acts.len() as f64);
        let mut permits = Vec::with_capacity(acts.len());
        let mut registry = self.shared.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let group = registry.group(|registry| {
            let mut group = Group::default();
            for Act { work, permit, .. } in acts {
                permits.push(permit);
                self.shared.step(registry, work, &mut group);
            }
            self.shared.passed("steps of the group");
            group
        });
        self.shared.passed("durable");
        // Memory follows before another writer gets its turn: of two changes of a code the later one is seen.
        if let Ok(group) = &group {
            self.shared.follow(&group.later);
        }
        drop(registry);
        self.seconds.record(clock::since(start).as_secs_f64());
        let panic = match group {
            Ok(group) => self.tell(group),
            Err(error) => {
                self.failed.increment(permits.len() as u64);
                tracing::error!(%error, acts = permits.len(), "a group of acts is not durable");
                None
            }
        };
        drop(permits);
        if let Some(panic) = panic {
            // The supervisor counts it; everybody else's act is done.
            self.failed.increment(1);
            resume_unwind(panic);
        }
    }

    /// The group is durable and memory has followed.
    fn tell(&self, group: Group) -> Option<Box<dyn Any + Send>> {
        let Group { tells, later: _, panic } = group;
        for (good, tell) in tells {
            if good { &self.done } else { &self.refused }.increment(1);
            tell(true);
        }
        panic
    }

    /// The clock's work of this turn begins, unless the last one's is not done yet.
    fn turn(&mut self, context: &mut Context<Self>) {
        if !self.shared.codes.is_loaded() || !self.chores.is_empty() {
            return;
        }
        let now = clock::now();
        self.resting.retain(|&(_, until)| until > now);
        let rests = |chore: &Chore| self.resting.iter().any(|(resting, _)| resting == chore);
        if rests(&Chore::Expire) {
            self.lag.set(clock::since(self.settled));
        }
        self.chores.extend(Chore::of_turn(self.turns).filter(|chore| !rests(chore)));
        self.turns += 1;
        self.piece(context);
    }

    /// One piece of the clock's work, after the acts that came before it.
    fn piece(&mut self, context: &mut Context<Self>) {
        self.commit();
        let Some(chore) = self.chores.pop_front() else { return };
        let registry = Arc::clone(&self.shared.registry);
        let mut registry = match registry.try_lock() {
            Ok(registry) => registry,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Whatever has fallen due meanwhile has waited no longer than this.
            Err(TryLockError::WouldBlock) => {
                self.lag.set(clock::since(self.settled));
                self.chores.push_front(chore);
                context.notify_later(Piece, HELD);
                return;
            }
        };
        match catch_unwind(AssertUnwindSafe(|| self.do_piece(chore, &mut registry))) {
            Ok(Ok(true)) => self.chores.push_back(chore),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::error!(%error, "{}", chore.failed()),
            Err(_) => self.rest(chore, &mut registry),
        }
        if !self.chores.is_empty() {
            context.notify_later(Piece, PAUSE);
        }
    }

    /// A chore has panicked: it is left alone for a while, and all others go on. Where it was, the panic's own line says.
    fn rest(&mut self, chore: Chore, registry: &mut Registry) {
        let rests_s = self.shared.chore_rests.as_secs();
        tracing::error!(rests_s, "{}: the program failed, and tries again later", chore.failed());
        chore.count_restarts(1);
        self.resting.push((chore, clock::now() + self.shared.chore_rests));
        if chore == Chore::Expire {
            self.lag.set(clock::since(self.settled));
        }
        // What the panic has left of its transaction is rolled back where another one begins.
        if let Err(error) = registry.transaction::<_, RegistryError>(|_| Ok(())) {
            tracing::error!(%error, "what a failed piece of the clock's work left cannot be rolled back");
        }
    }

    /// Notes the time for the next start: every minute, and at once if a clock that was ahead has been put right.
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
            // What ends by the clock ends by the time that has certainly been reached.
            Chore::Expire | Chore::Forget => clock.certain_ms / 1000,
            Chore::Revise | Chore::Reseal | Chore::Sign => clock.now_ms / 1000,
        };
        if chore != Chore::Expire {
            return self.shared.do_piece(chore, registry, now_s);
        }
        self.note(registry, &clock);
        let waited_s = registry.longest_due_s(u32::try_from(now_s).unwrap_or(u32::MAX));
        let done = self.shared.do_piece(chore, registry, now_s);
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

impl RegistrarContext {
    fn follow(&self, later: &[(CodeId, Option<CodeEntry>)]) {
        for &(code, entry) in later {
            match entry {
                Some(entry) => self.codes.put(code, entry),
                None => self.codes.remove(code),
            }
        }
    }

    fn step(&self, registry: &mut Registry, work: Work, group: &mut Group) {
        let done = registry.step::<_, Undone>("act", |registry| {
            let mut registrar = Registrar {
                registry,
                codes: &self.codes,
                policy: self.policy.get(),
                later: Some(Vec::new()),
                fault: self.fault.clone(),
            };
            let (good, tell) =
                catch_unwind(AssertUnwindSafe(|| work(&mut registrar))).map_err(Undone::Panicked)?;
            if good { Ok((tell, registrar.later.unwrap_or_default())) } else { Err(Undone::Refused(tell)) }
        });
        match done {
            Ok((tell, later)) => {
                group.tells.push((true, tell));
                group.later.extend(later);
            }
            Err(Undone::Refused(tell)) => group.tells.push((false, tell)),
            Err(Undone::Panicked(panic)) => group.panic = Some(panic),
            // Whoever waits sees that nobody answers any more.
            Err(Undone::Lost) => {}
        }
    }
}

impl Actor for RegistrarActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(ACTS_MAX);
        context.run_interval(CLOCK, Self::turn);
    }
}

/// Whatever waited is with the callers again: their senders are dropped. The clock's work begins anew with its next turn; what was left of
/// a turn during which an act failed would keep every later one from beginning.
impl Supervised for RegistrarActor {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.waiting.clear();
        self.chores.clear();
    }
}

impl Handler<Act> for RegistrarActor {
    type Result = ();

    fn handle(&mut self, act: Act, context: &mut Self::Context) {
        // Comes after everything that waits in the mailbox now: that is the group.
        if self.waiting.is_empty() {
            context.notify(Commit);
        }
        self.waiting.push(act);
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

/// Says what a caller is told when nothing has happened.
pub(super) fn work<T: Send + 'static>(
    act: impl FnOnce(&mut Registrar<'_>) -> Result<T, RegistrarError> + Send + 'static,
    caller: tokio::sync::oneshot::Sender<Result<T, RegistrarError>>,
) -> Work {
    Box::new(move |registrar| {
        let result = act(registrar);
        let good = result.as_ref().map_or_else(RegistrarError::leaves_a_try, |_| true);
        let tell: Tell = Box::new(move |durable| {
            let _ = caller.send(if durable { result } else { Err(RegistrarError::Failed) });
        });
        (good, tell)
    })
}
