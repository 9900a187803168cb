//! Carriers that change while queries are under way: a new set is made beside the old one, an actor whose configuration is unchanged
//! serves both, and a carrier that is not in the new set ends after the last query of the old one. Which set queries ask is not decided
//! here.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use runtime::arbiter::Pulse;
use runtime::lock::lock;

use super::carriers::{Inner, end, ids};
use super::route::Plan;
use super::{CarrierConfig, CarrierError, CarrierHandle, Carriers, counts};

/// The time that a query may take after the deadline of all carriers, to have its answer recorded by a busy registrar.
const LAST_QUERY_LATE: Duration = Duration::from_secs(30);

impl CarrierConfig {
    /// Returns true if an actor that was started with the other configuration does the same.
    fn is_served_like(&self, other: &Self) -> bool {
        // The actor uses no name, page or prefix: they are read anew with each set.
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
    /// Makes the set of carriers that is configured now. A carrier whose configuration is unchanged keeps its actor, and with it breaker
    /// and permits; learned numbers stay with the carrier of that id. Queries ask the old set until they are given this one.
    ///
    /// # Errors
    /// A configuration that cannot be used, or no thread from the operating system; nothing has changed then.
    pub fn renew(&self, configs: &[CarrierConfig]) -> Result<Self, CarrierError> {
        Self::checked(configs)?;
        let plan = Plan::new(configs)?;
        // An older set that is retired meanwhile must not reset the gauges of what is begun here.
        let newest = Arc::clone(&self.0.newest);
        let mut in_effect = lock(&newest);
        let mut begun = Vec::new();
        let mut carriers = Vec::new();
        for config in configs {
            let known = self.0.carriers.iter().find(|carrier| carrier.config().is_served_like(config));
            match known {
                Some(carrier) => carriers.push(carrier.clone()),
                None => match CarrierHandle::start(config, &self.0.settings, &self.0.faults) {
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
        let faults = self.0.faults.clone();
        *in_effect = ids(configs);
        drop(in_effect);
        let last = OnceLock::new();
        Ok(Self(Arc::new(Inner { carriers, plan, learned, consent_key, settings, faults, newest, last })))
    }

    /// Returns the handles by which the watchdog pings those that are not in the other set.
    pub fn pulses_beside(&self, others: &Self) -> Vec<Pulse> {
        self.not_in(others).filter_map(CarrierHandle::pulse).collect()
    }

    fn not_in<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = &'a CarrierHandle> {
        self.0.carriers.iter().filter(|one| !others.0.carriers.iter().any(|other| one.is(other)))
    }

    /// Ends the carriers that `next` does not have, once every query that began with this set is answered. Later queries have to ask
    /// `next` already. Blocks for as long as a query may take.
    ///
    /// # Errors
    /// Names a thread that panicked.
    pub fn retire(self, next: &Self) -> Result<(), String> {
        let leaving: Vec<CarrierHandle> = self.not_in(next).cloned().collect();
        // Their successors set the carrier's gauges from now on, also while the last queries are answered here.
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
        // Not `next`: a carrier that was removed may have come back since.
        let in_effect = lock(&newest);
        for gone in leaving.iter().filter(|gone| !in_effect.iter().any(|id| id == gone.id())) {
            counts::forget(gone.id());
        }
        ended
    }
}
