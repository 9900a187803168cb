//! A place's printed code: an A4 poster as one SVG picture, in both languages, which a browser prints (also to PDF) and the command
//! writes to a file. Its link is public: it proves no presence and opens nothing.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use maud::{Markup, PreEscaped, html};

use crate::portal::http::extract::Answer;
use crate::portal::http::qr::{self, Wear};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, en, line, zh};
use crate::portal::place;

/// A line of the name that is still read from across a street: so many Chinese characters.
const LINE_WIDE: usize = 11;
const LINES_MAX: usize = 3;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/place/{link}/poster", web::get().to(page))
        .route("/place/{link}/poster.svg", web::get().to(file));
}

/// Shows the poster of a place, to print.
async fn page(visitor: Visitor, link: web::Path<String>) -> Answer {
    let (place, path) = place::found(&visitor, &link)?;
    let file = format!("/place{}/poster.svg", &path["/p".len()..]);
    let body = html! {
        p.hint.noprint { (both("poster-how")) }
        div.poster { (picture(&place.name, &format!("{}{path}", visitor.portal.origin))) }
        a.button.quiet.noprint href=(file) download { (both("poster-file")) }
    };
    Ok(visitor.page(visitor.frame(), "poster-title", &body))
}

/// Gives the poster of a place as a file.
async fn file(visitor: Visitor, link: web::Path<String>) -> Answer {
    let (place, path) = place::found(&visitor, &link)?;
    Ok(HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"place.svg\""))
        .body(svg(&place.name, &format!("{}{path}", visitor.portal.origin))))
}

/// The poster as a file of its own.
pub(crate) fn svg(name: &str, link: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", picture(name, link).into_string())
}

/// Draws one A4 page, in millimetres.
fn picture(name: &str, link: &str) -> Markup {
    let lines = lines(name);
    let size = if lines.len() == 1 && width(&lines[0]) <= 14 { 22 } else { 15 };
    let top = 68 - (lines.len() - 1) * size / 2;
    let shown = link.split_once("://").map_or(link, |(_, rest)| rest);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 210 297" width="210mm" height="297mm" role="img"
            aria-label={ (name) ": " (link) } font-family="'Noto Sans CJK SC','Noto Sans SC','PingFang SC','Microsoft YaHei',sans-serif" text-anchor="middle" {
            rect width="210" height="297" fill="#fff" {}
            rect width="210" height="40" fill="#1d3f72" {}
            text x="105" y="20" font-size="13" font-weight="700" fill="#fff" { (zh("poster-head")) }
            text x="105" y="33" font-size="7.5" fill="#fff" { (en("poster-head")) }
            @for (index, text) in lines.iter().enumerate() {
                text x="105" y=(top + index * size * 6 / 5) font-size=(size) font-weight="800" fill="#16202e" { (text) }
            }
            @if let Some(code) = qr::picture(link, Wear::Paper, &line("poster-code")) {
                svg x="32" y="88" width="146" height="146" { (code) }
            }
            text x="105" y="237" font-size="6" fill="#4b5768" { (shown) }
            text x="105" y="250" font-size="9" font-weight="700" fill="#16202e" { (zh("poster-do")) }
            text x="105" y="259" font-size="6" fill="#16202e" { (en("poster-do")) }
            (PreEscaped("<path d=\"M25 267h160\" stroke=\"#c9d1dc\" stroke-width=\".6\"/>"))
            text x="105" y="275" font-size="5.4" fill="#4b5768" { (zh("poster-proves")) }
            text x="105" y="282" font-size="4.4" fill="#4b5768" { (en("poster-proves")) }
            text x="105" y="288" font-size="4.4" fill="#4b5768" { (en("poster-elsewhere")) }
        }
    }
}

/// Returns the width in halves of a Chinese character.
fn width(text: &str) -> usize {
    text.chars().map(|character| if character.is_ascii() { 1 } else { 2 }).sum()
}

/// The name in lines that fit; broken at spaces where there are any.
fn lines(name: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in name.split_inclusive(' ') {
        let fits = |line: &String, text: &str| width(line) + width(text.trim_end()) <= 2 * LINE_WIDE;
        if lines.last().is_some_and(|line| !line.is_empty() && !fits(line, word)) {
            lines.push(String::new());
        }
        for character in word.chars() {
            let line = lines.last_mut().expect("there is a line from the start");
            if width(line) >= 2 * LINE_WIDE {
                lines.push(character.to_string());
            } else {
                line.push(character);
            }
        }
    }
    lines.truncate(LINES_MAX);
    lines.iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poster_is_a_picture_of_its_own_and_names_are_escaped() {
        let svg = svg("<八一> & Square", "https://code.example/p/0123456789");
        assert!(svg.starts_with("<?xml") && svg.contains("xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(svg.contains("&lt;八一&gt; &amp; Square") && svg.contains("code.example/p/0123456789"));
        assert!(svg.contains("不证明") && svg.contains("proves no presence"), "{svg}");
    }

    #[test]
    fn a_name_is_broken_into_lines_that_fit() {
        for (name, expected) in [
            ("八一广场", vec!["八一广场"]),
            ("Bayi Square North Gate", vec!["Bayi Square North Gate"]),
            ("Bayi Square North Gate 12", vec!["Bayi Square North Gate", "12"]),
            ("南昌市东湖区八一大道人民政府服务中心", vec!["南昌市东湖区八一大道人", "民政府服务中心"]),
        ] {
            assert_eq!(lines(name), expected);
        }
        assert!(lines(&"长".repeat(64)).len() <= LINES_MAX);
    }
}
