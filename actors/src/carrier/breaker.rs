//! Two counts that protect a carrier, and the gateway from it: the breaker, which stops asking a carrier that fails, and the budget of second
//! attempts. Pure: time and jitter are arguments. What counts as a failure is decided in `answer`.

use std::time::{Duration, Instant};

/// The failures that open a breaker, and the time for which it is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BreakerPolicy {
    /// The failures in a row that open it.
    pub(crate) in_a_row_max: u32,
    /// The failures among the last [`RECENT`] queries above which it opens.
    pub(crate) recent_max: u32,
    /// The time for which it is open at first; each trial that fails doubles it.
    pub(crate) open_first: Duration,
    /// The longest time for which it is open.
    pub(crate) open_max: Duration,
    /// The time after which a trial without a report is lost and another is let through.
    pub(crate) trial_max: Duration,
}

/// The number of queries that are remembered, one bit each.
pub(crate) const RECENT: u32 = u64::BITS;

impl Default for BreakerPolicy {
    /// Opens for a carrier that fails half of its queries: it is not worth waiting for.
    fn default() -> Self {
        Self {
            in_a_row_max: 5,
            recent_max: RECENT / 2,
            open_first: Duration::from_secs(1),
            open_max: Duration::from_secs(30),
            trial_max: Duration::from_secs(10),
        }
    }
}

/// The state of a breaker; its number is the metric's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Closed = 0,
    HalfOpen = 1,
    Open = 2,
}

/// The decision about a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Go,
    /// It may go, and tells whether the carrier works again.
    Trial,
    No,
}

#[derive(Clone, Copy)]
enum State {
    Closed { in_a_row: u32, failures: u64 },
    Open { until: Instant, lasted: Duration },
    HalfOpen { lost_at: Instant, lasted: Duration },
}

const CLOSED: State = State::Closed { in_a_row: 0, failures: 0 };

pub(super) struct Breaker {
    policy: BreakerPolicy,
    state: State,
}

impl Breaker {
    pub(super) const fn new(policy: BreakerPolicy) -> Self {
        Self { policy, state: CLOSED }
    }

    pub(super) const fn standing(&self) -> Standing {
        match self.state {
            State::Closed { .. } => Standing::Closed,
            State::HalfOpen { .. } => Standing::HalfOpen,
            State::Open { .. } => Standing::Open,
        }
    }

    /// Decides about one query at that time.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        let (due, lasted) = match self.state {
            State::Closed { .. } => return Admission::Go,
            State::Open { until, lasted } => (until, lasted),
            State::HalfOpen { lost_at, lasted } => (lost_at, lasted),
        };
        if now < due {
            return Admission::No;
        }
        self.state = State::HalfOpen { lost_at: now + self.policy.trial_max, lasted };
        Admission::Trial
    }

    /// Takes in the outcome of a query. `jitter` is a random number from 0 to 1, so that gateways that saw the same failure do not come back
    /// at the same moment. Reports of queries that were sent before the breaker opened change nothing.
    pub(super) fn record(&mut self, healthy: bool, was_trial: bool, now: Instant, jitter: f64) {
        self.state = match (self.state, healthy) {
            (State::Closed { failures, .. }, true) => State::Closed { in_a_row: 0, failures: failures << 1 },
            (State::Closed { in_a_row, failures }, false) => {
                let (in_a_row, failures) = (in_a_row + 1, failures << 1 | 1);
                if in_a_row >= self.policy.in_a_row_max || failures.count_ones() > self.policy.recent_max {
                    open(now, self.policy.open_first, jitter)
                } else {
                    State::Closed { in_a_row, failures }
                }
            }
            (State::HalfOpen { .. } | State::Open { .. }, true) if was_trial => CLOSED,
            (State::HalfOpen { lasted, .. }, false) if was_trial => {
                open(now, (lasted * 2).min(self.policy.open_max), jitter)
            }
            (state @ (State::HalfOpen { .. } | State::Open { .. }), _) => state,
        };
    }
}

/// Makes an open state that lasts up to a quarter longer than `lasts`, by the jitter.
fn open(now: Instant, lasts: Duration, jitter: f64) -> State {
    let until = now + lasts.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 4.0);
    State::Open { until, lasted: lasts }
}

/// The cost of a second attempt, in queries: one for ten queries.
const RETRY_COST: u32 = 10;
/// Second attempts that can be saved up.
const SAVED_RETRIES_MAX: u32 = 10;

/// The budget of second attempts: one for ten queries at most, also at the beginning.
#[derive(Default)]
pub(super) struct RetryBudget(u32);

