//! Supervision of actors. actix restarts an actor that stops, but loses one that panics, with its address and its mailbox. Here the
//! actor is polled behind `catch_unwind` and restarted in place after a panic, so that mailbox and address survive. An actor that
//! keeps failing is parked for a while: its mailbox is dropped, and senders learn it at once.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::{Duration, Instant};

use actix::dev::ContextFut;
use actix::{Actor, Addr, AsyncContext, Context, Supervised};
use protocol::metric;

use crate::{clock, lock};

/// The back-off and the limit of an actor's restarts.
#[derive(Clone, Copy, Debug)]
pub struct RestartPolicy {
    /// The delay of the second restart in `period`. The first has none; each further one waits twice as long …
    pub backoff_first: Duration,
    /// … up to this delay.
    pub backoff_max: Duration,
    /// The maximum number of restarts …
    pub intensity: usize,
    /// … in this time; more of them park the actor …
    pub period: Duration,
    /// … for this time, after which it is started again.
    pub parked_for: Duration,
}

impl Default for RestartPolicy {
    /// Allows ten restarts a minute. A poison batch causes three, so several of them at once do not park a region; a bug does.
    fn default() -> Self {
        Self {
            backoff_first: Duration::from_millis(20),
            backoff_max: Duration::from_secs(2),
            intensity: 10,
            period: Duration::from_secs(60),
            parked_for: Duration::from_secs(30),
        }
    }
}

/// The action after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Restart { after: Duration },
    Park,
}

/// The times of the failures in the last `period`. Pure: time is an argument.
#[derive(Default)]
struct History(VecDeque<Instant>);

impl History {
    fn failed(&mut self, now: Instant, policy: &RestartPolicy) -> Next {
        while self.0.front().is_some_and(|&at| now.saturating_duration_since(at) >= policy.period) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        if self.0.len() > policy.intensity {
            self.0.clear();
            return Next::Park;
        }
        let doublings = (self.0.len() as u32).saturating_sub(2).min(16);
        let after = match self.0.len() {
            1 => Duration::ZERO,
            _ => (policy.backoff_first * 2u32.pow(doublings)).min(policy.backoff_max),
        };
        Next::Restart { after }
    }
}

/// The gauge of an actor that is 1 while the actor is parked. Clones are one gauge of several actors: it is 1 while any of them is parked.
#[derive(Clone)]
pub struct ParkedGauge(Arc<Parked>);

struct Parked {
    gauge: metrics::Gauge,
    /// The actors that are parked.
    actors: Mutex<usize>,
}

impl ParkedGauge {
    /// Returns the gauge of no parked actor.
    pub fn new(gauge: metrics::Gauge) -> Self {
        gauge.set(0.0);
        Self(Arc::new(Parked { gauge, actors: Mutex::new(0) }))
    }

    /// Counts an actor that is parked now, or is no longer.
    fn count(&self, is_parked: bool) {
        let mut actors = lock::lock(&self.0.actors);
        *actors = if is_parked { *actors + 1 } else { actors.saturating_sub(1) };
        self.0.gauge.set(f64::from(u8::from(*actors > 0)));
    }
}

struct Shared<A: Actor<Context = Context<A>>> {
    name: String,
    addr: RwLock<Addr<A>>,
    parked: AtomicBool,
    restarts: AtomicU64,
    restarts_total: metrics::Counter,
    parked_gauge: ParkedGauge,
}

/// A reference to a supervised actor that stays valid over restarts. The actor ends when the last reference is dropped.
pub struct ActorRef<A: Actor<Context = Context<A>>>(Arc<Shared<A>>);

impl<A: Actor<Context = Context<A>>> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Actor<Context = Context<A>>> ActorRef<A> {
    /// Returns the actor's current address; `None` while it is parked.
    pub fn addr(&self) -> Option<Addr<A>> {
        if self.is_parked() {
            return None;
        }
        Some(lock::read(&self.0.addr).clone())
    }

