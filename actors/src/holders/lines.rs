//! Lines of bounded length with their place in the file. A field cannot hold a line break, so that one stray quote spoils
//! one line and not the rest of the file.

use std::io::{self, BufRead, BufReader, Read};

/// The longest QR text and room for the other fields.
const LINE_BYTES_MAX: usize = 8192;

pub(super) enum Line<'a> {
    /// Without its end.
    Whole(&'a [u8]),
    TooLong,
}

pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    bytes: u64,
}

impl<R: Read> Lines<R> {
    /// `bytes`: where in the file the reader stands.
    pub(super) const fn new(reader: BufReader<R>, bytes: u64) -> Self {
        Self { reader, line: Vec::new(), bytes }
    }

    /// Where in the file the next line begins.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut too_long = false;
        let mut any = false;
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                break;
            }
            any = true;
            let end = available.iter().position(|&byte| byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            too_long |= self.line.len() + part.len() > LINE_BYTES_MAX;
            if !too_long {
                self.line.extend_from_slice(part);
            }
            let consumed = part.len() + usize::from(end.is_some());
            self.bytes += consumed as u64;
            self.reader.consume(consumed);
            if end.is_some() {
                break;
            }
        }
        Ok(match (any, too_long) {
            (false, _) => None,
            (true, true) => Some(Line::TooLong),
            (true, false) => Some(Line::Whole(self.line.strip_suffix(b"\r").unwrap_or(&self.line))),
        })
    }
}
