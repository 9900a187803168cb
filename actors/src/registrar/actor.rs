//! The actor behind [`super::RegistrarHandle`]. Acts that wait are done in one transaction, each a step of it that happens whole or
//! not at all; one sync makes all of them durable, then memory follows, then the callers are told.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, Message, Supervised};
use metrics::{Counter, Gauge, Histogram};
use protocol::{CodeId, metric};
use tokio::sync::OwnedSemaphorePermit;
use zeroize::Zeroizing;

use super::handle::Fault;
use super::{Registrar, RegistrarError};
use crate::clock::{self, Reading};
use crate::codes::{CodeEntry, Codes};
use crate::policy::PolicyInEffect;
use crate::registry::{Registry, RegistryError};

/// How often colours whose time is over are looked for: green comes back within this.
const CLOCK: Duration = Duration::from_secs(1);
/// How often decisions are signed, in turns of the clock.
const TURNS_PER_CHECKPOINT: u64 = 60;
/// How often the time is noted: far more often than a start may be late.
const NOTED_EVERY_MS: u64 = 60_000;
/// How often answers whose time is over are forgotten, in turns of the clock.
const TURNS_PER_FORGETTING: u64 = 60;
/// Parts of the codes that are brought to follow another policy in one turn: forms wait no longer than a few syncs.
const REVISIONS_PER_TURN: usize = 8;

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

/// What waits is done now.
#[derive(Message)]
#[rtype(result = "()")]
struct Commit;

/// What the actor works on; clones share it.
#[derive(Clone)]
pub(super) struct Office {
    pub(super) registry: Arc<Mutex<Registry>>,
    pub(super) codes: Codes,
    pub(super) policy: PolicyInEffect,
    pub(super) signing_pkcs8: Zeroizing<Vec<u8>>,
    pub(super) fault: Option<Fault>,
}

pub(super) struct RegistrarActor {
    office: Office,
    waiting: Vec<Act>,
    turns: u64,
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

/// What a group came to, before it is durable.
#[derive(Default)]
struct Group {
    tells: Vec<(bool, Tell)>,
    later: Vec<(CodeId, Option<CodeEntry>)>,
    panic: Option<Box<dyn Any + Send>>,
}

impl RegistrarActor {
    pub(super) fn new(office: Office) -> Self {
        let acts = |outcome: &'static str| metrics::counter!(metric::REGISTRAR_ACTS, "outcome" => outcome);
        Self {
            office,
            waiting: Vec::new(),
            turns: 0,
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
        let mut registry = self.office.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let group = registry.group(|registry| {
            let mut group = Group::default();
            for Act { work, permit, .. } in acts {
                permits.push(permit);
                self.office.step(registry, work, &mut group);
            }
            self.office.passed("steps of the group");
            group
        });
        self.office.passed("durable");
        // Memory follows before another writer gets its turn: of two changes of a code the later one is seen.
        if let Ok(group) = &group {
            self.office.follow(&group.later);
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

    /// Colours whose time is over, what still has to follow the policy, and the signature over the decisions. An import may hold
    /// the registry; there is another turn.
    fn turn(&mut self) {
        if !self.office.codes.is_loaded() {
            return;
        }
        let registry = Arc::clone(&self.office.registry);
        let mut registry = match registry.try_lock() {
            Ok(registry) => registry,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Whatever has fallen due meanwhile has waited no longer than this.
            Err(TryLockError::WouldBlock) => return self.lag.set(clock::since(self.settled)),
        };
        let clock = clock::look();
        let now_s = clock.now_ms / 1000;
        // What ends by the clock ends by the time that has certainly been reached.
        let certain_s = clock.certain_ms / 1000;
        self.settle_due(&mut registry, u32::try_from(certain_s).unwrap_or(u32::MAX));
        if let Err(error) = self.office.revise(&mut registry, now_s) {
            tracing::error!(%error, "codes cannot follow the policy in effect");
        }
        if let Err(error) = registry.reseal_some() {
            tracing::error!(%error, "what an earlier release sealed cannot be written anew");
        }
        if self.turns.is_multiple_of(TURNS_PER_FORGETTING)
            && let Err(error) = self.office.forget(&mut registry, certain_s)
        {
            tracing::error!(%error, "answers whose time is over cannot be forgotten");
        }
        if self.turns.is_multiple_of(TURNS_PER_CHECKPOINT)
            && let Err(error) = registry.checkpoint(&self.office.signing_pkcs8, now_s)
        {
            tracing::error!(%error, "decisions cannot be signed");
        }
        self.note(&registry, &clock);
        self.turns += 1;
    }
}

impl RegistrarActor {
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

    /// Colours whose time is over.
    fn settle_due(&mut self, registry: &mut Registry, now_s: u32) {
        let settled = registry.longest_due_s(now_s).and_then(|due_s| {
            registry.expire_due(&self.office.codes, now_s)?;
            Ok(due_s)
        });
        match settled {
            Ok(due_s) => {
                self.lag.set(f64::from(due_s));
                self.settled = clock::now();
            }
            Err(error) => {
                self.lag.set(clock::since(self.settled));
                tracing::error!(%error, "colours whose time is over cannot be ended");
            }
        }
    }
}

impl Office {
    fn passed(&self, step: &'static str) {
        if let Some(fault) = &self.fault {
            fault(step);
        }
    }

    fn follow(&self, later: &[(CodeId, Option<CodeEntry>)]) {
        for &(code, entry) in later {
            match entry {
                Some(entry) => self.codes.put(code, entry),
                None => self.codes.remove(code),
            }
        }
    }

    fn forget(&self, registry: &mut Registry, now_s: u64) -> Result<(), RegistrarError> {
        Registrar::new(registry, &self.codes, self.policy.get()).forget_answers(now_s)
    }

    fn revise(&self, registry: &mut Registry, now_s: u64) -> Result<(), RegistrarError> {
        let mut registrar = Registrar::new(registry, &self.codes, self.policy.get());
        for _ in 0..REVISIONS_PER_TURN {
            if !registrar.revise_some(now_s)? {
                break;
            }
        }
        Ok(())
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
        context.set_mailbox_capacity(super::handle::ACTS_MAX);
        context.run_interval(CLOCK, |actor, _| actor.turn());
    }
}

/// What waited is with the callers again: their senders are dropped.
impl Supervised for RegistrarActor {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.waiting.clear();
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

impl Handler<Commit> for RegistrarActor {
    type Result = ();

    fn handle(&mut self, _: Commit, _: &mut Self::Context) {
        self.commit();
    }
}

/// What a caller is told when nothing has happened.
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
