//! Bounds: the share of a common resource that one citizen, one phone or one address may use. One table; the code takes its numbers from
//! it and `cargo run -p dashboards -- bounds` writes it as `gateway/BOUNDS.md`. `rate` counts rates, `network` joins the addresses of one
//! customer. A limit that does not protect one user from another stands beside the code that keeps it.

mod network;
mod rate;

pub use network::{Net, near, wide};
pub use rate::Rate;

use metrics::{Counter, Gauge};
use protocol::metric;

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// The time of a bound that counts what is there at once.
const AT_ONCE: u64 = 0;

/// One row of the table: so many of something for each one of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// The name in metrics, unique.
    pub name: &'static str,
    /// The thing that is counted.
    pub what: &'static str,
    /// The kind that has that many each.
    pub per: &'static str,
    /// The number.
    pub max: u32,
    /// The seconds in which the whole number comes back, evenly; 0 for a number at one time.
    pub within_s: u64,
    /// The keys whose counts are kept; with more, the key that came longest ago is forgotten. 0 where no count is kept.
    pub kept_max: usize,
    /// The consequence of more than that.
    pub beyond: &'static str,
    /// The reason for the number.
    pub why: &'static str,
}

impl Bound {
    /// Returns the number as a length.
    pub const fn entries(&self) -> usize {
        self.max as usize
    }

    /// Returns this bound's number in proportion to a configured number of the other bound: `given * self.max / other.max`.
    pub(crate) const fn beside(&self, other: &Self, given: u32) -> u32 {
        let max = self.max as u64 * given as u64 / other.max as u64;
        if max > u32::MAX as u64 { u32::MAX } else { max as u32 }
    }

    /// Returns the counter of refusals by this bound.
    pub fn limited(&self) -> Counter {
        metrics::counter!(metric::LIMITED, "bound" => self.name)
    }

    /// Returns the gauge of entries in this bound's table.
    pub fn used(&self) -> Gauge {
        metrics::gauge!(metric::BOUND_ENTRIES, "bound" => self.name)
    }
}

macro_rules! bounds {
    ($($constant:ident = $name:literal $what:literal, per $per:literal: $max:literal in $within:expr, of $kept:literal;
        $beyond:literal, $why:literal;)+) => {
        $(#[doc = concat!("As many ", $what, " per ", $per, ".")]
        pub const $constant: Bound = Bound {
            name: $name, what: $what, per: $per, max: $max, within_s: $within, kept_max: $kept, beyond: $beyond, why: $why,
        };)+
        /// Every bound.
        pub const ALL: &[Bound] = &[$($constant),+];
    };
}

