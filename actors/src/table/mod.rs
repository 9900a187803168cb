//! Tables as offices keep them: CSV saved by a spreadsheet, in any of its encodings, separators and line ends, with emptied rows and quoted
//! numbers. A table whose text or titles cannot be read is refused as a whole; a fault of a row is reported for that row. The meaning of the
//! columns is known to the forms alone.

mod encoding;
mod lines;
mod survey;
pub mod words;

use std::fmt::Write as _;
use std::io::{self, BufReader, Read};

use thiserror::Error;

pub(crate) use encoding::Encoding;
pub(crate) use lines::{Lines, TableLine};
pub use survey::Unreadable;
pub(crate) use survey::{Surveyed, survey};

/// The longest table that is read as a whole.
const TABLE_BYTES_MAX: u64 = 1024 * 1024;
/// The advice in the errors for a table whose text cannot be read.
const MEND: &str = "in Excel: Save As, \"CSV UTF-8 (Comma delimited)\" (CSV UTF-8 逗号分隔)";
/// The fault of a number that [`is_scientific`].
pub const SHORTENED: &str = "is in Excel's scientific number format: its last digits are lost; format the column as Text and enter it again";
/// The signs that may separate fields; a table's separator is the one that occurs most often in its titles.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// A column of a form.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The title in English.
    pub name: &'static str,
    /// The title in Chinese.
    pub chinese: &'static str,
    /// The description of its content, for people.
    pub holds: &'static str,
    /// True if a table may lack it.
    pub optional: bool,
}

/// The columns of a kind of table; a table may have them in any order.
#[derive(Clone, Copy, Debug)]
pub struct Form(pub &'static [Column]);

/// A fault of the titles. It repeats nothing of the line, which may be personal data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadTitles {
    /// No line.
    #[error("it is empty; its first line has to name the columns")]
    Empty,
    /// A missing column.
    #[error("its first line has to name the columns; {name} ({chinese}) is missing")]
    Missing {
        /// The title in English.
        name: &'static str,
        /// The title in Chinese.
        chinese: &'static str,
    },
    /// A title that no column has, or that occurs twice.
    #[error("the title of its column {column} is unknown or occurs twice; remove that column")]
    Other {
        /// The column, counted from 1.
        column: usize,
    },
}

/// A fault of a row that keeps its fields from being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRow {
    /// A row that is too long.
    TooLong,
    /// Bytes that are not text in the table's encoding.
    NotText,
    /// A quote that is not closed.
    Quote,
    /// Fewer fields than titles, or more.
    Columns,
}

impl BadRow {
    /// Returns the fault, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "line too long",
            Self::NotText => "not text of the file's encoding",
            Self::Quote => "a quote is not closed: a field holds no line break and doubles its quotes",
            Self::Columns => "wrong number of columns",
        }
    }
}

/// The positions of a form's columns in one table.
#[derive(Debug)]
pub(crate) struct Titles {
    positions: Vec<Option<usize>>,
    titled: Vec<bool>,
    separator: u8,
}

impl Form {
    /// Makes a table with titles and no rows, as spreadsheets open it: UTF-8 with its byte order mark.
    pub fn template(self) -> String {
        let titles: Vec<String> = self.0.iter().map(Column::title).collect();
        format!("\u{feff}{}\r\n", titles.join(","))
    }

    /// Returns the description of the columns, one line each.
    pub fn explained(self) -> String {
        let mut text = String::new();
        for column in self.0 {
            writeln!(text, "  {:<32}{}", column.title(), column.holds)
                .expect("a string takes whatever is written");
        }
        text
    }

    /// Finds the form's columns in a line of titles.
    ///
    /// # Errors
    /// A missing column, otherwise the first title that belongs to none.
    fn titles(self, line: &str) -> Result<Titles, BadTitles> {
        let count = |separator: u8| line.bytes().filter(|&byte| byte == separator).count();
        let separator =
            SEPARATORS.into_iter().rev().max_by_key(|&separator| count(separator)).unwrap_or(b',');
        let given = split(line, separator).unwrap_or_default();
        let mut titles =
            Titles { positions: vec![None; self.0.len()], titled: vec![false; given.len()], separator };
        let mut other = None;
        for (position, title) in given.iter().enumerate().filter(|(_, title)| !title.is_empty()) {
            let known = self.0.iter().position(|column| column.is_called(title));
            match known.filter(|&known| titles.positions[known].is_none()) {
                Some(known) => {
                    titles.positions[known] = Some(position);
                    titles.titled[position] = true;
                }
                None => other = other.or(Some(BadTitles::Other { column: position + 1 })),
            }
        }
        // A missing column helps more than a title beside it.
        let is_there = |(column, position): &(&Column, &Option<usize>)| column.optional || position.is_some();
        if let Some((missing, _)) = self.0.iter().zip(&titles.positions).find(|pair| !is_there(pair)) {
            return Err(BadTitles::Missing { name: missing.name, chinese: missing.chinese });
        }
        other.map_or(Ok(titles), Err)
    }
}

impl Column {
    fn title(&self) -> String {
        format!("{} {}", self.chinese, self.name)
    }

