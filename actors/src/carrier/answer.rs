//! Questions to a carrier and the meaning of its replies: the bodies of the carrier interface, version 1. Pure. A reply that cannot be
//! right is an error, and an error never means "no history".

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use policy::trajectory::{
    Area, CarrierAnswer, Country, Days, Division, Trajectory, Unavailable, Visit, day_of, days_after,
    start_of,
};
use registry::{Flow, Phone};
use serde::{Deserialize, Serialize};

/// The longest answer that is read: a fortnight of visits, one every quarter of an hour, is longer than any right one.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The purpose of a query, as the interface names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Purpose {
    Apply,
    Modify,
    Scan,
    Probe,
}

impl From<Flow> for Purpose {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Apply => Self::Apply,
            Flow::Modify => Self::Modify,
            Flow::Scan => Self::Scan,
        }
    }
}

/// A question to one carrier. The consent has a name that means nothing outside this process.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) phone: Phone,
    pub(super) days: Days,
    pub(super) purpose: Purpose,
    pub(super) consent: [u8; 16],
}

/// The body of a request.
#[derive(Serialize)]
struct QuestionBody<'a> {
    msisdn: &'a str,
    first_day: Date,
    last_day: Date,
    purpose: Purpose,
    consent: String,
}

impl Question {
    /// Makes the probe's question: where the reserved number was yesterday.
    pub(super) fn probe(reserved: &Phone, now_s: u64) -> Self {
        let yesterday = days_after(day_of(now_s), -1);
        let days = Days { first: yesterday, last: yesterday };
        Self { phone: reserved.clone(), days, purpose: Purpose::Probe, consent: [0; 16] }
    }

    /// Returns the request's body.
    pub(super) fn body(&self) -> String {
        let body = QuestionBody {
            msisdn: self.phone.reveal(),
            first_day: self.days.first,
            last_day: self.days.last,
            purpose: self.purpose,
            consent: hex::encode(self.consent),
        };
        serde_json::to_string(&body).expect("plain text and days")
    }
}

/// The reply of a carrier as it came over the wire.
pub(super) enum RawReply {
    /// The request was not sent: no connection, no TLS, or a connection that was closed before.
    NotSent,
    /// The connection was lost after the request was sent.
    Lost,
    /// No answer within the time limit.
    TimedOut,
    /// Bytes that are not HTTP, or more than can be right.
    NotHttp,
    /// A status other than 200, whose body is not read.
    Status(u16),
    /// The body of a 200.
    Body(Vec<u8>),
}

/// Hidden: a body is personal data.
impl std::fmt::Debug for RawReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawReply(…)")
    }
}

/// The meaning of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReplyMeaning {
    pub(super) answer: CarrierAnswer,
    /// True if the carrier works: to refuse this query is no failure of the carrier.
    pub(super) healthy: bool,
    /// True if a second attempt does no harm and may help.
    pub(super) again: bool,
}

impl ReplyMeaning {
    const fn healthy(answer: CarrierAnswer) -> Self {
        Self { answer, healthy: true, again: false }
    }

    const fn failed(why: Unavailable, again: bool) -> Self {
        Self { answer: CarrierAnswer::Unavailable(why), healthy: false, again }
    }
}

/// Reads the reply to that question, which was sent under that request id.
pub(super) fn read(reply: &RawReply, question: &Question, request: &str, areas: &Areas) -> ReplyMeaning {
    match reply {
        RawReply::NotSent => ReplyMeaning::failed(Unavailable::Unreachable, true),
        RawReply::Lost => ReplyMeaning::failed(Unavailable::Unreachable, false),
        RawReply::TimedOut => ReplyMeaning::failed(Unavailable::TimedOut, false),
        RawReply::NotHttp => ReplyMeaning::failed(Unavailable::Garbage, false),
        RawReply::Status(503) => ReplyMeaning::failed(Unavailable::Busy, true),
        RawReply::Status(429) => ReplyMeaning::failed(Unavailable::Busy, false),
        RawReply::Status(400..=499) => {
            ReplyMeaning::healthy(CarrierAnswer::Unavailable(Unavailable::Refused))
        }
        RawReply::Status(500..=599) => ReplyMeaning::failed(Unavailable::Refused, false),
        // Redirects are not followed: they lead to another host than the configured carrier.
        RawReply::Status(_) => ReplyMeaning::failed(Unavailable::Garbage, false),
        RawReply::Body(body) => match parse(body, question, request, areas) {
            Some(answer) => ReplyMeaning::healthy(answer),
            None => ReplyMeaning::failed(Unavailable::Garbage, false),
        },
    }
}

