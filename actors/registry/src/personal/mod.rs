//! Phones and documents, checked when they are parsed. They have no `Display`, and their `Debug` hides them.

pub(crate) mod seal;

use std::fmt;

use protocol::typed_text;

/// Number ranges that belong to no subscriber, and other made-up data.
const MADE_UP: &str = include_str!("../../../data/made-up.csv");

/// A mobile number of the mainland, eleven digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

impl Phone {
    /// Parses a number as people write it: [`typed_text::phone`].
    pub fn parse(text: &str) -> Option<Self> {
        let digits = typed_text::phone(text);
        let [b'1', b'3'..=b'9', rest @ ..] = digits.as_bytes() else { return None };
        (rest.len() == 9 && rest.iter().all(u8::is_ascii_digit)).then(|| Self(digits.clone().into_owned()))
    }

    /// Returns the first three digits and the last four, for the owner to recognise it.
    pub fn masked(&self) -> String {
        format!("{}****{}", &self.0[..3], &self.0[7..])
    }

    /// Returns whether the number is of a range that belongs to no subscriber: a person of a made-up city.
    pub fn is_made_up(&self) -> bool {
        MADE_UP.lines().filter_map(|line| line.strip_prefix("phone,")).any(|range| self.0.starts_with(range))
    }

    /// Returns the digits, for sealing, hashing and asking a carrier only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(…)")
    }
}

/// The kind of document a person is registered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// Resident identity card, 18 characters with a checksum.
    IdCard,
    /// Mainland travel permit of people from Hong Kong and Macau.
    HkMacauPermit,
    /// Mainland travel permit of people from Taiwan.
    TaiwanPermit,
    /// Any country's passport.
    Passport,
    /// Foreign permanent resident identity card.
    ForeignPrCard,
}

impl DocumentKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::IdCard, Self::HkMacauPermit, Self::TaiwanPermit, Self::Passport, Self::ForeignPrCard];

    /// Returns the name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdCard => "id-card",
            Self::HkMacauPermit => "hk-macau-permit",
            Self::TaiwanPermit => "taiwan-permit",
            Self::Passport => "passport",
            Self::ForeignPrCard => "foreign-pr-card",
        }
    }

    /// Returns the kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A document's kind and number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DocumentNumber {
    kind: DocumentKind,
    number: String,
}

impl DocumentNumber {
    /// Parses a number of this kind as people write it, [`typed_text::document`], and checks it as far as the kind allows.
    pub fn parse(kind: DocumentKind, text: &str) -> Option<Self> {
        let number = typed_text::document(text).into_owned();
        let valid = match kind {
            DocumentKind::IdCard => is_id_card(&number),
            DocumentKind::HkMacauPermit => {
                number.starts_with(['H', 'M'])
                    && (shape(&number, "A00000000") || shape(&number, "A0000000000"))
                    || is_residence_permit(&number, &["810000", "820000"])
            }
            DocumentKind::TaiwanPermit => {
                shape(&number, "00000000") || is_residence_permit(&number, &["830000"])
            }
            DocumentKind::Passport => {
                (5..=20).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }
            DocumentKind::ForeignPrCard => {
                shape(&number, "AAA000000000000") || number.starts_with('9') && has_checksum(&number)
            }
        };
        valid.then_some(Self { kind, number })
    }

    /// Restores a stored number without checks, because rules may be stricter than when it was stored.
    pub(super) fn kept(kind: DocumentKind, number: &str) -> Self {
        Self { kind, number: number.to_owned() }
    }

    /// Returns the kind of document.
    pub const fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// Returns whether the number alone proves nothing about the document: this kind has no checksum and no register here.
    pub const fn is_foreign(&self) -> bool {
        match self.kind {
            DocumentKind::IdCard => false,
            DocumentKind::HkMacauPermit
            | DocumentKind::TaiwanPermit
            | DocumentKind::Passport
            | DocumentKind::ForeignPrCard => true,
        }
    }

    /// Returns the number with all but the last four characters hidden, for the owner to recognise it.
    pub fn masked(&self) -> String {
        let tail = self.tail();
        format!("{}{tail}", "*".repeat(self.number.len() - tail.len()))
    }

