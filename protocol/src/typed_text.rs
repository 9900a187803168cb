//! Normalisation of typed and pasted texts: numbers grouped with spaces, hyphens and dots, full-width forms, direction marks from
//! an address book, a country prefix. Each function removes only characters that have no meaning in its kind of text, so that an
//! invalid text stays invalid. Digits and letters are never lost, added or moved. Pure. Scanned texts are in `scanner`.

use std::borrow::Cow;

/// The number of digits of a mainland mobile number.
const MOBILE_DIGITS: usize = 11;

/// Converts full-width forms to ASCII and removes separators: white space, hyphens and dashes, dots, invisible and control
/// characters. For one-time codes and the eight digits on a screen.
pub fn digits(text: &str) -> Cow<'_, str> {
    kept(text, |character| !groups(character))
}

/// Converts full-width forms to ASCII and removes white space, invisible and control characters. For numbers of codes, regions and
/// places. Hyphens and dots stay, so that the caller refuses `1-4` and `17.0`.
pub fn number(text: &str) -> Cow<'_, str> {
    kept(text, |character| !is_mark(character) && !character.is_control() && !character.is_whitespace())
}

/// Normalises like [`digits`] and removes parentheses, and `+86`, `0086` or `86` before a mainland mobile number.
pub fn phone(text: &str) -> Cow<'_, str> {
    let mut number = kept(text, |character| !groups(character) && !matches!(character, '(' | ')'));
    for prefix in ["+86", "0086", "86"] {
        if number.strip_prefix(prefix).is_some_and(is_mobile) {
            match &mut number {
                Cow::Borrowed(text) => *text = &text[prefix.len()..],
                Cow::Owned(text) => drop(text.drain(..prefix.len())),
            }
            break;
        }
    }
    number
}

/// Normalises like [`digits`] and converts letters to upper case. For document numbers.
pub fn document(text: &str) -> Cow<'_, str> {
    let number = digits(text);
    if number.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Cow::Owned(number.to_ascii_uppercase());
    }
    number
}

/// Removes invisible characters, converts full-width Latin letters and digits to ASCII, replaces each run of white space by one
/// space, and trims.
pub fn name(text: &str) -> Cow<'_, str> {
    let is_plain = |text: &str| {
        let mut before = ' ';
        let plain = text.chars().all(|character| {
            let doubled = character == ' ' && before == ' ';
            before = character;
            !doubled
                && !is_mark(character)
                && !is_wide_latin(character)
                && (character == ' ' || !character.is_whitespace())
        });
        plain && !text.ends_with(' ')
    };
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let narrow = |character| if is_wide_latin(character) { half_width(character) } else { character };
    let visible: String = text.chars().filter(|&character| !is_mark(character)).map(narrow).collect();
    Cow::Owned(visible.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Returns the ASCII character of a full-width form; any other character unchanged.
pub(crate) fn half_width(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xff01 + 0x21).unwrap_or(character),
        '\u{3000}' => ' ',
        other => other,
    }
}

/// Reports an invisible character: a direction mark, a zero-width character, a soft hyphen, a byte order mark.
pub(crate) const fn is_mark(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn kept(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(|character| is_kept(character) && half_width(character) == character) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(half_width).filter(|&character| is_kept(character)).collect())
}

/// Reports a separator, which has no meaning between digits.
fn groups(character: char) -> bool {
    is_mark(character)
        || character.is_control()
        || character.is_whitespace()
        || matches!(
            character,
            '-' | '.' | '\u{b7}' | '\u{2010}'
                ..='\u{2015}' | '\u{2212}' | '\u{3002}' | '\u{fe58}' | '\u{fe63}' | '\u{ff61}'
        )
}

