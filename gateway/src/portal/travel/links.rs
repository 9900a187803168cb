//! The carriers' own pages, where a phone and a code by SMS show the trajectory: the one of the visitor's own carrier first. Nothing of
//! the visitor goes along.

use maud::{Markup, html};

use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, en, zh};

/// The way there: one button where the carrier is known, and all others behind a tap.
pub(super) fn drawn(visitor: &Visitor) -> Markup {
    let pages = visitor.portal.travel_pages.load();
    let phone = visitor.session.phone.as_ref();
    let likely = phone.and_then(|phone| visitor.portal.queries.likely(phone)).filter(|&at| at < pages.len());
    let others = pages.iter().enumerate().filter(|(at, _)| Some(*at) != likely).map(|(_, page)| page);
    let others = html! {
        ul.list {
            @for [name, name_zh, address] in others {
                li { a.target href=(address) target="_blank" rel="noreferrer noopener" { (name_zh) " " span.en lang="en" { (name) } } }
            }
        }
    };
    html! {
        div.links {
            p { (both("travel-links")) }
            @match likely.map(|at| &pages[at]) {
                Some([name, name_zh, address]) => {
                    a.button href=(address) target="_blank" rel="noreferrer noopener" data-likely {
                        (name_zh) " · " (zh("travel-links-go")) span.en lang="en" { (name) " · " (en("travel-links-go")) }
                    }
                    details { summary { (both("travel-links-others")) } (others) }
                }
                None => (others),
            }
        }
    }
}
