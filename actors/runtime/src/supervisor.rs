//! Keeps an actor alive. actix restarts an actor that stops; one that panics is gone for good, with its address and all
//! that waits in its mailbox. Here the actor is polled behind `catch_unwind`, and after a panic restarted in place: mailbox
//! and address survive. An actor that keeps failing is parked for a while; what waits for it is answered, not kept.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use actix::dev::ContextFut;
use actix::{Actor, Addr, AsyncContext, Context, Supervised};
use protocol::metric;

use crate::clock;

/// The limit of an actor's failures.
#[derive(Clone, Copy, Debug)]
pub struct RestartPolicy {
    /// The first restart in `period` is at once, the second waits this long, each further one twice as long …
    pub backoff_first: Duration,
    /// … up to this.
    pub backoff_max: Duration,
    /// With more restarts than this …
    pub intensity: usize,
    /// … within this time the actor is parked …
    pub period: Duration,
    /// … for this long; then it is tried again.
    pub parked_for: Duration,
}

impl Default for RestartPolicy {
    /// Ten restarts a minute: a poison batch causes three, so several at once do not park a region, a bug does.
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

/// The step after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Restart { after: Duration },
    Park,
}

/// The failures of the last `period`. Pure: time is an argument.
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

struct Shared<A: Actor<Context = Context<A>>> {
    name: String,
    addr: RwLock<Addr<A>>,
    parked: AtomicBool,
    restarts: AtomicU64,
    restarts_total: metrics::Counter,
    parked_gauge: metrics::Gauge,
}

/// The place where a supervised actor is reached. The actor ends when the last of these is dropped.
pub struct Post<A: Actor<Context = Context<A>>>(Arc<Shared<A>>);

impl<A: Actor<Context = Context<A>>> Clone for Post<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Actor<Context = Context<A>>> Post<A> {
    /// The actor's present address; `None` while it is parked.
    pub fn addr(&self) -> Option<Addr<A>> {
        if self.is_parked() {
            return None;
        }
        Some(self.0.addr.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    pub fn is_parked(&self) -> bool {
        self.0.parked.load(Ordering::Acquire)
    }

    /// Restarts so far, unparkings included.
    pub fn restarts(&self) -> u64 {
        self.0.restarts.load(Ordering::Relaxed)
    }
}

/// Starts an actor on the current arbiter and keeps it alive. `make` makes it at first and after parking; its own
/// `restarting` has to bring it back to a fresh state in between. `parked_gauge` is 1 while it is parked.
pub fn supervise<A>(
    name: String,
    policy: RestartPolicy,
    parked_gauge: metrics::Gauge,
    make: impl Fn() -> A + 'static,
) -> Post<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let (addr, life) = give_life(&make);
    let shared = Shared {
        restarts_total: metrics::counter!(metric::RESTARTS, "actor" => name.clone()),
        parked_gauge,
        name,
        addr: RwLock::new(addr),
        parked: AtomicBool::new(false),
        restarts: AtomicU64::new(0),
    };
    shared.parked_gauge.set(0.0);
    let post = Post(Arc::new(shared));
    actix_rt::spawn(keep_alive(Arc::downgrade(&post.0), policy, make, life));
    post
}

type Life<A> = ContextFut<A, Context<A>>;

fn give_life<A>(make: &impl Fn() -> A) -> (Addr<A>, Life<A>)
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
    mut life: Life<A>,
) where
    A: Actor<Context = Context<A>> + Supervised,
{
    let mut history = History::default();
    loop {
        let panicked = until_failure(&mut life).await;
        let Some(next) = shared.upgrade().map(|shared| shared.failed(&mut history, &policy, panicked)) else {
            return;
        };
        match next {
            Next::Restart { after } => {
                if !after.is_zero() {
                    tokio::time::sleep(after).await;
                }
                // A panic in `restarting` shows again when the actor is polled, and is counted there.
                let _ = catch_unwind(AssertUnwindSafe(|| life.restart()));
            }
            Next::Park => {
                // Whatever waits in the mailbox is dropped here, and with it the senders of its answers.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(life)));
                tokio::time::sleep(policy.parked_for).await;
                let (addr, fresh) = give_life(&make);
                life = fresh;
                let Some(shared) = shared.upgrade() else { return };
                shared.unpark(addr);
            }
        }
    }
}

/// Polls the actor until it stops (false) or panics (true).
async fn until_failure<A>(life: &mut Life<A>) -> bool
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let mut life = pin!(life);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| life.as_mut().poll(cx))) {
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
        *self.addr.write().unwrap_or_else(PoisonError::into_inner) = addr;
        tracing::warn!(actor = self.name, "actor is tried again");
        self.set_parked(false);
    }

    fn set_parked(&self, parked: bool) {
        self.parked.store(parked, Ordering::Release);
        self.parked_gauge.set(f64::from(u8::from(parked)));
    }

    fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        self.restarts_total.increment(1);
    }
}

#[cfg(test)]
mod tests;
