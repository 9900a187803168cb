//! The connections of a port by address and network, and the choice of the one that ends for a new one: the longest idle one of the address
//! or network that has its share, or, when the port is full, of the network with the most. A trusted proxy's connection ends only for the
//! proxy's own. Pure: time is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use actors::bounds::{Bound, Net, near, wide};
use metrics::{Counter, Gauge};

use super::watched::Connection;

/// The bounds of one port; those of addresses and networks do not hold for trusted proxies.
#[derive(Clone, Copy)]
pub(crate) struct Shares {
    pub(crate) all: Bound,
    pub(crate) client: Bound,
    pub(crate) network: Bound,
}

struct Limited {
    all: Counter,
    client: Counter,
    network: Counter,
}

/// The connections of one port.
pub(super) struct Held {
    shares: Shares,
    limited: Limited,
    used: Gauge,
    begun: u64,
    connections: HashMap<u64, Rc<Connection>>,
    clients: HashMap<Net, usize>,
    networks: HashMap<Net, usize>,
}

impl Held {
    pub(super) fn new(shares: Shares) -> Self {
        let Shares { all, client, network } = shares;
        let limited = Limited { all: all.limited(), client: client.limited(), network: network.limited() };
        let (connections, clients, networks) = Default::default();
        Self { shares, limited, used: all.used(), begun: 0, connections, clients, networks }
    }

    /// Admits a connection if there is room or room can be made; the number is for [`Held::ended`]. A trusted proxy serves many people: only
    /// the port's own bound counts for it, and it is never the network with the most connections.
    pub(super) fn begin(
        &mut self,
        peer: IpAddr,
        is_proxy: bool,
        now: Instant,
    ) -> Option<(u64, Rc<Connection>)> {
        let whose = (!is_proxy).then(|| (near(peer), wide(peer)));
        if !self.make_room(whose) {
            return None;
        }
        self.begun += 1;
        let connection = Rc::new(Connection::new(whose, now));
        self.connections.insert(self.begun, Rc::clone(&connection));
        if let Some((client, network)) = whose {
            *self.clients.entry(client).or_default() += 1;
            *self.networks.entry(network).or_default() += 1;
        }
        self.used.set(self.connections.len() as f64);
        Some((self.begun, connection))
    }

    /// Removes a connection that has ended.
    pub(super) fn ended(&mut self, number: u64) {
        let Some(connection) = self.connections.remove(&number) else { return };
        if let Some((client, network)) = connection.whose {
            less(&mut self.clients, client);
            less(&mut self.networks, network);
        }
        self.used.set(self.connections.len() as f64);
    }

    fn make_room(&mut self, whose: Option<(Net, Net)>) -> bool {
        let Shares { all, client, network } = self.shares;
        let has = |counts: &HashMap<Net, usize>, net: &Net| counts.get(net).copied().unwrap_or_default();
        if let Some((of, _)) = whose.filter(|(of, _)| has(&self.clients, of) >= client.entries()) {
            self.limited.client.increment(1);
            return self.cut_idle(|one| one.whose.is_some_and(|(client, _)| client == of));
        }
        if let Some((_, of)) = whose.filter(|(_, of)| has(&self.networks, of) >= network.entries()) {
            self.limited.network.increment(1);
            return self.cut_idle(|one| one.whose.is_some_and(|(_, network)| network == of));
        }
        if self.connections.len() < all.entries() {
            return true;
        }
        self.limited.all.increment(1);
        let fullest = self.networks.iter().max_by_key(|(_, count)| **count).map(|(net, _)| *net);
        let of_fullest = fullest
            .is_some_and(|fullest| self.cut_idle(|one| one.whose.is_some_and(|(_, net)| net == fullest)));
        of_fullest || (whose.is_none() && self.cut_idle(|one| one.whose.is_none()))
    }

    /// Ends the longest idle one of those connections; false if all of them are at work.
    fn cut_idle(&mut self, is_one: impl Fn(&Connection) -> bool) -> bool {
        let idle = self.connections.iter().filter(|(_, one)| is_one(one));
        let idle = idle.filter_map(|(number, one)| Some((one.watch.idle_since()?, *number)));
        let Some((_, number)) = idle.min() else { return false };
        if let Some(connection) = self.connections.get(&number) {
            connection.cut.notify_one();
        }
        self.ended(number);
        true
    }
}

