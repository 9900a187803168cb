//! The context that a carrier's handle, its actor and the tasks of its queries share, and the state that the actor decides by: the breaker, and
//! the budget of second attempts. Nothing here sends or awaits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::Gauge;
use policy::trajectory::CarrierAnswer;
use registry::Phone;
use runtime::clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::answer::{Areas, Question};
use super::breaker::{Admission, Breaker, BreakerPolicy, RetryBudget, Standing};
use super::client::Client;
use super::counts::{CarrierMetrics, CarrierOutcome};
use super::{CarrierConfig, CarrierError, CarrierSettings, Step};
use crate::fault::FaultHook;

/// With less time left than this a query is not sent a second time.
const RETRY_LEFT_MIN: Duration = Duration::from_millis(500);
/// The pause before a second attempt; by chance up to twice as long.
const RETRY_WAIT: Duration = Duration::from_millis(50);

/// The context that a carrier's handle, its actor and its tasks share. Only its permits and counters change.
pub(super) struct CarrierContext {
    pub(super) client: Client,
    pub(super) areas: Areas,
    pub(super) settings: CarrierSettings,
    pub(super) reserved: Phone,
    pub(super) deadline: Duration,
    pub(super) permits: Arc<Semaphore>,
    pub(super) permits_max: usize,
    pub(super) metrics: CarrierMetrics,
    pub(super) faults: FaultHook<Step>,
}

impl CarrierContext {
    pub(super) fn new(
        config: &CarrierConfig,
        settings: &CarrierSettings,
        faults: &FaultHook<Step>,
    ) -> Result<Self, CarrierError> {
        Ok(Self {
            client: Client::new(config)?,
            areas: Areas::new(),
            settings: settings.clone(),
            reserved: config.reserved.clone(),
            deadline: config.deadline,
            permits: Arc::new(Semaphore::new(config.permits)),
            permits_max: config.permits,
            metrics: CarrierMetrics::new(&config.id, config.permits),
            faults: faults.clone(),
        })
    }

    /// Takes a permit for one query; `None` if all are in use.
    pub(super) fn permit(&self) -> Option<Permit> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let in_use = self.metrics.permits.clone();
        in_use.increment(1.0);
        Some(Permit { in_use, _permit: permit })
    }

    /// Answers the caller, who may have left, and counts the answer. A probe has no caller.
    pub(super) fn answer(&self, caller: Caller, answer: CarrierAnswer) {
        match caller {
            Caller::Citizen(reply) => {
                self.metrics.asked(CarrierOutcome::of(&answer));
                let _ = reply.send(answer);
            }
            Caller::Probe => {}
        }
    }
}

/// The right to have one query under way. It is counted as long as it is held, also when a panic ends it.
pub(super) struct Permit {
    in_use: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.in_use.decrement(1.0);
    }
}

/// The origin of a query.
pub(super) enum Caller {
    Citizen(oneshot::Sender<CarrierAnswer>),
    Probe,
}

/// A query and the permit that it holds until its end.
pub(super) struct Query {
    pub(super) question: Question,
    pub(super) begun: Instant,
    pub(super) deadline: Instant,
    pub(super) caller: Caller,
    pub(super) permit: Permit,
}

/// The state that the actor decides by. A restart begins with a new one.
pub(super) struct CarrierState {
    breaker: Breaker,
    budget: RetryBudget,
    random: fastrand::Rng,
}

impl CarrierState {
    pub(super) fn new(policy: BreakerPolicy) -> Self {
        Self { breaker: Breaker::new(policy), budget: RetryBudget::default(), random: fastrand::Rng::new() }
    }

    pub(super) const fn standing(&self) -> Standing {
        self.breaker.standing()
    }

    /// Counts a citizen's query towards the budget of second attempts.
    pub(super) fn earn(&mut self) {
        self.budget.earn();
    }

    /// Decides whether a query may be sent at that time.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        self.breaker.admit(now)
    }

    /// Takes in whether the carrier worked.
    pub(super) fn record(&mut self, healthy: bool, was_trial: bool, now: Instant) {
        self.breaker.record(healthy, was_trial, now, self.random.f64());
    }

    /// Takes a second attempt from the budget and gives the pause before it; `None` if the query is not to be sent again.
    pub(super) fn retry(&mut self, query: &Query) -> Option<Duration> {
        let left = query.deadline.saturating_duration_since(clock::now());
        let closed = matches!(self.breaker.standing(), Standing::Closed);
        let may = matches!(query.caller, Caller::Citizen(_)) && closed && left >= RETRY_LEFT_MIN;
        (may && self.budget.take()).then(|| RETRY_WAIT.mul_f64(1.0 + self.random.f64()))
    }
}
