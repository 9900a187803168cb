//! The share that each visitor may have of the pages: requests by address, forms and consents by phone, presses by code; and which address a
//! visitor comes from when a proxy of one's own stands before the pages. The numbers are those of the table of bounds.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};

use actix_web::http::header::HeaderMap;
use actors::bounds::{self, Net, Rate, near, wide};
use protocol::CodeId;
use registry::Phone;
use runtime::lock::lock;

/// The header that a trusted proxy appends its peer's address to.
const FORWARDED_FOR: &str = "x-forwarded-for";

struct Rates {
    client: Rate<Net>,
    network: Rate<Net>,
    posts: Rate<u64>,
    consents: Rate<u64>,
    presses: Rate<CodeId>,
}

/// The counts of all visitors. Pages write them; they start empty.
pub(crate) struct VisitorShares {
    rates: Mutex<Rates>,
    /// Phones are known by a hash that ends with the process.
    phones: RandomState,
    proxies: Vec<IpAddr>,
}

impl VisitorShares {
    pub(crate) fn new(proxies: Vec<IpAddr>) -> Self {
        let rates = Mutex::new(Rates {
            client: Rate::new(&bounds::REQUESTS_CLIENT),
            network: Rate::new(&bounds::REQUESTS_NETWORK),
            posts: Rate::new(&bounds::POSTS_PHONE),
            consents: Rate::new(&bounds::CONSENTS_PHONE),
            presses: Rate::new(&bounds::PRESSES_CODE),
        });
        Self { rates, phones: RandomState::new(), proxies }
    }

    /// The proxies whose header is believed.
    pub(crate) fn proxies(&self) -> &[IpAddr] {
        &self.proxies
    }

    /// Returns the client's address: the peer, or of a trusted proxy the last address that was not written by another one. The client may
    /// have written what stands before that.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_proxy = |address: &IpAddr| self.proxies.contains(&address.to_canonical());
        if !is_proxy(&peer) {
            return peer;
        }
        let lines = headers.get_all(FORWARDED_FOR).filter_map(|line| line.to_str().ok());
        let mut told: Vec<IpAddr> = Vec::new();
        for address in lines.flat_map(|line| line.split(',')) {
            match address.trim().parse() {
                Ok(address) => told.push(address),
                // What is no address was not written by a proxy, nor was what stands before it.
                Err(_) => told.clear(),
            }
        }
        told.into_iter().rev().find(|address| !is_proxy(address)).unwrap_or(peer)
    }

    /// Counts one request of a client. The error is the wait until the next, seconds.
    pub(crate) fn request(&self, client: IpAddr, now_ms: u64) -> Result<(), u32> {
        let mut rates = self.lock();
        rates.client.take_at(&near(client), now_ms)?;
        rates.network.take_at(&wide(client), now_ms)
    }

    /// Counts one form of a phone. The error is the wait until the next, seconds.
    pub(crate) fn post(&self, phone: &Phone, now_s: u64) -> Result<(), u32> {
        let phone = self.phones.hash_one(phone);
        self.lock().posts.take(&phone, now_s)
    }

    /// Counts one consent of a phone. The error is the wait until the next, seconds.
    pub(crate) fn consent(&self, phone: &Phone, now_s: u64) -> Result<(), u32> {
        let phone = self.phones.hash_one(phone);
        self.lock().consents.take(&phone, now_s)
    }

    /// Counts one press for a code. The error is the wait until the next, seconds.
    pub(crate) fn press(&self, code: CodeId, now_s: u64) -> Result<(), u32> {
        self.lock().presses.take(&code, now_s)
    }

    fn lock(&self) -> MutexGuard<'_, Rates> {
        lock(&self.rates)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_header_is_believed_of_a_trusted_proxy_alone_and_only_what_that_one_wrote() {
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let shares = VisitorShares::new(vec![at("192.0.2.10"), at("192.0.2.11")]);
        for (peer, lines, expected) in [
            ("192.0.2.10", &["203.0.113.7"][..], "203.0.113.7"),
            ("192.0.2.10", &["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            ("192.0.2.10", &["198.51.100.1", "203.0.113.7, 192.0.2.11"], "203.0.113.7"),
            ("192.0.2.10", &["2001:db8::7"], "2001:db8::7"),
            ("192.0.2.10", &["198.51.100.1, nonsense"], "192.0.2.10"),
            ("192.0.2.10", &["nonsense, 203.0.113.7"], "203.0.113.7"),
            ("192.0.2.10", &[], "192.0.2.10"),
            ("::ffff:192.0.2.10", &["203.0.113.7"], "203.0.113.7"),
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                let name = HeaderName::from_static(FORWARDED_FOR);
                headers.append(name, HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(shares.client(at(peer), &headers), at(expected), "{peer} {lines:?}");
        }
    }

    #[test]
    fn what_one_has_had_enough_of_another_still_gets() {
        let shares = VisitorShares::new(Vec::new());
        let (mine, other) = (Phone::parse("16300000007").unwrap(), Phone::parse("16300000008").unwrap());
        let consents = (0..100).filter(|_| shares.consent(&mine, 1_000).is_ok()).count();
        let posts = (0..200).filter(|_| shares.post(&mine, 1_000).is_ok()).count();
        assert_eq!((consents, posts), (bounds::CONSENTS_PHONE.entries(), bounds::POSTS_PHONE.entries()));
        assert!(shares.consent(&other, 1_000).is_ok() && shares.post(&other, 1_000).is_ok());
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let asked = (0..10_000u32)
            .filter(|n| shares.request(at(&format!("2001:db8:0:{:x}::1", n % 1_000)), 1_000_000).is_ok());
        assert_eq!(asked.count(), bounds::REQUESTS_NETWORK.entries(), "a /48");
        assert_eq!(shares.request(at("2001:db8:1::1"), 1_000_000), Ok(()));
    }
}
