//! The encoding of a table. Chinese Excel's plain CSV is GBK, which GB18030 contains, and nothing in the file says so: a file is read in the
//! only encoding that it can be in, and refused if it could be in two, or is in two.

use std::io::{self, BufReader, Read};

use ring::digest::{Context, SHA256};
use thiserror::Error;

use super::MEND;
use super::encoding::Encoding;
use super::lines::Lines;

/// A reason for which a table's text cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// A spreadsheet's own file format.
    #[error("it is a workbook and no CSV; save it as one: {MEND}")]
    Workbook,
    /// Zero bytes: UTF-16 without a byte order mark, or no text.
    #[error("line {line} holds zero bytes: it is UTF-16 without its mark, or no text; save it again: {MEND}")]
    Zeros {
        /// The first such line.
        line: u64,
    },
    /// Lines that can only be UTF-8, and lines that cannot be.
    #[error(
        "line {utf8} is UTF-8 and line {other} is not: it was put together of two files; save it again: {MEND}"
    )]
    Mixed {
        /// The first line that can only be UTF-8.
        utf8: u64,
        /// The first line that cannot be UTF-8.
        other: u64,
    },
    /// Every line can be read in both encodings.
    #[error("it could be UTF-8 and GBK, and names differ; save it again with its mark: {MEND}")]
    Ambiguous,
    /// A line that is in neither encoding.
    #[error("line {line} is neither UTF-8 nor GB18030 (GBK); save it again: {MEND}")]
    Unknown {
        /// The first such line.
        line: u64,
    },
}

/// The findings of one reading of a whole file.
#[derive(Debug)]
pub(crate) struct Surveyed {
    /// The file's SHA-256.
    pub(crate) digest: Vec<u8>,
    /// The file's length.
    pub(crate) bytes: u64,
    /// The file's encoding.
    pub(crate) encoding: Result<Encoding, Unreadable>,
}

/// Reads a whole file once, from its start, to find its digest and its encoding.
pub(crate) fn survey(reader: impl Read) -> io::Result<Surveyed> {
    let mut digesting = Digesting { reader, context: Context::new(&SHA256), bytes: 0 };
    let mut start = Vec::new();
    digesting.by_ref().take(8).read_to_end(&mut start)?;
    let encoding = match &start[..] {
        [0xef, 0xbb, 0xbf, ..] => Ok(Encoding::Utf8Marked),
        [0xff, 0xfe, ..] => Ok(Encoding::Utf16Le),
        [0xfe, 0xff, ..] => Ok(Encoding::Utf16Be),
        [b'P', b'K', 3, 4, ..] | [0xd0, 0xcf, 0x11, 0xe0, ..] => Err(Unreadable::Workbook),
        _ => unmarked(start.chain(&mut digesting))?,
    };
    io::copy(&mut digesting, &mut io::sink())?;
    let Digesting { context, bytes, .. } = digesting;
    Ok(Surveyed { digest: context.finish().as_ref().to_vec(), bytes, encoding })
}

/// A reader that counts and digests what is read through it.
struct Digesting<R> {
    reader: R,
    context: Context,
    bytes: u64,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.context.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// The evidence for an encoding in the lines that are not ASCII.
#[derive(Default)]
struct Lineup {
    /// The first line that can only be UTF-8.
    utf8: Option<u64>,
    /// The first line that cannot be UTF-8.
    other: Option<u64>,
    /// The first line that cannot be GB18030.
    not_gb: Option<u64>,
    hanzi: Hanzi,
}

fn unmarked(reader: impl Read) -> io::Result<Result<Encoding, Unreadable>> {
    let mut lines = Lines::new(BufReader::with_capacity(1 << 16, reader), Encoding::Utf8, 0);
    let (mut lineup, mut number) = (Lineup::default(), 0);
    while let Some(line) = lines.next()? {
        number += 1;
        if line.bytes().contains(&0) {
            return Ok(Err(Unreadable::Zeros { line: number }));
        }
        if !line.is_too_long() && !line.bytes().is_ascii() {
            lineup.add(number, line.bytes());
        }
    }
    Ok(lineup.encoding())
}

impl Lineup {
    fn add(&mut self, number: u64, line: &[u8]) {
        let hanzi = Hanzi::of(line);
        let is_gb = Encoding::Gb18030.text(line).is_some();
        if !is_gb {
            self.not_gb.get_or_insert(number);
        }
        self.hanzi.add(&hanzi);
        match std::str::from_utf8(line) {
            Err(_) => {
                self.other.get_or_insert(number);
            }
            // Two bytes of UTF-8 may be a character of GBK; three bytes are, by chance, only characters that are seldom used.
            Ok(text) if !(is_gb && hanzi.are_likely()) && text.chars().all(is_east_asian) => {
                self.utf8.get_or_insert(number);
            }
            Ok(_) => {}
        }
    }

    fn encoding(&self) -> Result<Encoding, Unreadable> {
        let may_be_gb = self.not_gb.is_none() && self.hanzi.are_likely();
        match (self.utf8, self.other) {
            (Some(utf8), Some(other)) => Err(Unreadable::Mixed { utf8, other }),
            (None, Some(_)) if may_be_gb => Ok(Encoding::Gb18030),
            (None, Some(other)) => Err(Unreadable::Unknown { line: self.not_gb.unwrap_or(other) }),
            (None, None) if may_be_gb => Err(Unreadable::Ambiguous),
            (_, None) => Ok(Encoding::Utf8),
        }
    }
}

const fn is_east_asian(character: char) -> bool {
    character.is_ascii() || character == '\u{b7}' || character >= '\u{800}'
}

/// The number of a line's characters as GBK: those of everyday names and punctuation, and all others.
#[derive(Default)]
struct Hanzi {
    everyday: u64,
    others: u64,
}

impl Hanzi {
    fn of(line: &[u8]) -> Self {
        let (mut hanzi, mut rest) = (Self::default(), line);
        loop {
            rest = match *rest {
                [] => return hanzi,
                [0..=0x7f, ref rest @ ..] => rest,
                [0xa1..=0xa3 | 0xb0..=0xf7, 0xa1..=0xfe, ref rest @ ..] => {
                    hanzi.everyday += 1;
                    rest
                }
                [_, b'0'..=b'9', _, _, ref rest @ ..] | [_, _, ref rest @ ..] | [_, ref rest @ ..] => {
                    hanzi.others += 1;
                    rest
                }
            };
        }
    }

    const fn add(&mut self, line: &Self) {
        self.everyday += line.everyday;
        self.others += line.others;
    }

    /// Returns true if most characters are everyday ones, as in any real text; text in another encoding reads as rare characters.
    const fn are_likely(&self) -> bool {
        self.everyday > 0 && self.everyday >= 3 * self.others
    }
}
