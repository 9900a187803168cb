//! The registry as the registrar's jobs change it, and groups of jobs that become durable together: each is a step of one transaction that
//! happens whole or not at all. Nothing here sends or awaits.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use policy::{Policy, PolicyInEffect};
use protocol::CodeId;
use registry::colours::{CodeEntry, Codes};
use registry::{Registry, RegistryError};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{RegistrarError, Why};
use crate::fault::FaultHook;

/// Answers the caller of a job; its argument is true if the job is durable.
pub(super) type Reply = Box<dyn FnOnce(bool) + Send>;
/// A job: changes the registry and returns whether the changes are to stay, with the answer to its caller. A refused job's changes are rolled
/// back, unless the try of a document has to count.
pub(super) type Job = Box<dyn FnOnce(&mut Registrar<'_>) -> (bool, Reply) + Send>;

/// A change of the colours in memory that waits for its group to be durable; `None` takes the code out.
type Later = (CodeId, Option<CodeEntry>);

/// Makes a job that answers its caller: the result of `act` once it is durable, otherwise [`RegistrarError::Failed`].
pub(super) fn job<T: Send + 'static>(
    act: impl FnOnce(&mut Registrar<'_>) -> Result<T, RegistrarError> + Send + 'static,
    caller: oneshot::Sender<Result<T, RegistrarError>>,
) -> Job {
    Box::new(move |registrar| {
        let result = act(registrar);
        let stays = result.as_ref().map_or_else(RegistrarError::leaves_a_try, |_| true);
        let reply: Reply = Box::new(move |durable| {
            let _ = caller.send(if durable { result } else { Err(RegistrarError::Failed) });
        });
        (stays, reply)
    })
}

/// The registry and what goes with it; clones share it. The registrar's actor is its writer, next to imports and operators' orders, which
/// take the same lock.
#[derive(Clone)]
pub(super) struct RegistrarContext {
    pub(super) registry: Arc<Mutex<Registry>>,
    pub(super) codes: Codes,
    pub(super) policy: PolicyInEffect,
    pub(super) signing_pkcs8: Zeroizing<Vec<u8>>,
    /// The pause of a chore that panicked.
    pub(super) chore_rests: Duration,
    pub(super) faults: FaultHook<str>,
}

/// The results of a group of jobs, before it is durable.
#[derive(Default)]
pub(super) struct Group {
    /// The callers, and whether their job's changes stay.
    pub(super) replies: Vec<(bool, Reply)>,
    pub(super) later: Vec<Later>,
    /// The panic of one of the jobs.
    pub(super) panic: Option<Box<dyn Any + Send>>,
}

/// The reason for which a step of the group is rolled back.
enum Undone {
    Refused(Reply),
    Panicked(Box<dyn Any + Send>),
    Lost,
}

impl From<RegistryError> for Undone {
    fn from(error: RegistryError) -> Self {
        tracing::error!(%error, "an act could not be begun or ended");
        Self::Lost
    }
}

impl RegistrarContext {
    /// Does one job as a step of the group's transaction.
    pub(super) fn step(&self, registry: &mut Registry, job: Job, group: &mut Group) {
        let done = registry.step::<_, Undone>("act", |registry| {
            let mut registrar = Registrar {
                registry,
                codes: &self.codes,
                policy: self.policy.get(),
                later: Some(Vec::new()),
                faults: self.faults.clone(),
            };
            let (stays, reply) =
                catch_unwind(AssertUnwindSafe(|| job(&mut registrar))).map_err(Undone::Panicked)?;
            if stays { Ok((reply, registrar.later.unwrap_or_default())) } else { Err(Undone::Refused(reply)) }
        });
        match done {
            Ok((reply, later)) => {
                group.replies.push((true, reply));
                group.later.extend(later);
            }
            Err(Undone::Refused(reply)) => group.replies.push((false, reply)),
            Err(Undone::Panicked(panic)) => group.panic = Some(panic),
            // The caller's channel closes, which tells it.
            Err(Undone::Lost) => {}
        }
    }

    /// Has the colours in memory follow a group that is durable.
    pub(super) fn follow(&self, later: &[Later]) {
        for &(code, entry) in later {
            match entry {
                Some(entry) => self.codes.put(code, entry),
                None => self.codes.remove(code),
            }
        }
    }
}

/// The registry as jobs change it: the only writer of people, consents, causes and colours.
pub struct Registrar<'a> {
    pub(super) registry: &'a mut Registry,
    pub(super) codes: &'a Codes,
    pub(super) policy: Arc<Policy>,
    /// Within a group: the changes in memory that follow once the group is durable.
    later: Option<Vec<Later>>,
    pub(super) faults: FaultHook<str>,
}

impl<'a> Registrar<'a> {
    /// Works on that registry by that policy; each method is a transaction of its own.
    pub fn new(registry: &'a mut Registry, codes: &'a Codes, policy: Arc<Policy>) -> Self {
        Self { registry, codes, policy, later: None, faults: FaultHook::none() }
    }

    /// Changes a code's entry in memory: at once, or with the group.
    pub(super) fn put(&mut self, code: CodeId, entry: CodeEntry) {
        match &mut self.later {
            Some(later) => later.push((code, Some(entry))),
            None => self.codes.put(code, entry),
        }
    }

    pub(super) fn put_all(&mut self, entries: Vec<(CodeId, CodeEntry)>) {
        entries.into_iter().for_each(|(code, entry)| self.put(code, entry));
    }

    /// Takes a code that is no longer registered out of memory: at once, or with the group.
    pub(super) fn forget(&mut self, code: CodeId) {
        match &mut self.later {
            Some(later) => later.push((code, None)),
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
