//! One line of a holders' file: parsed and checked, or rejected for one named reason. Pure.

use protocol::limits::SCANNED_TEXT_BYTES_MAX;
use protocol::place::PlaceCode;
use protocol::{Basis, Class, Colour};

use crate::codes::CodeEntry;
use crate::registry::{DocumentKind, DocumentNumber, Person, Phone};
use crate::residence::{Districts, visible};

/// The columns of a file, in any order.
pub(super) const COLUMNS: [&str; 9] =
    ["name", "document_kind", "document", "phone", "district", "colour", "basis", "until", "qr_text"];
/// The city's time: UTC+8, no daylight saving.
const CITY: jiff::tz::Offset = jiff::tz::offset(8);

/// Why a line is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reject {
    LineTooLong,
    NotUtf8,
    Columns,
    Name,
    DocumentKind,
    Document,
    Phone,
    District,
    Colour,
    Basis,
    Until,
    QrText,
    SameDocument,
    SameQrText,
}

impl Reject {
    /// As the reject file says it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::LineTooLong => "line too long",
            Self::NotUtf8 => "not UTF-8",
            Self::Columns => "wrong number of columns",
            Self::Name => "name empty or with characters that cannot be seen",
            Self::DocumentKind => "unknown document kind",
            Self::Document => "document number invalid or its checksum wrong",
            Self::Phone => "phone is no mainland mobile number",
            Self::District => "unknown district",
            Self::Colour => "unknown colour",
            Self::Basis => "basis unknown or not one of this colour",
            Self::Until => "until is no date (YYYY-MM-DD) or the colour has none",
            Self::QrText => "qr_text empty or too long or a place code",
            Self::SameDocument => "document is registered already",
            Self::SameQrText => "qr_text is registered already",
        }
    }
}

/// A checked line.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) person: Person,
    pub(super) entry: CodeEntry,
    pub(super) text: String,
}

/// Where each column stands.
pub(super) struct Header([usize; COLUMNS.len()]);

impl Header {
    /// Reads the first line; an error names a column that is missing. Nothing of the line is repeated: it may be a person.
    pub(super) fn parse(line: &[u8]) -> Result<Self, &'static str> {
        let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        let names = split(line).ok_or(COLUMNS[0])?;
        let mut positions = [0; COLUMNS.len()];
        for (position, column) in positions.iter_mut().zip(COLUMNS) {
            *position = names.iter().position(|name| name.trim() == column).ok_or(column)?;
        }
        if names.len() == COLUMNS.len() { Ok(Self(positions)) } else { Err("none of them") }
    }

    /// Reads a line of people.
    pub(super) fn holder(&self, line: &[u8], districts: &Districts, now_s: u32) -> Result<Holder, Reject> {
        let line = std::str::from_utf8(line).map_err(|_| Reject::NotUtf8)?;
        let fields = split(line.as_bytes()).ok_or(Reject::Columns)?;
        if fields.len() != COLUMNS.len() {
            return Err(Reject::Columns);
        }
        let [name, kind, document, phone, district, colour, basis, until, text] =
            self.0.map(|position| fields[position].trim());
        let kind = DocumentKind::from_name(kind).ok_or(Reject::DocumentKind)?;
        let person = Person {
            name: visible(name).ok_or(Reject::Name)?.to_owned(),
            document: DocumentNumber::parse(kind, document).ok_or(Reject::Document)?,
            phone: Phone::parse(phone).ok_or(Reject::Phone)?,
            district: districts.find(district).ok_or(Reject::District)?.to_owned(),
            community: String::new(),
        };
        let entry = entry(colour, basis, until, now_s)?;
        let too_long = text.len() > SCANNED_TEXT_BYTES_MAX;
        if text.is_empty() || too_long || PlaceCode::from_link(text).is_some() {
            return Err(Reject::QrText);
        }
        Ok(Holder { person, entry, text: text.to_owned() })
    }
}

/// A cause that has ended by now does not colour the code any more.
fn entry(colour: &str, basis: &str, until: &str, now_s: u32) -> Result<CodeEntry, Reject> {
    let colour = Colour::from_name(colour).ok_or(Reject::Colour)?;
    let basis = Basis::from_name(basis).ok_or(Reject::Basis)?;
    if (colour == Colour::Unknown) != (basis == Basis::Nothing) {
        return Err(Reject::Basis);
    }
    let until_s = match (colour, until) {
        (_, "") => 0,
        (Colour::Yellow | Colour::Red, date) => end_of_day_s(date).ok_or(Reject::Until)?,
        (Colour::Green | Colour::Unknown, _) => return Err(Reject::Until),
    };
    let ended = until_s != 0 && until_s <= now_s;
    let (colour, until_s) = if ended { (Colour::Green, 0) } else { (colour, until_s) };
    Ok(CodeEntry::new(colour, basis, Class::Imported, until_s, 1))
}

/// When the day after that date begins in the city.
fn end_of_day_s(date: &str) -> Option<u32> {
    if date.len() != "YYYY-MM-DD".len() {
        return None;
    }
    let next = jiff::civil::Date::strptime("%Y-%m-%d", date).ok()?.tomorrow().ok()?;
    let start = CITY.to_timestamp(next.at(0, 0, 0, 0)).ok()?;
    u32::try_from(start.as_second()).ok().filter(|&second| second > 0)
}

fn split(line: &[u8]) -> Option<csv::StringRecord> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).buffer_capacity(line.len().max(1)).from_reader(line);
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).ok().filter(|&any| any).map(|_| record)
}