bounds! {
    SMS_CLIENT = "sms-client" "codes by SMS asked for", per "address (IPv6: /64)": 30 in HOUR, of 200_000;
        "refused with the time to wait", "a family or a small firm; `sms.limits` has the number in force";
    SMS_NETWORK = "sms-network" "codes by SMS asked for", per "/24 (IPv6: /48)": 300 in HOUR, of 100_000;
        "refused with the time to wait", "a provider gives a customer a /48 for nothing; ten times an address's, whatever `sms.limits` says";
    SMS_PHONE = "sms-phone" "codes to a phone for browsers that never proved it", per "phone": 10 in DAY, of 500_000;
        "refused with the time to wait; one more every few hours", "nobody is woken by messages all day; `sms.limits` has the number in force";
    SMS_PHONE_NETWORK = "sms-phone-network" "codes to a phone for browsers that never proved it", per "phone and /24 (IPv6: /48)": 4 in DAY, of 500_000;
        "refused with the time to wait", "one network cannot use up what the phone's owner needs elsewhere; two fifths of the phone's";
    SMS_KNOWN = "sms-known" "codes to a phone for browsers that proved it before", per "phone": 10 in DAY, of 200_000;
        "refused with the time to wait", "strangers use nothing of it up, so nobody is locked out by them";
    SMS_ALL = "sms-all" "codes by SMS for browsers that never proved the phone", per "gateway": 18_000 in MINUTE, of 1;
        "told to try again in a minute; an alert", "300 a second is more than a city signs in with; messages cost money";
    SMS_OUT = "sms-out" "phones with a code that is good", per "gateway": 200_000 in AT_ONCE, of 0;
        "the oldest code goes", "what `sms-all` lets through in five minutes fits twice; about 200 bytes each";
    SMS_OUT_PHONE = "sms-out-phone" "codes that are good at once", per "phone": 8 in AT_ONCE, of 0;
        "a network's third code ends its first, then the oldest of a stranger goes", "a code that somebody else asks for does not end the owner's";
    TYPED_CLIENT = "typed-client" "codes typed", per "address (IPv6: /64)": 60 in HOUR, of 200_000;
        "refused with the time to wait", "a slip for each code that may be asked for";
    TYPED_NETWORK = "typed-network" "codes typed", per "/24 (IPv6: /48)": 600 in HOUR, of 100_000;
        "refused with the time to wait", "as for those asked for";
    WRONG_ALL = "wrong-all" "wrong codes typed", per "gateway": 10_000 in HOUR, of 1;
        "a wrong try uses its code up, for strangers; an alert", "three slips a second; a network that guesses by the million gets a fifth of its tries, and each right code still opens";

    PAGES_CONNECTIONS = "pages-connections" "connections to the pages", per "gateway": 10_000 in AT_ONCE, of 0;
        "the one that is idle for longest, of the network that has the most, is closed", "phones on a slow network; about 20 KB each";
    PAGES_CLIENT = "pages-client" "connections to the pages", per "address (IPv6: /64)": 256 in AT_ONCE, of 0;
        "its longest idle one is closed; with none idle the new one is", "carriers put hundreds of phones behind one address";
    PAGES_NETWORK = "pages-network" "connections to the pages", per "/24 (IPv6: /48)": 1_024 in AT_ONCE, of 0;
        "its longest idle one is closed; with none idle the new one is", "ten such networks together fill the pages, and then the fullest gives way";
    PAGES_ARRIVALS = "pages-arrivals" "new connections to the pages", per "address (IPv6: /64)": 1_800 in 30 * SECOND, of 100_000;
        "closed before the handshake", "a handshake is the dearest thing that a stranger gets; 60 a second are a crowd behind one address, and a thirtieth of a core";
    REQUESTS_CLIENT = "requests-client" "requests for pages", per "address (IPv6: /64)": 500 in 5 * SECOND, of 100_000;
        "429, and the connection is closed", "one core draws thousands a second: one address gets a small part of it";
    REQUESTS_NETWORK = "requests-network" "requests for pages", per "/24 (IPv6: /48)": 1_500 in 5 * SECOND, of 50_000;
        "429, and the connection is closed", "three busy addresses; more is no neighbourhood";
    POSTS_PHONE = "posts-phone" "forms sent", per "phone that is signed in": 120 in MINUTE, of 100_000;
        "429", "each may be an act of the registry, which has one writer; nobody types two forms a second";
    CONSENTS_PHONE = "consents-phone" "consents to a carrier's query", per "phone": 6 in 18 * MINUTE, of 100_000;
        "told that carriers are busy", "a family's forms at once, twenty an hour; a carrier has sixteen permits for the city";
    VISITS = "visits" "sessions with a form that is open or a query", per "gateway": 20_000 in AT_ONCE, of 0;
        "the one that began longest ago is asked again", "half an hour of a busy day; about 1 KB a page";
    VISITS_SESSION = "visits-session" "pages with an open form or a query", per "session": 6 in AT_ONCE, of 0;
        "its own oldest is asked again", "an application, a ward's, a modification, and three passages";
    PRESSES = "presses" "presses of check-in buttons that are remembered", per "gateway": 500_000 in AT_ONCE, of 0;
        "told to try again", "ten minutes of 800 a second";
    PRESSES_CODE = "presses-code" "presses of a check-in button", per "code": 100 in 10 * MINUTE, of 200_000;
        "told to try again", "nobody passes a hundred places in ten minutes; the log keeps each";
    DIGITS = "digits" "eight digits that are good", per "gateway": 10_000 in AT_ONCE, of 0;
        "no digits are given", "a guess hits one in ten thousand times, and then it is one scan of somebody's code";
    DIGITS_CODE = "digits-code" "eight digits that are good", per "code": 1 in AT_ONCE, of 0;
        "those of before are good no more", "one screen shows one code";
    SHIFTS = "shifts" "shifts whose last scans are remembered", per "gateway": 4_096 in AT_ONCE, of 0;
        "scans work, and are not listed", "operators invite to each, nobody else makes one";
    COUNTER = "counter" "citizens at offices' counters", per "gateway": 256 in AT_ONCE, of 0;
        "the one who came first begins again", "only staff on the gateway's machine begin one";
    SELF_SCANS = "self-scans" "self-scans that wait for a sync", per "region": 8_192 in AT_ONCE, of 0;
        "told to try again", "more is a gateway that has fallen behind";
    ACTS = "acts" "acts that wait for the registrar", per "gateway": 4_096 in AT_ONCE, of 0;
        "busy", "a second of the registry's writer";
    QUERIES = "queries" "queries of carriers under way", per "gateway": 1_024 in AT_ONCE, of 0;
        "busy", "every permit of every carrier, and those who wait for the same answer";
    ANSWERS = "answers" "answers that citizens' pages at a gate show", per "gateway": 20_000 in AT_ONCE, of 0;
        "the oldest is not shown to staff who scan for it", "half an hour of all that carriers answer; about 1 KB each";
    CODES_PHONE = "codes-phone" "codes that a phone opens", per "phone": 16 in AT_ONCE, of 0;
        "the form is refused", "a large family's wards";
    DOCUMENT_TRIES = "document-tries" "documents tried to open a code", per "phone": 5 in DAY, of 1;
        "refused until the next day; kept in the registry", "a slip of the keys, and no list of numbers";
    APPEALS = "appeals" "appeals, one after the other", per "decision": 3 in AT_ONCE, of 0;
        "the form is refused", "a refused one may be made again with more to say";
    UNITS_OPEN = "units-open" "applications of units that wait", per "phone": 5 in AT_ONCE, of 0;
        "the form is refused", "an operator looks at each";
    ENROL_CONNECTIONS = "enrol-connections" "connections to the enrolment port", per "gateway": 256 in AT_ONCE, of 0;
        "the one that is idle for longest, of the network that has the most, is closed", "a delivery of gates that is unpacked at once waits a little";
    ENROL_CLIENT = "enrol-client" "connections to the enrolment port", per "address (IPv6: /64)": 64 in AT_ONCE, of 0;
        "its longest idle one is closed; with none idle the new one is", "a depot behind one address";
    ENROL_NETWORK = "enrol-network" "connections to the enrolment port", per "/24 (IPv6: /48)": 128 in AT_ONCE, of 0;
        "its longest idle one is closed; with none idle the new one is", "half of all: the others have the rest";
    HTTP_CONNECTIONS = "http-connections" "connections to metrics and the overview", per "gateway": 256 in AT_ONCE, of 0;
        "the one that is idle for longest is closed", "some scrapers, and operators' browsers; the port is for one's own network";
    HANDSHAKES = "handshakes" "device handshakes under way", per "front": 512 in AT_ONCE, of 0;
        "above half an address is proven by Retry, beyond nobody is answered", "a handshake costs a signature; ten seconds of the slowest";
    HANDSHAKES_NETWORK = "handshakes-network" "device handshakes under way while half of all are taken", per "front and /24 (IPv6: /48)": 64 in AT_ONCE, of 0;
        "not answered; the device tries again by itself", "one address that begins and never ends holds no more than the first half";
    DEVICES = "devices" "connections of devices", per "gateway": 20_000 in AT_ONCE, of 0;
        "closed with too-many-connections", "one for each device: a newer one replaces it, so a certificate in a loop holds one; `quic.connections_max` has the number in force, for all fronts together";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_a_name_of_its_own_and_its_reasons() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|bound| bound.name).collect();
        assert_eq!(names.len(), ALL.len());
        for Bound { name, what, per, max, within_s, kept_max, beyond, why } in ALL {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
            assert!(
                [what, per, beyond, why].iter().all(|text| !text.is_empty() && !text.contains('|')),
                "{name}"
            );
            assert!(*max > 0 && (*within_s == 0 || *kept_max > 0), "{name}: a rate is kept somewhere");
        }
    }
}
