//! Texts as scanners give them. A scanner, or the keyboard that it plays, may add an AIM identifier, an ECI mark, control and
//! invisible characters, white space and line ends, and may change letters to lower case or full width. [`plain`] takes away what
//! no code of this city begins, ends or is broken with; the letters of a text are changed only where a code's alphabet has one
//! case. Pure; the one place that says what may be changed and what never.

use std::borrow::Cow;

use crate::place::PlaceCode;
use crate::receipt::{self, RECEIPT_BYTES};
use crate::token::{self, TOKEN_BYTES};

/// Digits of an ECI mark behind its backslash.
const ECI_DIGITS: usize = 6;

/// Removes what scanners add: control characters (line ends, tabs, GS, STX, NUL, …), invisible marks (a byte order mark, marks of
/// direction, zero-width characters), and in front of the rest one AIM identifier (`]Q1`) and ECI marks (`\000026`). Spaces stay:
/// one of them may belong to the code. Borrowed if there was nothing to remove.
pub fn plain(text: &str) -> Cow<'_, str> {
    let visible = if text.chars().any(is_added) {
        Cow::Owned(text.chars().filter(|&character| !is_added(character)).collect())
    } else {
        Cow::Borrowed(text)
    };
    let begin = visible.len() - without_marks(&visible).len();
    match visible {
        Cow::Borrowed(text) => Cow::Borrowed(&text[begin..]),
        Cow::Owned(mut text) => {
            text.drain(..begin);
            Cow::Owned(text)
        }
    }
}

/// Reports a text from which [`plain`] or a trim of white space takes something: a scanner that is set wrong, if it does so again
/// and again.
pub fn has_additions(text: &str) -> bool {
    let plain = plain(text);
    plain.len() != text.len() || (plain.trim().len() != plain.len() && token_of(&plain).is_none())
}

/// Reads a token from a text as scanned: [`token::from_text`], and the same behind whatever a scanner added or changed.
pub fn token_of(text: &str) -> Option<[u8; TOKEN_BYTES]> {
    base45_of(text, token::from_text)
}

/// Reads a token as [`token_of`] does; true if something that a scanner added or changed had to be put right. A text that reads as it
/// stands costs no more than there.
pub fn read_token(text: &str) -> Option<([u8; TOKEN_BYTES], bool)> {
    let as_it_stands = token::from_text(text).map(|bytes| (bytes, false));
    as_it_stands.or_else(|| put_right(text, token::from_text).map(|bytes| (bytes, true)))
}

/// Reads a consent receipt from a text as scanned, as [`token_of`] does a token.
pub fn receipt_of(text: &str) -> Option<[u8; RECEIPT_BYTES]> {
    base45_of(text, receipt::from_text)
}

/// Reads a place's link as scanned or typed: any case of the scheme, `http` or none, a query or a slash behind it.
pub fn place_of(text: &str) -> Option<PlaceCode> {
    let plain = plain(text);
    if !plain.contains(['/', '\u{ff0f}']) {
        return None;
    }
    let text = half_width(plain.trim());
    let link = text.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    PlaceCode::from_link(link)
}

fn base45_of<const N: usize>(text: &str, read: fn(&str) -> Option<[u8; N]>) -> Option<[u8; N]> {
    read(text).or_else(|| put_right(text, read))
}

/// Tries a text that is nothing as it stands in one case, without spaces around it, and with the one space that a code's text may begin
/// with: some scanners trim it. No code's text begins with two or ends with one.
fn put_right<const N: usize>(text: &str, read: fn(&str) -> Option<[u8; N]>) -> Option<[u8; N]> {
    let (plain, len) = (plain(text), N / 2 * 3 + N % 2 * 2);
    // Most texts are no such code whatever is trimmed: they are told by their length, and none of them is copied.
    let visible = plain.chars().filter(|&character| character != ' ' && character != '\u{3000}').count();
    if plain.chars().count() + 1 < len || visible > len {
        return None;
    }
    let text = half_width(&plain).to_ascii_uppercase();
    let trimmed = text.trim_matches(' ');
    [&text, trimmed, &format!(" {trimmed}")].into_iter().find_map(read)
}

/// Full-width forms as the ASCII characters that they stand for.
fn half_width(text: &str) -> String {
    let narrow = |character| match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xff01 + 0x21).unwrap_or(character),
        '\u{3000}' => ' ',
        other => other,
    };
    text.chars().map(narrow).collect()
}

