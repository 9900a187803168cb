//! The registry as the registrar's jobs change it, and groups of jobs that become durable together: each is a step of one transaction that
//! happens whole or not at all. Nothing here sends or awaits.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use policy::{Policy, PolicyError, PolicyInEffect};
use protocol::CodeId;
use registry::colours::{CodeEntry, Codes};
use registry::replication::Applied;
use registry::{Registry, RegistryError};
use runtime::lock::lock;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{RegistrarError, Why};
use crate::fault::FaultHook;

/// A change of the registry: a message to its one writer. It is one step of a transaction and happens whole or not at all; its caller is
/// answered when it is durable.
pub trait RegistryChange: Send + 'static {
    /// The result for the caller.
    type Reply: Send + 'static;
    /// The error that leaves it undone; made of a [`RegistrarError`] if the writer is busy or fails.
    type Error: From<RegistrarError> + Send + 'static;

    /// Makes the change, on the writer's thread. What it has written is rolled back if this fails.
    fn apply(self, registrar: &mut Registrar<'_>) -> Result<Self::Reply, Self::Error>;

    /// Returns true if what a refused change has written stays.
    fn stays(_error: &Self::Error) -> bool {
        false
    }

    /// Returns true for a change that each gateway of a fleet makes by itself.
    fn is_local() -> bool {
        false
    }
}

/// A change in the memory that waits for its group to be durable.
enum Later {
    /// The code's entry; `None` takes the code out.
    Code(CodeId, Option<CodeEntry>),
    /// Another policy in effect.
    Policy(Arc<Policy>),
}

impl Later {
    const fn policy(&self) -> Option<&Arc<Policy>> {
        match self {
            Self::Policy(policy) => Some(policy),
            Self::Code(..) => None,
        }
    }
}

/// The channel on which a change's caller is answered.
pub(super) type Answer<C> =
    oneshot::Receiver<Result<<C as RegistryChange>::Reply, <C as RegistryChange>::Error>>;

/// A change of the registry with its caller.
pub(super) trait Job: Send {
    /// Applies the change; true if what it has written is to stay.
    fn apply(&mut self, registrar: &mut Registrar<'_>) -> bool;
    /// Answers the caller: with the result if the group is durable, otherwise with the reason.
    fn answer(self: Box<Self>, group: Result<(), RegistrarError>);
    /// Returns [`RegistryChange::is_local`].
    fn is_local(&self) -> bool;
}

/// A [`Job`] of one kind of change.
struct Call<C: RegistryChange> {
    change: Option<C>,
    result: Result<C::Reply, C::Error>,
    caller: oneshot::Sender<Result<C::Reply, C::Error>>,
}

/// Makes a job, and the channel on which its caller is answered. Dropping the job closes the channel.
pub(super) fn job<C: RegistryChange>(change: C) -> (Box<dyn Job>, Answer<C>) {
    let (caller, answer) = oneshot::channel();
    (Box::new(Call { change: Some(change), result: Err(RegistrarError::Failed.into()), caller }), answer)
}

impl<C: RegistryChange> Job for Call<C> {
    fn apply(&mut self, registrar: &mut Registrar<'_>) -> bool {
        if let Some(change) = self.change.take() {
            self.result = change.apply(registrar);
        }
        self.result.as_ref().map_or_else(C::stays, |_| true)
    }

    fn answer(self: Box<Self>, group: Result<(), RegistrarError>) {
        let Self { result, caller, .. } = *self;
        let result = match group {
            Ok(()) => result,
            Err(reason) => Err(reason.into()),
        };
        // A caller that has gone needs no answer.
        let _ = caller.send(result);
    }

