//! The headers of every answer of the overview, which keep other sites, scripts and frames out. It shows no personal data and changes nothing.

use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};

/// Only our own scripts, styles and pictures; no forms, and no requests to other sites.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Returns an answer that no browser stores.
pub(super) fn answer() -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}
