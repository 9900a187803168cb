//! The report of a run as one HTML file: no script, no external files, readable on a phone, in the dark and on paper.
//! Charts are in `html/figures.rs`, tables in `html/tables.rs`, the style in `html/style.css`.

use std::fs;
use std::io;
use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::words;
use crate::outcome::{Exit, Report};

mod chart;
mod figures;
mod tables;

/// The page's name in a run's folder.
pub(crate) const PAGE_FILE: &str = "report.html";
/// The limit of reasons in the banner; the JSON report has all.
const REASONS_MAX: usize = 12;
const STYLE: &str = include_str!("html/style.css");

/// Writes [`PAGE_FILE`] into the folder, which exists.
///
/// # Errors
/// An error of the file system.
pub fn write(report: &Report, folder: &Path) -> io::Result<()> {
    fs::write(folder.join(PAGE_FILE), page(report))
}

/// Makes the page, at most 300 KB whatever the run's length.
pub fn page(report: &Report) -> String {
    let scenario = &report.scenario;
    let title = format!("{}: {}", tables::cut(&scenario.name), words::headline(report));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.over { "Changtong Gateway · load test" }
                    h1 { (tables::cut(&scenario.name)) }
                    p { (tables::cut(&scenario.about)) }
                    @if let Some(expected) = &scenario.expected { p.quiet { "Expected: " (tables::cut(expected)) } }
                }
                main { (banner(report)) (sections(report)) }
                footer { p.quiet {
                    "Latency counts from the moment a person was due, so that waiting behind others is seen. "
                    "The same figures, whole: report.json and intervals.hlog beside this page."
                } }
            }
        }
    };
    page.into_string()
}

fn banner(report: &Report) -> Markup {
    let verdict = &report.verdict;
    html! {
        section.verdict aria-label="Verdict" {
            (shape(verdict.exit))
            div {
                h2 { (words::headline(report)) }
                p { (words::meaning(report)) }
                @if let Some(first) = words::first_break(report) { p { b { "What broke first: " } (first) "." } }
                @if !verdict.reasons.is_empty() {
                    ul { @for reason in verdict.reasons.iter().take(REASONS_MAX) { li { (tables::cut(reason)) } } }
                    @if verdict.reasons.len() > REASONS_MAX {
                        p.quiet { "And " (verdict.reasons.len() - REASONS_MAX) " more in report.json." }
                    }
                }
                p.quiet { "Exit code " (verdict.code) " · " (words::time(report.run.seconds)) " · seed " (report.run.seed) }
            }
        }
    }
}

/// Draws the shape of a verdict; each has its own.
fn shape(exit: Exit) -> Markup {
    let path = match exit {
        Exit::Pass => "M24,4a20,20 0 1 0 .1,0zM14,25l7,7l13,-15",
        Exit::Threshold => "M24,3l21,21l-21,21l-21,-21zM24,14v11M24,32v.1",
        Exit::Invalid => "M6,6h36v36h-36zM18,19a6,6 0 1 1 8,6q-2,1 -2,4M24,35v.1",
        Exit::Correctness => "M15,4h18l11,11v18l-11,11h-18l-11,-11v-18zM16,16l16,16M32,16l-16,16",
    };
    html! { svg.shape width="48" height="48" viewBox="0 0 48 48" aria-hidden="true" { path d=(path) {} } }
}

fn sections(report: &Report) -> Markup {
    let each = figures::intervals_a_point(report);
    let thinned = html! { @if each > 1 {
        p.quiet { "A point stands for " (each) " intervals: rates are their mean, latencies the worst of them." }
    } };
    html! {
        (section("Over time", html! {
            (figures::rates(report))
            (thinned)
            @if !report.events.is_empty() { (scroll(tables::events(report))) }
        }))
        (section("What had to hold", html! {
            (scroll(if report.thresholds.is_empty() { html! { p.quiet { "The scenario names no thresholds." } } }
                else { tables::thresholds(report) }))
        }))
        (section("Proof", scroll(tables::proof(&report.proof))))
        @if let Some(fleet) = &report.fleet { (section("Fleet", scroll(tables::fleet(fleet)))) }
        (section("Latency", html! {
            (figures::latencies(report))
            (figures::percentiles(report))
            (scroll(tables::kinds(report)))
        }))
        (section("Who left", scroll(tables::failures(report))))
        (section("Stages", scroll(tables::stages(report))))
        @if !report.server.is_empty() {
            (section("The gateway's own figures", html! {
                (figures::server(report))
                @if report.server.len() > figures::SERIES_MAX {
                    p.quiet { "And " (report.server.len() - figures::SERIES_MAX) " more in report.json." }
                }
            }))
        }
        (section("Generator and network", html! {
            div.pair { (scroll(tables::generator(report))) (scroll(tables::network(report))) }
        }))
        (section("The run", scroll(tables::run(report))))
    }
}

fn section(title: &str, body: Markup) -> Markup {
    html! { section { h2 { (title) } (body) } }
}

/// Wraps a table so that it scrolls by itself on a phone.
fn scroll(body: Markup) -> Markup {
    html! { div.scroll tabindex="0" { (body) } }
}