    fn is_local(&self) -> bool {
        C::is_local()
    }
}

/// The registry and what goes with it; clones share it. Only jobs and chores write: on the registrar's thread, or, where no gateway runs,
/// on the caller's.
#[derive(Clone)]
pub(super) struct RegistrarContext {
    pub(super) registry: Arc<Mutex<Registry>>,
    pub(super) codes: Codes,
    /// `None` where no gateway runs.
    pub(super) policy: Option<PolicyInEffect>,
    pub(super) signing_pkcs8: Zeroizing<Vec<u8>>,
    /// The pause of a chore that panicked.
    pub(super) chore_rests: Duration,
    pub(super) faults: FaultHook<str>,
}

/// The jobs of a group, before it is durable.
#[derive(Default)]
pub(super) struct Group {
    /// The jobs that were applied, and whether what they have written stays.
    applied: Vec<(bool, Box<dyn Job>)>,
    later: Vec<Later>,
    /// The panic of one of the jobs.
    panic: Option<Box<dyn Any + Send>>,
}

impl Group {
    /// Answers the callers of a group that is durable, after a call of `count` with true for each job that was done and false for each that
    /// was refused. Returns the panic of one of the jobs.
    pub(super) fn answer(self, count: impl Fn(bool)) -> Option<Box<dyn Any + Send>> {
        for (stays, job) in self.applied {
            count(stays);
            job.answer(Ok(()));
        }
        self.panic
    }

    /// Answers the callers of a group that is lost: those who were refused with their refusal, all others with the reason.
    fn lose(self, error: &RegistryError) {
        for (stays, job) in self.applied {
            job.answer(if stays { Err(told(error)) } else { Ok(()) });
        }
    }
}

/// Returns what a caller is told of a group's error: that the fleet takes no change now, a full disk, or that the change failed.
fn told(error: &RegistryError) -> RegistrarError {
    if let RegistryError::NotNow(refusal) = error {
        RegistrarError::NotNow(refusal.clone())
    } else if matches!(error, RegistryError::GroupLost) || error.is_full() {
        RegistryError::full().into()
    } else {
        RegistrarError::Failed
    }
}

/// The reason for which a step of the group is rolled back.
enum Undone {
    Refused,
    Panicked(Box<dyn Any + Send>),
    Lost(RegistryError),
}

impl From<RegistryError> for Undone {
    fn from(error: RegistryError) -> Self {
        Self::Lost(error)
    }
}

impl RegistrarContext {
    /// Does jobs in one transaction, each as a step of its own. They are durable, and memory has followed, when this returns.
    ///
    /// # Errors
    /// The transaction failed, and no job is done; their callers are answered.
    pub(super) fn commit(&self, jobs: impl Iterator<Item = Box<dyn Job>>) -> Result<Group, RegistryError> {
        let mut registry = lock(&self.registry);
        let (mut group, mut jobs) = (Group::default(), jobs);
        let durable = registry.group(|registry| {
            jobs.by_ref().for_each(|job| self.step(registry, job, &mut group));
            self.faults.reached("steps of the group");
        });
        if let Err(error) = durable {
            // A transaction that did not begin has none of them.
            jobs.for_each(|job| job.answer(Err(told(&error))));
            group.lose(&error);
            return Err(error);
        }
        self.faults.reached("durable");
        self.follow(std::mem::take(&mut group.later));
        Ok(group)
    }

    /// Makes a registrar whose methods are transactions of their own.
    pub(super) fn registrar<'a>(&'a self, registry: &'a mut Registry) -> Registrar<'a> {
        let policy = self.policy.as_ref().map(PolicyInEffect::get);
        Registrar { registry, codes: &self.codes, policy, later: None, faults: self.faults.clone() }
    }

    /// Does one job as a step of the group's transaction, by the policy that an earlier job of the group has put into effect, if one has.
    fn step(&self, registry: &mut Registry, mut job: Box<dyn Job>, group: &mut Group) {
        if let Some(refusal) = registry.refusal().filter(|_| !job.is_local()) {
            return job.answer(Err(refusal.into()));
        }
        let policy = group.later.iter().rev().find_map(Later::policy).cloned();
        let done = registry.step::<_, Undone>("act", |registry| {
            let mut registrar = Registrar { later: Some(Vec::new()), ..self.registrar(registry) };
            registrar.policy = policy.or(registrar.policy);
            let stays = catch_unwind(AssertUnwindSafe(|| job.apply(&mut registrar)));
            if stays.map_err(Undone::Panicked)? {
                Ok(registrar.later.unwrap_or_default())
            } else {
                Err(Undone::Refused)
            }
        });
        match done {
            Ok(later) => {
                group.applied.push((true, job));
                group.later.extend(later);
            }
            Err(Undone::Refused) => group.applied.push((false, job)),
            Err(Undone::Panicked(panic)) => group.panic = Some(panic),
            Err(Undone::Lost(error)) => {
                tracing::error!(%error, "a change could not be begun or ended");
                job.answer(Err(told(&error)));
            }
        }
    }

