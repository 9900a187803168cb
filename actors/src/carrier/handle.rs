//! The handle of a carrier. A call takes a permit, sends a query, and resolves within the deadline, also if the actor fails. The
//! carrier's thread is started and ended here.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use policy::trajectory::{CarrierAnswer, Unavailable};
use protocol::metric;
use runtime::arbiter::{ArbiterThread, Pulse};
use runtime::clock;
use runtime::host::{HostedThread, host};
use runtime::lock::lock;
use runtime::supervisor::{ActorRef, ParkedGauge, supervise};
use tokio::sync::oneshot;

use super::actor::{Ask, CarrierActor};
use super::answer::Question;
use super::counts::CarrierOutcome;
use super::state::{Caller, CarrierContext, Query};
use super::{CarrierConfig, CarrierError, CarrierSettings, Step};
use crate::fault::FaultHook;
use crate::registrar::QueryPermit;

/// A carrier's thread that does not answer for this long after the deadline has failed; the carrier has not.
const LATE: Duration = Duration::from_millis(200);

/// A handle of a carrier; clones share one actor.
#[derive(Clone)]
pub(super) struct CarrierHandle(Arc<Inner>);

struct Inner {
    config: CarrierConfig,
    actor: ActorRef<CarrierActor>,
    context: Arc<CarrierContext>,
    /// `None` once it was asked to end.
    thread: Mutex<Option<HostedThread>>,
}

impl CarrierHandle {
    /// Starts the carrier's thread, arbiter and actor. `faults` is called with each step of the actor and its tasks.
    pub(super) fn start(
        config: &CarrierConfig,
        settings: &CarrierSettings,
        faults: &FaultHook<Step>,
    ) -> Result<Self, CarrierError> {
        let context = Arc::new(CarrierContext::new(config, settings, faults)?);
        let name = format!("carrier-{}", config.id);
        let parked =
            ParkedGauge::new(metrics::gauge!(metric::CARRIER_PARKED, "carrier" => config.id.clone()));
        let (there, restarts) = (Arc::clone(&context), settings.restarts);
        let (actor, thread) = host(&name.clone(), move |stop| {
            let actors = Arc::clone(&there);
            let actor = supervise(name, restarts, parked, move || CarrierActor::new(Arc::clone(&actors)));
            let end = async move {
                stop.await;
                // Later queries find no permit; those under way have this long to end.
                let (all, longest) = (there.permits_max as u32, there.deadline + LATE);
                let _ = tokio::time::timeout(longest, there.permits.acquire_many(all)).await;
                there.permits.close();
            };
            (actor, end)
        })?;
        Ok(Self(Arc::new(Inner { config: config.clone(), actor, context, thread: Mutex::new(Some(thread)) })))
    }

    /// Returns the carrier's name in metrics and configuration.
    pub(super) fn id(&self) -> &str {
        &self.0.config.id
    }

    /// Returns the configuration that it was started with.
    pub(super) fn config(&self) -> &CarrierConfig {
        &self.0.config
    }

    /// Returns true if both are handles of one actor.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Stops setting the carrier's gauges: another actor sets them from now on, or none.
    pub(super) fn fall_silent(&self) {
        self.0.context.metrics.fall_silent();
    }

    /// Returns true while its actor is parked because it kept failing.
    pub(super) fn is_parked(&self) -> bool {
        self.0.actor.is_parked()
    }

    #[cfg(test)]
    pub(super) fn restarts(&self) -> u64 {
        self.0.actor.restarts()
    }

    #[cfg(test)]
    pub(super) fn permits_in_use(&self) -> usize {
        self.0.context.permits_max - self.0.context.permits.available_permits()
    }

    /// Asks this carrier, until its own deadline or the given one, whichever is first. Resolves [`LATE`] after that at the latest.
    /// `consent` is the permit's name towards carriers.
    pub(super) async fn ask(
        &self,
        permit: &QueryPermit,
        consent: [u8; 16],
        deadline: Instant,
    ) -> (CarrierAnswer, CarrierOutcome) {
        let begun = clock::now();
        let deadline = deadline.min(begun + self.0.context.deadline);
        let Some(answer) = self.send(permit, consent, begun, deadline) else {
            let (why, outcome) = if self.is_parked() {
                (Unavailable::Paused, CarrierOutcome::Paused)
            } else {
                (Unavailable::Busy, CarrierOutcome::Busy)
            };
            return self.unavailable(why, outcome);
        };
        match tokio::time::timeout_at((deadline + LATE).into(), answer).await {
            Ok(Ok(answer)) => {
                let outcome = CarrierOutcome::of(&answer);
                (answer, outcome)
            }
            Ok(Err(_)) if self.is_parked() => self.unavailable(Unavailable::Paused, CarrierOutcome::Failed),
            Ok(Err(_)) => self.unavailable(Unavailable::Refused, CarrierOutcome::Failed),
            Err(_) => self.unavailable(Unavailable::TimedOut, CarrierOutcome::Failed),
        }
    }

    /// Counts an outcome that the actor did not count.
    fn unavailable(&self, why: Unavailable, outcome: CarrierOutcome) -> (CarrierAnswer, CarrierOutcome) {
        self.0.context.metrics.asked(outcome);
        (CarrierAnswer::Unavailable(why), outcome)
    }

    fn send(
        &self,
        permit: &QueryPermit,
        consent: [u8; 16],
        begun: Instant,
        deadline: Instant,
    ) -> Option<oneshot::Receiver<CarrierAnswer>> {
        let actor = self.0.actor.addr()?;
        let question = Question {
            phone: permit.phone().clone(),
            days: permit.days(),
            purpose: permit.flow().into(),
            consent,
        };
        let permit = self.0.context.permit()?;
        let (reply, answer) = oneshot::channel();
        let caller = Caller::Citizen(reply);
        actor.try_send(Ask(Query { question, begun, deadline, caller, permit })).ok()?;
        Some(answer)
    }

    pub(super) fn pulse(&self) -> Option<Pulse> {
        self.thread().as_ref().map(HostedThread::pulse)
    }

    /// Asks the thread to end once the queries under way are answered, within the carrier's deadline. `None` if it was asked before.
    pub(super) fn ask_to_end(&self) -> Option<ArbiterThread> {
        self.thread().take().map(HostedThread::ask_to_end)
    }

    fn thread(&self) -> MutexGuard<'_, Option<HostedThread>> {
        lock(&self.0.thread)
    }
}
