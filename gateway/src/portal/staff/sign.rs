//! The look of a scan to staff: a shape and a word for what to do, the code's colour as shape, word and colour, why, and who. What is no
//! pass code never looks like a red person, and what carriers say never like a code's colour.

use actors::query::QueryError;
use maud::{Markup, PreEscaped, html};
use policy::place_names::name_zh_of;
use protocol::trajectory::StayAnswer;
use protocol::{Advice, Class, Colour, Reason, Verdict};

use super::shift::{Holder, ReceiptOwner, Scan, ScanResult, Travel};
use crate::portal::http::terms::{basis_key, colour_key, end_of, travel_key};
use crate::portal::http::when;
use crate::portal::http::words::{both, both_with, en, zh};

/// Names the sound and vibration of a scan.
pub(super) const fn sound(scan: &Scan) -> &'static str {
    match &scan.came {
        ScanResult::Punch(verdict) => match verdict.advice {
            Advice::Pass => "pass",
            Advice::Stop => "stop",
            Advice::CheckDocument | Advice::AskStaff | Advice::NotAPassCode => "ask",
        },
        ScanResult::Travel(_) | ScanResult::NoTravel(_) => "ask",
    }
}

/// The sign of the last scan; an empty one before the first.
pub(super) fn sign(scan: Option<&Scan>) -> Markup {
    let Some(scan) = scan else { return html! { section #verdict {} } };
    match &scan.came {
        ScanResult::Punch(verdict) => punch(scan, *verdict),
        ScanResult::Travel(travel) if travel.whose == ReceiptOwner::Other => others(travel, scan.n),
        ScanResult::Travel(known) => travel(known, scan.n),
        ScanResult::NoTravel(error) => no_travel(*error, scan.n),
    }
}

fn punch(scan: &Scan, verdict: Verdict) -> Markup {
    let (colour, advice, reason) = (verdict.colour.name(), verdict.advice.name(), verdict.reason.name());
    let is_code = verdict.advice != Advice::NotAPassCode && verdict.reason != Reason::NothingShown;
    let (act, reason, why) = if scan.old_digits {
        ("staff-digits-over", "digits-over", "staff-why-digits-over")
    } else {
        (advice_key(verdict.advice), reason, reason_key(verdict.reason))
    };
    html! {
        section #verdict class=(tone(verdict)) data-kind="punch" data-colour=(colour) data-advice=(advice)
            data-reason=(reason) {
            (picture(advice_shape(verdict.advice)))
            p.act { (both(act)) }
            @if is_code { p { span.chip { (both(colour_key(verdict.colour))) } @if let Some(key) = basis_key(verdict.basis) { " " (zh(key)) " " span.inline lang="en" { (en(key)) } } } }
            p.why { (both(why)) }
            @if let Some(holder) = &scan.holder { (who(holder)) }
            (foot(scan.n))
        }
    }
}

/// Draws what staff compare: name, document, and the kind of code that was shown.
fn who(Holder { class, name, document, .. }: &Holder) -> Markup {
    html! {
        p.who { b { (name) } " · " (zh(class_key(*class))) " " span.inline lang="en" { (en(class_key(*class))) } }
        @if let Some((kind, tail)) = document { p.document { (end_of(*kind, tail)) } }
    }
}

/// Draws the scan's number in the shift, and how to go on.
fn foot(n: u64) -> Markup {
    html! {
        p.no { (both_with("staff-number", &[("n", &n.to_string())])) }
        p.next { (both("staff-next")) }
    }
}

fn travel(Travel { answer, giver, whose }: &Travel, n: u64) -> Markup {
    let (word, shape) = match answer.stay() {
        StayAnswer::Yes => ("staff-travel-yes", "M50 10v48M50 74v4"),
        StayAnswer::No => ("staff-travel-no", "M18 50h64"),
        StayAnswer::Unknown => ("staff-travel-unknown", QUESTION),
    };
    let days =
        (answer.first_day.number() > 0).then(|| [answer.first_day.to_string(), answer.last_day.to_string()]);
    html! {
        section #verdict .travel data-kind="travel" data-stay=(answer.stay().name()) data-reason=(answer.reason.name()) {
            p.chip { (both("staff-travel")) }
            p.who { @if let Some(name) = giver { (name) " · " } (both(if *whose == ReceiptOwner::Same { "staff-travel-same" } else { "staff-travel-compare" })) }
            (picture(shape))
            p.act { (both(word)) }
            p.why { (both(travel_key(answer.reason))) }
            @if let Some([first, last]) = &days { p { (both_with("staff-travel-days", &[("first", first), ("last", last)])) } }
            @if answer.last_stay_day.number() > 0 { p { (both_with("staff-travel-last", &[("day", &answer.last_stay_day.to_string())])) } }
            @if !answer.areas.0.is_empty() {
                p.who { (zh("staff-travel-cities")) " " @for area in &answer.areas.0 { (name_zh_of(&area.to_string())) " " } }
            }
            p { (both("staff-preliminary")) }
            (foot(n))
        }
    }
}

/// Draws a receipt that is not of the person who was scanned: the carriers' answer is about another person and is not shown.
fn others(Travel { giver, .. }: &Travel, n: u64) -> Markup {
    html! {
        section #verdict .travel data-kind="travel" data-stay="unknown" data-reason="staff-travel-other" {
            p.chip { (both("staff-travel")) }
            (picture(QUESTION))
            p.act { (both("staff-travel-unknown")) }
            p.why { (both("staff-travel-other")) }
            @if let Some(name) = giver { p.who { (name) } }
            (foot(n))
        }
    }
}

