//! The registrar as its callers hold it: takes a permit, sends a job, and resolves when the job is durable or nothing of it has happened.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use policy::PolicyInEffect;
use protocol::metric;
use registry::Registry;
use registry::colours::Codes;
use runtime::clock;
use runtime::host::{HostedThread, host};
use runtime::supervisor::{ActorRef, supervise};
use tokio::sync::{Semaphore, oneshot};

use super::actor::{Enqueue, RegistrarActor};
use super::state::{RegistrarContext, job};
use super::{JOBS_MAX, Registrar, RegistrarConfig, RegistrarError, counts};
use crate::fault::FaultHook;

/// The time for which a job is tried that must not be lost: with a carrier's slowest answer before it, less than a page waits for.
const IN_TURN: Duration = Duration::from_secs(10);
/// The pause between two tries while the actor is parked or was restarted.
const IN_TURN_PAUSE: Duration = Duration::from_millis(50);

/// A handle of the registrar; clones share one actor.
#[derive(Clone)]
pub struct RegistrarHandle {
    actor: ActorRef<RegistrarActor>,
    permits: Arc<Semaphore>,
}

impl RegistrarHandle {
    /// Starts the registrar on a thread of its own. To stop it lets the jobs that wait be done.
    ///
    /// # Errors
    /// No thread from the operating system.
    pub fn start(
        registry: Arc<Mutex<Registry>>,
        codes: Codes,
        policy: PolicyInEffect,
        config: RegistrarConfig,
    ) -> std::io::Result<(Self, HostedThread)> {
        Self::start_with(registry, codes, policy, config, FaultHook::none())
    }

    /// The same as [`Self::start`], with a hook that is called with the name of each step of a job, by which a test makes the registrar
    /// fail, or ends the process.
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
        let context = RegistrarContext { registry, codes, policy, signing_pkcs8, chore_rests, faults };
        host("registrar", move |stop| {
            let parked = metrics::gauge!(metric::REGISTRAR_PARKED);
            let actor = supervise("registrar".to_owned(), restarts, parked, move || {
                RegistrarActor::new(context.clone())
            });
            let permits = Arc::new(Semaphore::new(JOBS_MAX));
            let handle = Self { actor, permits: Arc::clone(&permits) };
            let end = async move {
                stop.await;
                // Every job that was taken has ended.
                let _all = permits.acquire_many(JOBS_MAX as u32).await;
                permits.close();
            };
            (handle, end)
        })
    }

    /// The restarts of the actor so far.
    #[cfg(test)]
    pub(crate) fn restarts(&self) -> u64 {
        self.actor.restarts()
    }

    /// Does a job. Resolves when it is durable and memory has followed, or when nothing of it has happened; a registrar that panics
    /// between the two answers [`RegistrarError::Failed`] for a job that is durable. A job may call several of the registrar's methods:
    /// they happen together or not at all.
    pub async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Registrar<'_>) -> Result<T, RegistrarError> + Send + 'static,
    ) -> Result<T, RegistrarError> {
        self.send(act)?.await.unwrap_or(Err(RegistrarError::Failed))
    }

    /// The same as [`Self::act`] for a job that must not be lost: while the registrar is busy or has failed, this tries again, for
    /// [`IN_TURN`] at most. `act` may be called again when it is durable already, so that twice has to come to the same as once.
    pub async fn act_in_turn<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Registrar<'_>) -> Result<T, RegistrarError> + Clone + Send + 'static,
    ) -> Result<T, RegistrarError> {
        let began = clock::now();
        loop {
            let result = self.act(act.clone()).await;
            let in_vain = matches!(result, Err(RegistrarError::Busy | RegistrarError::Failed));
            if !in_vain || clock::since(began) >= IN_TURN {
                return result;
            }
            tokio::time::sleep(IN_TURN_PAUSE).await;
        }
    }

    /// The same as [`Self::act`] for threads that may block.
    ///
    /// # Panics
    /// On a thread of an asynchronous runtime.
    pub fn act_blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Registrar<'_>) -> Result<T, RegistrarError> + Send + 'static,
    ) -> Result<T, RegistrarError> {
        self.send(act)?.blocking_recv().unwrap_or(Err(RegistrarError::Failed))
    }

    fn send<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Registrar<'_>) -> Result<T, RegistrarError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, RegistrarError>>, RegistrarError> {
        let actor = self.actor.addr().ok_or(RegistrarError::Busy)?;
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| RegistrarError::Busy)?;
        let (caller, answer) = oneshot::channel();
        let sent = clock::now();
        actor.try_send(Enqueue { job: job(act, caller), permit, sent }).map_err(|_| RegistrarError::Busy)?;
        Ok(answer)
    }
}