    /// Reports whether the actor is parked.
    pub fn is_parked(&self) -> bool {
        self.0.parked.load(Ordering::Acquire)
    }

    /// Returns the number of restarts, including those after parking.
    pub fn restarts(&self) -> u64 {
        self.0.restarts.load(Ordering::Relaxed)
    }
}

/// Starts an actor on the current arbiter and supervises it. `make` creates it at the start and after parking; on other restarts the
/// actor's `restarting` has to reset its state.
pub fn supervise<A>(
    name: String,
    policy: RestartPolicy,
    parked_gauge: ParkedGauge,
    make: impl Fn() -> A + 'static,
) -> ActorRef<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let (addr, future) = start_actor(&make);
    let shared = Shared {
        restarts_total: metrics::counter!(metric::RESTARTS, "actor" => name.clone()),
        parked_gauge,
        name,
        addr: RwLock::new(addr),
        parked: AtomicBool::new(false),
        restarts: AtomicU64::new(0),
    };
    let actor = ActorRef(Arc::new(shared));
    actix_rt::spawn(keep_alive(Arc::downgrade(&actor.0), policy, make, future));
    actor
}

type ActorFuture<A> = ContextFut<A, Context<A>>;

fn start_actor<A>(make: &impl Fn() -> A) -> (Addr<A>, ActorFuture<A>)
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let context = Context::new();
    (context.address(), context.into_future(make()))
}

async fn keep_alive<A>(
    shared: Weak<Shared<A>>,
    policy: RestartPolicy,
    make: impl Fn() -> A,
    mut future: ActorFuture<A>,
) where
    A: Actor<Context = Context<A>> + Supervised,
{
    let mut history = History::default();
    loop {
        let panicked = until_failure(&mut future).await;
        let Some(next) = shared.upgrade().map(|shared| shared.failed(&mut history, &policy, panicked)) else {
            return;
        };
        match next {
            Next::Restart { after } => {
                if !after.is_zero() {
                    tokio::time::sleep(after).await;
                }
                // A panic in `restarting` is raised again at the next poll and counted there.
                let _ = catch_unwind(AssertUnwindSafe(|| future.restart()));
            }
            Next::Park => {
                // Drops the mailbox, and with it the senders of the replies.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
                tokio::time::sleep(policy.parked_for).await;
                let (addr, fresh) = start_actor(&make);
                future = fresh;
                let Some(shared) = shared.upgrade() else { return };
                shared.unpark(addr);
            }
        }
    }
}

/// Polls the actor until it stops (false) or panics (true).
async fn until_failure<A>(future: &mut ActorFuture<A>) -> bool
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(|()| false),
        Err(_) => std::task::Poll::Ready(true),
    })
    .await
}

impl<A: Actor<Context = Context<A>>> Shared<A> {
    fn failed(&self, history: &mut History, policy: &RestartPolicy, panicked: bool) -> Next {
        let next = history.failed(clock::now(), policy);
        self.count_restart();
        match next {
            Next::Restart { after } => {
                let after_ms = after.as_millis() as u64;
                tracing::warn!(actor = self.name, panicked, after_ms, "actor failed and is restarted");
            }
            Next::Park => {
                let parked_s = policy.parked_for.as_secs();
                tracing::error!(actor = self.name, panicked, parked_s, "actor keeps failing and is parked");
                self.set_parked(true);
            }
        }
        next
    }

    fn unpark(&self, addr: Addr<A>) {
        *lock::write(&self.addr) = addr;
        tracing::warn!(actor = self.name, "actor is started again after parking");
        self.set_parked(false);
    }

    fn set_parked(&self, parked: bool) {
        self.parked.store(parked, Ordering::Release);
        self.parked_gauge.count(parked);
    }

    fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        self.restarts_total.increment(1);
    }
}

#[cfg(test)]
mod tests;
