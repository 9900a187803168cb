//! The files of the page, compiled in: its style sheet, its script, and the vendored chart library, whose licence lies beside it.

use actix_web::{HttpRequest, HttpResponse, web};

use super::answers;
use crate::portal::tagged;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const SHEET: &str = "text/css; charset=utf-8";

/// Name, type, content.
const FILES: [(&str, &str, &str); 5] = [
    ("overview.css", SHEET, include_str!("../../pages/overview/overview.css")),
    ("overview.js", SCRIPT, include_str!("../../pages/overview/overview.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../pages/icon.svg")),
    ("uplot.css", SHEET, include_str!("../../pages/vendor/uplot.css")),
    ("uplot.js", SCRIPT, include_str!("../../pages/vendor/uplot.js")),
];

/// Answers with a file.
pub(super) async fn file(request: HttpRequest, name: web::Path<String>) -> HttpResponse {
    let Some((_, kind, content)) = FILES.iter().find(|(known, ..)| *known == name.as_str()) else {
        return HttpResponse::NotFound().finish();
    };
    tagged(&request, kind, content, answers::answer())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_foreign_charts_are_those_that_were_looked_at() {
        let recorded = [
            ("uplot.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
            ("uplot.js", "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"),
        ];
        for (name, recorded) in recorded {
            let (.., content) = FILES.iter().find(|(known, ..)| *known == name).expect("it is served");
            let digest = ring::digest::digest(&ring::digest::SHA256, content.as_bytes());
            assert_eq!(
                hex::encode(digest.as_ref()),
                recorded,
                "pages/vendor/uplot-LICENSE says where {name} is from"
            );
        }
    }
}
