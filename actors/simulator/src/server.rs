//! The HTTPS interface of a simulated carrier: checks, counts and faults. The answer comes from `subscriber`, its format from
//! `wire`.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use policy::trajectory::{CarrierAnswer, Days, Trajectory, Visit, day_of, days_after, start_of};
use runtime::clock;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::Serialize;

use super::carrier::{Carrier, count};
use super::fault::{CarrierFault, FaultKind};
use super::numbers::MadeUpNumber;
use super::subscriber::KEPT_DAYS;
use super::trajectory::{city, home};
use super::travel_page;
use super::wire::{self, Purpose, WireAnswer, WireQuery};

/// The most bytes of a query, which takes about 200.
pub(super) const QUERY_BYTES_MAX: usize = 4096;
const HUGE_BYTES: usize = 100_000_000;
/// Deep enough to overflow a recursive parser, short enough to pass a limit of length.
const DEEP: usize = 30_000;
const NO_CONSENT: &str = "00000000000000000000000000000000";
const TIME_HEADER: &str = "Carrier-Time-Ms";
const MOVED: &str = "/v1/moved";
const PAGE: &str = "<!DOCTYPE html><html><body><h1>Service is being maintained</h1></body></html>";

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

fn refuse(status: StatusCode, error: &str) -> HttpResponse {
    HttpResponse::build(status).json(Refusal { error })
}

/// Adds the routes of a carrier.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route(wire::PATH, web::post().to(answer))
        .route(MOVED, web::post().to(moved))
        .configure(travel_page::routes);
}

async fn moved(carrier: web::Data<Carrier>) -> HttpResponse {
    count(&carrier.counts.followed);
    HttpResponse::Gone().finish()
}

async fn answer(carrier: web::Data<Carrier>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let now_s = clock::now_s();
    let id = match carrier.admit(&request, &body, now_s) {
        Ok(id) => id,
        Err(error) => {
            count(&carrier.counts.refused_signatures);
            return refuse(StatusCode::UNAUTHORIZED, &error.to_string());
        }
    };
    let query = match CarrierQuery::read(&carrier, id, &body, now_s) {
        Ok(query) => query,
        Err((status, error)) => {
            count(&carrier.counts.refused);
            return refuse(status, error);
        }
    };
    if query.is_probe {
        count(&carrier.counts.probes);
    } else {
        count(&carrier.counts.queries);
        carrier.consents.note(&query.consent);
    }
    let number = count(&carrier.counts.latest);
    let fault = carrier.fault();
    if fault.kind == FaultKind::None || fault.kind.is_of_connections() || !fault.hits(number) {
        return healthy(&carrier, &query, number, Duration::ZERO).await;
    }
    count(&carrier.counts.faulted);
    spoil(&carrier, &query, number, fault).await
}

/// A valid query.
struct CarrierQuery {
    request: String,
    msisdn: String,
    number: MadeUpNumber,
    days: Days,
    today: jiff::civil::Date,
    is_probe: bool,
    consent: String,
}

impl CarrierQuery {
    fn read(
        carrier: &Carrier,
        request: String,
        body: &[u8],
        now_s: u64,
    ) -> Result<Self, (StatusCode, &'static str)> {
        let Ok(query) = serde_json::from_slice::<WireQuery>(body) else {
            return Err((StatusCode::BAD_REQUEST, "the body is not a query of version 1"));
        };
        let Some(number) = MadeUpNumber::parse(&query.msisdn) else {
            let why = "this carrier is simulated: it answers made-up numbers (163, 164, 168, 169) only, never one \
                       that could be real";
            return Err((StatusCode::FORBIDDEN, why));
        };
        let is_probe = query.purpose == Purpose::Probe;
        let has_consent = wire::is_hex(&query.consent) && query.consent != NO_CONSENT;
        if is_probe && (query.msisdn != carrier.which.reserved() || query.consent != NO_CONSENT) {
            return Err((StatusCode::FORBIDDEN, "a probe asks for the reserved number, with no consent"));
        }
        if !is_probe && !has_consent {
            return Err((StatusCode::FORBIDDEN, "a query must name its consent"));
        }
        let days = Days { first: query.first_day, last: query.last_day };
        let today = day_of(now_s);
        if days.first > days.last || days.first >= today || days_after(days.first, KEPT_DAYS) < days.last {
            return Err((StatusCode::BAD_REQUEST, "the days are not a window in the past"));
        }
        let WireQuery { msisdn, consent, .. } = query;
        Ok(Self { request, msisdn, number, days, today, is_probe, consent })
    }

