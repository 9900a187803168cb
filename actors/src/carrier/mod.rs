//! Trajectory queries: which carrier is asked, in which order, and what it all comes to. One supervised actor for each configured
//! carrier on a thread of its own: a slow or lying one costs its own queries, no other carrier's and no punch's. What an answer
//! means for a code is the policy's.

mod actor;
mod answer;
mod breaker;
mod client;
mod counts;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod handle;
mod probe;
mod renewal;
mod route;

use std::fmt;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ring::hmac;
use ring::rand::SystemRandom;
use zeroize::Zeroizing;

pub use breaker::{BreakerPolicy, RECENT};
pub use handle::CarrierHandle;
pub use probe::{Probed, probe};

use crate::registrar::QueryPermit;
use policy::trajectory::{CarrierAnswer, Unavailable};
use registry::Phone;
use route::{Learned, NumberKey, Plan};
use runtime::arbiter::Pulse;
use runtime::clock;
use runtime::supervisor::RestartPolicy;

/// All carriers together have this long for one query. The page offers the carriers' own travel page after 5 s; an answer that comes
/// later still arrives there.
pub const QUERY_MAX: Duration = Duration::from_secs(9);
/// With less than this left no further carrier is asked.
const NEXT_LEFT_MIN: Duration = Duration::from_millis(250);
/// The interval at which a carrier's reserved number is asked for.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// Labels stay short.
const ID_CHARS_MAX: usize = 32;
/// Queries under way at one carrier: more connections than any of them will grant.
pub const PERMITS_MAX: usize = 1024;

/// One carrier as it is configured.
#[derive(Clone, PartialEq)]
pub struct CarrierConfig {
    /// Its name in metrics: small letters, digits and hyphens.
    pub id: String,
    /// Its name in the numbering plan, for people.
    pub name: String,
    /// The same in Chinese.
    pub name_zh: String,
    /// The place where its interface is: https, or plain http on this machine.
    pub url: String,
    /// The authority that its certificate comes from; no other is believed.
    pub authority_pem: Option<Vec<u8>>,
    /// Which key signs the requests.
    pub key_id: String,
    /// The key.
    pub secret: Zeroizing<Vec<u8>>,
    /// Queries that may be under way at once.
    pub permits: usize,
    /// The time that one query may take.
    pub deadline: Duration,
    /// The number that the probe asks for; nobody's.
    pub reserved: Phone,
    /// Its own page, where a citizen gets the trajectory by SMS code.
    pub travel_page: String,
    /// Prefixes of its numbers beyond the numbering plan's.
    pub prefixes: Vec<String>,
}

/// Without the secret.
impl fmt::Debug for CarrierConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarrierConfig").field("id", &self.id).field("url", &self.url).finish_non_exhaustive()
    }
}

impl CarrierConfig {
    fn wrong(&self, why: &'static str) -> CarrierError {
        CarrierError::Config { carrier: self.id.clone(), why }
    }

    fn check(&self) -> Result<(), CarrierError> {
        let letters =
            self.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !letters || !(1..=ID_CHARS_MAX).contains(&self.id.len()) {
            return Err(self.wrong("its id is not 1 to 32 small letters, digits and hyphens"));
        }
        if !(1..=PERMITS_MAX).contains(&self.permits) {
            return Err(self.wrong("it may have 1 to 1024 permits"));
        }
        if self.deadline.is_zero() || self.deadline > QUERY_MAX {
            return Err(self.wrong("its deadline is 0 or more than 9 s"));
        }
        Ok(())
    }
}

/// Why carriers cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// The configuration has to be put right.
    #[error("carrier {carrier}: {why}")]
    Config {
        /// Whose.
        carrier: String,
        /// The fault.
        why: &'static str,
    },
    /// The operating system gives no thread.
    #[error("starting a carrier's thread")]
    Thread(#[from] std::io::Error),
    /// No random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// The place where a test may make a carrier's actor fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A query arrives.
    Handler,
    /// A query is about to be sent.
    Task,
    /// A query's report arrives.
    Report,
    /// A probe is due.
    Timer,
}

