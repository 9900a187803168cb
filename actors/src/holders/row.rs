//! One line of a holders' file: parsed and checked, or rejected for one reason. Pure.

use std::fmt;

use protocol::limits::SCANNED_TEXT_BYTES_MAX;
use protocol::{Basis, Class, Colour, scanner};
use registry::colours::CodeEntry;
use registry::{DocumentNumber, Person, Phone};

use crate::residence::{Districts, recorded_name};
use crate::table::words;
use crate::table::{self, BadRow, Column, Form, SHORTENED, TableLine, Titles, is_scientific};

/// The columns of a file.
pub const FORM: Form = Form(&[
    column(
        "name",
        "姓名",
        "1 to 64 letters of any script, with spaces and the signs between its parts; digits behind the first letter stay",
    ),
    column("document_kind", "证件类型", words::DOCUMENT_KINDS),
    column("document", "证件号码", "the document's number; format the column as Text"),
    column("phone", "手机号码", "a mainland mobile number, eleven digits; format the column as Text"),
    column("district", "区县", "the district's code, such as 360102, or its name"),
    column("colour", "颜色", words::COLOURS),
    column("basis", "依据", words::BASES),
    column("until", "截止日期", "the last day of yellow or red, YYYY-MM-DD; empty for none"),
    column("qr_text", "二维码内容", "the text of the QR that the holder has; format the column as Text"),
]);

const fn column(name: &'static str, chinese: &'static str, holds: &'static str) -> Column {
    Column { name, chinese, holds, optional: false }
}

/// The city's time: UTC+8, no daylight saving.
const CITY: jiff::tz::Offset = jiff::tz::offset(8);

/// The reason for which a line is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reject {
    Row(BadRow),
    /// A column with a number that a spreadsheet has shortened.
    Shortened(&'static str),
    Name,
    DocumentKind,
    Document,
    /// Eighteen digits of which a spreadsheet has kept fifteen.
    DocumentRounded,
    Phone,
    District,
    Colour,
    Basis,
    Until,
    QrText,
    SameDocument,
    SameQrText,
}

impl fmt::Display for Reject {
    /// Writes the reason for the reject file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shortened(column) => {
                return write!(f, "{column} {SHORTENED}");
            }
            Self::Row(bad) => bad.name(),
            Self::Name => "name empty or too long, or with digits before its first letter, or with a sign that no name has",
            Self::DocumentKind => "document_kind unknown",
            Self::Document => "document number invalid or its checksum wrong",
            Self::DocumentRounded => {
                "document number's checksum wrong and its end 000: Excel keeps 15 digits of a number; format the column as Text and enter it again"
            }
            Self::Phone => "phone is no mainland mobile number",
            Self::District => "unknown district",
            Self::Colour => "unknown colour",
            Self::Basis => "basis unknown or not one of this colour",
            Self::Until => "until is no date (YYYY-MM-DD) or the colour has none",
            Self::QrText => "qr_text empty or too long or a place code",
            Self::SameDocument => "document is registered already with another code",
            Self::SameQrText => "qr_text is registered already for another document",
        })
    }
}

/// A checked line.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) person: Person,
    pub(super) entry: CodeEntry,
    pub(super) text: String,
}

/// Reads a line; `None` if it is empty.
pub(super) fn holder(
    titles: &Titles,
    line: &TableLine<'_>,
    districts: &Districts,
    now_s: u32,
) -> Result<Option<Holder>, Reject> {
    let Some(fields) = line.text().and_then(|line| titles.row(&line)).map_err(Reject::Row)? else {
        return Ok(None);
    };
    let fields: [String; FORM.0.len()] = fields.try_into().expect("a row has the form's columns");
    let [name, kind, document, phone, district, colour, basis, until, text] =
        fields.each_ref().map(String::as_str);
    for (column, field) in [("document", document), ("phone", phone), ("qr_text", text)] {
        if is_scientific(field) {
            return Err(Reject::Shortened(column));
        }
    }
    let kind = words::document_kind(kind).ok_or(Reject::DocumentKind)?;
    let number = DocumentNumber::parse(kind, document);
    let wrong = if document.len() == 18 && document.ends_with("000") {
        Reject::DocumentRounded
    } else {
        Reject::Document
    };
    let person = Person {
        name: recorded_name(name).ok_or(Reject::Name)?.into_owned(),
        document: number.ok_or(wrong)?,
        phone: Phone::parse(phone).ok_or(Reject::Phone)?,
        district: districts.find(district).ok_or(Reject::District)?.to_owned(),
        community: String::new(),
    };
    let entry = entry(colour, basis, until, now_s)?;
    let text = scanner::plain(text);
    let too_long = text.len() > SCANNED_TEXT_BYTES_MAX;
    if text.trim().is_empty() || too_long || scanner::place_of(&text).is_some() {
        return Err(Reject::QrText);
    }
    Ok(Some(Holder { person, entry, text: text.trim().to_owned() }))
}

/// Reads a line's colour; a cause that has ended by `now_s` gives green.
fn entry(colour: &str, basis: &str, until: &str, now_s: u32) -> Result<CodeEntry, Reject> {
    let colour = words::colour(colour).ok_or(Reject::Colour)?;
    let basis = words::basis(basis).ok_or(Reject::Basis)?;
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

/// Returns the start of the day after that date in the city, seconds since 1970 UTC.
fn end_of_day_s(date: &str) -> Option<u32> {
    let next = table::date(date)?.tomorrow().ok()?;
    let start = CITY.to_timestamp(next.at(0, 0, 0, 0)).ok()?;
    u32::try_from(start.as_second()).ok().filter(|&second| second > 0)
}
