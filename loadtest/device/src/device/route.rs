//! The gateways that a device may use, and the one that it connects to next. Pure: no sockets, and time is an argument.
//!
//! The device's home is the first gateway in its own order (`protocol::gateways::order`). One that fails or shuts down is followed by the
//! next one in that order; away from home the device looks for it after a while.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use protocol::DeviceId;
use protocol::gateways::{self, GatewayAddress};

/// The time away from home after which a device looks for it, with as much again at random: its devices come back over half a minute.
const HOME_AFTER: Duration = Duration::from_secs(30);

/// A gateway to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The one that the device was made with: its address and the name in its certificate.
    Given(SocketAddr, String),
    /// One of the list.
    Listed(GatewayAddress),
}

impl Target {
    /// Returns the name that the gateway's certificate must have.
    pub(super) fn server_name(&self) -> &str {
        match self {
            Self::Given(_, name) => name,
            Self::Listed(address) => address.host(),
        }
    }

    /// Returns its addresses of the local socket's kind, in the order of the system's names.
    pub(super) async fn resolve(&self, local: Option<SocketAddr>) -> std::io::Result<SocketAddr> {
        let address = match self {
            Self::Given(address, _) => return Ok(*address),
            Self::Listed(address) => address,
        };
        if let Ok(ip) = address.host().parse::<IpAddr>() {
            return Ok((ip, address.port()).into());
        }
        let mut found = tokio::net::lookup_host((address.host(), address.port())).await?;
        let fits = |found: &SocketAddr| local.is_none_or(|local| local.is_ipv4() == found.is_ipv4());
        found.find(fits).ok_or_else(|| std::io::Error::other("the name has no address of this kind"))
    }
}

/// The way of a device among the gateways.
#[derive(Debug)]
pub(super) struct Route {
    device: DeviceId,
    given: Target,
    /// The list in this device's order; empty until a gateway has told it.
    order: Vec<GatewayAddress>,
    /// The place in the order of the gateway that is in use or tried next; the end of the order is the given one.
    at: usize,
    home_after: Duration,
    /// The time at which the device looks for its home.
    home_at: Option<Instant>,
    random: fastrand::Rng,
}

impl Route {
    /// Makes the way of a device that knows one gateway.
    pub(super) fn new(device: DeviceId, (address, server_name): (SocketAddr, String)) -> Self {
        let given = Target::Given(address, server_name);
        let random = fastrand::Rng::with_seed(device.0 ^ 0x0005_ca1e);
        let (order, home_at) = (Vec::new(), None);
        Self { device, given, order, at: 0, home_after: HOME_AFTER, home_at, random }
    }

    /// Replaces the address of the given gateway, and forgets the list.
    pub(super) fn give(&mut self, address: SocketAddr) {
        if let Target::Given(given, _) = &mut self.given {
            *given = address;
        }
        (self.order, self.at, self.home_at) = (Vec::new(), 0, None);
    }

    /// Looks for the home after this time, and up to as much again.
    pub(super) fn come_home_after(&mut self, after: Duration) {
        self.home_after = after;
    }

    /// Returns the gateway that is in use or tried next.
    pub(super) fn target(&self) -> Target {
        self.order.get(self.at).map_or_else(|| self.given.clone(), |address| Target::Listed(address.clone()))
    }

    /// Returns the home, if it is another gateway than the one in use.
    pub(super) fn home(&self) -> Option<Target> {
        let home = self.order.first()?;
        (self.at > 0).then(|| Target::Listed(home.clone()))
    }

    /// Returns true if there is another gateway than the one in use.
    pub(super) fn has_others(&self) -> bool {
        let current = self.target();
        self.order.iter().any(|address| !Self::is(&current, address))
    }

    /// Takes the list that the gateway in use has told.
    pub(super) fn learn(&mut self, mut list: Vec<GatewayAddress>, now: Instant) {
        let current = self.target();
        gateways::order(self.device, &mut list);
        self.at = list.iter().position(|address| Self::is(&current, address)).unwrap_or(list.len());
        self.order = list;
        if self.home().is_none() {
            self.home_at = None;
        } else if self.home_at.is_none() {
            self.look_later(now);
        }
    }

    /// Takes the next gateway in order after one that fails or shuts down.
    pub(super) fn move_on(&mut self, now: Instant) {
        if self.order.is_empty() {
            return;
        }
        // The given address may lead to one of them under another name: it is tried when all others have failed. One that is listed as it is would
        // be tried twice, and the device of a dead gateway would wait for it twice.
        let is_listed = self.order.iter().any(|address| Self::is(&self.given, address));
        self.at = (self.at + 1) % (self.order.len() + usize::from(!is_listed));
        self.look_later(now);
    }

