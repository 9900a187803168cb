//! QR codes as small SVG pictures: one path, sharp at any size and on paper.

use maud::{Markup, html};
use qrcode::{EcLevel, QrCode};

/// Modules left white around it, by the standard.
const QUIET: usize = 4;

/// The share of a code that may be dirty or creased.
#[derive(Clone, Copy)]
pub(crate) enum Wear {
    /// A screen: 15 %.
    Screen,
    /// Paper in a pocket: 25 %.
    Paper,
}

/// The text as a picture; `None` if no code can hold it.
pub(crate) fn picture(text: &str, wear: Wear, label: &str) -> Option<Markup> {
    let level = match wear {
        Wear::Screen => EcLevel::M,
        Wear::Paper => EcLevel::Q,
    };
    let code = QrCode::with_error_correction_level(text, level).ok()?;
    let side = code.width() + 2 * QUIET;
    let modules: Vec<bool> = code.to_colors().into_iter().map(|module| module.select(true, false)).collect();
    let path = path(&modules, code.width());
    Some(html! {
        svg viewBox={ "0 0 " (side) " " (side) } role="img" aria-label=(label) shape-rendering="crispEdges" {
            path d=(path) stroke="#000" {}
        }
    })
}

/// A line for each run of dark modules.
fn path(dark: &[bool], width: usize) -> String {
    let mut path = String::with_capacity(2_000);
    for (row, modules) in dark.chunks(width).enumerate() {
        let (mut at, mut pen) = (0, None);
        for run in modules.chunk_by(|a, b| a == b) {
            if run[0] {
                match pen {
                    None => path.push_str(&format!("M{} {}.5", at + QUIET, row + QUIET)),
                    Some(pen) => path.push_str(&format!("m{} 0", at - pen)),
                }
                path.push_str(&format!("h{}", run.len()));
                pen = Some(at + run.len());
            }
            at += run.len();
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_code_is_coarse_and_its_picture_small() {
        let token = protocol::token::to_text(&[0xa5; protocol::token::TOKEN_BYTES]);
        for wear in [Wear::Screen, Wear::Paper] {
            let picture = picture(&token, wear, "code").unwrap().into_string();
            // 25 modules: version 2, which cheap scanners read at arm's length.
            assert!(picture.contains("0 0 33 33"), "{picture}");
            assert!(picture.len() < 2_000, "{} bytes", picture.len());
        }
    }

    #[test]
    fn the_path_draws_what_the_code_says() {
        let code = QrCode::with_error_correction_level("CHANGTONG", EcLevel::M).unwrap();
        let dark = code.to_colors().iter().filter(|module| module.select(true, false)).count();
        let modules: Vec<bool> =
            code.to_colors().into_iter().map(|module| module.select(true, false)).collect();
        let path = path(&modules, code.width());
        let drawn: usize = path
            .split('h')
            .skip(1)
            .map(|run| run.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<usize>().unwrap())
            .sum();
        assert_eq!(drawn, dark);
        assert!(path.starts_with("M4 4.5h7"), "{path}");
    }
}
