//! The runbooks, compiled in: whoever sees a trouble on the page reads at once what to do, also where nothing else can be reached.
//! They are written in `dashboards/runbooks`.

use actix_web::{HttpResponse, web};

use super::answers;

const FILES: [&str; 6] = [
    include_str!("../../../dashboards/runbooks/actors.md"),
    include_str!("../../../dashboards/runbooks/carriers.md"),
    include_str!("../../../dashboards/runbooks/gateway.md"),
    include_str!("../../../dashboards/runbooks/objectives.md"),
    include_str!("../../../dashboards/runbooks/people.md"),
    include_str!("../../../dashboards/runbooks/punches.md"),
];

/// The section of that alert, as plain text.
pub(super) async fn section_of(id: web::Path<String>) -> HttpResponse {
    match section(&id) {
        Some(text) => answers::answer().content_type("text/plain; charset=utf-8").body(text),
        None => HttpResponse::NotFound().finish(),
    }
}

fn section(id: &str) -> Option<&'static str> {
    let heading = format!("## {id}\n");
    let (text, from) = FILES.iter().find_map(|text| Some((*text, text.find(&heading)?)))?;
    let rest = &text[from..];
    let end = rest[heading.len()..].find("\n## ").map_or(rest.len(), |end| heading.len() + end + 1);
    Some(rest[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    #[test]
    fn every_alert_has_its_section_and_no_more() {
        for alert in generate::known() {
            let text = section(alert.id).unwrap_or_else(|| panic!("{} has no section", alert.id));
            assert!(text.starts_with(&format!("## {}\n", alert.id)) && text.len() > 100, "{text}");
            assert_eq!(text.matches("\n## ").count(), 0, "{text}");
        }
        assert_eq!((section("no-such-alert"), section("punches-los")), (None, None));
    }
}
