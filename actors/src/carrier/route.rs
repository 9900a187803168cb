//! The carrier that is asked first for a number: the one of the numbering plan, or the one that was learned for a ported number. Pure: time
//! is an argument. Numbers are not kept, only hashes of them under a key of this process.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use registry::Phone;

use super::{CarrierConfig, CarrierError};

/// The time for which a route is kept: a number may be ported again, or back.
pub(super) const LEARNED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// The routes that are kept: more ported numbers than a city of six million asks for in a week. The oldest gives way.
pub(super) const LEARNED_MAX: usize = 200_000;

/// The longest prefix: a whole number.
const PREFIX_DIGITS_MAX: usize = 11;

/// The numbering plan: the carrier of each prefix, by its place in the configuration; `None` for a carrier that is not configured.
pub(super) struct Plan(HashMap<String, Option<usize>>);

impl Plan {
    /// Returns the country's plan with the prefixes of `configs`.
    ///
    /// # Errors
    /// A prefix that is not digits, or that two carriers have.
    pub(super) fn new(configs: &[CarrierConfig]) -> Result<Self, CarrierError> {
        let rows = include_str!("../../data/mobile-prefixes.csv").lines().skip(1);
        let mut plan: HashMap<String, Option<usize>> = rows
            .filter_map(|row| {
                let mut fields = row.split(',');
                let (prefix, name) = (fields.next()?, fields.next()?);
                Some((prefix.to_owned(), configs.iter().position(|config| config.name == name)))
            })
            .collect();
        let mut own = HashMap::new();
        for (carrier, config) in configs.iter().enumerate() {
            for prefix in &config.prefixes {
                let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
                let good = digits && (1..=PREFIX_DIGITS_MAX).contains(&prefix.len());
                if !good || own.insert(prefix, carrier).is_some_and(|other| other != carrier) {
                    return Err(config.wrong("a prefix is not digits, or another carrier's too"));
                }
                plan.insert(prefix.clone(), Some(carrier));
            }
        }
        Ok(Self(plan))
    }

    /// Returns the carrier of a number's longest known prefix.
    pub(super) fn carrier(&self, phone: &Phone) -> Option<usize> {
        let digits = phone.reveal();
        (1..=digits.len()).rev().find_map(|len| self.0.get(&digits[..len])).copied().flatten()
    }
}

/// The hash of a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NumberKey(u64);

struct Route {
    carrier: usize,
    until: Instant,
}

/// The carriers of ported numbers. Empty after a restart; learned again.
pub(super) struct Learned {
    key: RandomState,
    routes: HashMap<NumberKey, Route>,
    /// The ends of the routes, in order; a route that was forgotten leaves its row here until its end.
    ends: VecDeque<(Instant, NumberKey)>,
    routes_max: usize,
}

impl Learned {
    pub(super) fn new(routes_max: usize) -> Self {
        Self { key: RandomState::new(), routes: HashMap::new(), ends: VecDeque::new(), routes_max }
    }

    pub(super) fn key(&self, phone: &Phone) -> NumberKey {
        NumberKey(self.key.hash_one(phone.reveal()))
    }

    /// Returns the carrier that last answered for the number; `None` if that was too long ago.
    pub(super) fn carrier(&self, key: NumberKey, now: Instant) -> Option<usize> {
        self.routes.get(&key).filter(|route| now < route.until).map(|route| route.carrier)
    }

    /// Records that the carrier answered for the number. Another record does not prolong the route, so that it is checked from time to
    /// time.
    pub(super) fn learn(&mut self, key: NumberKey, carrier: usize, now: Instant) {
        self.expire(now);
        if let Some(route) = self.routes.get_mut(&key) {
            route.carrier = carrier;
            return;
        }
        while self.ends.len() >= self.routes_max {
            self.drop_first();
        }
        let until = now + LEARNED_FOR;
        self.routes.insert(key, Route { carrier, until });
        self.ends.push_back((until, key));
    }

    /// Returns the same routes with other places for carriers; routes to a carrier without a place are dropped.
    pub(super) fn renumbered(&self, number: impl Fn(usize) -> Option<usize>) -> Self {
        let renumber = |(&key, route): (&NumberKey, &Route)| {
            Some((key, Route { carrier: number(route.carrier)?, until: route.until }))
        };
        let routes = self.routes.iter().filter_map(renumber).collect();
        Self { key: self.key.clone(), routes, ends: self.ends.clone(), routes_max: self.routes_max }
    }

    /// Removes the route if it leads to that carrier, which does not know the number.
    pub(super) fn forget(&mut self, key: NumberKey, carrier: usize) {
        if self.routes.get(&key).is_some_and(|route| route.carrier == carrier) {
            self.routes.remove(&key);
        }
    }

    fn expire(&mut self, now: Instant) {
        while self.ends.front().is_some_and(|&(until, _)| until <= now) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((until, key)) = self.ends.pop_front()
            && self.routes.get(&key).is_some_and(|route| route.until == until)
        {
            self.routes.remove(&key);
        }
    }
}

/// Returns every carrier once: the learned one, the planned one, then the others in the order of the configuration.
pub(super) fn order(learned: Option<usize>, planned: Option<usize>, carriers: usize) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::with_capacity(carriers);
    for carrier in learned.into_iter().chain(planned).chain(0..carriers) {
        if !order.contains(&carrier) {
            order.push(carrier);
        }
    }
    order
}

#[cfg(test)]
mod tests;