/// Returns the carrier's own processing time, from its header.
pub(super) fn own_time(header: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(header).ok()?;
    text.trim().parse().ok().map(|ms: u32| Duration::from_millis(u64::from(ms)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    request: String,
    msisdn: String,
    status: Status,
    covered: Option<Covered>,
    visits: Option<Vec<Presence>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Trajectory,
    NewNumber,
    NotSubscriber,
    Unanswerable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Covered {
    first_day: Date,
    last_day: Date,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Presence {
    division: Option<String>,
    country: Option<String>,
    from: Timestamp,
    until: Timestamp,
}

/// Reads a body; `None` if anything in it does not fit the question or the interface.
fn parse(body: &[u8], question: &Question, request: &str, areas: &Areas) -> Option<CarrierAnswer> {
    // The parser limits the depth, and the body's length was limited before.
    let body: Body = serde_json::from_slice(body).ok()?;
    if body.request != request || body.msisdn != question.phone.reveal() {
        return None;
    }
    match (body.status, body.covered, body.visits) {
        (Status::Trajectory, Some(covered), Some(visits)) => {
            trajectory(&covered, &visits, question.days, areas).map(CarrierAnswer::Trajectory)
        }
        (Status::NewNumber, None, None) => Some(CarrierAnswer::NewNumber),
        (Status::NotSubscriber, None, None) => Some(CarrierAnswer::NotSubscriber),
        (Status::Unanswerable, None, None) => Some(CarrierAnswer::Unanswerable),
        (
            Status::Trajectory | Status::NewNumber | Status::NotSubscriber | Status::Unanswerable,
            Some(_) | None,
            Some(_) | None,
        ) => None,
    }
}

fn trajectory(covered: &Covered, visits: &[Presence], asked: Days, areas: &Areas) -> Option<Trajectory> {
    let covered = Days { first: covered.first_day, last: covered.last_day };
    if covered.first > covered.last || !asked.covers(covered) {
        return None;
    }
    let end_s = start_of(days_after(covered.last, 1));
    let mut free_from_s = start_of(covered.first);
    let mut known = Vec::with_capacity(visits.len());
    for visit in visits {
        let (from_s, until_s) = (seconds(visit.from)?, seconds(visit.until)?);
        let visit = Visit { area: areas.area(visit)?, from_s, until_s };
        if visit.from_s < free_from_s || visit.until_s <= visit.from_s || visit.until_s > end_s {
            return None;
        }
        free_from_s = visit.until_s;
        known.push(visit);
    }
    Some(Trajectory { covered, visits: known })
}

fn seconds(at: Timestamp) -> Option<u64> {
    u64::try_from(at.as_second()).ok()
}

/// The areas that an answer may name.
pub(super) struct Areas {
    /// Prefecture-level cities of GB/T 2260, and divisions of the same level.
    cities: HashSet<&'static str>,
    /// ISO 3166-1 without CN: for the mainland a division is named, which a country would hide.
    countries: HashSet<&'static str>,
}

impl Areas {
    pub(super) fn new() -> Self {
        let cities = include_str!("../../data/cities.csv").lines().skip(1);
        let countries = include_str!("../../data/countries.csv").lines().skip(1);
        Self {
            cities: cities.filter_map(|row| row.split(',').next()).collect(),
            countries: countries.collect(),
        }
    }

    fn area(&self, visit: &Presence) -> Option<Area> {
        match (visit.division.as_deref(), visit.country.as_deref()) {
            (Some(city), None) if self.cities.contains(city) => Division::parse(city).map(Area::City),
            (None, Some(country)) if self.countries.contains(country) => {
                Country::parse(country).map(Area::Country)
            }
            (Some(_) | None, Some(_) | None) => None,
        }
    }
}

#[cfg(test)]
mod tests;