    fn is_called(&self, title: &str) -> bool {
        title.eq_ignore_ascii_case(self.name) || title == self.chinese || title == self.title()
    }
}

impl Titles {
    /// Reads a row: the fields of the form's columns, in the form's order; `None` for an empty row.
    pub(crate) fn row(&self, line: &str) -> Result<Option<Vec<String>>, BadRow> {
        let fields = split(line, self.separator)?;
        if fields.iter().all(String::is_empty) {
            return Ok(None);
        }
        let (titled, more) = fields.split_at_checked(self.titled.len()).ok_or(BadRow::Columns)?;
        let beside =
            titled.iter().zip(&self.titled).filter(|(_, is_titled)| !**is_titled).map(|(field, _)| field);
        if !beside.chain(more).all(String::is_empty) {
            return Err(BadRow::Columns);
        }
        let field =
            |position: &Option<usize>| position.map(|position| fields[position].clone()).unwrap_or_default();
        Ok(Some(self.positions.iter().map(field).collect()))
    }
}

/// A table that was read as a whole.
#[derive(Debug)]
pub struct Table {
    /// The rows that are not empty, each with the number of its line.
    pub rows: Vec<(u64, Result<Vec<String>, BadRow>)>,
}

/// An error that refuses a table as a whole.
#[derive(Debug, Error)]
pub enum TableError {
    /// Text that cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Titles that are not the form's.
    #[error(transparent)]
    Titles(#[from] BadTitles),
    /// More than [`TABLE_BYTES_MAX`].
    #[error("it is longer than {TABLE_BYTES_MAX} bytes; split it into two files")]
    TooLong,
    /// A failure of the operating system.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
}

/// Reads a whole table.
pub fn read(form: Form, reader: impl Read) -> Result<Table, TableError> {
    let mut bytes = Vec::new();
    reader.take(TABLE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TABLE_BYTES_MAX {
        return Err(TableError::TooLong);
    }
    let encoding = survey(&bytes[..])?.encoding?;
    let mut lines = Lines::new(BufReader::new(&bytes[encoding.begin()..]), encoding, encoding.begin() as u64);
    let (titles, mut number) = titles(form, &mut lines)?;
    let mut rows = Vec::new();
    while let Some(line) = lines.next()? {
        number += 1;
        if let Some(row) = line.text().and_then(|line| titles.row(&line)).transpose() {
            rows.push((number, row));
        }
    }
    Ok(Table { rows })
}

/// Reads the titles from the first line that is not empty; returns them and the number of lines that were read.
pub(crate) fn titles(form: Form, lines: &mut Lines<impl Read>) -> Result<(Titles, u64), TableError> {
    let mut number = 0;
    while let Some(line) = lines.next()? {
        number += 1;
        let text = line.text().unwrap_or_default();
        let is_blank = |character: char| {
            character.is_whitespace() || SEPARATORS.iter().any(|&one| character == char::from(one))
        };
        if line.is_too_long() || !text.chars().all(is_blank) {
            return Ok((form.titles(&text)?, number));
        }
    }
    Err(BadTitles::Empty.into())
}

/// Returns true for a number as spreadsheets show a long one, whose last digits are lost (`1.76404E+16`), or a number in a column with
/// gaps, as a fraction (`17.0`). A text that only contains an E is no such number: spreadsheets write the sign of the exponent.
pub fn is_scientific(field: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = |number: &str| match number.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part),
        None => digits(number),
    };
    match field.split_once(['e', 'E']) {
        Some((number, exponent)) => is_number(number) && exponent.strip_prefix('+').is_some_and(digits),
        None => field.contains('.') && is_number(field),
    }
}

/// Reads a date with the year first; spreadsheets separate its parts by other signs and leave out zeros.
pub fn date(field: &str) -> Option<jiff::civil::Date> {
    let mut parts = field.split(['-', '/', '.']);
    let [year, month, day] = [parts.next()?, parts.next()?, parts.next()?];
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || year.len() != "YYYY".len() || ![year, month, day].into_iter().all(digits) {
        return None;
    }
    jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn split(line: &str, separator: u8) -> Result<Vec<String>, BadRow> {
    if line.bytes().filter(|&byte| byte == b'"').count() % 2 == 1 {
        return Err(BadRow::Quote);
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator)
        .buffer_capacity(line.len().max(1))
        .from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(_) => Ok(record.iter().map(|field| unquoted(field).to_owned()).collect()),
        Err(_) => Err(BadRow::Columns),
    }
}

/// Returns the field without white space around it, and without the marks by which spreadsheets keep digits as text: `'0123` and `="0123"`.
fn unquoted(field: &str) -> &str {
    let field = field.trim_matches(|character: char| character.is_whitespace() || character == '\u{feff}');
    if let Some(inner) = field.strip_prefix("=\"").and_then(|field| field.strip_suffix('"')) {
        return inner.trim();
    }
    match field.strip_prefix(['\'', '\u{2018}', '\u{2019}']) {
        Some(digits) if digits.starts_with(|character: char| character.is_ascii_digit()) => digits,
        _ => field,
    }
}

#[cfg(test)]
mod tests;
