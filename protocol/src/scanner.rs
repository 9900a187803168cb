//! Normalisation of scanned texts. A scanner, or the keyboard that it emulates, may add an AIM identifier, an ECI mark, a URL scheme,
//! control and invisible characters, white space and line ends, may send a text twice, and may change letters to lower case or full
//! width. [`plain`] removes additions that no code of this city can contain; [`bare`] removes a scheme and a repetition, which some
//! legacy codes could contain. Letter case changes only where a code's alphabet has one case. Pure. Typed text is in `typed_text`.

use std::borrow::Cow;

use crate::place::PlaceCode;
use crate::receipt::{self, RECEIPT_BYTES};
use crate::token::{self, TOKEN_BYTES};
use crate::typed_text::{self, half_width, is_mark};

/// The number of digits after the backslash of an ECI mark.
const ECI_DIGITS: usize = 6;
/// The schemes that scanner apps prepend to texts that they take for links.
const SCHEMES: [&str; 3] = ["https://", "http://", "url:"];
/// The minimum length of one half of a doubled text: a shorter repetition can be a code of its own.
const DOUBLED_BYTES_MIN: usize = 4;
/// The maximum length between the halves of a doubled text: a separator, an AIM identifier, an ECI mark and a scheme.
const GAP_BYTES_MAX: usize = 24;

/// Removes control characters (line ends, tabs, GS, STX, NUL, …), invisible characters (byte order mark, direction marks, zero-width
/// characters), and at the start one AIM identifier (`]Q1`) and ECI marks (`\000026`). Keeps spaces, which may belong to the code.
/// Borrowed if nothing was removed.
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

/// Reports a text that [`plain`] or trimming white space would change. Many such texts indicate a wrongly configured scanner.
pub fn has_additions(text: &str) -> bool {
    let plain = plain(text);
    plain.len() != text.len() || (plain.trim().len() != plain.len() && token_of(&plain).is_none())
}

/// Removes leading schemes and a repetition from a [`plain`] text. The caller looks up the unshortened text first, because a legacy
/// code may contain either.
pub fn bare(plain: &str) -> &str {
    once(without_schemes(plain.trim()))
}

/// Reads a token from a scanned text: as it is, else after removing and reversing what scanners add and change.
pub(crate) fn token_of(text: &str) -> Option<[u8; TOKEN_BYTES]> {
    base45_of(text, token::from_text)
}

/// Reads a token as [`token_of`] does, and reports whether the text had to be normalised.
pub fn read_token(text: &str) -> Option<([u8; TOKEN_BYTES], bool)> {
    let as_it_stands = token::from_text(text).map(|bytes| (bytes, false));
    as_it_stands.or_else(|| put_right(text, token::from_text).map(|bytes| (bytes, true)))
}

/// Reads a consent receipt from a scanned text, as [`token_of`] reads a token.
pub fn receipt_of(text: &str) -> Option<[u8; RECEIPT_BYTES]> {
    base45_of(text, receipt::from_text)
}

/// Reads a place's link as scanned or typed: in any case, with `https`, `http`, no or two schemes, and followed by a query, a
/// fragment, slashes or punctuation.
pub fn place_of(text: &str) -> Option<PlaceCode> {
    let plain = plain(text);
    if !plain.contains(['/', '\u{ff0f}']) {
        return None;
    }
    let text = narrow(&plain);
    let link = bare(&text).split(['?', '#']).next().unwrap_or_default();
    PlaceCode::from_link(link.trim_end_matches(is_link_end))
}

/// Reads the ten characters of a place code from a path or a form: any case and width, with spaces and hyphens between them and
/// slashes or punctuation after them.
pub fn place_code_of(text: &str) -> Option<PlaceCode> {
    PlaceCode::from_text(typed_text::digits(text).trim_end_matches(is_link_end))
}

fn base45_of<const N: usize>(text: &str, read: fn(&str) -> Option<[u8; N]>) -> Option<[u8; N]> {
    read(text).or_else(|| put_right(text, read))
}

/// Tries the plain text, then the bare one.
fn put_right<const N: usize>(text: &str, read: fn(&str) -> Option<[u8; N]>) -> Option<[u8; N]> {
    let plain = plain(text);
    let bare = bare(&plain);
    let shortened = || if bare.len() < plain.trim().len() { spaced(bare, read) } else { None };
    spaced(&plain, read).or_else(shortened)
}