/// Characters that no code's text holds.
fn is_added(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn without_marks(text: &str) -> &str {
    let mut rest = without_eci(text);
    // `]` with a letter and a digit: how a scanner names the symbology (ISO/IEC 15424).
    if let [b']', letter, digit, ..] = rest.as_bytes()
        && letter.is_ascii_alphabetic()
        && digit.is_ascii_digit()
    {
        rest = without_eci(&rest[3..]);
    }
    rest
}

fn without_eci(mut text: &str) -> &str {
    while let Some(rest) = text.strip_prefix('\\')
        && rest.len() >= ECI_DIGITS
        && rest.as_bytes()[..ECI_DIGITS].iter().all(u8::is_ascii_digit)
    {
        text = &rest[ECI_DIGITS..];
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const BEFORE: [&str; 12] = [
        "",
        "]Q1",
        "]Q3",
        "]d2",
        "\\000026",
        "]Q1\\000026",
        "\u{1d}",
        "\u{2}",
        "\u{feff}",
        "\u{0}",
        " ",
        "\u{200e}",
    ];
    const AFTER: [&str; 12] =
        ["", "\r", "\n", "\r\n", "\t", " ", "\u{3}", "\u{4}", "\u{1d}", "\u{202c}", "\u{0}", " \r\n"];

    fn wide(text: &str) -> String {
        let widen = |character| match character {
            '!'..='~' => char::from_u32(u32::from(character) - 0x21 + 0xff01).expect("a full-width form"),
            ' ' => '\u{3000}',
            other => other,
        };
        text.chars().map(widen).collect()
    }

    proptest! {
        #[test]
        fn whatever_a_scanner_adds_or_changes_a_code_reads_as_the_bare_one(
            mut token: [u8; TOKEN_BYTES],
            mut receipt: [u8; RECEIPT_BYTES],
            (before, after) in (select(&BEFORE[..]), select(&AFTER[..])),
            (lower, full_width, trimmed) in any::<(bool, bool, bool)>(),
        ) {
            let given = |text: String| {
                let text = if trimmed { text.trim().to_owned() } else { text };
                let text = if lower { text.to_ascii_lowercase() } else { text };
                let text = if full_width { wide(&text) } else { text };
                format!("{before}{text}{after}")
            };
            (token[0], receipt[0]) = (token::TOKEN_VERSION, receipt::RECEIPT_VERSION);
            let text = token::to_text(&token);
            prop_assert_eq!(token_of(&given(text.clone())), Some(token), "{:?}", text);
            let text = receipt::to_text(&receipt);
            prop_assert_eq!(receipt_of(&given(text)), Some(receipt));
        }

        #[test]
        fn what_a_text_is_made_of_is_never_changed(text in "[ -Z^-~\u{4e00}-\u{4eff}]{0,60}") {
            prop_assert_eq!(plain(&text), text.as_str());
        }

        #[test]
        fn any_text_reads_without_a_panic(text in "(\\PC|\\pC|[\\\\\\]0-9Qq ]){0,60}") {
            let once = plain(&text).into_owned();
            let _ = (token_of(&text), receipt_of(&text), place_of(&text), has_additions(&text));
            prop_assert!(!once.chars().any(is_added));
        }
    }

    #[test]
    fn additions_are_noticed_and_a_codes_own_space_is_none() {
        let token = [[1, 5].as_slice(), &[7; 16]].concat().try_into().expect("18 bytes");
        let text = token::to_text(&token);
        assert!(text.starts_with(' ') && !has_additions(&text));
        for scanned in ["]Q1NC-1", "NC-1\r\n", "NC-1 ", "\\000026NC-1", &format!("{text}\t")] {
            assert!(has_additions(scanned), "{scanned:?}");
        }
        assert!(!has_additions("NC-1") && !has_additions("NC 1") && !has_additions("[Q1NC-1"));
    }

    #[test]
    fn a_places_link_reads_in_every_spelling() {
        let place = PlaceCode::from_random(77);
        let text = place.to_text();
        for link in [
            format!("https://code.example/p/{text}"),
            format!("HTTPS://CODE.EXAMPLE/P/{text}"),
            format!("http://code.example/p/{text}"),
            format!("code.example/p/{text}"),
            format!("]Q1https://code.example/p/{text}/"),
            format!("https://code.example/p/{text}?from=poster#top"),
            format!(" https://code.example/p/{}\r\n", text.to_lowercase()),
            wide(&format!("https://code.example/p/{text}")),
        ] {
            assert_eq!(place_of(&link), Some(place), "{link:?}");
        }
        for other in ["https://code.example/q/0123456789", "/p/", "p/0123456789", "pay:/p/0123456789"] {
            assert_eq!(place_of(other), None, "{other:?}");
        }
    }
}