fn no_travel(error: QueryError, n: u64) -> Markup {
    let key = match error {
        QueryError::Consent => "staff-receipt-used",
        QueryError::Receipt => "staff-receipt-bad",
        QueryError::ReceiptExpired => "staff-receipt-expired",
        QueryError::Busy | QueryError::Failed => "staff-receipt-busy",
    };
    html! {
        section #verdict .travel data-kind="travel" data-stay="unknown" data-reason=(key) {
            p.chip { (both("staff-travel")) }
            (picture(QUESTION))
            p.act { (both("staff-travel-unknown")) }
            p.why { (both(key)) }
            (foot(n))
        }
    }
}

/// Draws that there is no verdict, and why.
pub(super) fn trouble(key: &str) -> Markup {
    html! {
        section #verdict .check data-kind="trouble" data-reason=(key) {
            (picture(QUESTION))
            p.why { (both(key)) }
            p.next { (both("staff-next")) }
        }
    }
}

/// The shift's last scans, the latest first.
pub(super) fn list(scans: &[Scan]) -> Markup {
    html! {
        section #scans .card {
            h2 { (both("staff-last")) }
            p.hint #none hidden[!scans.is_empty()] { (both("staff-none")) }
            ol.list.scans { @for scan in scans { (row(scan)) } }
        }
    }
}

/// A scan's line in that list.
pub(super) fn row(scan: &Scan) -> Markup {
    let at = when::second(scan.at_ms / 1000);
    let (tone, path, act) = match &scan.came {
        ScanResult::Punch(_) if scan.old_digits => ("none", QUESTION, "staff-digits-over"),
        ScanResult::Punch(verdict) => {
            (tone(*verdict), advice_shape(verdict.advice), advice_key(verdict.advice))
        }
        ScanResult::Travel(_) | ScanResult::NoTravel(_) => ("travel", QUESTION, "staff-travel"),
    };
    let side = match &scan.came {
        ScanResult::Punch(_) if scan.old_digits => "staff-why-digits-over",
        ScanResult::Punch(verdict) if scan.holder.is_some() => colour_key(verdict.colour),
        ScanResult::Punch(verdict) => reason_key(verdict.reason),
        ScanResult::Travel(travel) if travel.whose != ReceiptOwner::Other => travel_key(travel.answer.reason),
        ScanResult::Travel(_) | ScanResult::NoTravel(_) => "staff-travel-unknown",
    };
    html! {
        li class=(tone) data-n=(scan.n) {
            b.no { (scan.n) }
            span.what { (picture(path)) (zh(act)) " " span.inline lang="en" { (en(act)) } }
            time datetime=(at) { (at) }
            span.side {
                (zh(side)) " " span.inline lang="en" { (en(side)) }
                @if let Some(Holder { class, name, .. }) = &scan.holder { " · " (name) " · " (zh(class_key(*class))) }
            }
        }
    }
}

const QUESTION: &str = "M35 38c0-20 30-20 30 0 0 13-15 13-15 26M50 77v4";

fn picture(path: &'static str) -> Markup {
    html! { svg viewBox="0 0 100 100" aria-hidden="true" {
        path d=(PreEscaped(path)) fill="none" stroke="currentColor" stroke-width="9" stroke-linecap="round" stroke-linejoin="round" {}
    } }
}

/// A ring with a tick, an octagon with a cross, a document, a person, a question in an open frame: told apart without colour.
const fn advice_shape(advice: Advice) -> &'static str {
    match advice {
        Advice::Pass => "M50 6a44 44 0 1 1 0 88a44 44 0 1 1 0-88M29 52l15 15 28-33",
        Advice::Stop => "M32 7h36l25 25v36L68 93H32L7 68V32zM35 35l30 30M65 35L35 65",
        Advice::CheckDocument => "M8 20h84v60H8zM26 40h14v20H26zM56 40h20M56 60h20",
        Advice::AskStaff => "M50 12a17 17 0 1 1 0 34a17 17 0 1 1 0-34M14 92c0-48 72-48 72 0",
        Advice::NotAPassCode => {
            "M30 8H8v22M70 8h22v22M30 92H8V70M70 92h22V70M38 40c0-16 24-16 24 0 0 10-12 10-12 20M50 72v2"
        }
    }
}

