//! A carrier as its callers see it: a permit, a message, an answer within the deadline, whatever happens to the actor. Its thread and
//! arbiter are started and ended here.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use policy::trajectory::{CarrierAnswer, Unavailable};
use protocol::metric;
use runtime::arbiter::{self, ArbiterThread};
use runtime::clock;
use runtime::supervisor::{ActorRef, supervise};
use tokio::sync::{Semaphore, oneshot};

use super::actor::{Ask, Asker, CarrierActor, Line, Query};
use super::answer::{Areas, Question};
use super::client::Client;
use super::counts::{CarrierMetrics, Outcome};
use super::{CarrierConfig, CarrierError, CarrierSettings};
use crate::registrar::QueryPermit;

/// A carrier's thread that does not answer for so long after the deadline has other troubles than the carrier.
const LATE: Duration = Duration::from_millis(200);

/// Speaks for a carrier; clones share one actor.
#[derive(Clone)]
pub struct CarrierHandle(Arc<Inner>);

struct Inner {
    config: CarrierConfig,
    actor: ActorRef<CarrierActor>,
    line: Arc<Line>,
    running: Mutex<Option<Running>>,
}

struct Running {
    front: ArbiterThread,
    /// Dropped to end it.
    stop: oneshot::Sender<()>,
}

impl CarrierHandle {
    /// Starts the carrier's thread, arbiter and actor.
    pub(super) fn start(config: &CarrierConfig, settings: &CarrierSettings) -> Result<Self, CarrierError> {
        let permits = Arc::new(Semaphore::new(config.permits));
        let line = Arc::new(Line {
            client: Client::new(config)?,
            areas: Areas::new(),
            settings: settings.clone(),
            reserved: config.reserved.clone(),
            deadline: config.deadline,
            permits: Arc::clone(&permits),
            permits_max: config.permits,
            metrics: CarrierMetrics::new(&config.id, config.permits),
        });
        let name = format!("carrier-{}", config.id);
        let parked = metrics::gauge!(metric::CARRIER_PARKED, "carrier" => config.id.clone());
        let (send_actor, actor) = sync_channel(1);
        let (stop, stopped) = oneshot::channel::<()>();
        let (line_there, restarts) = (Arc::clone(&line), settings.restarts);
        let front = arbiter::spawn(&name.clone(), move || async move {
            let line = line_there;
            let (all, longest) = (line.permits_max as u32, line.deadline + LATE);
            let actor_line = Arc::clone(&line);
            let actor = supervise(name, restarts, parked, move || CarrierActor::new(Arc::clone(&actor_line)));
            if send_actor.send(actor).is_ok() {
                let _ = stopped.await;
                // Whoever asks from here on finds no permit; what is under way is let finish.
                let _ = tokio::time::timeout(longest, line.permits.acquire_many(all)).await;
                line.permits.close();
            }
        })?;
        let actor = actor.recv().map_err(|_| std::io::Error::other("no runtime for the carrier's thread"))?;
        let running = Mutex::new(Some(Running { front, stop }));
        Ok(Self(Arc::new(Inner { config: config.clone(), actor, line, running })))
    }

    /// Its name in metrics and configuration.
    pub fn id(&self) -> &str {
        &self.0.config.id
    }

    /// Says what it was started with.
    pub(super) fn config(&self) -> &CarrierConfig {
        &self.0.config
    }

    /// Says whether both speak for one actor.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// From now on another actor has its metrics, or none.
    pub(super) fn fall_silent(&self) {
        self.0.line.metrics.fall_silent();
    }

    /// Says whether its actor keeps failing and is left alone for a while.
    pub fn is_parked(&self) -> bool {
        self.0.actor.is_parked()
    }

    #[cfg(test)]
    pub(super) fn restarts(&self) -> u64 {
        self.0.actor.restarts()
    }

    #[cfg(test)]
    pub(super) fn permits_in_use(&self) -> usize {
        self.0.line.permits_max - self.0.line.permits.available_permits()
    }

    /// Asks this carrier, until its own deadline or the given one, whichever is first. Never later. `consent` is the permit's name
    /// towards carriers.
    pub(super) async fn ask(
        &self,
        permit: &QueryPermit,
        consent: [u8; 16],
        deadline: Instant,
    ) -> (CarrierAnswer, Outcome) {
        let begun = clock::now();
        let deadline = deadline.min(begun + self.0.line.deadline);
        let Some(answer) = self.send(permit, consent, begun, deadline) else {
            let (why, outcome) = if self.is_parked() {
                (Unavailable::Paused, Outcome::Paused)
            } else {
                (Unavailable::Busy, Outcome::Busy)
            };
            return self.unavailable(why, outcome);
        };
        match tokio::time::timeout_at((deadline + LATE).into(), answer).await {
            Ok(Ok(answer)) => {
                let outcome = Outcome::of(&answer);
                (answer, outcome)
            }
            Ok(Err(_)) if self.is_parked() => self.unavailable(Unavailable::Paused, Outcome::Failed),
            Ok(Err(_)) => self.unavailable(Unavailable::Refused, Outcome::Failed),
            Err(_) => self.unavailable(Unavailable::TimedOut, Outcome::Failed),
        }
    }

    /// Says what the actor did not count.
    fn unavailable(&self, why: Unavailable, outcome: Outcome) -> (CarrierAnswer, Outcome) {
        self.0.line.metrics.asked(outcome);
        (CarrierAnswer::Unavailable(why), outcome)
    }

    fn send(
        &self,
        permit: &QueryPermit,
        consent: [u8; 16],
        begun: Instant,
        deadline: Instant,
    ) -> Option<oneshot::Receiver<CarrierAnswer>> {
        let addr = self.0.actor.addr()?;
        let question = Question {
            phone: permit.phone().clone(),
            days: permit.days(),
            purpose: permit.flow().into(),
            consent,
        };
        let slot = self.0.line.slot()?;
        let (reply, answer) = oneshot::channel();
        let asker = Asker::Citizen(reply);
        addr.try_send(Ask(Query { question, begun, deadline, asker, slot })).ok()?;
        Some(answer)
    }

    pub(super) fn pulse(&self) -> Option<arbiter::Pulse> {
        self.running().as_ref().map(|running| running.front.pulse())
    }

    /// Ends the thread once what is under way is answered, within the carrier's deadline.
    pub(super) fn stop(&self) -> Option<ArbiterThread> {
        let Running { front, stop } = self.running().take()?;
        drop(stop);
        Some(front)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
