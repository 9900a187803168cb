//! Rates by key, with `governor`: each key has its full allowance at once, and gets it back one by one, evenly over the bound's time. Time
//! is an argument. The number of keys is bounded: with more, the key that came longest ago gets its full allowance again, and no key is
//! refused for that.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, RandomState};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};
use hashlink::LruCache;
use metrics::{Counter, Gauge};

use super::Bound;

/// The caller's time, as `governor`'s clock.
#[derive(Default)]
struct Moment(Cell<u64>);

impl Clock for Moment {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.get().into()
    }
}

/// The time at which each key has its full allowance again.
struct Kept<K>(RefCell<LruCache<K, Nanos, RandomState>>);

impl<K: Clone + Eq + Hash> Kept<K> {
    /// Creates an empty table. Its hasher is random, because attackers choose the keys and must not choose places in the table.
    fn of(bound: &Bound) -> Self {
        Self(RefCell::new(LruCache::with_hasher(bound.kept_max, RandomState::new())))
    }
}

impl<K: Clone + Eq + Hash> StateStore for Kept<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut kept = self.0.borrow_mut();
        // A refused key is kept, too: one that goes on asking is not the one that came longest ago.
        let (answer, full) = measure(kept.get(key).copied())?;
        kept.insert(key.clone(), full);
        Ok(answer)
    }
}

impl<K: Clone + Eq + Hash> ShrinkableKeyedStateStore<K> for Kept<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.borrow_mut().retain(|_, full| *full > drop_below);
    }

    fn len(&self) -> usize {
        self.0.borrow().len()
    }

    fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

type Limiter<K> = RateLimiter<K, Kept<K>, Moment, NoOpMiddleware<Nanos>>;

/// The rate of one bound.
pub struct Rate<K: Clone + Eq + Hash> {
    limiter: Limiter<K>,
    quota: Quota,
    /// The sum by which the caller's clock has gone back so far, nanoseconds; added to its time, so that time only goes forward here.
    back: u64,
    bound: Bound,
    limited: Counter,
    used: Gauge,
}

impl<K: Clone + Eq + Hash> Rate<K> {
    /// Starts a rate with the number of the table.
    ///
    /// # Panics
    /// The bound is a number at one time.
    pub fn new(bound: &Bound) -> Self {
        Self::of(bound, bound.max)
    }

    /// Starts a rate with a configured number.
    ///
    /// # Panics
    /// The bound is a number at one time.
    pub fn of(bound: &Bound, max: u32) -> Self {
        assert!(bound.within_s > 0 && bound.kept_max > 0, "a rate has a time, and a place for its counts");
        let quota = quota(max, bound.within_s);
        let limiter = RateLimiter::new(quota, Kept::of(bound), Moment::default());
        Self { limiter, quota, back: 0, bound: *bound, limited: bound.limited(), used: bound.used() }
    }

    /// Changes the number. What a key has taken before counts against the new number.
    pub fn renew(&mut self, max: u32) {
        let (before, now) = (self.quota.replenish_interval(), self.limiter.clock().now());
        self.quota = quota(max, self.bound.within_s);
        let empty = RateLimiter::new(self.quota, Kept::of(&self.bound), Moment::default());
        let store = std::mem::replace(&mut self.limiter, empty).into_state_store();
        for (_, full) in store.0.borrow_mut().iter_mut() {
            let left: Duration = full.saturating_sub(now).into();
            let taken =
                (left.as_secs_f64() / before.as_secs_f64()).min(f64::from(self.quota.burst_size().get()));
            *full = now + self.quota.replenish_interval().mul_f64(taken);
        }
        self.limiter = RateLimiter::new(self.quota, store, Moment::default());
        self.limiter.clock().0.set(now.as_u64());
    }

    /// Takes one from the key's allowance at `now_s`, seconds since 1970 UTC.
    ///
    /// # Errors
    /// The seconds until the key may take another, 1 at least.
    pub fn take(&mut self, key: &K, now_s: u64) -> Result<(), u32> {
        self.take_at(key, now_s.saturating_mul(1_000))
    }

