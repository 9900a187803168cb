//! The proxy's thread: it takes packets from clients and from the target, asks each flow's link for their fate, and sends
//! them on, at once or when they are due. Sockets are emptied in bursts, so that an undisturbed packet costs two system calls.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use device::{clock, socket};
use fastrand::Rng;
use protocol::limits::IDLE_MS_MAX;
use rustix::net::SendFlags;
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};

use super::flight::{Flight, PACKET_BYTES_MAX, Packet, Way};
use super::link::{Fate, Link};
use super::{Control, Counts, Orders};

/// The limit of clients' addresses at a time: each takes a descriptor, of which a process often has 1,024.
pub(super) const FLOWS_MAX: usize = 512;
/// The idle time after which a flow may be replaced by a new one: QUIC gives a connection up after as long.
const FLOW_IDLE_MAX: Duration = Duration::from_millis(IDLE_MS_MAX);
/// The limit of packets taken from a socket before others have their turn.
const BURST_PACKETS_MAX: usize = 64;

/// Binds a socket. Needs a runtime's context.
pub(super) fn socket(local: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::from_std(socket::udp(local)?)
}

/// Passes packets between the clients of that socket and the target until told to end. Runs in a `LocalSet`.
pub(super) async fn run(client: UdpSocket, target: SocketAddr, seed: u64, control: Arc<Control>) {
    let started = clock::now();
    let client = Rc::new(client);
    let relay = Rc::new_cyclic(|me| {
        RefCell::new(Relay::new(
            Rc::clone(&client),
            target,
            seed,
            Arc::clone(&control),
            started,
            Weak::clone(me),
        ))
    });
    while !relay.borrow().known.end {
        let due = relay.borrow().flight.first_due().map(|due| started + due);
        let heard = tokio::select! {
            _ = client.readable() => Ready::Clients,
            () = control.bell.notified() => Ready::Nothing,
            () = tokio::time::sleep_until(due.unwrap_or(started).into()), if due.is_some() => Ready::Nothing,
        };
        relay.borrow_mut().turn(heard);
    }
    let mut tasks = std::mem::take(&mut relay.borrow_mut().tasks);
    tasks.shutdown().await;
}

/// Receives the target's packets to one client, until aborted.
async fn hear(relay: Rc<RefCell<Relay>>, upstream: Rc<UdpSocket>, client: SocketAddr) {
    while upstream.readable().await.is_ok() {
        relay.borrow_mut().turn(Ready::Target(client));
        // The turn may have replaced this socket, or removed its flow. It is not read any more and stays ready, so that this would never
        // yield, and never be aborted.
        if !relay.borrow().reads(client, &upstream) {
            return;
        }
    }
}

/// The socket that has packets.
#[derive(Clone, Copy)]
enum Ready {
    Nothing,
    Clients,
    /// The upstream socket of the client with that address.
    Target(SocketAddr),
}

/// One client's way to the target and back.
struct Flow {
    upstream: Rc<UdpSocket>,
    up: Link,
    down: Link,
    /// The time of the client's last packet.
    heard: Duration,
    /// The task that reads the upstream socket.
    hears: AbortHandle,
}

/// The state of the proxy's thread; never borrowed across an await.
struct Relay {
    client: Rc<UdpSocket>,
    target: SocketAddr,
    control: Arc<Control>,
    started: Instant,
    me: Weak<RefCell<Relay>>,
    random: Rng,
    /// The orders that are carried out.
    known: Orders,
    flows: HashMap<SocketAddr, Flow>,
    flight: Flight,
    tasks: JoinSet<()>,
    buffer: Vec<u8>,
}

impl Relay {
    fn new(
        client: Rc<UdpSocket>,
        target: SocketAddr,
        seed: u64,
        control: Arc<Control>,
        started: Instant,
        me: Weak<RefCell<Self>>,
    ) -> Self {
        let known = control.lock().0;
        Self {
            client,
            target,
            control,
            started,
            me,
            random: Rng::with_seed(seed),
            known,
            flows: HashMap::new(),
            flight: Flight::default(),
            tasks: JoinSet::new(),
            // One more than may pass, to see that a packet is larger.
            buffer: vec![0; PACKET_BYTES_MAX + 1],
        }
    }

    /// Carries out orders, sends packets that are due, then takes a burst of packets.
    fn turn(&mut self, heard: Ready) {
        let control = Arc::clone(&self.control);
        let mut inner = control.lock();
        let (orders, counts) = &mut *inner;
        let before = self.flight.first_due();
        self.obey(*orders, counts);
        let now = clock::since(self.started);
        while let Some(packet) = self.flight.pop_due(now) {
            self.send(packet.way, packet.client, packet.copy, &packet.bytes, counts);
        }
        match heard {
            Ready::Nothing => {}
            Ready::Clients => {
                let socket = Rc::clone(&self.client);
                self.burst(&socket, None, now, counts);
            }
            Ready::Target(client) => {
                if let Some(flow) = self.flows.get(&client) {
                    let socket = Rc::clone(&flow.upstream);
                    self.burst(&socket, Some(client), now, counts);
                }
                if self.flight.first_due() != before {
                    control.bell.notify_one();
                }
            }
        }
    }

    /// Reports whether this is the socket of the client's flow.
    fn reads(&self, client: SocketAddr, upstream: &Rc<UdpSocket>) -> bool {
        self.flows.get(&client).is_some_and(|flow| Rc::ptr_eq(&flow.upstream, upstream))
    }

    fn obey(&mut self, orders: Orders, counts: &mut Counts) {
        if orders.conditions != self.known.conditions {
            for flow in self.flows.values_mut() {
                flow.up.set(orders.conditions);
                flow.down.set(orders.conditions);
            }
        }
        let rebind = orders.rebinds != self.known.rebinds;
        self.known = orders;
        if rebind {
            let clients: Vec<_> = self.flows.keys().copied().collect();
            for client in clients {
                counts.rebinds += u64::from(self.rebind(client).is_ok());
            }
        }
    }

