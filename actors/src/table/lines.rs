//! The lines of a file, of bounded length, with their position. A field cannot hold a line break, so that one stray quote spoils one line
//! and not the rest of the file. A line ends with CR, LF or both.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use super::{BadRow, Encoding};

/// The longest line: the longest QR text, and room for the other fields.
const LINE_BYTES_MAX: usize = 8192;
const LF: u16 = b'\n' as u16;
const CR: u16 = b'\r' as u16;

/// A line without its line break.
#[derive(Debug)]
pub(crate) struct TableLine<'a> {
    bytes: &'a [u8],
    encoding: Encoding,
    is_too_long: bool,
}

impl TableLine<'_> {
    /// Decodes the line.
    pub(crate) fn text(&self) -> Result<Cow<'_, str>, BadRow> {
        if self.is_too_long {
            return Err(BadRow::TooLong);
        }
        self.encoding.text(self.bytes).ok_or(BadRow::NotText)
    }

    /// Returns the line's bytes as they are in the file; of a line that is too long its start.
    pub(super) const fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// Returns true for a line that is longer than the limit.
    pub(super) const fn is_too_long(&self) -> bool {
        self.is_too_long
    }
}

/// The lines of a file.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    encoding: Encoding,
    line: Vec<u8>,
    bytes: u64,
    /// A unit that was read and belongs to the next line.
    ahead: Option<u16>,
}

impl<R: Read> Lines<R> {
    /// Starts at the reader's position, which is `bytes` behind the file's start.
    pub(crate) const fn new(reader: BufReader<R>, encoding: Encoding, bytes: u64) -> Self {
        Self { reader, encoding, line: Vec::new(), bytes, ahead: None }
    }

    /// Returns the position of the next line, in bytes from the file's start.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the next line; `None` at the file's end.
    #[allow(clippy::should_implement_trait, reason = "a line borrows what the next one is read into")]
    pub(crate) fn next(&mut self) -> io::Result<Option<TableLine<'_>>> {
        self.line.clear();
        let (mut is_too_long, mut any) = (false, false);
        while let Some(unit) = self.unit()? {
            any = true;
            if unit == LF {
                break;
            }
            if unit == CR {
                if let Some(next) = self.unit()?.filter(|&next| next != LF) {
                    // It is counted when it is taken.
                    self.bytes -= self.encoding.unit_bytes() as u64;
                    self.ahead = Some(next);
                }
                break;
            }
            is_too_long |= self.line.len() >= LINE_BYTES_MAX;
            if !is_too_long {
                self.line.extend_from_slice(&unit.to_le_bytes()[..self.encoding.unit_bytes()]);
            }
        }
        Ok(any.then_some(TableLine { bytes: &self.line, encoding: self.encoding, is_too_long }))
    }

    /// Reads the next code unit.
    fn unit(&mut self) -> io::Result<Option<u16>> {
        let width = self.encoding.unit_bytes();
        if let Some(unit) = self.ahead.take() {
            self.bytes += width as u64;
            return Ok(Some(unit));
        }
        let Some(first) = self.byte()? else { return Ok(None) };
        if width == 1 {
            return Ok(Some(u16::from(first)));
        }
        // Half a unit at the end becomes one that is no text.
        let pair = self.byte()?.map_or([0, 0xdc], |second| [first, second]);
        Ok(Some(if self.encoding == Encoding::Utf16Be {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        }))
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.reader.fill_buf()?.first().copied();
        if byte.is_some() {
            self.reader.consume(1);
            self.bytes += 1;
        }
        Ok(byte)
    }
}
