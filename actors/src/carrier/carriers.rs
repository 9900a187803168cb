//! Every configured carrier, and the choice among them: which ones are asked for a number, in which order, and which answer their
//! answers amount to.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use keys::random;
use policy::trajectory::{CarrierAnswer, Unavailable};
use registry::Phone;
use ring::hmac;
use runtime::arbiter::{ArbiterThread, Pulse};
use runtime::clock;
use runtime::lock::lock;

use super::client::Client;
use super::route::{self, Learned, NumberKey, Plan};
use super::{Attempt, CarrierConfig, CarrierError, CarrierHandle, CarrierSettings, Step};
use crate::fault::FaultHook;
use crate::registrar::QueryPermit;

/// With less time left than this no further carrier is asked.
const NEXT_LEFT_MIN: Duration = Duration::from_millis(250);

/// The answer that the carriers amount to, with the permit that was used up for it.
#[derive(Debug)]
pub(crate) struct CarriersAnswer {
    /// The permit; what is recorded of the query is recorded with it.
    pub(crate) permit: QueryPermit,
    /// The answer.
    pub(crate) answer: CarrierAnswer,
    /// The carriers that were asked, in order.
    pub(crate) attempts: Vec<Attempt>,
}

/// Every configured carrier; clones share them.
#[derive(Clone)]
pub struct Carriers(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) carriers: Vec<CarrierHandle>,
    pub(super) plan: Plan,
    /// Ported numbers; written here alone, empty after a restart.
    pub(super) learned: Mutex<Learned>,
    /// The key of this process under which carriers know a consent.
    pub(super) consent_key: hmac::Key,
    pub(super) settings: CarrierSettings,
    pub(super) faults: FaultHook<Step>,
    /// The ids of the newest set of carriers that this one was renewed to; shared by all of those sets. Each set writes it when it is
    /// made, and reads it when it is retired.
    pub(super) newest: Arc<Mutex<Vec<String>>>,
    /// Set when this set is retired, and dropped with the last query of it.
    pub(super) last: OnceLock<SyncSender<()>>,
}

/// The carriers to ask for a number, by their places in the configuration.
struct Route {
    key: NumberKey,
    planned: Option<usize>,
    /// The carrier that should know the number.
    expected: Option<usize>,
    order: Vec<usize>,
}

/// Returns the carriers' ids, in the order of the configuration.
pub(super) fn ids(configs: &[CarrierConfig]) -> Vec<String> {
    configs.iter().map(|config| config.id.clone()).collect()
}

impl Carriers {
    /// Starts a thread with an arbiter and an actor for each carrier.
    ///
    /// # Errors
    /// A configuration that cannot be used, or no thread or no random bytes from the operating system.
    pub fn start(configs: &[CarrierConfig]) -> Result<Self, CarrierError> {
        Self::start_with(configs, &CarrierSettings::default(), &FaultHook::none())
    }

    /// Does the same as [`Self::start`] with other settings, and with a hook by which a test makes the actors fail.
    pub(crate) fn start_with(
        configs: &[CarrierConfig],
        settings: &CarrierSettings,
        faults: &FaultHook<Step>,
    ) -> Result<Self, CarrierError> {
        Self::checked(configs)?;
        let plan = Plan::new(configs)?;
        let start = |config| CarrierHandle::start(config, settings, faults);
        let carriers = configs.iter().map(start).collect::<Result<_, _>>()?;
        let learned = Mutex::new(Learned::new(route::LEARNED_MAX));
        let consent_key = hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>()?);
        let (settings, faults, last) = (settings.clone(), faults.clone(), OnceLock::new());
        let newest = Arc::new(Mutex::new(ids(configs)));
        Ok(Self(Arc::new(Inner { carriers, plan, learned, consent_key, settings, faults, newest, last })))
    }

    pub(super) fn checked(configs: &[CarrierConfig]) -> Result<(), CarrierError> {
        Self::faults(configs).into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Finds what is wrong with each configuration, alone and together with those before it: its place and the error, one at most for
    /// each.
    pub fn faults(configs: &[CarrierConfig]) -> Vec<(usize, CarrierError)> {
        let mut faults = Vec::new();
        for (at, config) in configs.iter().enumerate() {
            let two = configs[..at].iter().any(|other| other.id == config.id);
            let unique = if two { Err(config.wrong("there are two with this id")) } else { Ok(()) };
            // The plan is made of all up to here: of two that share a prefix the second is named.
            let checks = [
                config.check(),
                unique,
                Client::new(config).map(|_| ()),
                Plan::new(&configs[..=at]).map(|_| ()),
            ];
            faults.extend(checks.into_iter().filter_map(Result::err).map(|error| (at, error)).next());
        }
        faults
    }

    /// Returns the carriers, in the order of the configuration.
    #[cfg(test)]
    pub(super) fn handles(&self) -> &[CarrierHandle] {
        &self.0.carriers
    }

    /// Returns the handles by which the watchdog pings the carriers' threads.
    pub fn pulses(&self) -> Vec<Pulse> {
        self.0.carriers.iter().filter_map(CarrierHandle::pulse).collect()
    }

    /// Asks for the permit's number. A carrier that does not know the number is followed by the next one. If the carrier that should
    /// know it gives no answer, the others are not asked: they could only say that they do not know it, and one carrier's outage would
    /// become the load of all. Unless each of them has answered, the answer is never [`CarrierAnswer::NotSubscriber`].
    pub(crate) async fn ask(&self, permit: QueryPermit) -> CarriersAnswer {
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
                    return CarriersAnswer { permit, answer, attempts };
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
        CarriersAnswer { permit, answer, attempts }
    }

    /// Ends every carrier's thread once the queries under way are answered. Later queries are answered `Busy`.
    ///
    /// # Errors
    /// Names a thread that panicked.
    pub fn stop(self) -> Result<(), String> {
        end(&self.0.carriers)
    }

    /// Returns the carrier that should know the number, by its place in the configuration; `None` if the numbering plan does not name one.
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

    /// Returns the consent's name towards carriers: the same for every attempt of one query, and not a number that can be counted up.
    fn consent_name(&self, permit: &QueryPermit) -> [u8; 16] {
        let tag = hmac::sign(&self.0.consent_key, &permit.consent().0.to_be_bytes());
        *tag.as_ref().first_chunk().expect("a tag is longer")
    }

    fn learn(&self, route: &Route, carrier: usize) {
        if route.planned != Some(carrier) {
            self.learned().learn(route.key, carrier, clock::now());
        }
    }

    pub(super) fn learned(&self) -> MutexGuard<'_, Learned> {
        lock(&self.0.learned)
    }
}

fn attempt(carrier: &CarrierHandle, outcome: &'static str, begun: Instant) -> Attempt {
    let took_ms = u32::try_from(clock::since(begun).as_millis()).unwrap_or(u32::MAX);
    Attempt { carrier: carrier.id().to_owned(), outcome, took_ms }
}

/// Asks the carriers' threads to end, all at once, and then joins each.
pub(super) fn end(carriers: &[CarrierHandle]) -> Result<(), String> {
    let threads: Vec<_> = carriers.iter().filter_map(CarrierHandle::ask_to_end).collect();
    threads.into_iter().try_for_each(ArbiterThread::join)
}