    fn rebind(&mut self, client: SocketAddr) -> io::Result<()> {
        let (upstream, hears) = self.open(client)?;
        if let Some(flow) = self.flows.get_mut(&client) {
            flow.hears.abort();
            (flow.upstream, flow.hears) = (upstream, hears);
        }
        Ok(())
    }

    /// Opens a new upstream socket and starts the task that reads it.
    fn open(&mut self, client: SocketAddr) -> io::Result<(Rc<UdpSocket>, AbortHandle)> {
        let local = SocketAddr::new(self.client.local_addr()?.ip(), 0);
        let upstream = Rc::new(socket(local)?);
        rustix::net::connect(&*upstream, &self.target)?;
        let relay = self.me.upgrade().expect("the relay lives while its methods run");
        // Those aborted earlier are over by now.
        while self.tasks.try_join_next().is_some() {}
        let hears = self.tasks.spawn_local(hear(relay, Rc::clone(&upstream), client));
        Ok((upstream, hears))
    }

    /// Takes a burst of packets: from clients, or from the target for that client.
    fn burst(&mut self, socket: &UdpSocket, of: Option<SocketAddr>, now: Duration, counts: &mut Counts) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..BURST_PACKETS_MAX {
            // An error reports an earlier packet: no socket was there.
            let Ok((bytes, from)) = socket.try_recv_from(&mut buffer) else { break };
            let (way, client) = of.map_or((Way::Up, from), |client| (Way::Down, client));
            self.arrived(way, client, &mut buffer[..bytes], now, counts);
        }
        self.buffer = buffer;
    }

    fn arrived(
        &mut self,
        way: Way,
        client: SocketAddr,
        bytes: &mut [u8],
        now: Duration,
        counts: &mut Counts,
    ) {
        if bytes.len() > PACKET_BYTES_MAX || !self.make_flow(client, now) {
            counts.refused += 1;
            return;
        }
        let flow = self.flows.get_mut(&client).expect("it was just made or found");
        let link = match way {
            Way::Up => {
                flow.heard = now;
                &mut flow.up
            }
            Way::Down => &mut flow.down,
        };
        let Fate::Delivered { first, copy, held } = link.fate(bytes.len(), now) else {
            counts.dropped += 1;
            return;
        };
        counts.reordered += u64::from(held);
        for (delivery, is_copy) in [(Some(first), false), (copy, true)] {
            let Some(delivery) = delivery else { continue };
            counts.corrupted += u64::from(delivery.flipped.is_some());
            flip(bytes, delivery.flipped);
            if delivery.due <= now {
                self.send(way, client, is_copy, bytes, counts);
            } else {
                let packet = Packet { client, way, copy: is_copy, bytes: Box::from(&*bytes) };
                counts.refused += u64::from(!self.flight.push(delivery.due, packet));
            }
            // The second copy is made from the packet as it was.
            flip(bytes, delivery.flipped);
        }
    }

    /// Makes a flow for that client, if there is none; false if there is no room.
    fn make_flow(&mut self, client: SocketAddr, now: Duration) -> bool {
        if self.flows.contains_key(&client) {
            return true;
        }
        if self.flows.len() >= FLOWS_MAX && !self.forget_idle(now) {
            return false;
        }
        let Ok((upstream, hears)) = self.open(client) else { return false };
        let conditions = self.known.conditions;
        let up = Link::new(self.random.u64(..), conditions);
        let down = Link::new(self.random.u64(..), conditions);
        self.flows.insert(client, Flow { upstream, up, down, heard: now, hears });
        true
    }

    /// Removes a flow that was idle for long enough; false if there is none.
    fn forget_idle(&mut self, now: Duration) -> bool {
        let idle = self.flows.iter().find(|(_, flow)| now - flow.heard > FLOW_IDLE_MAX);
        let Some(client) = idle.map(|(client, _)| *client) else { return false };
        self.flows.remove(&client).is_some_and(|flow| {
            flow.hears.abort();
            true
        })
    }

    fn send(&self, way: Way, client: SocketAddr, copy: bool, bytes: &[u8], counts: &mut Counts) {
        // Not through the runtime, which does not know of a new socket yet that it can be written.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let sent = match (way, self.flows.get(&client)) {
            (Way::Up, Some(flow)) => rustix::net::send(&*flow.upstream, bytes, flags).is_ok(),
            (Way::Down, _) => rustix::net::sendto(&*self.client, bytes, flags, &client).is_ok(),
            (Way::Up, None) => false,
        };
        let count = match (sent, copy) {
            (false, _) => &mut counts.refused,
            (true, false) => &mut counts.passed,
            (true, true) => &mut counts.duplicated,
        };
        *count += 1;
    }
}

fn flip(bytes: &mut [u8], bit: Option<u32>) {
    if let Some(bit) = bit {
        bytes[bit as usize / 8] ^= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_changes_exactly_that_bit_and_again_nothing() {
        let sound = [0x5a, 0, 0xff];
        for bit in 0..24 {
            let mut bytes = sound;
            flip(&mut bytes, Some(bit));
            let changed = (0..3).map(|at| (bytes[at] ^ sound[at]).count_ones()).sum::<u32>();
            assert_eq!(changed, 1);
            assert_ne!(bytes[bit as usize / 8], sound[bit as usize / 8]);
            flip(&mut bytes, Some(bit));
            assert_eq!(bytes, sound);
        }
        let mut bytes = sound;
        flip(&mut bytes, None);
        assert_eq!(bytes, sound);
    }
}
