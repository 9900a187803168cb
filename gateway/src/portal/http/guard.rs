//! The guards before every page: headers that keep other sites and scripts out, forms that only our own pages can send, and a limit
//! on what is read; at a gateway that follows another one, the way to that one. No page is reached around it.

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::{InternalError, UrlencodedError};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{FormConfig, QueryConfig};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use runtime::clock;

use super::layout;
use super::visitor::{Visitor, client_of};
use crate::portal::Portal;

/// A form of ours has a few hundred bytes.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024;

/// No script, style, picture or frame but our own; nothing is sent elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: with that, browsers call the origin of our own forms null.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=(), geolocation=()"),
];

/// Configures the reading of forms: a body that is none is answered with a page.
pub(crate) fn forms() -> FormConfig {
    FormConfig::default().limit(BODY_BYTES_MAX).error_handler(|error, request| {
        let (status, key) = if matches!(error, UrlencodedError::Overflow { .. }) {
            (StatusCode::PAYLOAD_TOO_LARGE, "bad-form-long")
        } else if matches!(error, UrlencodedError::ContentType) {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad-form")
        } else {
            (StatusCode::BAD_REQUEST, "bad-form")
        };
        refused(request, status, key)
    })
}

/// The same for query strings.
pub(crate) fn queries() -> QueryConfig {
    QueryConfig::default().error_handler(|_, request| refused(request, StatusCode::BAD_REQUEST, "bad-form"))
}

fn refused(request: &HttpRequest, status: StatusCode, key: &'static str) -> Error {
    let visitor = Visitor::from_request(request, &mut Payload::None).into_inner();
    let answer = match visitor {
        Ok(visitor) => visitor.page_with(status, visitor.frame(), "bad-form-title", &layout::wrong(key)),
        Err(_) => HttpResponse::new(status),
    };
    // Nothing of the body is said or kept.
    InternalError::from_response("a form that cannot be read", answer).into()
}

/// Lets a request through if it is one of ours, and puts the headers on every answer. HEAD is answered as GET is; its connection
/// leaves the body out.
pub(crate) async fn guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = if let Err(after_s) = take_share(&request) {
        request.into_response(too_often(after_s)).map_into_right_body()
    } else if is_ours(&request) {
        if *request.method() == Method::HEAD {
            request.head_mut().method = Method::GET;
        }
        match at_the_leader(&request) {
            Some(there) => request.into_response(moved(&there)).map_into_right_body(),
            None => next.call(request).await?.map_into_left_body(),
        }
    } else {
        let refused = HttpResponse::build(StatusCode::FORBIDDEN)
            .body("this form was not sent from our own page; open the page again\n");
        request.into_response(refused).map_into_right_body()
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What a page shows is one person's; a shared computer forgets it.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// Returns the address of the same page at the gateway that leads, if that is another one and the page is not a form: what was typed into
/// a form is not sent on, its answer keeps it and shows the way. Files are the same everywhere.
fn at_the_leader(request: &ServiceRequest) -> Option<String> {
    let path = request.uri().path_and_query()?.as_str();
    if *request.method() != Method::GET || !path.starts_with('/') || path.starts_with("/s/") {
        return None;
    }
    let portal = request.app_data::<web::Data<Portal>>().expect("every page has the portal");
    Some(portal.leading.origin_elsewhere()? + path)
}

fn moved(there: &str) -> HttpResponse {
    HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, there)).finish()
}

/// Counts the request for its address.
fn take_share(request: &ServiceRequest) -> Result<(), u32> {
    let portal = request.app_data::<web::Data<Portal>>().expect("every page has the portal");
    portal.shares.request(client_of(request.request(), portal), clock::now_ms())
}

/// Makes the answer to a client over its rate: short, and the connection ends with it.
pub(crate) fn too_often(after_s: u32) -> HttpResponse {
    HttpResponse::TooManyRequests()
        .force_close()
        .insert_header((header::RETRY_AFTER, after_s))
        .content_type("text/plain; charset=utf-8")
        .body(format!("请求太频繁，请 {after_s} 秒后再试 / too many requests; try again in {after_s} s\n"))
}

/// A request that changes something comes from a page of this very origin. A browser that sends no Origin says so with
/// Sec-Fetch-Site; one that sends neither is too old to be told apart from another site, and the form's token decides.
fn is_ours(request: &ServiceRequest) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return true;
    }
    if *request.method() != Method::POST {
        return false;
    }
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (Some(_), None) => false,
        (None, _) => true,
    }
}