    /// Returns the last four characters, for comparing a document.
    pub fn tail(&self) -> &str {
        self.number.char_indices().rev().nth(3).map_or(&self.number, |(at, _)| &self.number[at..])
    }

    /// Returns the number, for sealing and hashing only.
    pub fn reveal(&self) -> &str {
        &self.number
    }
}

impl fmt::Debug for DocumentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentNumber({}, …)", self.kind.name())
    }
}

/// Computes the check character of an identity number's first 17 digits (GB 11643).
pub fn id_check(digits: &[u8; 17]) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(&digit, weight)| u32::from(digit - b'0') * weight).sum();
    b"10X98765432"[sum as usize % 11]
}

fn has_checksum(number: &str) -> bool {
    let Some((digits, &[check])) = number.as_bytes().split_first_chunk::<17>() else { return false };
    digits.iter().all(u8::is_ascii_digit) && id_check(digits) == check
}

/// Returns whether this is an 18-character number with a correct check character and a valid date of birth.
fn is_id_card(number: &str) -> bool {
    has_checksum(number)
        && jiff::civil::Date::new(
            number[6..10].parse().expect("digits, checked before"),
            number[10..12].parse().expect("digits, checked before"),
            number[12..14].parse().expect("digits, checked before"),
        )
        .is_ok_and(|born| (1870..=2100).contains(&born.year()))
}

/// Returns whether this is a residence permit of Hong Kong, Macau or Taiwan: numbered like an identity card, with a division of
/// its own.
fn is_residence_permit(number: &str, divisions: &[&str]) -> bool {
    divisions.iter().any(|division| number.starts_with(division)) && is_id_card(number)
}

/// Returns whether the number has this shape: `A` for a capital letter, `0` for a digit.
fn shape(number: &str, shape: &str) -> bool {
    number.len() == shape.len()
        && number.bytes().zip(shape.bytes()).all(|(byte, kind)| match kind {
            b'A' => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_eleven_digits_of_the_mainland() {
        for good in [
            "16300000001",
            "+8616300000001",
            "+86 163-0000-0001",
            "163 0000 0001",
            "0086（163）0000 0001\u{202c}",
            "１６３００００００01",
        ] {
            assert_eq!(Phone::parse(good).expect(good).reveal(), "16300000001");
        }
        for bad in [
            "",
            "1630000000",
            "163000000012",
            "12300000001",
            "26300000001",
            "1630000000a",
            "+85291234567",
            "+8685291234567",
            "163/00000001",
        ] {
            assert_eq!(Phone::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn documents_are_checked_by_their_kind() {
        use DocumentKind::{ForeignPrCard, HkMacauPermit, IdCard, Passport, TaiwanPermit};
        let rows = [
            (IdCard, "11010519491231002X", true),
            (IdCard, "11010519491231002x", true),
            (IdCard, "110105194912310021", false),
            (IdCard, "11010519491331002X", false),
            (IdCard, "1101051949123100", false),
            (IdCard, "１１０１０５ 19491231-002ｘ\u{200b}", true),
            (IdCard, "11010519491231002×", false),
            (IdCard, "", false),
            (HkMacauPermit, "H12345678", true),
            (HkMacauPermit, "M1234567890", true),
            (HkMacauPermit, "H1234567", false),
            (HkMacauPermit, "A12345678", false),
            (HkMacauPermit, "11010519491231002X", false),
            (HkMacauPermit, "810000199012310017", true),
            (TaiwanPermit, "810000199012310017", false),
            (TaiwanPermit, "12345678", true),
            (TaiwanPermit, "1234567A", false),
            (Passport, "E12345678", true),
            (Passport, "E1-45678", true),
            (Passport, "E1/45678", false),
            (Passport, "E123", false),
            (ForeignPrCard, "CHN110100012345", true),
            (ForeignPrCard, "C11", false),
        ];
        for (kind, number, valid) in rows {
            assert_eq!(DocumentNumber::parse(kind, number).is_some(), valid, "{} {number}", kind.name());
        }
    }

    #[test]
    fn neither_is_shown() {
        let document = DocumentNumber::parse(DocumentKind::IdCard, "11010519491231002X").unwrap();
        let shown = format!("{:?} {document:?}", Phone::parse("16300000001").unwrap());
        assert_eq!(shown, "Phone(…) DocumentNumber(id-card, …)");
    }
}