/// Called at each point; tests make it panic.
pub type Fault = Arc<dyn Fn(Point) + Send + Sync>;

/// The settings of all carriers.
#[derive(Clone)]
pub struct CarrierSettings {
    /// The limit of an actor's failures.
    pub restarts: RestartPolicy,
    /// When a carrier is not asked for a while.
    pub breaker: BreakerPolicy,
    /// The time that a query may take over all carriers.
    pub query_max: Duration,
    /// The interval at which each carrier is probed.
    pub probe_every: Duration,
    /// For tests only.
    pub fault: Option<Fault>,
}

impl Default for CarrierSettings {
    fn default() -> Self {
        Self {
            restarts: RestartPolicy::default(),
            breaker: BreakerPolicy::default(),
            query_max: QUERY_MAX,
            probe_every: PROBE_EVERY,
            fault: None,
        }
    }
}

pub use registry::Attempt;

/// The outcome of a query. The permit is used up; it comes back for what is written of it.
#[derive(Debug)]
pub struct Asked {
    /// The permit that was asked with.
    pub permit: QueryPermit,
    /// The answer.
    pub answer: CarrierAnswer,
    /// The carriers that were asked, in order.
    pub attempts: Vec<Attempt>,
}

/// Every configured carrier. Clones share them.
#[derive(Clone)]
pub struct Carriers(Arc<Inner>);

struct Inner {
    carriers: Vec<CarrierHandle>,
    plan: Plan,
    /// Written here alone, empty after a restart.
    learned: Mutex<Learned>,
    /// Names consents towards carriers; drawn by this process.
    consent_key: hmac::Key,
    settings: CarrierSettings,
    /// Ids of the newest of these and all that took their place. Written by each that comes, read by those that leave.
    newest: Arc<Mutex<Vec<String>>>,
    /// Set when others take their place, and dropped with the last query of these.
    last: OnceLock<SyncSender<()>>,
}

/// The place where a number goes.
struct Route {
    key: NumberKey,
    planned: Option<usize>,
    /// The carrier that ought to know the number.
    expected: Option<usize>,
    order: Vec<usize>,
}

fn ids(configs: &[CarrierConfig]) -> Vec<String> {
    configs.iter().map(|config| config.id.clone()).collect()
}

impl Carriers {
    /// Starts an actor, an arbiter and a thread for each.
    pub fn start(configs: &[CarrierConfig]) -> Result<Self, CarrierError> {
        Self::start_with(configs, &CarrierSettings::default())
    }