    /// Goes home.
    pub(super) fn go_home(&mut self) {
        (self.at, self.home_at) = (0, None);
    }

    /// Returns the time at which the device looks for its home; `None` if it is there.
    pub(super) fn home_at(&self) -> Option<Instant> {
        self.home_at.filter(|_| self.home().is_some())
    }

    /// Looks for the home once more, after a while.
    pub(super) fn look_later(&mut self, now: Instant) {
        let spread = self.home_after.mul_f64(self.random.f64());
        self.home_at = Some(now + self.home_after + spread);
    }

    fn is(target: &Target, address: &GatewayAddress) -> bool {
        match target {
            Target::Given(given, name) => {
                let is_host = address.host() == name
                    || address.host().parse::<IpAddr>().is_ok_and(|ip| ip == given.ip());
                is_host && address.port() == given.port()
            }
            Target::Listed(listed) => listed == address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const LIST: [&str; 3] = ["gw1.example:7443", "10.0.0.2:7443", "gw3.example:7443"];

    fn list(of: &[&str]) -> Vec<GatewayAddress> {
        of.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn route(device: u64) -> Route {
        Route::new(DeviceId(device), (([10, 0, 0, 9], 7443).into(), "gw1.example".to_owned()))
    }

    #[test]
    fn without_a_list_there_is_the_given_gateway_only() {
        let mut route = route(1);
        let given = route.target();
        route.move_on(clock::now());
        assert_eq!((route.target(), route.home(), route.has_others()), (given, None, false));
        assert_eq!(route.home_at(), None);
    }

    #[test]
    fn the_gateway_in_use_is_found_in_the_list_by_its_name_or_its_address() {
        let now = clock::now();
        for (address, name) in [("10.0.0.9:7443", "gw1.example"), ("10.0.0.2:7443", "elsewhere")] {
            for device in 0..20 {
                let given = (address.parse().unwrap(), name.to_owned());
                let mut route = Route::new(DeviceId(device), given);
                route.learn(list(&LIST), now);
                let Target::Listed(found) = route.target() else { panic!("it is listed") };
                assert!(found.host() == name || found.to_string() == address);
                assert_eq!(route.home_at().is_some(), route.home().is_some());
            }
        }
    }

    #[test]
    fn all_gateways_are_tried_in_the_devices_order_and_the_given_one_last() {
        let now = clock::now();
        let mut route = Route::new(DeviceId(7), (([10, 0, 0, 9], 1).into(), "balancer.example".to_owned()));
        route.learn(list(&LIST), now);
        assert!(matches!(route.target(), Target::Given(..)), "it is connected there");
        let mut own = list(&LIST);
        gateways::order(DeviceId(7), &mut own);
        for expected in &own {
            route.move_on(now);
            assert_eq!(route.target(), Target::Listed(expected.clone()));
        }
        route.move_on(now);
        assert!(matches!(route.target(), Target::Given(..)));
    }

    #[test]
    fn a_given_gateway_that_is_listed_is_not_tried_again_before_the_others() {
        let now = clock::now();
        for device in 0..20 {
            let mut route = route(device);
            route.learn(list(&LIST), now);
            let died = route.target();
            for _ in 1..LIST.len() {
                route.move_on(now);
                assert_ne!(route.target().server_name(), died.server_name(), "device {device}");
            }
        }
    }

    #[test]
    fn a_device_that_is_away_looks_for_its_home_after_a_while_that_differs() {
        let now = clock::now();
        let mut waits = Vec::new();
        for device in 0..50 {
            let mut route = route(device);
            route.learn(list(&LIST), now);
            route.go_home();
            assert_eq!(route.home_at(), None);
            route.move_on(now);
            waits.push(route.home_at().unwrap() - now);
            assert!(matches!(route.home(), Some(Target::Listed(_))));
        }
        assert!(waits.iter().all(|wait| (HOME_AFTER..=2 * HOME_AFTER).contains(wait)), "{waits:?}");
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 40, "they do not come at once");
    }

    #[test]
    fn a_list_that_changes_keeps_the_device_where_it_is() {
        let now = clock::now();
        let mut route = route(3);
        route.learn(list(&LIST), now);
        route.move_on(now);
        let there = route.target();
        let four: Vec<_> = LIST.into_iter().chain(["gw4.example:7443"]).collect();
        route.learn(list(&four), now);
        assert_eq!(route.target(), there);
        route.learn(Vec::new(), now);
        assert!(matches!(route.target(), Target::Given(..)), "none is listed");
        assert_eq!(route.home_at(), None);
    }
}
