//! Tables as offices keep them: CSV that a spreadsheet saved, in whatever encoding, with whatever separator and line ends, with rows
//! that were emptied and numbers that were quoted. A table whose text or titles cannot be read is refused as a whole; what is wrong
//! with a row is that row's. What the columns mean is their readers'.

mod encoding;
mod lines;
mod survey;

use std::fmt::Write as _;
use std::io::{self, BufReader, Read};

use thiserror::Error;

pub use encoding::Encoding;
pub use lines::{Line, Lines};
pub use survey::{Surveyed, Unreadable, survey};

/// A table that is read at once, at somebody's desk.
pub const TABLE_BYTES_MAX: u64 = 1024 * 1024;
/// The advice for a table whose text cannot be read.
const MEND: &str = "in Excel: Save As, \"CSV UTF-8 (Comma delimited)\" (CSV UTF-8 逗号分隔)";
/// The fault of a number that [`is_scientific`].
pub const SHORTENED: &str = "is in Excel's scientific number format: its last digits are lost; format the column as Text and enter it again";
/// The signs that separate fields; the one that stands most often in the titles does.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// A column of a form.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its title.
    pub name: &'static str,
    /// Its title in Chinese.
    pub chinese: &'static str,
    /// Its content, for people.
    pub holds: &'static str,
    /// True if a table may be without it.
    pub optional: bool,
}

/// The columns that a table has, in any order.
#[derive(Clone, Copy, Debug)]
pub struct Form(pub &'static [Column]);

/// The fault of the titles. Nothing of the line is repeated: it may be a person.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadTitles {
    /// There is no line.
    #[error("it is empty; its first line has to name the columns")]
    Empty,
    /// A column is not there.
    #[error("its first line has to name the columns; {name} ({chinese}) is missing")]
    Missing {
        /// Its title.
        name: &'static str,
        /// Its title in Chinese.
        chinese: &'static str,
    },
    /// A title that no column has, or one that stands there twice.
    #[error("the title of its column {column} is unknown or stands there twice; take it out")]
    Other {
        /// Counted from 1.
        column: usize,
    },
}

/// The fault of a row before its fields are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRow {
    /// Longer than any row may be.
    TooLong,
    /// Bytes that are no text of the table's encoding.
    NotText,
    /// A quote that is not closed.
    Quote,
    /// Fewer fields than titles, or more.
    Columns,
}

impl BadRow {
    /// The reason, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "line too long",
            Self::NotText => "not text of the file's encoding",
            Self::Quote => "a quote is not closed: a field holds no line break and doubles its quotes",
            Self::Columns => "wrong number of columns",
        }
    }
}

/// The place where the columns of a form stand in one table.
#[derive(Debug)]
pub struct Titles {
    positions: Vec<Option<usize>>,
    titled: Vec<bool>,
    separator: u8,
}

impl Form {
    /// A table without rows, as a spreadsheet opens it: the titles, in UTF-8 with its mark.
    pub fn template(self) -> String {
        let titles: Vec<String> = self.0.iter().map(Column::title).collect();
        format!("\u{feff}{}\r\n", titles.join(","))
    }

    /// Explains each column in a line.
    pub fn explained(self) -> String {
        let mut text = String::new();
        for column in self.0 {
            writeln!(text, "  {:<32}{}", column.title(), column.holds)
                .expect("a string takes whatever is written");
        }
        text
    }

    /// Reads the titles.
    pub fn titles(self, line: &str) -> Result<Titles, BadTitles> {
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
        // What is missing says more than what is there beside it.
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
    /// Reads a row: the fields of the form's columns, in the form's order; `None` if nothing stands in it.
    pub fn row(&self, line: &str) -> Result<Option<Vec<String>>, BadRow> {
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

/// A table that was read at once.
#[derive(Debug)]
pub struct Table {
    /// Each row with its line.
    pub rows: Vec<(u64, Result<Vec<String>, BadRow>)>,
}

/// Why a table is refused as a whole.
#[derive(Debug, Error)]
pub enum TableError {
    /// Its text cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Its titles are not those of the form.
    #[error(transparent)]
    Titles(#[from] BadTitles),
    /// It is too long.
    #[error("it is longer than {TABLE_BYTES_MAX} bytes; cut it in two")]
    TooLong,
    /// It cannot be read at all.
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

/// Reads the titles from the first line that is not empty; and how many lines were read.
pub fn titles(form: Form, lines: &mut Lines<impl Read>) -> Result<(Titles, u64), TableError> {
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

/// Reports a number as spreadsheets show a long one, whose last digits are lost (`1.76404E+16`), or a column with gaps, as a fraction
/// (`17.0`). A text that merely holds an E is none: spreadsheets write the sign.
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

/// Reads a date whose year stands first; spreadsheets write its parts with other signs, and without zeros.
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

/// A field without white space around it, and without what makes a spreadsheet take digits for text: `'0123` and `="0123"`.
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