    /// The same with other settings.
    pub fn start_with(configs: &[CarrierConfig], settings: &CarrierSettings) -> Result<Self, CarrierError> {
        Self::checked(configs)?;
        let plan = Plan::new(configs)?;
        let carriers =
            configs.iter().map(|config| CarrierHandle::start(config, settings)).collect::<Result<_, _>>()?;
        let learned = Mutex::new(Learned::new(route::LEARNED_MAX));
        let consent_key =
            hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| CarrierError::Random)?;
        let (settings, last) = (settings.clone(), OnceLock::new());
        let newest = Arc::new(Mutex::new(ids(configs)));
        Ok(Self(Arc::new(Inner { carriers, plan, learned, consent_key, settings, newest, last })))
    }

    fn checked(configs: &[CarrierConfig]) -> Result<(), CarrierError> {
        Self::faults(configs).into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Says what is wrong with each of the configurations, by its place among them, and with them together.
    pub fn faults(configs: &[CarrierConfig]) -> Vec<(usize, CarrierError)> {
        let mut faults = Vec::new();
        for (at, config) in configs.iter().enumerate() {
            let two = configs[..at].iter().any(|other| other.id == config.id);
            let unique = if two { Err(config.wrong("there are two with this id")) } else { Ok(()) };
            // The plan is made of all up to here, so that what two share is said of the second.
            let checks = [
                config.check(),
                unique,
                client::Client::new(config).map(|_| ()),
                Plan::new(&configs[..=at]).map(|_| ()),
            ];
            faults.extend(checks.into_iter().filter_map(Result::err).map(|error| (at, error)).next());
        }
        faults
    }

    /// The carriers, in the order of the configuration.
    pub fn handles(&self) -> &[CarrierHandle] {
        &self.0.carriers
    }

    /// The handle that the watchdog pings.
    pub fn pulses(&self) -> Vec<Pulse> {
        self.0.carriers.iter().filter_map(CarrierHandle::pulse).collect()
    }

    /// Asks for the permit's number. One that is another carrier's subscriber is asked for there. If the carrier that ought to
    /// know it gives no answer, the others are not asked: they could only say that they do not know it, and a carrier's outage
    /// would become everybody's load. Without an answer from each it is never "not a subscriber anywhere".
    pub async fn ask(&self, permit: QueryPermit) -> Asked {
        let deadline = clock::now() + self.0.settings.query_max;
        let (route, consent) = (self.route(permit.phone()), self.consent_name(&permit));
        let mut attempts = Vec::new();
        let mut missing = self.0.carriers.is_empty().then_some(Unavailable::Unreachable);
        for &index in &route.order {
            let begun = clock::now();
            if deadline.saturating_duration_since(begun) < NEXT_LEFT_MIN {
                missing.get_or_insert(Unavailable::TimedOut);
                break;
            }
            let carrier = &self.0.carriers[index];
            let (answer, outcome) = carrier.ask(&permit, consent, deadline).await;
            attempts.push(attempt(carrier, outcome.name(), begun));
            match answer {
                CarrierAnswer::Trajectory(_) | CarrierAnswer::NewNumber | CarrierAnswer::Unanswerable => {
                    self.learn(&route, index);
                    return Asked { permit, answer, attempts };
                }
                CarrierAnswer::NotSubscriber => self.learned().forget(route.key, index),
                CarrierAnswer::Unavailable(why) => {
                    missing.get_or_insert(why);
                    if route.expected == Some(index) {
                        break;
                    }
                }
            }
        }
        let answer = missing.map_or(CarrierAnswer::NotSubscriber, CarrierAnswer::Unavailable);
        Asked { permit, answer, attempts }
    }

    /// Ends every carrier's thread once what is under way is answered. Later queries are answered `Busy`.
    ///
    /// # Errors
    /// Names a thread that panicked.
    pub fn stop(self) -> Result<(), String> {
        let fronts: Vec<_> = self.0.carriers.iter().filter_map(CarrierHandle::stop).collect();
        fronts.into_iter().try_for_each(runtime::arbiter::ArbiterThread::join)
    }

    /// The carrier that ought to know the number, by its place in the configuration.
    pub fn likely(&self, phone: &Phone) -> Option<usize> {
        self.route(phone).expected
    }

    fn route(&self, phone: &Phone) -> Route {
        let planned = self.0.plan.carrier(phone);
        let (key, learned) = {
            let learned = self.learned();
            let key = learned.key(phone);
            (key, learned.carrier(key, clock::now()))
        };
        let order = route::order(learned, planned, self.0.carriers.len());
        Route { key, planned, expected: learned.or(planned), order }
    }

    /// The same for every attempt of one query, and no number that can be counted up.
    fn consent_name(&self, permit: &QueryPermit) -> [u8; 16] {
        let tag = hmac::sign(&self.0.consent_key, &permit.consent().0.to_be_bytes());
        *tag.as_ref().first_chunk().expect("a tag is longer")
    }

    fn learn(&self, route: &Route, carrier: usize) {
        if route.planned != Some(carrier) {
            self.learned().learn(route.key, carrier, clock::now());
        }
    }

    fn learned(&self) -> std::sync::MutexGuard<'_, Learned> {
        self.0.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn attempt(carrier: &CarrierHandle, outcome: &'static str, begun: Instant) -> Attempt {
    let took_ms = u32::try_from(clock::since(begun).as_millis()).unwrap_or(u32::MAX);
    Attempt { carrier: carrier.id().to_owned(), outcome, took_ms }
}

#[cfg(test)]
mod tests;
