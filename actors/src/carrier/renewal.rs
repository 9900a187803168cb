//! Carriers that change while queries are under way: a new set stands beside the old one, an actor whose configuration is as it was
//! serves both, and what is not in the new set ends after the last query of the old one. Whom queries ask is not decided here.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use runtime::arbiter::{ArbiterThread, Pulse};

use super::route::Plan;
use super::{CarrierConfig, CarrierError, CarrierHandle, Carriers, Inner, counts, ids};

/// Beyond the deadline of all carriers together a query only writes down what came: the registrar's turn, however busy.
const LAST_QUERY_LATE: Duration = Duration::from_secs(30);

impl CarrierConfig {
    /// Says whether an actor that was started with the other would do the same.
    fn is_served_like(&self, other: &Self) -> bool {
        // Names, pages and prefixes are not the actor's: they are read anew with each set.
        let Self { name, name_zh, travel_page, prefixes, .. } = self;
        let same = Self {
            name: name.clone(),
            name_zh: name_zh.clone(),
            travel_page: travel_page.clone(),
            prefixes: prefixes.clone(),
            ..other.clone()
        };
        *self == same
    }
}

impl Carriers {
    /// The carriers as they are configured now. One that is as it was keeps its actor, and with it breaker and permits; numbers
    /// that were learned stay with the carrier of that id. Queries go on to ask the old ones until they are told of these.
    ///
    /// # Errors
    /// When the configuration is wrong or the operating system gives no thread; then nothing has changed.
    pub fn renew(&self, configs: &[CarrierConfig]) -> Result<Self, CarrierError> {
        Self::checked(configs)?;
        let plan = Plan::new(configs)?;
        // An older set that ends meanwhile must not forget what is begun here.
        let newest = Arc::clone(&self.0.newest);
        let mut in_effect = newest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut begun = Vec::new();
        let mut carriers = Vec::new();
        for config in configs {
            let known = self.0.carriers.iter().find(|carrier| carrier.config().is_served_like(config));
            match known {
                Some(carrier) => carriers.push(carrier.clone()),
                None => match CarrierHandle::start(config, &self.0.settings) {
                    Ok(carrier) => {
                        begun.push(carrier.clone());
                        carriers.push(carrier);
                    }
                    Err(error) => {
                        end(&begun).unwrap_or_else(|error| tracing::error!(error, "a carrier ended badly"));
                        return Err(error);
                    }
                },
            }
        }
        let number = |old: usize| {
            let id = self.0.carriers[old].id();
            carriers.iter().position(|carrier| carrier.id() == id)
        };
        let learned = Mutex::new(self.learned().renumbered(number));
        let (consent_key, settings) = (self.0.consent_key.clone(), self.0.settings.clone());
        *in_effect = ids(configs);
        drop(in_effect);
        let last = OnceLock::new();
        Ok(Self(Arc::new(Inner { carriers, plan, learned, consent_key, settings, newest, last })))
    }

    /// Says what the watchdog pings of those that are not among the others.
    pub fn pulses_beside(&self, others: &Self) -> Vec<Pulse> {
        self.not_in(others).filter_map(CarrierHandle::pulse).collect()
    }

    fn not_in<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = &'a CarrierHandle> {
        self.0.carriers.iter().filter(|one| !others.0.carriers.iter().any(|other| one.is(other)))
    }

    /// Ends the carriers that `next` does not have, once every query that began with these is answered. Queries have been told of
    /// `next` before. Blocks for as long as a query may take.
    ///
    /// # Errors
    /// Names a thread that panicked.
    pub fn retire(self, next: &Self) -> Result<(), String> {
        let leaving: Vec<CarrierHandle> = self.not_in(next).cloned().collect();
        // Their successors tell how the carrier stands from now on, also while the last queries are answered here.
        leaving.iter().for_each(CarrierHandle::fall_silent);
        let (sender, last) = sync_channel(0);
        let limit = self.0.settings.query_max + LAST_QUERY_LATE;
        if self.0.last.set(sender).is_err() {
            return Err("the carriers are retired already".to_owned());
        }
        let newest = Arc::clone(&self.0.newest);
        drop(self);
        if last.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                "queries of carriers that were taken out of service have not ended; they are cut off"
            );
        }
        let ended = end(&leaving);
        // Not `next`: one that left may have come back since.
        let in_effect = newest.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in leaving.iter().filter(|gone| !in_effect.iter().any(|id| id == gone.id())) {
            counts::forget(gone.id());
        }
        ended
    }
}

fn end(carriers: &[CarrierHandle]) -> Result<(), String> {
    let fronts: Vec<_> = carriers.iter().filter_map(CarrierHandle::stop).collect();
    fronts.into_iter().try_for_each(ArbiterThread::join)
}