/// Returns the sign's colour. Only a person who may pass is green, whatever the colour of the code.
const fn tone(verdict: Verdict) -> &'static str {
    match (verdict.advice, verdict.colour) {
        (Advice::NotAPassCode, _) => "none",
        (Advice::Pass, Colour::Green) => "green",
        (Advice::Pass | Advice::Stop | Advice::CheckDocument | Advice::AskStaff, Colour::Red) => "red",
        (Advice::Pass | Advice::Stop | Advice::CheckDocument | Advice::AskStaff, Colour::Yellow) => "yellow",
        (Advice::Stop | Advice::CheckDocument | Advice::AskStaff, Colour::Green)
        | (Advice::Pass | Advice::Stop | Advice::CheckDocument | Advice::AskStaff, Colour::Unknown) => {
            "check"
        }
    }
}

const fn advice_key(advice: Advice) -> &'static str {
    match advice {
        Advice::Pass => "staff-pass",
        Advice::Stop => "staff-stop",
        Advice::CheckDocument => "staff-check-document",
        Advice::AskStaff => "staff-ask",
        Advice::NotAPassCode => "staff-not-a-pass-code",
    }
}

const fn class_key(class: Class) -> &'static str {
    match class {
        Class::Person => "staff-class-person",
        Class::Paper => "staff-class-paper",
        Class::Ward => "staff-class-ward",
        Class::Imported => "staff-class-imported",
    }
}

const fn reason_key(reason: Reason) -> &'static str {
    match reason {
        Reason::Clear => "staff-why-clear",
        Reason::Caution => "staff-why-caution",
        Reason::ActiveCause => "staff-why-active-cause",
        Reason::ColourUnknown => "staff-why-colour-unknown",
        Reason::NotLoaded => "staff-why-not-loaded",
        Reason::DocumentClass => "staff-why-document-class",
        Reason::NotRegistered => "staff-why-not-registered",
        Reason::NotACode => "staff-why-not-a-code",
        Reason::BadSeal => "staff-why-bad-seal",
        Reason::Expired => "staff-why-expired",
        Reason::NotYetValid => "staff-why-not-yet-valid",
        Reason::PlaceCode => "staff-why-place-code",
        Reason::NothingShown => "staff-why-nothing-shown",
        Reason::DecidedOffline => "staff-why-decided-offline",
        Reason::NotJudged => "staff-why-not-judged",
        Reason::ScannerAdds => "staff-why-scanner-adds",
    }
}

#[cfg(test)]
mod tests {
    use protocol::Basis;
    use protocol::trajectory::TrajectoryReason;

    use super::*;

    fn scan(came: ScanResult) -> Scan {
        Scan { n: 1, at_ms: 0, came, holder: None, old_digits: false }
    }

    fn shown(verdict: Verdict) -> String {
        sign(Some(&scan(ScanResult::Punch(verdict)))).into_string()
    }

    #[test]
    fn every_advice_and_reason_has_words_in_both_languages() {
        let mut keys: Vec<&str> = Advice::ALL.iter().map(|&advice| advice_key(advice)).collect();
        keys.extend(Reason::ALL.iter().map(|&reason| reason_key(reason)));
        keys.extend(Class::ALL.iter().map(|&class| class_key(class)));
        keys.extend(TrajectoryReason::ALL.iter().map(|&reason| travel_key(reason)));
        for key in keys {
            assert!(zh(key) != key && en(key) != key, "{key} has no words");
        }
    }

    #[test]
    fn what_is_no_pass_code_looks_like_no_colour_whatever_the_reason() {
        for &reason in Reason::ALL {
            let page = shown(Verdict::not_a_pass_code(reason));
            assert!(page.contains("class=\"none\"") && page.contains(&zh("staff-not-a-pass-code")), "{page}");
            assert!(!page.contains(&zh("colour-red")) && !page.contains(&zh("colour-green")), "{page}");
        }
    }

    #[test]
    fn only_a_person_who_may_pass_is_drawn_green() {
        for &advice in Advice::ALL {
            let (colour, basis) = (Colour::Green, Basis::Declared);
            let page = shown(Verdict { colour, advice, basis, reason: Reason::Clear });
            assert_eq!(page.contains("class=\"green\""), advice == Advice::Pass, "{page}");
        }
    }

    #[test]
    fn what_carriers_say_is_never_drawn_as_a_codes_colour() {
        use protocol::codec::Bounded;
        use protocol::trajectory::{Day, TrajectoryAnswer};
        for &reason in TrajectoryReason::ALL {
            let (day, areas) = (Day::NONE, Bounded(Vec::new()));
            let answer =
                TrajectoryAnswer { reason, first_day: day, last_day: day, last_stay_day: day, areas };
            let (giver, whose) = (None, ReceiptOwner::NotKnown);
            let came = ScanResult::Travel(Box::new(Travel { answer, giver, whose }));
            let page = sign(Some(&scan(came))).into_string();
            assert!(page.contains("class=\"travel\"") && page.contains(&zh("staff-preliminary")), "{page}");
            assert!(!page.contains("data-colour"), "{page}");
        }
    }
}