fn is_mobile(number: &str) -> bool {
    number.len() == MOBILE_DIGITS
        && number.starts_with('1')
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

const fn is_wide_latin(character: char) -> bool {
    matches!(character, '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Digits, letters, and characters that people and programs put around and between them.
    const GIVEN: &str = "[0-9A-Za-z０-９Ａ-Ｚａ-ｚ王伟· \u{3000}\u{a0}()（）+＋.。\u{2010}-\u{2015}\u{200e}\u{202c}\u{2068}\u{feff}\t\r\n\u{0}×·/-]{0,24}";

    /// Returns the digits and letters, which have to stay the same.
    fn essence(text: &str) -> String {
        text.chars().map(half_width).filter(|character| character.is_alphanumeric()).collect()
    }

    proptest! {
        #[test]
        fn digits_and_letters_are_never_lost_added_or_reordered(text in GIVEN) {
            let essence_of = essence(&text);
            prop_assert_eq!(essence(&digits(&text)), essence_of.clone());
            let dots = |text: &str| text.chars().map(half_width).filter(|c| matches!(c, '.' | '-')).count();
            prop_assert_eq!((essence(&number(&text)), dots(&number(&text))), (essence_of.clone(), dots(&text)));
            prop_assert_eq!(essence(&document(&text)), essence_of.to_ascii_uppercase());
            prop_assert_eq!(essence(&name(&text)), essence_of.clone());
            let phone = essence(&phone(&text));
            let prefix = essence_of.strip_suffix(&phone[..]).expect("only something in front may go");
            prop_assert!(prefix.is_empty() || matches!(prefix, "86" | "0086") && is_mobile(&phone), "{:?}", prefix);
        }

        #[test]
        fn whatever_was_read_reads_as_itself(text in "\\PC{0,30}|(\\PC|\\pC){0,30}", given in GIVEN) {
            for text in [text, given] {
                for read in [digits, phone, document, name] {
                    let once = read(&text).into_owned();
                    prop_assert!(matches!(read(&once), Cow::Borrowed(again) if again == once), "{:?}", once);
                }
            }
        }

        #[test]
        fn what_is_no_grouping_stays_and_is_refused_by_name(
            (before, after) in ("[0-9 -]{0,6}", "[0-9 -]{0,6}"), odd in "[A-Z王,/×+*#'\"²①٣]",
        ) {
            let text = format!("{before}{odd}{after}");
            for read in [digits, phone, document] {
                prop_assert!(read(&text).contains(&odd));
            }
            prop_assert_eq!(name(&odd), &odd[..]);
        }
    }

    #[test]
    fn numbers_read_however_they_were_grouped() {
        for text in [
            "123 456",
            " 123456 ",
            "１２３４５６",
            "123456\u{202c}",
            "123-456。",
            "12.34.56\r\n",
            "\u{feff}123\u{2011}456",
        ] {
            assert_eq!(digits(text), "123456", "{text:?}");
        }
        for text in [
            "0086 163 8888 1201",
            "8616388881201",
            "+86\u{a0}163\u{a0}8888\u{a0}1201",
            "\u{202d}16388881201\u{202c}",
            "\u{2068}+86 163 8888 1201\u{2069}",
            "（＋86）163－8888－1201",
            "163\u{2011}8888\u{2011}1201",
        ] {
            assert_eq!(phone(text), "16388881201", "{text:?}");
        }
        for (text, expected) in [
            ("+852 6123 4567", "+85261234567"),
            ("86 1638888120", "861638888120"),
            ("8686 16388881201", "868616388881201"),
        ] {
            assert_eq!(phone(text), expected);
        }
        assert_eq!(document("１１０１０５ 19491231 002ｘ"), "11010519491231002X");
        assert_eq!(document("h-1234.5678"), "H12345678");
    }

    #[test]
    fn names_keep_their_signs() {
        for (text, expected) in [
            ("\u{3000}王\u{200b}伟 ", "王伟"),
            ("Ａｎｎａ\u{a0} Ｌｅｅ", "Anna Lee"),
            ("阿卜杜拉·买买提", "阿卜杜拉·买买提"),
            ("Anna-Lena\n O'Neil", "Anna-Lena O'Neil"),
            ("王（大）", "王（大）"),
            ("王\u{0}伟", "王\u{0}伟"),
        ] {
            assert_eq!(name(text), expected, "{text:?}");
        }
    }
}
