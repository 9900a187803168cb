//! Checks of what people write about themselves: names, districts, and the community or street within. Documents and phones are checked in
//! the registry.

use std::borrow::Cow;

use protocol::typed_text;
use registry::RegionRow;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// The rule for a person's name, as an error tells it.
pub(crate) const NAME_RULE: &str =
    "a name is 1 to 64 letters of any script, with spaces and the signs between its parts";
/// The longest name of a person or a community.
pub const NAME_CHARS_MAX: usize = 64;
/// Streets, towns and townships with their nine digits (GB/T 2260 and later), of which the first six are the district's.
const STREETS: &str = include_str!("../data/nanchang-streets.csv");
const STREET_DIGITS: usize = 9;

/// Reads a text as [`typed_text::name`] does; `None` if it is empty, too long, or holds a character that cannot be seen: a control, a filler,
/// or the replacement for bytes that were no text.
pub fn visible(text: &str) -> Option<Cow<'_, str>> {
    let text = typed_text::name(text);
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}')
    };
    let chars = text.chars().count();
    let readable = !text.chars().any(hidden);
    ((1..=NAME_CHARS_MAX).contains(&chars) && readable).then_some(text)
}

/// Reads a person's name: letters of any script with their marks, spaces, and the signs between the parts of a name, with one letter at
/// least. `None` for a text with digits or markup.
pub fn person_name(text: &str) -> Option<Cow<'_, str>> {
    let group = |c: char| c.general_category_group();
    let joins = |c: char| {
        matches!(
            c,
            ' ' | ','
                | '\u{b7}'
                | '\u{f0b}'
                | '\u{2022}'
                | '\u{2027}'
                | '\u{30fb}'
                | '\''
                | '\u{2019}'
                | '-'
                | '\u{2010}'
                | '.'
        )
    };
    let of_names =
        |c: char| joins(c) || matches!(group(c), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Mark);
    let name = visible(text)?;
    let has_letter = name.chars().any(|c| group(c) == GeneralCategoryGroup::Letter);
    (has_letter && name.chars().all(of_names)).then_some(name)
}

/// Reads a person's name from another system's record: as [`person_name`], but with digits allowed behind the first letter, which such
/// systems add to tell people of the same name apart. Without it these people would lose their codes.
pub(crate) fn recorded_name(text: &str) -> Option<Cow<'_, str>> {
    let name = visible(text)?;
    let letters: String = name.chars().filter(|c| !c.is_ascii_digit()).collect();
    let begins = name.chars().find(|c| c.is_alphanumeric()).is_some_and(char::is_alphabetic);
    (begins && person_name(&letters).is_some()).then_some(name)
}

/// The districts and development zones of the registry's region table, with their streets.
pub struct Districts(Vec<RegionRow>);

impl Districts {
    /// Returns the districts of these regions.
    pub const fn new(regions: Vec<RegionRow>) -> Self {
        Self(regions)
    }

    /// Returns each district: its code, or its name if it has none; its name; its name in English.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().map(|row| (row.code.as_deref().unwrap_or(&row.name), &row.name[..], &row.name_en[..]))
    }

    /// Finds a district by its code, its name, or its name in English; returns its code, or its name if it has none.
    pub fn find(&self, text: &str) -> Option<&str> {
        let row = self.0.iter().find(|row| {
            row.code.as_deref() == Some(text) || row.name == text || row.name_en.eq_ignore_ascii_case(text)
        })?;
        Some(row.code.as_deref().unwrap_or(&row.name))
    }
}

/// Returns the streets of a district, each with its nine digits and its name; empty for a development zone.
pub fn streets(district: &str) -> Vec<(&'static str, &'static str)> {
    let street = |line: &'static str| {
        let (code, rest) = line.split_once(',')?;
        let (name, _) = rest.split_once(',')?;
        (code.len() == STREET_DIGITS && code.starts_with(district)).then(|| (code, name.trim_matches('"')))
    };
    if district.len() == 6 { STREETS.lines().skip(1).filter_map(street).collect() } else { Vec::new() }
}

/// Reads the part of an address after the district: empty, the nine digits of one of the district's streets, or a community's name.
pub fn community<'a>(district: &str, text: &'a str) -> Option<Cow<'a, str>> {
    if text.trim().is_empty() {
        return Some(Cow::Borrowed(""));
    }
    let digits = typed_text::digits(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return streets(district).iter().any(|(code, _)| *code == digits).then_some(digits);
    }
    visible(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_what_cannot_be_seen_are_no_names_and_marks_are_taken_away() {
        let long = "王".repeat(NAME_CHARS_MAX + 1);
        for bad in [
            "",
            " ",
            "\u{3000}",
            "\u{200b}",
            "王\u{0}伟",
            "王\u{1f}伟",
            "王\u{e0041}",
            "\u{3164}",
            "王\u{fffd}",
            &long,
        ] {
            assert_eq!(visible(bad), None, "{bad:?}");
        }
        for good in ["王伟", "阿卜杜拉·买买提", "Anna-Lena O'Neil", "𠮷田", &long[..192]] {
            assert_eq!(visible(good).as_deref(), Some(good));
        }
        for given in ["王\u{200b}伟", "王\u{202e}伟", "王\u{2067}伟", "\u{feff}王伟", "　王伟\n"] {
            assert_eq!(visible(given).as_deref(), Some("王伟"), "{given:?}");
        }
    }

    #[test]
    fn a_persons_name_has_letters_and_what_joins_them() {
        for good in [
            "王伟",
            "阿卜杜拉·买买提",
            "阿卜杜拉•买买提",
            "Anna-Lena O’Neil",
            "J. R. Smith",
            "Surname, Given",
            "Nguyễn Thị Minh",
            "e\u{301}mile",
            "सुनीता कुमारी",
            "محمد",
            "やまだ・はなこ",
            "𠮷田",
            "ཚེ་རིང",
        ] {
            assert_eq!(person_name(good).as_deref(), Some(good));
        }
        for bad in [
            "13800138000",
            "张<b>三</b>",
            "王伟1",
            "王伟１",
            "王伟①",
            "-",
            ", ,",
            "· ·",
            "王/伟",
            "王_伟",
            "a@b.example",
            "王\u{1f600}",
            "",
        ] {
            assert_eq!(person_name(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_recorded_name_may_have_digits_behind_its_first_letter() {
        for good in ["王伟", "Made Up 1", "王伟2", "O'Neil 10"] {
            assert_eq!(recorded_name(good).as_deref(), Some(good));
        }
        for bad in ["13800138000", "1 Made Up", "- 7", "张<b>三</b>", "王伟①", ""] {
            assert_eq!(recorded_name(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_street_is_one_of_its_district() {
        assert!(streets("360102").contains(&("360102002", "滕王阁街道")));
        assert!(streets("36010").is_empty() && streets("湾里管理局").is_empty() && streets("").is_empty());
        for (district, text, good) in [
            ("360102", "360102002", true),
            ("360103", "360102002", false),
            ("360102", "360102999", false),
            ("360102", "12", false),
            ("360102", "上营坊社区", true),
            ("湾里管理局", "幸福社区", true),
            ("360102", "", true),
            ("360102", "上营\u{200f}坊", true),
            ("360102", "上营\u{3164}坊", false),
        ] {
            assert_eq!(community(district, text).is_some(), good, "{district} {text:?}");
        }
    }
}
