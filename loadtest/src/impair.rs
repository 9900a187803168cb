//! A bad network for tests: a UDP proxy between devices and the gateway that loses, doubles, corrupts, reorders and delays
//! packets by a seed, forgets flows as a NAT does, and cuts the path. [`link`] decides the fate of each packet.
//! It does not know QUIC.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use schemars::JsonSchema;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

mod flight;
pub mod link;
mod proxy;

/// The longest delay, and the longest jitter on top of it: a device gives up an attempt to connect after as long, so a longer
/// delay is the same as a cut.
pub(crate) const DELAY_MS_MAX: u32 = 5_000;

/// The network's effect on packets, the same in both directions and to each packet on its own. The default does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Probability that a packet is lost, 0 to 1.
    #[serde(deserialize_with = "probability")]
    pub loss: f64,
    /// Probability that a packet arrives twice, 0 to 1.
    #[serde(deserialize_with = "probability")]
    pub duplicate: f64,
    /// Probability that one bit of a packet is flipped, 0 to 1.
    #[serde(deserialize_with = "probability")]
    pub corrupt: f64,
    /// Probability that a packet is held back, so that later ones overtake it, 0 to 1.
    #[serde(deserialize_with = "probability")]
    pub reorder: f64,
    /// Delay of every packet, milliseconds, at most [`DELAY_MS_MAX`]; exact to the runtime's timer, a millisecond.
    #[serde(deserialize_with = "milliseconds")]
    pub delay_ms: u32,
    /// Jitter: a random additional delay up to so many milliseconds, at most [`DELAY_MS_MAX`], which keeps the order.
    #[serde(deserialize_with = "milliseconds")]
    pub jitter_ms: u32,
    /// A cut: nothing passes.
    pub partition: bool,
}

fn probability<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    let sound = (0.0..=1.0).contains(&value);
    if sound {
        Ok(value)
    } else {
        Err(D::Error::custom(format!("a probability must be 0 to 1, not {value}")))
    }
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = u32::deserialize(deserializer)?;
    let sound = value <= DELAY_MS_MAX;
    if sound { Ok(value) } else { Err(D::Error::custom(format!("at most {DELAY_MS_MAX} ms, not {value}"))) }
}

/// The counts of packets so far, both directions together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Packets sent on, second copies not counted.
    pub passed: u64,
    /// Packets lost, or stopped by a partition.
    pub dropped: u64,
    /// Second copies sent on.
    pub duplicated: u64,
    /// Packets, or copies of them, with a flipped bit.
    pub corrupted: u64,
    /// Packets held back.
    pub reordered: u64,
    /// Packets dropped by the proxy's own limits: too large, too many in flight or too many flows, or refused by the kernel.
    pub refused: u64,
    /// Flows that got a new upstream socket by [`Proxy::rebind`].
    pub rebinds: u64,
}

impl Counts {
    /// Returns the counts by their names in a report.
    pub(crate) fn by_name(&self) -> BTreeMap<String, u64> {
        let all = [
            ("passed", self.passed),
            ("dropped", self.dropped),
            ("duplicated", self.duplicated),
            ("corrupted", self.corrupted),
            ("reordered", self.reordered),
            ("refused", self.refused),
            ("rebinds", self.rebinds),
        ];
        all.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    }
}

/// The state that the relay has to reach.
#[derive(Clone, Copy)]
struct Orders {
    conditions: Conditions,
    /// The number of rebinds ordered so far.
    rebinds: u64,
    end: bool,
}

/// The state shared by a [`Proxy`], which writes the orders, and its thread, which reads them and counts.
struct Control {
    inner: Mutex<(Orders, Counts)>,
    /// Wakes the thread: there is an order, or a packet that is due before all others.
    bell: Notify,
}

impl Control {
    /// Locks orders and counts; the thread holds the lock for one burst of packets at most.
    fn lock(&self) -> MutexGuard<'_, (Orders, Counts)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A network between any number of clients and one UDP port: each client's address has an upstream socket of its own. Congestion
/// marks do not pass. Ends with the value.
pub struct Proxy {
    address: SocketAddr,
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free loopback port and passes packets to and from `target`, on a thread of its own. Fails if the system gives no
    /// socket or thread.
    pub fn start(target: SocketAddr, seed: u64, conditions: Conditions) -> io::Result<Self> {
        let local: SocketAddr = match target {
            SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, 0).into(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = {
            let _entered = runtime.enter();
            proxy::socket(local)?
        };
        let address = client.local_addr()?;
        let wanted = Orders { conditions, rebinds: 0, end: false };
        let inner = Mutex::new((wanted, Counts::default()));
        let control = Arc::new(Control { inner, bell: Notify::new() });
        let shared = Arc::clone(&control);
        let run = move || {
            tokio::task::LocalSet::new().block_on(&runtime, proxy::run(client, target, seed, shared));
        };
        let thread = std::thread::Builder::new().name("impair".to_owned()).spawn(run)?;
        Ok(Self { address, control, thread: Some(thread) })
    }

    /// Returns the address to which clients send instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Applies these conditions to every packet sent from now on; packets in flight are not changed.
    pub fn set(&self, conditions: Conditions) {
        self.want(|wanted| wanted.conditions = conditions);
    }

    /// Gives every flow a new upstream socket, as when a NAT forgets its bindings: the target sees a new port, and what it sends to the old
    /// one is lost.
    pub fn rebind(&self) {
        self.want(|wanted| wanted.rebinds += 1);
    }

    /// Returns the counts so far.
    pub fn counts(&self) -> Counts {
        self.control.lock().1
    }

    /// Stops, waits for the thread and returns the counts. Packets in flight are lost.
    ///
    /// # Panics
    /// The thread has panicked.
    pub fn end(mut self) -> Counts {
        self.join().expect("the proxy's thread runs until it is told to end");
        self.counts()
    }

    fn join(&mut self) -> std::thread::Result<()> {
        self.want(|wanted| wanted.end = true);
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }

    fn want(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.control.lock().0);
        self.control.bell.notify_one();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A panic of the thread is on stderr already.
        let _ = self.join();
    }
}

#[cfg(test)]
mod tests;
