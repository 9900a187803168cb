//! The handle of the registrar. A call takes a permit, sends a change, and resolves when the change is durable or has not happened at all.
//! Without a running gateway, the same handle makes changes by the same code on its caller's thread.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use policy::PolicyInEffect;
use protocol::metric;
use registry::Registry;
use registry::colours::Codes;
use runtime::clock;
use runtime::host::{HostedThread, host};
use runtime::supervisor::{ActorRef, ParkedGauge, supervise};
use tokio::sync::Semaphore;

use super::actor::{Enqueue, RegistrarActor};
use super::state::{Answer, RegistrarContext, job};
use super::{JOBS_MAX, RegistrarConfig, RegistrarError, RegistryChange, counts};
use crate::fault::FaultHook;

/// The time for which a change is tried that must not be lost: with a carrier's slowest answer before it, less than a page waits for.
const IN_TURN: Duration = Duration::from_secs(10);
/// The pause between two tries while the actor is parked or was restarted.
const IN_TURN_PAUSE: Duration = Duration::from_millis(50);

/// A handle of the registry's one writer; clones share it.
#[derive(Clone)]
pub struct RegistrarHandle(Writer);

#[derive(Clone)]
enum Writer {
    /// The actor of a running gateway.
    Actor { actor: ActorRef<RegistrarActor>, permits: Arc<Semaphore> },
    /// The caller's thread, where no gateway runs.
    Here(RegistrarContext),
}

impl RegistrarHandle {
    /// Starts the registrar on a thread of its own. To stop it lets the jobs that wait be done.
    ///
    /// # Errors
    /// No thread from the operating system.
    pub fn start(
        registry: Registry,
        codes: Codes,
        policy: PolicyInEffect,
        config: RegistrarConfig,
    ) -> std::io::Result<(Self, HostedThread)> {
        Self::start_with(Arc::new(Mutex::new(registry)), codes, policy, config, FaultHook::none())
    }

    /// Does what [`Self::start`] does, with a hook that is called with the name of each step of a job, by which a test makes the registrar
    /// fail, or ends the process. A test that shares the registry holds the registrar up by its lock.
    ///
    /// # Errors
    /// No thread from the operating system.
    pub fn start_with(
        registry: Arc<Mutex<Registry>>,
        codes: Codes,
        policy: PolicyInEffect,
        config: RegistrarConfig,
        faults: FaultHook<str>,
    ) -> std::io::Result<(Self, HostedThread)> {
        let RegistrarConfig { restarts, chore_rests, signing_pkcs8 } = config;
        counts::start_at_zero();
        let policy = Some(policy);
        let context = RegistrarContext { registry, codes, policy, signing_pkcs8, chore_rests, faults };
        host("registrar", move |stop| {
            let parked = ParkedGauge::new(metrics::gauge!(metric::REGISTRAR_PARKED));
            let actor = supervise("registrar".to_owned(), restarts, parked, move || {
                RegistrarActor::new(context.clone())
            });
            let permits = Arc::new(Semaphore::new(JOBS_MAX));
            let handle = Self(Writer::Actor { actor, permits: Arc::clone(&permits) });
            let end = async move {
                stop.await;
                // Every job that was taken has ended.
                let _all = permits.acquire_many(JOBS_MAX as u32).await;
                permits.close();
            };
            (handle, end)
        })
    }

    /// Creates the writer of a registry without a running gateway: each change is made at once, on its caller's thread, and nothing by the
    /// clock. No policy is in effect.
    pub fn without_gateway(registry: Registry, codes: Codes) -> Self {
        let RegistrarConfig { chore_rests, signing_pkcs8, .. } = RegistrarConfig::default();
        let (registry, faults) = (Arc::new(Mutex::new(registry)), FaultHook::none());
        Self(Writer::Here(RegistrarContext {
            registry,
            codes,
            policy: None,
            signing_pkcs8,
            chore_rests,
            faults,
        }))
    }

    /// Returns the number of restarts of the actor so far.
    #[cfg(test)]
    pub(crate) fn restarts(&self) -> u64 {
        match &self.0 {
            Writer::Actor { actor, .. } => actor.restarts(),
            Writer::Here(_) => 0,
        }
    }

    /// Makes a change. Resolves when it is durable and memory has followed, or when nothing of it has happened; a registrar that panics
    /// between the two answers [`RegistrarError::Failed`] for a change that is durable.
    pub async fn act<C: RegistryChange>(&self, change: C) -> Result<C::Reply, C::Error> {
        self.send(change)?.await.unwrap_or_else(|_| Err(RegistrarError::Failed.into()))
    }

    /// Makes a change that must not be lost, as [`Self::act`] does: while the registrar is busy or has failed, this tries again, for
    /// [`IN_TURN`] at most. The change may be made again when it is durable already, so that twice has to come to the same as once.
    pub(crate) async fn act_in_turn<C>(&self, change: C) -> Result<C::Reply, RegistrarError>
    where
        C: RegistryChange<Error = RegistrarError> + Clone,
    {
        let began = clock::now();
        loop {
            let result = self.act(change.clone()).await;
            let in_vain = matches!(
                result,
                Err(RegistrarError::Busy | RegistrarError::Failed | RegistrarError::NotNow(_))
            );
            if !in_vain || clock::since(began) >= IN_TURN {
                return result;
            }
            tokio::time::sleep(IN_TURN_PAUSE).await;
        }
    }

    /// Makes a change as [`Self::act`] does, for threads that may block. While the registrar is busy, this waits, for [`IN_TURN`] at most.
    ///
    /// # Panics
    /// On a thread of an asynchronous runtime.
    pub fn act_blocking<C: RegistryChange>(&self, change: C) -> Result<C::Reply, C::Error> {
        let began = clock::now();
        while self.is_busy() && clock::since(began) < IN_TURN {
            std::thread::park_timeout(IN_TURN_PAUSE);
        }
        self.send(change)?.blocking_recv().unwrap_or_else(|_| Err(RegistrarError::Failed.into()))
    }

    fn is_busy(&self) -> bool {
        match &self.0 {
            Writer::Actor { actor, permits } => actor.addr().is_none() || permits.available_permits() == 0,
            Writer::Here(_) => false,
        }
    }

    fn send<C: RegistryChange>(&self, change: C) -> Result<Answer<C>, RegistrarError> {
        let (job, answer) = job(change);
        match &self.0 {
            Writer::Actor { actor, permits } => {
                let actor = actor.addr().ok_or(RegistrarError::Busy)?;
                let permit = Arc::clone(permits).try_acquire_owned().map_err(|_| RegistrarError::Busy)?;
                let sent = clock::now();
                actor.try_send(Enqueue { job, permit, sent }).map_err(|_| RegistrarError::Busy)?;
            }
            Writer::Here(context) => {
                if let Some(panic) = context.commit(std::iter::once(job))?.answer(|_| ()) {
                    resume_unwind(panic);
                }
            }
        }
        Ok(answer)
    }
}