fn less<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use actors::bounds::{PAGES_CLIENT, PAGES_CONNECTIONS, PAGES_NETWORK};
    use runtime::clock;

    use super::*;

    /// Returns true if the connection was notified to end.
    fn is_cut(connection: &Connection) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(connection.cut.notified()).poll(&mut context).is_ready()
    }

    fn held() -> Held {
        let bound = |bound: Bound, max| Bound { max, ..bound };
        Held::new(Shares {
            all: bound(PAGES_CONNECTIONS, 6),
            client: bound(PAGES_CLIENT, 2),
            network: bound(PAGES_NETWORK, 3),
        })
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_has_its_share_gives_up_its_own_longest_idle_one_and_nobody_elses() {
        let (mut held, begun) = (held(), clock::now());
        let mut begin = |from, s| held.begin(at(from), false, begun + Duration::from_secs(s)).unwrap().1;
        let other = begin("198.51.100.1", 0);
        let [first, second, third] =
            [("192.0.2.1", 1), ("192.0.2.1", 2), ("192.0.2.1", 3)].map(|(from, s)| begin(from, s));
        assert!(is_cut(&first) && !is_cut(&second), "an address");
        begin("192.0.2.2", 4);
        let fifth = begin("192.0.2.3", 5);
        assert!(is_cut(&second) && !is_cut(&third) && !is_cut(&fifth), "its network");
        assert!(!is_cut(&other));
    }

    #[test]
    fn a_full_port_takes_newcomers_in_at_the_cost_of_the_fullest_network() {
        let (mut held, begun) = (held(), clock::now());
        let others = ["198.51.100.1", "203.0.113.1", "203.0.114.1"];
        let others = others.map(|from| held.begin(at(from), false, begun).unwrap().1);
        let later = begun + Duration::from_secs(1);
        let hostile =
            [1, 2, 3].map(|n| held.begin(at(&format!("2001:db8:0:{n}::1")), false, later).unwrap().1);
        assert!(held.begin(at("203.0.115.1"), false, later).is_some(), "a newcomer");
        assert_eq!(hostile.iter().filter(|one| is_cut(one)).count(), 1);
        assert!(others.iter().all(|one| !is_cut(one)));
    }

    #[test]
    fn what_is_at_work_is_not_cut_and_an_end_makes_room() {
        let (mut held, now) = (held(), clock::now());
        let [one, other] = [(); 2].map(|()| held.begin(at("192.0.2.1"), false, now).unwrap());
        one.1.watch.came(now);
        other.1.watch.came(now);
        assert!(held.begin(at("192.0.2.1"), false, now).is_none());
        other.1.watch.went(now);
        assert!(held.begin(at("192.0.2.1"), false, now).is_some());
        held.ended(other.0);
        held.ended(one.0);
        assert_eq!((held.connections.len(), held.clients.len(), held.networks.len()), (1, 1, 1));
    }

    #[test]
    fn a_trusted_proxy_has_the_whole_port() {
        let (mut held, now) = (held(), clock::now());
        for _ in 0..6 {
            assert!(held.begin(at("192.0.2.1"), true, now).is_some());
        }
        assert!(held.networks.is_empty());
    }

    #[test]
    fn a_full_port_takes_nothing_from_a_proxy_for_a_stranger_and_a_proxy_makes_room_for_itself() {
        let (mut held, now) = (held(), clock::now());
        let proxy = at("192.0.2.1");
        let stranger = held.begin(at("198.51.100.1"), false, now).unwrap().1;
        let proxied = [(); 5].map(|()| held.begin(proxy, true, now).unwrap().1);
        assert!(held.begin(proxy, true, now).is_some(), "at the cost of the only network");
        assert!(is_cut(&stranger) && proxied.iter().all(|one| !is_cut(one)));
        assert!(held.begin(at("198.51.100.1"), false, now).is_none(), "nobody else holds anything");
        assert!(proxied.iter().all(|one| !is_cut(one)));
        assert!(held.begin(proxy, true, now).is_some());
        assert_eq!(proxied.iter().filter(|one| is_cut(one)).count(), 1, "its own longest idle one");
    }

    #[test]
    fn a_proxy_makes_room_for_itself_when_the_only_network_is_at_work() {
        let (mut held, now) = (held(), clock::now());
        let stranger = held.begin(at("198.51.100.1"), false, now).unwrap().1;
        stranger.watch.came(now);
        let proxied = [(); 5].map(|()| held.begin(at("192.0.2.1"), true, now).unwrap().1);
        assert!(held.begin(at("192.0.2.1"), true, now).is_some());
        assert!(is_cut(&proxied[0]) && !is_cut(&stranger));
    }
}