    fn write(&self, answer: &CarrierAnswer) -> WireAnswer {
        wire::write(&self.request, &self.msisdn, answer).expect("the world always has an answer")
    }

    /// Returns a false stay where believing it would do most harm.
    fn false_stay(&self, day: jiff::civil::Date) -> WireAnswer {
        let from_s = start_of(day) + 8 * 3600;
        let visit = Visit { area: city("4201"), from_s, until_s: from_s + 12 * 3600 };
        self.write(&CarrierAnswer::Trajectory(Trajectory { covered: self.days, visits: vec![visit] }))
    }
}

async fn healthy(carrier: &Carrier, query: &CarrierQuery, number: u64, more: Duration) -> HttpResponse {
    let takes = carrier.latency.of(carrier.seed, number) + more;
    if !takes.is_zero() {
        tokio::time::sleep(takes).await;
    }
    let answer = carrier.world.answer(carrier.which, query.number, query.days, query.today);
    let mut response = HttpResponse::Ok();
    response.insert_header((TIME_HEADER, takes.as_millis().to_string()));
    response.json(query.write(&answer))
}

async fn spoil(carrier: &Carrier, query: &CarrierQuery, number: u64, fault: CarrierFault) -> HttpResponse {
    let held = Duration::from_millis(fault.ms);
    let mut ok = HttpResponse::Ok();
    match fault.kind {
        FaultKind::None | FaultKind::Down | FaultKind::WrongName => {
            healthy(carrier, query, number, Duration::ZERO).await
        }
        FaultKind::Slow => healthy(carrier, query, number, held).await,
        FaultKind::Hang => {
            tokio::time::sleep(held).await;
            refuse(StatusCode::GATEWAY_TIMEOUT, "simulated fault: no answer in time")
        }
        FaultKind::Status => {
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let mut response = HttpResponse::build(status);
            if let Some(seconds) = fault.retry_after_s() {
                response.insert_header((RETRY_AFTER, seconds.to_string()));
            }
            response.json(Refusal { error: "simulated fault: an error status" })
        }
        FaultKind::Garbage => ok.content_type("text/html; charset=utf-8").body(PAGE),
        FaultKind::Deep => ok.content_type("application/json").body("[".repeat(DEEP) + &"]".repeat(DEEP)),
        FaultKind::Huge => ok.content_type("application/json").body(Huge { left: HUGE_BYTES }),
        FaultKind::AnotherNumber => {
            let last = query.msisdn.bytes().last().map_or(0, |digit| (digit - b'0' + 1) % 10);
            let mut answer = query.false_stay(query.days.last);
            answer.msisdn.pop();
            answer.msisdn += &last.to_string();
            ok.json(answer)
        }
        FaultKind::AnotherRequest => {
            let mut answer = query.false_stay(query.days.last);
            answer.request = NO_CONSENT.to_owned();
            ok.json(answer)
        }
        FaultKind::OutsideWindow => ok.json(query.false_stay(days_after(query.days.first, -3))),
        FaultKind::UnknownArea => {
            let from_s = start_of(query.days.first);
            let visit = Visit { area: home(), from_s, until_s: from_s + 24 * 3600 };
            let trajectory = Trajectory { covered: query.days, visits: vec![visit] };
            let mut answer = query.write(&CarrierAnswer::Trajectory(trajectory));
            for visit in answer.visits.iter_mut().flatten() {
                visit.division = Some("9999".to_owned());
            }
            ok.json(answer)
        }
        FaultKind::Redirect => HttpResponse::TemporaryRedirect().insert_header((LOCATION, MOVED)).finish(),
    }
}

/// A body of spaces that is not held in memory.
struct Huge {
    left: usize,
}

impl MessageBody for Huge {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<web::Bytes, Self::Error>>> {
        static BLANKS: [u8; 64 * 1024] = [b' '; 64 * 1024];
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = self.left.min(BLANKS.len());
        self.left -= piece;
        Poll::Ready(Some(Ok(web::Bytes::from_static(&BLANKS[..piece]))))
    }
}

/// Chooses the certificate of each connection: the carrier's, another host's, or none, which fails the handshake.
pub(super) struct Certificates {
    pub(super) own: Arc<CertifiedKey>,
    pub(super) other: Arc<CertifiedKey>,
    pub(super) carrier: Arc<Carrier>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.carrier.which.id())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fault = self.carrier.fault();
        let hits = fault.kind.is_of_connections() && fault.hits(count(&self.carrier.counts.connections));
        match (fault.kind, hits) {
            (FaultKind::Down, true) => None,
            (FaultKind::WrongName, true) => Some(Arc::clone(&self.other)),
            (_, _) => Some(Arc::clone(&self.own)),
        }
    }
}
