//! Who looked at what is known of oneself: operator, what, for which case, when. Nobody is asked why they want to know.

use actix_web::{HttpResponse, web};
use actors::lookups::Lookup;
use actors::registry::AccessRow;
use maud::{Markup, html};

use super::mine;
use super::visitor::Visitor;
use super::when;
use super::words::{both, both_with};

/// The newest so many are shown: a screen's list, not an archive.
const SHOWN_MAX: usize = 100;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/looked", web::get().to(first)).route("/looked/{n}", web::get().to(page));
}

async fn first(visitor: Visitor) -> HttpResponse {
    visitor.go("/looked/0")
}

async fn page(visitor: Visitor, n: web::Path<usize>) -> HttpResponse {
    let (one, others) = match mine::at(&visitor, *n, "/looked") {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let rows = match visitor.portal.read(|registrar| registrar.accesses(one.holder.code)) {
        None => return mine::busy(&visitor),
        Some(Err(error)) => return mine::failed(&visitor, &error),
        Some(Ok(rows)) => rows,
    };
    let body = html! {
        (mine::others("/looked", &one, &others))
        p.who { (one.who()) }
        p { (both("looked-what")) }
        @if rows.is_empty() { div.card { p { (both("looked-nobody")) } } }
        @else {
            ul.list.card { @for row in rows.iter().rev().take(SHOWN_MAX) { (look(row)) } }
        }
        a.button.quiet href="/code" { (both("card-back")) }
    };
    visitor.page(visitor.frame(), "looked-title", &body)
}

fn look(row: &AccessRow) -> Markup {
    let known = Lookup::ALL.iter().find(|lookup| lookup.name() == row.act);
    let words = known.map_or("looked-other", |&lookup| words(lookup));
    html! {
        li {
            b { (both(words)) }
            p.hint { (both_with("looked-by", &[("who", &row.operators), ("case", &row.case), ("when", &when::minute(row.at_s))])) }
        }
    }
}

const fn words(lookup: Lookup) -> &'static str {
    match lookup {
        Lookup::Why => "looked-why",
        Lookup::Accesses => "looked-accesses",
        Lookup::Contact => "looked-contact",
        Lookup::Passages => "looked-passages",
        Lookup::Export => "looked-export",
        Lookup::Appeals => "looked-appeals",
        Lookup::Backup => "looked-backup",
        Lookup::Tap => "looked-tap",
        Lookup::Find => "looked-find",
        Lookup::MovePhone => "looked-move-phone",
        Lookup::DocumentSeen => "looked-document-seen",
        Lookup::Document => "looked-document",
    }
}
