//! The carrier's side of the carrier interface, version 1: parses signed queries and writes answers. Pure: no network, no clock.

use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use policy::trajectory::{Area, CarrierAnswer, Days, Trajectory, Visit};
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};

pub(super) const PATH: &str = "/v1/trajectory";
pub(super) const DATE: &str = "Changtong-Date";
pub(super) const REQUEST: &str = "Changtong-Request";
pub(super) const SIGNATURE: &str = "Changtong-Signature";

/// The period in which a signature is valid, seconds, before and after the carrier's clock.
pub(super) const SIGNATURE_S_MAX: u64 = 300;
/// The most request ids that are remembered: far more than a gateway can send within the period.
const SEEN_MAX: usize = 1 << 20;

/// The body of a query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireQuery {
    pub(super) msisdn: String,
    pub(super) first_day: Date,
    pub(super) last_day: Date,
    pub(super) purpose: Purpose,
    pub(super) consent: String,
}

/// The purpose of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Purpose {
    Apply,
    Modify,
    Scan,
    Probe,
}

/// The body of an answer.
#[derive(Serialize)]
pub(super) struct WireAnswer {
    pub(super) request: String,
    pub(super) msisdn: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    covered: Option<WireDays>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) visits: Option<Vec<WireVisit>>,
}

#[derive(Serialize)]
struct WireDays {
    first_day: Date,
    last_day: Date,
}

#[derive(Serialize)]
pub(super) struct WireVisit {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) division: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    from: String,
    until: String,
}

/// Formats the answer; `None` for answers without a body.
pub(super) fn write(request: &str, msisdn: &str, answer: &CarrierAnswer) -> Option<WireAnswer> {
    let (status, trajectory) = match answer {
        CarrierAnswer::Trajectory(trajectory) => ("trajectory", Some(trajectory)),
        CarrierAnswer::NewNumber => ("new-number", None),
        CarrierAnswer::NotSubscriber => ("not-subscriber", None),
        CarrierAnswer::Unanswerable => ("unanswerable", None),
        CarrierAnswer::Unavailable(_) => return None,
    };
    let covered = trajectory.map(|Trajectory { covered: Days { first, last }, .. }| WireDays {
        first_day: *first,
        last_day: *last,
    });
    let visits = trajectory.map(|trajectory| trajectory.visits.iter().map(write_visit).collect());
    Some(WireAnswer { request: request.to_owned(), msisdn: msisdn.to_owned(), status, covered, visits })
}

pub(super) fn write_visit(visit: &Visit) -> WireVisit {
    let (division, country) = match visit.area {
        Area::City(division) => (Some(division.to_string()), None),
        Area::Country(country) => (None, Some(country.to_string())),
    };
    WireVisit { division, country, from: moment(visit.from_s), until: moment(visit.until_s) }
}

/// Formats a time as RFC 3339, in China's time zone.
fn moment(at_s: u64) -> String {
    let at = i64::try_from(at_s).ok().and_then(|at_s| Timestamp::from_second(at_s).ok());
    format!("{}+08:00", Offset::constant(8).to_datetime(at.unwrap_or(Timestamp::MAX)))
}

/// The signature headers of a query.
pub(super) struct SignatureHeaders<'a> {
    pub(super) date: &'a str,
    pub(super) request: &'a str,
    pub(super) signature: &'a str,
}

/// Errors of a query's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureError {
    #[error("the date is not within {SIGNATURE_S_MAX} seconds of the carrier's clock")]
    Date,
    #[error("the request id is not 32 hexadecimal digits")]
    Request,
    #[error("the signature is not valid")]
    Wrong,
    #[error("the request id was used before")]
    Repeated,
}

/// The check of signatures, with the request ids of the last minutes.
pub(super) struct RequestVerifier {
    key_id: String,
    key: hmac::Key,
    seen: HashSet<String>,
    /// In the order of the time at which an id is forgotten.
    order: VecDeque<(u64, String)>,
}

impl RequestVerifier {
    pub(super) fn new(key_id: &str, secret: &[u8]) -> Self {
        Self {
            key_id: key_id.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            seen: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Admits a query once.
    pub(super) fn admit(
        &mut self,
        signed: &SignatureHeaders<'_>,
        body: &[u8],
        now_s: u64,
    ) -> Result<(), SignatureError> {
        let date: u64 = signed.date.parse().map_err(|_| SignatureError::Date)?;
        if date.abs_diff(now_s) > SIGNATURE_S_MAX {
            return Err(SignatureError::Date);
        }
        if !is_hex(signed.request) {
            return Err(SignatureError::Request);
        }
        let (key_id, tag) = signed.signature.split_once(':').ok_or(SignatureError::Wrong)?;
        let tag = hex::decode(tag).map_err(|_| SignatureError::Wrong)?;
        if key_id != self.key_id {
            return Err(SignatureError::Wrong);
        }
        let text = signing_text(signed.date, signed.request, body);
        hmac::verify(&self.key, text.as_bytes(), &tag).map_err(|_| SignatureError::Wrong)?;
        self.forget(now_s);
        if self.seen.len() >= SEEN_MAX || !self.seen.insert(signed.request.to_owned()) {
            return Err(SignatureError::Repeated);
        }
        // Longer than any date of this request can be valid.
        self.order.push_back((now_s + 2 * SIGNATURE_S_MAX, signed.request.to_owned()));
        Ok(())
    }

    fn forget(&mut self, now_s: u64) {
        while let Some((until_s, _)) = self.order.front()
            && *until_s < now_s
            && let Some((_, request)) = self.order.pop_front()
        {
            self.seen.remove(&request);
        }
    }
}

/// Returns the text that is signed.
pub(super) fn signing_text(date: &str, request: &str, body: &[u8]) -> String {
    let hash = hex::encode(digest::digest(&digest::SHA256, body));
    format!("changtong-carrier 1\nPOST\n{PATH}\n{date}\n{request}\n{hash}")
}

/// Returns whether this is an id of 32 hexadecimal digits, of a request or a consent.
pub(super) fn is_hex(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
