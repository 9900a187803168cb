//! The layout of the staff's page: the sign above, what is touched below, in reach of a thumb. What its script says by itself, when
//! no answer comes, lies in it as templates.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};
use registry::Shift;
use runtime::clock;

use super::{number_of_its_own, sign};
use crate::portal::http::layout::Frame;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::when;
use crate::portal::http::words::{both, both_with, en, zh};

/// The script's words for a scan without an answer: its own name for it, and the words.
const SAID_BY_SCRIPT: [(&str, &str); 5] = [
    ("by-hand", "staff-by-hand"),
    ("busy", "staff-busy-by-hand"),
    ("gone", "staff-gone"),
    ("full", "staff-full"),
    ("over", "staff-over"),
];

/// Seconds after which a page without a script looks again for its scan's answer.
const LOOK_S: u32 = 1;

/// The sign above on the page.
#[derive(Clone, Copy)]
pub(super) enum Last<'a> {
    /// Nothing was scanned.
    None,
    /// The outcome of the scan.
    Sign(&'a Markup),
    /// It has no answer yet, as the sign says: the page looks again.
    UnderWay(&'a Markup),
}

/// The page around a sign. After a sign the next code is typed at once, as scanners with a keyboard's plug do.
pub(super) fn shown(visitor: &Visitor, shift: &Shift, status: StatusCode, last: Last<'_>) -> HttpResponse {
    let (sign, refresh_s) = match last {
        Last::None => (None, None),
        Last::Sign(sign) => (Some(sign), None),
        Last::UnderWay(sign) => (Some(sign), Some(LOOK_S)),
    };
    let shifts = &visitor.portal.staff.shifts;
    let scans = shifts.scans(shift.id, clock::now_ms());
    let (page, next) = (number_of_its_own(), shifts.next(shift.id));
    let body = html! {
        link rel="stylesheet" href="/s/staff.css";
        div #staff data-token=(visitor.token()) data-page=(page) data-next=(next) data-run=(shifts.run()) {
            p.shift translate="no" { span { (shift.place_name) } span.tag { (shift.name) } }
            // One live region, there from the start: whatever is said is put into it.
            div #live aria-live="assertive" {
                @for (id, key) in [("offline", "staff-offline"), ("no-camera", "staff-no-camera"), ("camera-ended", "staff-camera-ended")] {
                    div id=(id) .notice.wrong hidden { (both(key)) }
                }
                div #two .notice.wrong hidden { (both("staff-two")) }
                div #late .notice hidden { b { (both("staff-late")) } " " span {} }
                @if let Some(sign) = sign { (sign) } @else { (sign::sign(None)) }
            }
            @if refresh_s.is_some() { a.button.quiet href="/staff" { (both("staff-last-next")) } }
            div #start-area hidden {
                button #start type="button" { (both("staff-start")) }
                p.hint { (both("staff-start-hint")) }
            }
            video #camera playsinline muted {}
            (sign::list(&scans))
            form method="post" action="/staff/end" {
                (visitor.field())
                p.hint { (both_with("staff-until", &[("time", &when::minute(shift.expires_s))])) }
                button.quiet type="submit" { (both("staff-end")) }
            }
            (hands(visitor, (page, next), sign.is_some()))
            (templates())
        }
    };
    let frame = Frame { script: Some("scan.js"), refresh_s, ..visitor.frame() };
    visitor.page_with(status, frame, "staff-title", &body)
}

/// Draws the lower part of the page, in reach of a thumb: the field for the next code, and the button for a person who shows nothing.
fn hands(visitor: &Visitor, (page, next): (u64, u64), focus: bool) -> Markup {
    let fields = html! {
        (visitor.field())
        input type="hidden" name="page" value=(page);
        input type="hidden" name="n" value=(next);
    };
    html! {
        // What is typed while the page looks again would be lost.
        div.hands.until {
            form.scan method="post" action="/staff/form" {
                (fields)
                label for="text" {
                    (zh("staff-type")) " " span.inline lang="en" { (en("staff-type")) }
                    output #pending hidden { (zh("staff-pending")) " " span.inline lang="en" { (en("staff-pending")) } " " b {} }
                }
                div.line {
                    input #text type="text" name="text" autocomplete="off" autocapitalize="off" autocorrect="off" spellcheck="false"
                        aria-describedby="verdict" required autofocus[focus];
                    button type="submit" { (both("staff-type-go")) }
                }
            }
            details.nothing {
                summary { span { (zh("staff-nothing")) " " span.inline lang="en" { (en("staff-nothing")) } } }
                form.scan method="post" action="/staff/form" {
                    (fields)
                    input type="hidden" name="nothing" value="yes";
                    button.quiet type="submit" { (both("staff-nothing-yes")) }
                }
            }
        }
    }
}

fn templates() -> Markup {
    html! {
        @for (name, key) in SAID_BY_SCRIPT { template id={ "said-" (name) } { (sign::trouble(key)) } }
        @for (name, key) in [("waiting", "staff-waiting"), ("late", "staff-late"), ("again", "staff-again")] {
            template id={ "tag-" (name) } { span class={ "tag " (name) } { (zh(key)) " " span.inline lang="en" { (en(key)) } } }
        }
    }
}
