//! The frame of every page: head, top bar, foot; and what pages share: the big status sign, fields, notices. No page here reads
//! anything; what it shows is given.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use protocol::{Basis, Colour};

use super::paths::Page;
use super::terms::{basis_key, colour_key};
use super::words::{both, en, line, zh};

/// The frame's knowledge of the visitor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frame {
    /// Larger text and targets.
    pub(crate) elder: bool,
    /// True if the visitor is signed in.
    pub(crate) signed_in: bool,
    /// Something was not accepted: the title says so first.
    pub(crate) wrong: bool,
    /// Loads the script for this page; everything but rotation and camera works without.
    pub(crate) script: Option<&'static str>,
    /// The page asks again by itself after so many seconds, without a script.
    pub(crate) refresh_s: Option<u32>,
    /// The part of the page where it is then, and the moment now: to an address with a part of itself, browsers do not go again.
    pub(crate) refresh_at: Option<(&'static str, u64)>,
    /// The page has a form whose fields are kept when the view is switched.
    pub(crate) keeps: Option<Page>,
}

/// A whole page; `here` is its own address.
pub(crate) fn page(frame: Frame, here: &str, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="zh-CN" class=[frame.elder.then_some("elder")] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content";
                meta name="theme-color" content="#1d3f72";
                meta name="format-detection" content="telephone=no";
                @if let Some(seconds) = frame.refresh_s { (refresh(seconds, frame)) }
                title { @if frame.wrong { (line("errors-mark")) ": " } (line(title)) " · " (line("product")) }
                link rel="icon" href="/s/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/s/style.css";
                script src="/s/view.js" defer {}
                @if let Some(script) = frame.script { script src={ "/s/" (script) } defer {} }
            }
            body {
                header.top {
                    a.name href="/" { span { (both("product")) } }
                    (switch(frame, here))
                }
                main id="main" { h1 { (both(title)) } (body) }
                footer {
                    nav.more aria-label=(line("more")) {
                        @if frame.signed_in { (link("/code", "nav-code")) }
                        (link("/privacy", "nav-privacy"))
                        @if frame.signed_in { (link("/out", "nav-out")) }
                    }
                    p { (both("foot")) }
                }
            }
        }
    }
}

fn link(path: &str, key: &str) -> Markup {
    html! { a href=(path) { span { (both(key)) } } }
}

/// Large letters, and back. The page stays the same one, with what is typed: the script changes the letters alone, and without a script
/// a form's fields go along.
fn switch(frame: Frame, here: &str) -> Markup {
    let (value, key, other) = if frame.elder {
        ("off", "view-standard", "view-elder")
    } else {
        ("on", "view-elder", "view-standard")
    };
    html! {
        @match frame.keeps {
            Some(page) => button.switch type="submit" form="sheet" formaction={ "/travel/" (page.name()) "/view" } formnovalidate
                name="elder" value=(value) data-other=(zh(other)) data-other-en=(en(other)) { (both(key)) },
            None => form method="post" action="/view" {
                input type="hidden" name="next" value=(here);
                button.switch type="submit" name="elder" value=(value) data-other=(zh(other)) data-other-en=(en(other)) { (both(key)) }
            }
        }
    }
}

/// Asks again by itself. A page whose script does that leaves it to the script; without one it hides what must not be begun before.
fn refresh(seconds: u32, frame: Frame) -> Markup {
    let content = match frame.refresh_at {
        Some((part, now_s)) => format!("{seconds};url=?at={now_s}#{part}"),
        None => seconds.to_string(),
    };
    let again = html! { meta http-equiv="refresh" content=(content); };
    if frame.script.is_some() {
        html! { noscript { (again) link rel="stylesheet" href="/s/waiting.css"; } }
    } else {
        again
    }
}

/// A colour as shape, word and colour.
pub(crate) fn status(colour: Colour, basis: Basis) -> Markup {
    let (word, basis) = (colour_key(colour), basis_key(basis));
    let class = colour.name();
    let label: Vec<String> = [Some(word), basis].into_iter().flatten().map(line).collect();
    html! {
        div class={ "status " (class) } role="img" aria-label=(label.join(", ")) data-colour=(class) {
            (mark(colour))
            span.word { (zh(word)) } span.en lang="en" { (en(word)) }
            @if let Some(basis) = basis { span.basis { (both(basis)) } }
        }
    }
}

/// A colour's shape: the same wherever one is shown.
pub(crate) fn mark(colour: Colour) -> Markup {
    let shape = match colour {
        Colour::Green => {
            r#"<circle cx="50" cy="50" r="44" fill="none" stroke="currentColor" stroke-width="9"/><path d="M28 52l15 15 30-34" fill="none" stroke="currentColor" stroke-width="10" stroke-linecap="round" stroke-linejoin="round"/>"#
        }
        Colour::Yellow => {
            r#"<path d="M50 8L95 88H5z" fill="none" stroke="currentColor" stroke-width="8" stroke-linejoin="round"/><path d="M50 36v26" stroke="currentColor" stroke-width="10" stroke-linecap="round"/><circle cx="50" cy="76" r="5.5" fill="currentColor"/>"#
        }
        Colour::Red => {
            r#"<path d="M31 6h38l25 25v38L69 94H31L6 69V31z" fill="none" stroke="currentColor" stroke-width="8" stroke-linejoin="round"/><path d="M34 34l32 32M66 34L34 66" stroke="currentColor" stroke-width="10" stroke-linecap="round"/>"#
        }
        Colour::Unknown => {
            r#"<rect x="8" y="8" width="84" height="84" rx="10" fill="none" stroke="currentColor" stroke-width="7" stroke-dasharray="14 9"/><path d="M37 39c0-18 27-18 27 0 0 12-14 12-14 24" fill="none" stroke="currentColor" stroke-width="9" stroke-linecap="round"/><circle cx="50" cy="78" r="5.5" fill="currentColor"/>"#
        }
    };
    html! { svg viewBox="0 0 100 100" aria-hidden="true" { (PreEscaped(shape)) } }
}

/// Something to know before going on.
pub(crate) fn notice(key: &str) -> Markup {
    html! { div.notice role="status" { (both(key)) } }
}

/// Draws the notice that pages are at another address, with a link to the page there. It opens beside this one, whose fields are kept.
pub(crate) fn is_elsewhere(origin: &str, page: &str) -> Markup {
    html! {
        div.notice role="status" {
            (both("leads-elsewhere"))
            p { a href={ (origin) (page) } target="_blank" rel="noreferrer noopener" { (origin) } }
        }
    }
}

/// Draws what is wrong with a form, above it and in the focus: a link to each field, by its id. What belongs to no field has none.
pub(crate) fn wrongs(all: &[(&str, Markup)]) -> Markup {
    html! {
        div.notice.wrong #wrongs role="alert" tabindex="-1" autofocus aria-labelledby="wrongs-title" {
            h2 #wrongs-title { (both("errors-title")) }
            ul {
                @for (field, said) in all {
                    li { @if field.is_empty() { (said) } @else { a href={ "#" (field) } { (said) } } }
                }
            }
        }
        script src="/s/wrongs.js" defer {}
    }
}

/// Draws what is wrong with a field, beside it.
pub(crate) fn beside(field: &str, said: Option<&Markup>) -> Markup {
    html! { @if let Some(said) = said { p.field-wrong id={ (field) "-wrong" } { (said) } } }
}

/// Something that went wrong, and what to do.
pub(crate) fn wrong(key: &str) -> Markup {
    html! { div.notice.wrong role="alert" { (both(key)) } }
}
