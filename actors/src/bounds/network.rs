//! Networks: the addresses that one customer of a provider has together and can use in turn. Pure.

use std::net::IpAddr;

/// A network, as the key of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Net(u128);

/// Returns the address, or for IPv6 its /64: one home or firm has a whole /64 and can use any address of it.
pub fn near(address: IpAddr) -> Net {
    joined(address, 32, 64)
}

/// Returns the address's /24, or for IPv6 its /48: what one customer easily gets.
pub fn wide(address: IpAddr) -> Net {
    joined(address, 24, 48)
}

/// Keeps the leading bits of the address. IPv4 takes its mapped form, which no other IPv6 address has.
fn joined(address: IpAddr, of_v4: u32, of_v6: u32) -> Net {
    let (bits, kept) = match address.to_canonical() {
        IpAddr::V4(address) => (address.to_ipv6_mapped().to_bits(), 96 + of_v4),
        IpAddr::V6(address) => (address.to_bits(), of_v6),
    };
    Net(bits & !(u128::MAX.checked_shr(kept).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_customer_are_one_network() {
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        for (one, other, is_near, is_wide) in [
            ("203.0.113.7", "203.0.113.7", true, true),
            ("203.0.113.7", "203.0.113.8", false, true),
            ("203.0.113.7", "203.0.114.7", false, false),
            ("203.0.113.7", "::ffff:203.0.113.7", true, true),
            ("2001:db8::1", "2001:db8::ffff:1", true, true),
            ("2001:db8::1", "2001:db8:0:1::1", false, true),
            ("2001:db8::1", "2001:db8:1::1", false, false),
            ("::1", "0.0.0.1", false, false),
        ] {
            let (one_at, other_at) = (of(one), of(other));
            assert_eq!(near(one_at) == near(other_at), is_near, "{one} {other}");
            assert_eq!(wide(one_at) == wide(other_at), is_wide, "{one} {other}");
        }
    }
}