/// Tries the text in upper case as it is, trimmed, and with one leading space, which a code's text may have and some scanners trim.
/// No code's text begins with two spaces or ends with one.
fn spaced<const N: usize>(plain: &str, read: fn(&str) -> Option<[u8; N]>) -> Option<[u8; N]> {
    let len = N / 2 * 3 + N % 2 * 2;
    // The length excludes most texts without a copy.
    let visible = plain.chars().filter(|&character| character != ' ' && character != '\u{3000}').count();
    if plain.chars().count() + 1 < len || visible > len {
        return None;
    }
    let text = narrow(plain).to_ascii_uppercase();
    let trimmed = text.trim_matches(' ');
    [&text, trimmed, &format!(" {trimmed}")].into_iter().find_map(read)
}

fn narrow(text: &str) -> String {
    text.chars().map(half_width).collect()
}

/// Reports a character that no code's text contains.
fn is_added(character: char) -> bool {
    character.is_control() || is_mark(character)
}

fn without_marks(text: &str) -> &str {
    let mut rest = without_eci(text);
    // `]`, a letter and a digit: the AIM symbology identifier (ISO/IEC 15424).
    if let [b']', letter, digit, ..] = rest.as_bytes()
        && letter.is_ascii_alphabetic()
        && digit.is_ascii_digit()
    {
        rest = without_eci(&rest[3..]);
    }
    rest
}

fn without_schemes(mut text: &str) -> &str {
    while let Some(rest) = SCHEMES.into_iter().find_map(|scheme| {
        let (start, rest) = text.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    }) {
        text = rest.trim_start();
    }
    text
}

/// Returns the first half of a text whose halves are equal and have only separators between them; any other text unchanged.
fn once(text: &str) -> &str {
    let separated = |gap: usize| {
        let half = text.len().checked_sub(gap).filter(|both| both % 2 == 0)? / 2;
        let (one, between, other) = (text.get(..half)?, text.get(half..half + gap)?, text.get(half + gap..)?);
        (half >= DOUBLED_BYTES_MIN && one == other && is_gap(between)).then_some(one)
    };
    (0..=GAP_BYTES_MAX).find_map(separated).unwrap_or(text)
}

fn is_gap(between: &str) -> bool {
    let separates = |character: char| character.is_whitespace() || matches!(character, ',' | ';' | '|');
    without_schemes(without_marks(between.trim_matches(separates))).trim_matches(separates).is_empty()
}

/// Reports a character that may follow a link: punctuation of a sentence, a closing slash, white space.
fn is_link_end(character: char) -> bool {
    matches!(character, '/' | '.' | ',' | ';' | '\u{3002}' | '\u{ff61}') || character.is_whitespace()
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
            (lower, full_width, trimmed, scheme, twice) in any::<(bool, bool, bool, bool, bool)>(),
            between in select(&["", "\r\n", "\t", " ", ",", ";", "]Q1"][..]),
        ) {
            let given = |text: String| {
                let text = if trimmed { text.trim().to_owned() } else { text };
                let text = if lower { text.to_ascii_lowercase() } else { text };
                let text = if full_width { wide(&text) } else { text };
                let text = if scheme { format!("http://{text}") } else { text };
                let text = if twice { format!("{text}{between}{text}") } else { text };
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
            let _ = (token_of(&text), receipt_of(&text), place_of(&text), has_additions(&text), place_code_of(&text));
            prop_assert!(once.contains(bare(&once)));
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
    fn a_text_that_was_read_twice_is_one() {
        for (text, expected) in [
            ("NEAC-1NEAC-1", "NEAC-1"),
            ("NEAC-1 NEAC-1", "NEAC-1"),
            ("NEAC-1]Q1\\000026NEAC-1", "NEAC-1"),
            ("https://NEAC-1;https://NEAC-1", "NEAC-1"),
            ("二维码1|二维码1", "二维码1"),
            ("http://NEAC-1", "NEAC-1"),
            ("NEAC-1NEAC-2", "NEAC-1NEAC-2"),
            ("NEAC-1-NEAC-1", "NEAC-1-NEAC-1"),
            ("111111", "111111"),
            ("ftp://NEAC-1", "ftp://NEAC-1"),
            ("", ""),
        ] {
            assert_eq!(bare(text), expected, "{text:?}");
        }
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
            format!("https://https://code.example/p/{text}"),
            format!("URL:http://code.example/p/{text}。"),
            format!("https://code.example/p/{text}https://code.example/p/{text}"),
            format!("https://code.example/p/{text}\r\n]Q1https://code.example/p/{text}\r\n"),
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
