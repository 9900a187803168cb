//! The reject file: rows of `line,reason`, without personal data of the line. It also lists the lines that differ from the record.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::ImportError;
use super::file::io;

const HEADER: &str = "line,reason\n";

pub(super) struct Rejects {
    file: File,
    waiting: String,
    bytes: u64,
}

impl Rejects {
    /// Opens the file of an import whose last complete transaction left `bytes` in it; rows behind them came from an interrupted
    /// transaction and are written again.
    pub(super) fn open(path: &Path, bytes: u64) -> Result<Self, ImportError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(io("opening", path))?;
        let mut start = Vec::new();
        Read::by_ref(&mut file)
            .take(HEADER.len() as u64)
            .read_to_end(&mut start)
            .map_err(io("reading", path))?;
        if !HEADER.as_bytes().starts_with(&start) {
            return Err(ImportError::RejectsTaken { path: path.to_owned() });
        }
        let length = file.metadata().map_err(io("looking at", path))?.len();
        let begun = bytes >= HEADER.len() as u64 && length >= HEADER.len() as u64;
        let bytes = if begun { bytes.min(length) } else { 0 };
        file.set_len(bytes).and_then(|()| file.seek(SeekFrom::Start(bytes))).map_err(io("writing", path))?;
        let waiting = if begun { String::new() } else { HEADER.to_owned() };
        Ok(Self { file, waiting, bytes })
    }

    /// Adds a row; it is durable after the next [`Self::sync`].
    pub(super) fn add(&mut self, line: u64, reason: impl Display) {
        use std::fmt::Write;
        let reason = reason.to_string().replace(',', ";");
        writeln!(self.waiting, "{line},{reason}").expect("a string takes whatever is written");
    }

    /// Makes all rows durable and returns the file's length.
    pub(super) fn sync(&mut self) -> io::Result<u64> {
        if !self.waiting.is_empty() {
            self.file.write_all(self.waiting.as_bytes())?;
            self.file.sync_all()?;
            self.bytes += self.waiting.len() as u64;
            self.waiting.clear();
        }
        Ok(self.bytes)
    }
}