    /// Applies the changes of a durable group to the memory.
    fn follow(&self, later: Vec<Later>) {
        for change in later {
            match change {
                Later::Code(code, Some(entry)) => self.codes.put(code, entry),
                Later::Code(code, None) => self.codes.remove(code),
                Later::Policy(policy) => {
                    tracing::info!(version = policy.version(), "another policy is in effect");
                    self.policy.iter().for_each(|in_effect| in_effect.set(Policy::clone(&policy)));
                }
            }
        }
    }
}

/// The registry as jobs change it: the only writer of people, consents, causes and colours.
pub struct Registrar<'a> {
    pub(super) registry: &'a mut Registry,
    pub(super) codes: &'a Codes,
    /// `None` where no gateway runs.
    policy: Option<Arc<Policy>>,
    /// Within a group: the changes in memory that follow once the group is durable.
    later: Option<Vec<Later>>,
    pub(super) faults: FaultHook<str>,
}

impl<'a> Registrar<'a> {
    /// Creates a registrar of that registry with that policy; each of its methods is a transaction of its own.
    pub fn new(registry: &'a mut Registry, codes: &'a Codes, policy: Arc<Policy>) -> Self {
        Self { registry, codes, policy: Some(policy), later: None, faults: FaultHook::none() }
    }

    /// Returns the registry itself, for changes that no rule of the registrar is about.
    pub fn registry(&mut self) -> &mut Registry {
        self.registry
    }

    /// Returns the codes in memory.
    pub fn codes(&self) -> &'a Codes {
        self.codes
    }

    /// Returns the policy in effect.
    ///
    /// # Errors
    /// No gateway runs.
    pub fn policy(&self) -> Result<Arc<Policy>, RegistrarError> {
        self.policy.clone().ok_or(RegistrarError::NoPolicy)
    }

    /// Replaces the policy in effect once the group is durable. On a registrar without a group the caller replaces it.
    pub(super) fn replace_policy(&mut self, policy: Policy) {
        if let Some(later) = &mut self.later {
            later.push(Later::Policy(Arc::new(policy)));
        }
    }

    /// Has the memory follow changes of another gateway: with the group.
    pub(super) fn follow_applied(&mut self, applied: &Applied) -> Result<(), RegistrarError> {
        for &(code, entry) in &applied.codes {
            match entry {
                Some(entry) => self.put(code, entry),
                None => self.forget(code),
            }
        }
        // Only ever withdraws more, so that it may come before the commit.
        applied.papers.iter().for_each(|&(code, from_s)| self.codes.set_paper_from(code, from_s));
        if applied.policy
            && let Some(newest) = self.registry.newest_policy()?
        {
            self.replace_policy(stored(&newest.version, &newest.text)?);
        }
        Ok(())
    }

    /// Changes a code's entry in memory: at once, or with the group.
    pub(crate) fn put(&mut self, code: CodeId, entry: CodeEntry) {
        match &mut self.later {
            Some(later) => later.push(Later::Code(code, Some(entry))),
            None => self.codes.put(code, entry),
        }
    }

    pub(super) fn put_all(&mut self, entries: Vec<(CodeId, CodeEntry)>) {
        entries.into_iter().for_each(|(code, entry)| self.put(code, entry));
    }

    /// Takes a code that is no longer registered out of memory: at once, or with the group.
    pub(super) fn forget(&mut self, code: CodeId) {
        match &mut self.later {
            Some(later) => later.push(Later::Code(code, None)),
            None => self.codes.remove(code),
        }
    }

    /// Finds why the code has its colour; `None` for a code that is not registered.
    pub fn why(&self, code: CodeId) -> Result<Option<Why>, RegistrarError> {
        let Some(entry) = self.registry.code(code)? else { return Ok(None) };
        let (causes, decisions) = (self.registry.causes(code)?, self.registry.decisions(code)?);
        Ok(Some(Why { entry, causes, decisions }))
    }
}

/// Parses a policy of the registry.
pub(super) fn stored(version: &str, text: &str) -> Result<Policy, RegistryError> {
    let name = format!("policy {version} in the registry");
    let damaged = |_: PolicyError| RegistryError::Damaged { what: "policy" };
    Policy::parse(text, Path::new(&name)).map_err(damaged)
}
