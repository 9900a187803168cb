//! Speaks for the registrar: whoever wants something done to people, consents or colours asks here, and hears when it is durable.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use policy::PolicyInEffect;
use protocol::metric;
use registry::Registry;
use registry::colours::Codes;
use runtime::arbiter::{self, ArbiterThread};
use runtime::clock;
use runtime::supervisor::{ActorRef, RestartPolicy, supervise};
use tokio::sync::{Semaphore, oneshot};
use zeroize::Zeroizing;

use super::actor::{ACTS_MAX, Act, CHORE_RESTS, RegistrarActor, work};
use super::context::{Fault, RegistrarContext};
use super::{Registrar, RegistrarError, counts};

/// The time for which an act is tried that must not be lost: with a carrier's slowest answer before it, less than a page waits for.
const IN_TURN: Duration = Duration::from_secs(10);
/// Between two tries while the actor is parked or was restarted.
const IN_TURN_PAUSE: Duration = Duration::from_millis(50);

/// The way in which the registrar is run.
#[derive(Clone)]
pub struct RegistrarConfig {
    /// The limit of the actor's failures.
    pub restarts: RestartPolicy,
    /// The rest of a chore of the clock that panicked, before it is tried again.
    pub chore_rests: Duration,
    /// The Ed25519 key that signs how far the decisions reach, PKCS#8.
    pub signing_pkcs8: Zeroizing<Vec<u8>>,
    /// For tests only.
    pub fault: Option<Fault>,
}

impl Default for RegistrarConfig {
    fn default() -> Self {
        let (restarts, signing_pkcs8) = (RestartPolicy::default(), Zeroizing::default());
        Self { restarts, chore_rests: CHORE_RESTS, signing_pkcs8, fault: None }
    }
}

/// Speaks for the registrar; clones share one actor.
#[derive(Clone)]
pub struct RegistrarHandle {
    actor: ActorRef<RegistrarActor>,
    permits: Arc<Semaphore>,
}

/// The registrar's thread.
pub struct RegistrarFront {
    front: ArbiterThread,
    stop: oneshot::Sender<()>,
}

impl RegistrarFront {
    /// Lets what waits be done, and ends the thread.
    pub fn stop(self) -> Result<(), String> {
        let _ = self.stop.send(());
        self.front.join()
    }
}

impl RegistrarHandle {
    /// Starts the registrar on a thread of its own.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        registry: Arc<Mutex<Registry>>,
        codes: Codes,
        policy: PolicyInEffect,
        config: RegistrarConfig,
    ) -> std::io::Result<(Self, RegistrarFront)> {
        let RegistrarConfig { restarts, chore_rests, signing_pkcs8, fault } = config;
        counts::start_at_zero();
        let context = RegistrarContext { registry, codes, policy, signing_pkcs8, chore_rests, fault };
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let front = arbiter::spawn("registrar", move || async move {
            let actor = supervise(
                "registrar".to_owned(),
                restarts,
                metrics::gauge!(metric::REGISTRAR_PARKED),
                move || RegistrarActor::new(context.clone()),
            );
            let permits = Arc::new(Semaphore::new(ACTS_MAX));
            let handle = Self { actor, permits: Arc::clone(&permits) };
            if sender.send(handle).is_err() {
                return;
            }
            let _ = stopped.await;
            // Every act that was taken has come to its end.
            let _all = permits.acquire_many(ACTS_MAX as u32).await;
            permits.close();
        })?;
        let handle = receiver.recv().map_err(|_| std::io::Error::other("the registrar has not started"))?;
        Ok((handle, RegistrarFront { front, stop }))
    }

    /// Says how often the actor has been started anew.
    #[cfg(test)]
    pub(crate) fn restarts(&self) -> u64 {
        self.actor.restarts()
    }

    /// Has an act done. Resolves when it is durable and memory has followed, or when nothing of it has happened; a registrar that
    /// panics between the two says [`RegistrarError::Failed`] of what has. An act may call several of the registrar's methods: they
    /// happen together or not at all.
    pub async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Registrar<'_>) -> Result<T, RegistrarError> + Send + 'static,
    ) -> Result<T, RegistrarError> {
        self.send(act)?.await.unwrap_or(Err(RegistrarError::Failed))
    }

    /// The same, for what must not be lost: where [`Self::act`] is told that the registrar is busy, or that nothing has happened, this
    /// one waits for its turn, [`IN_TURN`] at most. `act` may be called again, also when it is durable: done twice it has to come to
    /// the same as once.
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

    /// The same, for threads that may wait.
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
        let addr = self.actor.addr().ok_or(RegistrarError::Busy)?;
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| RegistrarError::Busy)?;
        let (caller, answer) = oneshot::channel();
        let sent = clock::now();
        addr.try_send(Act { work: work(act, caller), permit, sent }).map_err(|_| RegistrarError::Busy)?;
        Ok(answer)
    }
}
