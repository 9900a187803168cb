//! The looks of staff at a holder's data: operator, act, case and time.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use registry::AccessRow;
use registry::lookups::Lookup;

use super::mine::{self, OwnCode};
use crate::portal::http::extract::Answer;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::when;
use crate::portal::http::words::{both, both_with};

/// The newest so many are shown: a screen's list, not an archive.
const SHOWN_MAX: usize = 100;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/looked", web::get().to(first)).route("/looked/{n}", web::get().to(page));
}

async fn first(visitor: Visitor) -> HttpResponse {
    visitor.go("/looked/0")
}

/// Shows who has looked at what is known of one of the visitor's holders.
async fn page(OwnCode { who, one, others }: OwnCode) -> Answer {
    let rows = who.portal.read(|registrar| registrar.accesses(one.holder.code));
    let rows = rows.ok_or_else(|| mine::busy(&who))?.map_err(|error| mine::failed(&who, &error))?;
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
    Ok(who.page(who.frame(), "looked-title", &body))
}

fn look(row: &AccessRow) -> Markup {
    let known = Lookup::ALL.iter().find(|lookup| lookup.name() == row.act);
    let words = known.map_or("looked-other", |&lookup| words(lookup));
    // Of a look at a checkpoint the day alone is kept.
    let at_checkpoint = known == Some(&Lookup::Document);
    let when = if at_checkpoint { when::day(row.at_s).to_string() } else { when::minute(row.at_s) };
    html! {
        li {
            b { (both(words)) }
            p.hint { (both_with("looked-by", &[("who", &row.operators), ("case", &row.case), ("when", &when)])) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_at_a_checkpoint_is_shown_with_its_day_and_no_time() {
        let row = |lookup: Lookup| AccessRow {
            at_s: 1_582_473_600,
            operators: "staff of a checkpoint".to_owned(),
            act: lookup.name().to_owned(),
            case: "scan".to_owned(),
        };
        let shown = look(&row(Lookup::Document)).into_string();
        assert!(shown.contains("2020-02-24") && shown.contains("staff of a checkpoint"), "{shown}");
        assert!(!shown.contains("00:00"), "no time that is none: {shown}");
        assert!(look(&row(Lookup::Why)).into_string().contains("2020-02-24 00:00"));
    }
}
