//! The counts of pages: requests by part of the site and outcome, and how long an answer took. Handles are made once; unknown paths
//! count as one part.

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, web};
use metrics::{Counter, Histogram};
use protocol::metric;
use runtime::clock;

use crate::portal::Portal;

/// The first part of a page's path, and what it is called.
const PARTS: &[(&str, &str)] = &[
    ("", "start"),
    ("in", "sign-in"),
    ("out", "sign-in"),
    ("view", "sign-in"),
    ("code", "code"),
    ("apply", "apply"),
    ("streets", "apply"),
    ("modify", "modify"),
    ("travel", "travel"),
    ("confirm", "confirm"),
    ("why", "why"),
    ("audit", "why"),
    ("appeal", "why"),
    ("looked", "looked"),
    ("privacy", "privacy"),
    ("withdraw", "withdraw"),
    ("p", "place"),
    ("P", "place"),
    ("place", "poster"),
    ("unit", "unit"),
    ("staff", "staff"),
    ("s", "static"),
];
/// Status codes by their hundreds: 2, 3, 4, 5.
const OUTCOMES: [&str; 4] = ["answered", "moved", "refused", "failed"];

struct Part {
    name: &'static str,
    requests: [Counter; 4],
    seconds: Histogram,
}

impl Part {
    fn new(name: &'static str) -> Self {
        let requests = |outcome| metrics::counter!(metric::PAGES, "page" => name, "outcome" => outcome);
        let seconds = metrics::histogram!(metric::PAGE_SECONDS, "page" => name);
        Self { name, requests: OUTCOMES.map(requests), seconds }
    }
}

/// Handles of every part of the site, the last one for what is not there.
pub(crate) struct PageCounts(Vec<Part>);

/// Returns the names of the parts of the site, and the one for all other paths.
pub(crate) fn page_names() -> Vec<&'static str> {
    let mut names = Vec::new();
    for (_, name) in PARTS.iter().chain([&("", metric::OTHER)]) {
        if !names.contains(name) {
            names.push(*name);
        }
    }
    names
}

impl PageCounts {
    pub(crate) fn new() -> Self {
        Self(page_names().into_iter().map(Part::new).collect())
    }

    fn answered(&self, page: &str, status: StatusCode, took: Duration) {
        let Some(part) = self.0.iter().find(|part| part.name == page) else { return };
        let hundreds = usize::from(status.as_u16() / 100).clamp(2, 5);
        part.requests[hundreds - 2].increment(1);
        part.seconds.record(took);
    }
}

/// Counts what every page is answered with.
pub(crate) async fn count(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let begun = clock::now();
    let portal = request.app_data::<web::Data<Portal>>().cloned();
    let page = page_of(request.match_pattern().as_deref());
    let answer = next.call(request).await;
    if let Some(portal) = portal {
        let status = match &answer {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        portal.counts.answered(page, status, clock::since(begun));
    }
    answer
}

/// The part of the site that a route belongs to.
fn page_of(pattern: Option<&str>) -> &'static str {
    let Some(pattern) = pattern else { return metric::OTHER };
    let first = pattern.trim_start_matches('/').split('/').next().unwrap_or_default();
    PARTS.iter().find(|(part, _)| *part == first).map_or(metric::OTHER, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_counts_for_its_part_of_the_site_and_what_is_not_there_for_one() {
        for (pattern, expected) in [
            (Some("/"), "start"),
            (Some("/in/code"), "sign-in"),
            (Some("/p/{link}/done/{press}"), "place"),
            (Some("/place/{link}/poster"), "poster"),
            (Some("/new/{id}"), metric::OTHER),
            (None, metric::OTHER),
        ] {
            assert_eq!(page_of(pattern), expected, "{pattern:?}");
        }
    }
}