impl RetryBudget {
    /// Adds what one query earns.
    pub(super) fn earn(&mut self) {
        self.0 = (self.0 + 1).min(RETRY_COST * SAVED_RETRIES_MAX);
    }

    /// Takes a second attempt from the budget; false if there is none.
    pub(super) fn take(&mut self) -> bool {
        let left = self.0.checked_sub(RETRY_COST);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::clock;

    const POLICY: BreakerPolicy = BreakerPolicy {
        in_a_row_max: 3,
        recent_max: 4,
        open_first: Duration::from_secs(4),
        open_max: Duration::from_secs(10),
        trial_max: Duration::from_secs(5),
    };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn opened(start: Instant, jitter: f64) -> Breaker {
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..3 {
            assert_eq!(breaker.admit(start), Admission::Go);
            breaker.record(false, false, start, jitter);
        }
        assert_eq!(breaker.standing(), Standing::Open);
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_good_answer_between_does_not() {
        let start = clock::now();
        let mut breaker = Breaker::new(POLICY);
        for healthy in [false, false, true, false, false] {
            breaker.record(healthy, false, start, 0.0);
            assert_eq!(breaker.standing(), Standing::Closed);
        }
        breaker.record(false, false, start, 0.0);
        assert_eq!(breaker.standing(), Standing::Open);
    }

    #[test]
    fn a_carrier_that_fails_now_and_then_opens_it_too() {
        let start = clock::now();
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..4 {
            breaker.record(false, false, start, 0.0);
            breaker.record(true, false, start, 0.0);
        }
        assert_eq!(breaker.standing(), Standing::Closed);
        breaker.record(false, false, start, 0.0);
        assert_eq!(breaker.standing(), Standing::Open);
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..100 {
            breaker.record(false, false, start, 0.0);
            (0..20).for_each(|_| breaker.record(true, false, start, 0.0));
        }
        assert_eq!(breaker.standing(), Standing::Closed, "what is long ago is forgotten");
    }

    #[test]
    fn one_is_let_through_after_its_time_and_decides() {
        let start = clock::now();
        for (healthy, expected) in [(true, Standing::Closed), (false, Standing::Open)] {
            let mut breaker = opened(start, 0.0);
            assert_eq!(breaker.admit(after(start, 3)), Admission::No);
            assert_eq!(breaker.admit(after(start, 4)), Admission::Trial);
            assert_eq!(breaker.admit(after(start, 4)), Admission::No, "one at a time");
            breaker.record(true, false, after(start, 5), 0.0);
            breaker.record(false, false, after(start, 5), 0.0);
            assert_eq!(breaker.standing(), Standing::HalfOpen, "a late answer from before decides nothing");
            breaker.record(healthy, true, after(start, 5), 0.0);
            assert_eq!(breaker.standing(), expected);
        }
    }

    #[test]
    fn each_trial_that_fails_doubles_the_wait_up_to_its_limit() {
        let start = clock::now();
        let mut breaker = opened(start, 0.0);
        let mut now = 0;
        for wait in [4, 8, 10, 10] {
            assert_eq!(breaker.admit(after(start, now + wait - 1)), Admission::No, "{wait}");
            now += wait;
            assert_eq!(breaker.admit(after(start, now)), Admission::Trial, "{wait}");
            breaker.record(false, true, after(start, now), 0.0);
        }
    }

    #[test]
    fn a_lost_trial_does_not_shut_a_carrier_out_for_ever() {
        let start = clock::now();
        let mut breaker = opened(start, 0.0);
        assert_eq!(breaker.admit(after(start, 4)), Admission::Trial);
        assert_eq!(breaker.admit(after(start, 8)), Admission::No);
        assert_eq!(breaker.admit(after(start, 9)), Admission::Trial);
    }

    #[test]
    fn jitter_spreads_the_return() {
        let start = clock::now();
        let mut breaker = opened(start, 1.0);
        assert_eq!(breaker.admit(after(start, 4)), Admission::No);
        assert_eq!(breaker.admit(after(start, 5)), Admission::Trial);
    }

    #[test]
    fn retries_are_at_most_a_tenth_of_the_queries() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut budget, mut queries, mut retries) = (RetryBudget::default(), 0u32, 0u32);
        for _ in 0..10_000 {
            budget.earn();
            queries += 1;
            if random.u8(..3) == 0 && budget.take() {
                retries += 1;
            }
            assert!(retries * 10 <= queries);
        }
        assert!(retries > 900, "{retries}: the budget is used");
        (0..10_000).for_each(|_| budget.earn());
        let saved = (0..1000).filter(|_| budget.take()).count();
        assert_eq!(saved, 10, "quiet times save up only a few");
    }
}
