//! The list of a city's gateways, and the order in which a device tries them. Pure.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use crate::codec::Bounded;
use crate::ids::DeviceId;
use crate::limits::{GATEWAY_ADDRESS_BYTES_MAX, GATEWAYS_MAX};

/// The address of a gateway's port for devices: a name or an IP address, a colon and a port. An IPv6 address has brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayAddress(String);

/// A text that is no address of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a name or an IP address, a colon and a port, as gw1.example:7443 or [2001:db8::1]:7443"
)]
pub struct NoAddress(String);

impl GatewayAddress {
    /// Returns the name or IP address, without brackets: the name that the gateway's certificate must have.
    pub fn host(&self) -> &str {
        let host = self.0.rsplit_once(':').map_or("", |(host, _)| host);
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.0.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0)
    }

    /// Returns the same address with another port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        let host = self.0.rsplit_once(':').map_or("", |(host, _)| host);
        Self(format!("{host}:{port}"))
    }
}

impl FromStr for GatewayAddress {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let refused = || NoAddress(text.chars().take(GATEWAY_ADDRESS_BYTES_MAX).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let is_name = |host: &str| {
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
        };
        let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
            None => is_name(host),
        };
        let is_port = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
        if !is_host || !is_port || text.len() > GATEWAY_ADDRESS_BYTES_MAX {
            return Err(refused());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for GatewayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Encode for GatewayAddress {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        Bounded::<u8, GATEWAY_ADDRESS_BYTES_MAX>(self.0.clone().into_bytes()).encode(encoder)
    }
}

impl<C> Decode<C> for GatewayAddress {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let text = Bounded::<u8, GATEWAY_ADDRESS_BYTES_MAX>::decode(decoder)?;
        let text = std::str::from_utf8(&text.0).map_err(|_| DecodeError::Other("address is not UTF-8"))?;
        text.parse().map_err(|_| DecodeError::Other("not the address of a gateway"))
    }
}

/// The gateways that a device may use (type 138), after `Welcome` and whenever the list changes. The request id is 0. The order has no
/// meaning; each list replaces the one before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Gateways {
    /// Their addresses.
    pub addresses: Bounded<GatewayAddress, GATEWAYS_MAX>,
}

/// Sorts the addresses into the order in which this device tries them: its home first. Each device has another order, so that the devices
/// of a gateway that fails are shared among all others, and the order of the rest stays when a gateway comes or goes.
pub fn order(device: DeviceId, addresses: &mut Vec<GatewayAddress>) {
    addresses.sort_by_cached_key(|address| (std::cmp::Reverse(weight(device, address)), address.clone()));
    addresses.dedup();
}

/// Returns the weight of an address for a device: FNV-1a of the address and the device's number, mixed as by MurmurHash3.
pub fn weight(device: DeviceId, address: &GatewayAddress) -> u64 {
    let bytes = address.0.bytes().chain(device.0.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(of: &[&str]) -> Vec<GatewayAddress> {
        of.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for (text, host, port) in [
            ("gw1.example:7443", "gw1.example", 7443),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("[2001:db8::1]:7443", "2001:db8::1", 7443),
            ("localhost:0", "localhost", 0),
        ] {
            let address: GatewayAddress = text.parse().unwrap();
            assert_eq!((address.host(), address.port(), address.to_string().as_str()), (host, port, text));
        }
        let address: GatewayAddress = "[::1]:0".parse().unwrap();
        assert_eq!(address.with_port(9).to_string(), "[::1]:9");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}:1", "a".repeat(GATEWAY_ADDRESS_BYTES_MAX));
        for text in [
            "",
            "gw1",
            ":1",
            "gw1:",
            "gw1:x",
            "gw1:65536",
            "gw1:+1",
            "g w:1",
            "2001:db8::1:7443",
            "[gw1]:1",
            "a/b:1",
            &long,
        ] {
            assert!(text.parse::<GatewayAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn homes_are_spread_and_those_of_a_gateway_that_goes_are_shared_among_the_rest() {
        let three = addresses(&["gw1.example:7443", "gw2.example:7443", "gw3.example:7443"]);
        let mut homes = [0_usize; 3];
        let mut moved = [0_usize; 3];
        for device in 0..30_000 {
            let home_of = |all: &[GatewayAddress]| {
                let mut all = all.to_vec();
                order(DeviceId(device), &mut all);
                three.iter().position(|one| *one == all[0]).unwrap()
            };
            let home = home_of(&three);
            homes[home] += 1;
            let then = home_of(&three[1..]);
            if home == 0 {
                moved[then] += 1;
            } else {
                assert_eq!(then, home, "its gateway is still there");
            }
        }
        assert!(homes.iter().all(|count| (9_000..11_000).contains(count)), "{homes:?}");
        assert!(moved[1..].iter().all(|count| (4_000..6_000).contains(count)), "{moved:?}");
    }

    #[test]
    fn an_address_that_is_named_twice_is_tried_once() {
        let mut twice = addresses(&["b:1", "a:1", "b:1"]);
        order(DeviceId(1), &mut twice);
        assert_eq!(twice.len(), 2);
    }
}