    /// Does the same as [`Self::take`] at a time in milliseconds.
    ///
    /// # Errors
    /// The seconds until the key may take another, 1 at least.
    pub fn take_at(&mut self, key: &K, now_ms: u64) -> Result<(), u32> {
        let before = self.limiter.clock().0.get();
        let now = now_ms.saturating_mul(1_000_000).saturating_add(self.back);
        self.back += before.saturating_sub(now);
        self.limiter.clock().0.set(now.max(before));
        let taken = self.limiter.check_key(key);
        self.used.set(self.limiter.len() as f64);
        taken.map_err(|until| {
            self.limited.increment(1);
            let wait_ms = until.wait_time_from(self.limiter.clock().now()).as_millis();
            u32::try_from(wait_ms.div_ceil(1_000)).unwrap_or(u32::MAX).max(1)
        })
    }
}

impl<K: Clone + Eq + Hash> std::fmt::Debug for Rate<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rate({}, …)", self.bound.name)
    }
}

fn quota(max: u32, within_s: u64) -> Quota {
    let max = NonZeroU32::new(max).unwrap_or(NonZeroU32::MIN);
    let each = Duration::from_secs(within_s) / max.get();
    Quota::with_period(each).expect("a second and more, in parts, are some time").allow_burst(max)
}

#[cfg(test)]
mod tests {
    use super::super::SMS_CLIENT;
    use super::*;

    const NOW_S: u64 = 1_582_500_000;
    const BOUND: Bound = Bound { max: 3, within_s: 30, kept_max: 2, ..SMS_CLIENT };

    #[test]
    fn an_allowance_is_whole_at_once_and_comes_back_one_by_one() {
        let mut rate = Rate::new(&BOUND);
        for _ in 0..3 {
            assert_eq!(rate.take(&1, NOW_S), Ok(()));
        }
        assert_eq!(rate.take(&1, NOW_S), Err(10));
        assert_eq!(rate.take(&2, NOW_S), Ok(()), "another's is its own");
        assert_eq!(rate.take_at(&1, NOW_S * 1_000 + 9_001), Err(1), "a part of a second is a second");
        assert_eq!(rate.take(&1, NOW_S + 10), Ok(()));
        assert_eq!(rate.take(&1, NOW_S + 10), Err(10));
        let year_s = 365 * 86_400;
        assert_eq!(rate.take(&1, NOW_S - year_s), Err(10), "a clock that goes back gives nothing …");
        assert_eq!(rate.take(&1, NOW_S - year_s + 10), Ok(()), "… and takes nothing");
        assert_eq!(rate.take(&1, NOW_S + 10), Ok(()), "one that goes on again gives what it has to");
        for _ in 0..3 {
            assert_eq!(rate.take(&1, NOW_S + 90), Ok(()), "and not more than all");
        }
        assert_eq!(rate.take(&1, NOW_S + 90), Err(10));
    }

    #[test]
    fn who_came_longest_ago_makes_room_and_nobody_is_refused_for_it() {
        let mut rate = Rate::new(&BOUND);
        for key in [1, 1, 1, 2, 1] {
            let _ = rate.take(&key, NOW_S);
        }
        assert_eq!(rate.take(&3, NOW_S), Ok(()), "a newcomer");
        assert_eq!(rate.take(&1, NOW_S), Err(10), "who was refused last is not forgotten");
        assert_eq!(rate.limiter.len(), 2);
    }

    #[test]
    fn another_number_counts_what_was_taken_before() {
        let mut rate = Rate::of(&BOUND, 6);
        for _ in 0..4 {
            rate.take(&1, NOW_S).unwrap();
        }
        rate.renew(3);
        assert_eq!(rate.take(&1, NOW_S), Err(10));
        rate.renew(6);
        assert_eq!((0..9).filter(|_| rate.take(&1, NOW_S).is_ok()).count(), 3);
    }
}
