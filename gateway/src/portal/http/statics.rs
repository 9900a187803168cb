//! The files for every browser: style, icon, scripts. Compiled in; a change of content changes its tag, so a browser keeps what it has.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use super::layout;
use super::visitor::Visitor;

const STYLE: &str = include_str!("../../../pages/style.css");
const SCRIPT: &str = "text/javascript; charset=utf-8";
const WAITING: &str = include_str!("../../../pages/waiting.css");
const TRAVEL: &str = include_str!("../../../pages/travel.js");
const ICON: &str = include_str!("../../../pages/icon.svg");
const CLOCK: &str = include_str!("../../../pages/clock.js");

/// A foreign file, as its licence beside it says.
const QR: &str = include_str!("../../../pages/vendor/qr.js");

/// Name, type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("style.css", "text/css; charset=utf-8", STYLE),
    ("icon.svg", "image/svg+xml", ICON),
    ("card.js", SCRIPT, include_str!("../../../pages/card.js")),
    ("view.js", SCRIPT, include_str!("../../../pages/view.js")),
    ("print.js", SCRIPT, include_str!("../../../pages/print.js")),
    ("wrongs.js", SCRIPT, include_str!("../../../pages/wrongs.js")),
    ("code.js", SCRIPT, include_str!("../../../pages/code.js")),
    ("streets.js", SCRIPT, include_str!("../../../pages/streets.js")),
    ("panel.css", "text/css; charset=utf-8", include_str!("../../../pages/panel.css")),
    ("waiting.css", "text/css; charset=utf-8", WAITING),
    ("travel.js", "text/javascript; charset=utf-8", TRAVEL),
    ("staff.css", "text/css; charset=utf-8", include_str!("../../../pages/staff.css")),
    ("scan.js", "text/javascript; charset=utf-8", include_str!("../../../pages/scan.js")),
    ("camera.js", "text/javascript; charset=utf-8", include_str!("../../../pages/camera.js")),
    ("qr.js", "text/javascript; charset=utf-8", QR),
    ("clock.js", "text/javascript; charset=utf-8", CLOCK),
];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/s/{name}", web::get().to(file));
}

async fn file(request: HttpRequest, name: web::Path<String>) -> HttpResponse {
    let Some((_, kind, content)) = FILES.iter().find(|(known, ..)| *known == name.as_str()) else {
        return HttpResponse::NotFound().finish();
    };
    tagged(&request, kind, content, HttpResponse::Ok())
}

/// Answers with a compiled-in file, or says that the browser has it as it is.
pub(crate) fn tagged(
    request: &HttpRequest,
    kind: &'static str,
    content: &'static str,
    mut answer: HttpResponseBuilder,
) -> HttpResponse {
    let digest = ring::digest::digest(&ring::digest::SHA256, content.as_bytes());
    let tag = format!("\"{}\"", hex::encode(&digest.as_ref()[..8]));
    let known =
        request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    answer.insert_header((header::ETAG, tag)).insert_header((header::CACHE_CONTROL, "public, max-age=3600"));
    if known {
        answer.status(StatusCode::NOT_MODIFIED).finish()
    } else {
        answer.content_type(kind).body(content)
    }
}

/// Answers that there is no such page.
pub(crate) async fn missing(visitor: Visitor) -> HttpResponse {
    visitor.page_with(StatusCode::NOT_FOUND, visitor.frame(), "missing-title", &layout::wrong("missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_foreign_decoder_is_the_one_that_was_looked_at() {
        let digest = ring::digest::digest(&ring::digest::SHA256, QR.as_bytes());
        let recorded = "60a53f1d1a61f55aa380d9c6fd000a07d39456f713eafb81b5a727dc4738b5ba";
        assert_eq!(hex::encode(digest.as_ref()), recorded, "pages/vendor/qr-LICENSE says how it is made");
    }
}
