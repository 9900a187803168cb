//! The page without its numbers, which the script fills in. Every chart has a title, a description and a value as text; without a script
//! the page links to `/metrics`.

use maud::{DOCTYPE, Markup, html};
use protocol::Colour;

use super::panels::{PANELS, Panel};
use crate::portal;

const US_OR_THEM: &str = "Mean time of a citizen's query within the last minute, in parts: what it waited here, the network, what the \
    carrier says it needed itself, and waiting for what brought no word of the carrier: because of them, or of the line.";
/// The parts of a query's time: class in the style sheet, name.
const WHOSE: [(&str, &str); 4] =
    [("us", "us"), ("network", "network"), ("them", "them"), ("silent", "no answer (them, or the line)")];

/// Returns the page.
pub(super) fn page(version: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Overview · Changtong Gateway" }
                link rel="icon" href="/overview/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/overview/uplot.css";
                link rel="stylesheet" href="/overview/overview.css";
                script src="/overview/uplot.js" defer {}
                script src="/overview/overview.js" defer {}
            }
            body data-state="starting" {
                (top(version))
                main {
                    p.aloud #aloud role="status" {}
                    section #banner aria-label="What is wrong now" {
                        p.calm { "The gateway's first numbers come in a moment." }
                    }
                    noscript { p.calm { "This page draws with a script. The numbers as text: " a href="/metrics" { "/metrics" } } }
                    div.charts { @for panel in &PANELS { (chart(panel)) } }
                    div.tables { (districts()) (carriers()) (facts()) }
                }
            }
        }
    }
}

fn top(version: &str) -> Markup {
    html! {
        header.top {
            img src="/overview/icon.svg" alt="" width="32" height="32";
            h1 { "Changtong Gateway " span.soft { "昌通码" } }
            span.tag #made-up hidden { "made-up people only" }
            span.tag #stage { "…" }
            span.soft { "version " (version) }
            span.grow {}
            span.soft #at-cursor hidden {}
            p #fresh { span.dot aria-hidden="true" {} span { "as of " } time #as-of { "--:--:--" } span.soft { "UTC+8" } span.soft #age {} }
        }
    }
}

fn chart(panel: &Panel) -> Markup {
    let title = format!("{}-title", panel.id);
    html! {
        figure.panel.chart #(panel.id) data-unit=(panel.unit.name()) data-large=(panel.large.name()) tabindex="0" aria-labelledby=(title) {
            figcaption title=(panel.about) {
                h2 id=(title) { (panel.title) }
                p.value { b.large { "–" } " " span.unit {} }
            }
            div.plot role="img" aria-label={ (panel.title) ": no numbers yet. " (panel.about) } {}
            ul.legend {
                @for line in panel.lines {
                    li class={ "line " (line.look) } data-column=(line.column) data-colour=[line.colour.map(Colour::name)] {
                        @match line.colour {
                            Some(colour) => (portal::mark(colour)),
                            None => span.key aria-hidden="true" {},
                        }
                        span { (line.label) } " " b { "–" }
                    }
                }
            }
            p.detail.soft {}
        }
    }
}

fn districts() -> Markup {
    html! {
        section.panel #districts aria-labelledby="districts-title" {
            h2 #districts-title title="Punches a second in each district, all on one scale, within the last quarter of an hour." {
                "Districts " span.soft { "punches a second, on one scale" }
            }
            ul.cells {}
            p.empty.soft { "No district has said anything yet." }
            template { li.cell {
                span.name { b {} " " span.soft lang="zh-CN" {} }
                b.rate { "–" }
                svg viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true" { path.area {} path.stroke {} }
                span.note.soft {}
            } }
        }
    }
}

fn carriers() -> Markup {
    html! {
        section.panel #carriers aria-labelledby="carriers-title" {
            h2 #carriers-title title=(US_OR_THEM) {
                "Carriers " span.soft { "is it us or them?" }
            }
            ul.carriers {}
            p.empty.soft { "This gateway asks no carrier." }
            p.legend.whose {
                @for (whose, name) in WHOSE { span class={ "line " (whose) } { span.key {} (name) } }
            }
            template { li.carrier {
                span.name { b {} } span.tag.state {} span.asked {}
                div.bar aria-hidden="true" { @for (whose, _) in WHOSE { span class=(whose) {} } }
                span.times {} span.note.soft {}
            } }
        }
    }
}

fn facts() -> Markup {
    let fact = |id: &str, name: &str, about: &str| {
        html! { div.fact id=(id) title=(about) { dt { (name) } dd { b { "–" } " " span.soft {} } } }
    };
    html! {
        section.panel #facts aria-labelledby="facts-title" {
            h2 #facts-title { "How it stands" }
            ul.codes aria-label="Codes in memory, by colour" {
                @for (colour, zh) in [(Colour::Green, "绿"), (Colour::Yellow, "黄"), (Colour::Red, "红"), (Colour::Unknown, "未知")] {
                    li class={ "line " (colour.name()) } data-colour=(colour.name()) data-code=(colour.name()) {
                        (portal::mark(colour)) b { "–" } span.soft { (colour.name()) " " span lang="zh-CN" { (zh) } }
                    }
                }
            }
            dl {
                div.fact #fleet hidden title="Which gateway of the fleet takes people's forms and operators' orders, and how far this one follows it." {
                    dt { "Fleet" } dd { b { "–" } " " span.soft {} }
                }
                (fact("devices", "Devices", "Devices that are connected."))
                (fact("lost", "Punches lost", "Punches that a device holds an acknowledgement for and the log does not have."))
                (fact("log", "Punch log", "Whether punches can be written, and how many wait for a sync."))
                (fact("parked", "Parked", "Regions, carriers and the registrar that are parked after repeated failures."))
                (fact("restarts", "Restarts of actors", "Since the process was started."))
                (fact("lag", "Colours late", "How long the oldest colour change that was due had waited."))
                (fact("memory", "Memory", "Memory that the gateway has in use."))
                (fact("disk", "Disk free", "Room that is left on the disk of the data."))
                (fact("certificates", "Certificates", "Days until the first certificate in use ends."))
                (fact("total", "Since the start", "Punches on record and codes verified since the process was started."))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_chart_with_a_title_and_nothing_inline() {
        let page = page("1.2.3").into_string();
        for panel in &PANELS {
            assert!(page.contains(&format!("id=\"{}-title\"", panel.id)), "{}", panel.id);
        }
        for forbidden in ["style=", "<style", "onclick", "http://", "https://", "<script>"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("version 1.2.3"));
    }
}
