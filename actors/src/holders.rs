//! The import of people who already hold a code: a CSV file of any length, checked line by line. What is wrong with a line
//! goes into a reject file that names the line and the reason and nothing else. An import that was cut goes on where it
//! stopped when it is started again with the same file.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod lines;
mod rejects;
mod row;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use protocol::legacy::LegacyKey;
use protocol::{CodeId, Colour};
use ring::digest::{Context, SHA256};

use crate::clock;
use crate::codes::{CodeEntry, Codes};
use crate::keys::Keys;
use crate::registry::imports::Progress;
use crate::registry::people::Added;
use crate::registry::{RegionRow, Registry, RegistryError};
use crate::residence::Districts;
use lines::{Line, Lines};
use rejects::Rejects;
use row::{Header, Reject};

/// Lines in one transaction: long enough that syncs do not count, short enough that who waits for the registry waits for a tenth of a
/// second.
const LINES_PER_TRANSACTION: u64 = 2_000;

/// How an import comes by the registry: for one transaction at a time, so that others get their turn in between.
pub trait Turns {
    /// Works on the registry, with nobody else.
    fn turn<T>(&mut self, work: impl FnOnce(&mut Registry) -> T) -> T;
}

/// Nobody else is there.
impl Turns for Registry {
    fn turn<T>(&mut self, work: impl FnOnce(&mut Registry) -> T) -> T {
        work(self)
    }
}

/// Why an import did not come to its end. What was imported before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The first line is not the header that says which column is which.
    #[error("{path}: the first line has to name the columns {}; {missing} is missing or there are others", row::COLUMNS.join(","))]
    Columns {
        /// The file.
        path: PathBuf,
        /// One that was not found.
        missing: &'static str,
    },
    /// The file is not the one that was signed for.
    #[error("{path} is not the file that was signed; sign it again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A line sets a colour, and the import was signed as one that sets none.
    #[error("{path} sets colours, which takes two operators")]
    Colours {
        /// The file.
        path: PathBuf,
    },
    /// The reject file would overwrite something else.
    #[error("{path} exists and is no reject file")]
    RejectsTaken {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{doing} {path}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// How far an import is, after each transaction; and at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImportReport {
    /// Length of the file.
    pub bytes: u64,
    /// Of which this much is done.
    pub bytes_done: u64,
    /// Lines read, the header included.
    pub lines: u64,
    /// People imported from this file, those of an earlier, cut run included.
    pub people: u64,
    /// Lines rejected.
    pub rejected: u64,
    /// Whether an earlier run of the same file was continued, or found complete.
    pub resumed: bool,
}

/// What operators sign for: which file, and whether it may set colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Whether yellow and red may be set.
    pub colours: bool,
}

/// The file's SHA-256, hexadecimal: what operators sign when they have it imported.
pub fn sha256(csv: &Path) -> Result<String, ImportError> {
    let mut file = File::open(csv).map_err(io("opening", csv))?;
    let (digest, _) = digest_of(&mut file).map_err(io("reading", csv))?;
    Ok(hex::encode(digest))
}

/// Whether any line of the file would set a colour that stops somebody. Reads all of it and writes nothing.
pub fn sets_colours(csv: &Path, regions: Vec<RegionRow>) -> Result<bool, ImportError> {
    let (now_s, districts) = (now_s(), Districts::new(regions));
    let file = File::open(csv).map_err(io("opening", csv))?;
    let mut lines = Lines::new(BufReader::new(file), 0);
    let header = header(csv, &mut lines)?;
    while let Some(line) = lines.next().map_err(io("reading", csv))? {
        if let Line::Whole(line) = line
            && let Ok(holder) = header.holder(line, &districts, now_s)
            && stops(holder.entry)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn stops(entry: CodeEntry) -> bool {
    match entry.colour() {
        Colour::Yellow | Colour::Red => true,
        Colour::Green | Colour::Unknown => false,
    }
}

fn now_s() -> u32 {
    u32::try_from(clock::now_ms() / 1000).unwrap_or(u32::MAX)
}

/// Imports the holders in `csv`: durable first, then in `codes`. `progress` is called after each transaction. A file other than
/// the one allowed, or a colour that is not allowed, ends it; nothing of the lines around is written.
pub fn import(
    registry: &mut impl Turns,
    keys: &Keys,
    codes: &Codes,
    (csv, rejects): (&Path, &Path),
    allowed: &Allowed,
    progress: &mut dyn FnMut(&ImportReport),
) -> Result<ImportReport, ImportError> {
    let (keys, now_s) = (keys.legacy(), now_s());
    let import = Import { keys, codes, csv, rejects, now_s, lines_max: LINES_PER_TRANSACTION, allowed };
    registry.turn(|registry| registry.set_filling(true))?;
    let result = import.run(registry, progress);
    registry.turn(|registry| registry.set_filling(false))?;
    result
}

struct Import<'a> {
    keys: LegacyKey,
    codes: &'a Codes,
    csv: &'a Path,
    rejects: &'a Path,
    now_s: u32,
    lines_max: u64,
    allowed: &'a Allowed,
}

/// What every line of one file is read with.
struct Reading {
    digest: Vec<u8>,
    header: Header,
    districts: Districts,
    gateway: u16,
}

impl Import<'_> {
    fn run(
        &self,
        registry: &mut impl Turns,
        progress: &mut dyn FnMut(&ImportReport),
    ) -> Result<ImportReport, ImportError> {
        let mut file = File::open(self.csv).map_err(io("opening", self.csv))?;
        let (digest, bytes) = digest_of(&mut file).map_err(io("reading", self.csv))?;
        if hex::encode(&digest) != self.allowed.sha256 {
            return Err(ImportError::Changed { path: self.csv.to_owned() });
        }
        let mut lines = Lines::new(BufReader::new(&mut file), 0);
        let header = header(self.csv, &mut lines)?;
        let (reading, known) = registry.turn(|registry| {
            let districts = Districts::new(registry.regions()?);
            let reading = Reading { digest, header, districts, gateway: registry.gateway()? };
            let known = registry.import_progress(&reading.digest)?;
            Ok::<_, RegistryError>((reading, known))
        })?;
        let mut done =
            known.unwrap_or(Progress { bytes_done: lines.bytes(), lines_done: 1, ..Progress::default() });
        let report = |done: &Progress| ImportReport {
            bytes,
            bytes_done: done.bytes_done,
            lines: done.lines_done,
            people: done.people,
            rejected: done.rejected,
            resumed: known.is_some(),
        };
        if done.complete {
            return Ok(report(&done));
        }
        file.seek(SeekFrom::Start(done.bytes_done)).map_err(io("reading", self.csv))?;
        let mut lines = Lines::new(BufReader::new(&mut file), done.bytes_done);
        let mut rejects = Rejects::open(self.rejects, done.rejects_bytes)?;
        while !done.complete {
            done = registry.turn(|registry| {
                let mut added = Vec::new();
                let done = registry.transaction(|registry| {
                    self.some(registry, &reading, &mut lines, &mut rejects, &mut added, done)
                })?;
                // Memory follows before anybody else may change one of them.
                for (code, entry) in added {
                    self.codes.put(code, entry);
                }
                Ok::<_, ImportError>(done)
            })?;
            progress(&report(&done));
        }
        Ok(report(&done))
    }

    /// The lines of one transaction. Rejects are durable before it is.
    fn some(
        &self,
        registry: &Registry,
        reading: &Reading,
        lines: &mut Lines<impl Read>,
        rejects: &mut Rejects,
        added: &mut Vec<(CodeId, CodeEntry)>,
        mut done: Progress,
    ) -> Result<Progress, ImportError> {
        for _ in 0..self.lines_max {
            let Some(line) = lines.next().map_err(io("reading", self.csv))? else {
                done.complete = true;
                break;
            };
            done.lines_done += 1;
            let outcome = match line {
                Line::TooLong => Err(Reject::LineTooLong),
                Line::Whole(b"") => continue,
                Line::Whole(line) => self.line(registry, reading, line)?,
            };
            match outcome {
                Ok(new) => {
                    added.push(new);
                    done.people += 1;
                }
                Err(reject) => {
                    rejects.add(done.lines_done, reject);
                    done.rejected += 1;
                }
            }
        }
        done.bytes_done = lines.bytes();
        done.rejects_bytes = rejects.sync().map_err(io("writing", self.rejects))?;
        registry.set_import_progress(&reading.digest, &done)?;
        Ok(done)
    }

    fn line(
        &self,
        registry: &Registry,
        reading: &Reading,
        line: &[u8],
    ) -> Result<Result<(CodeId, CodeEntry), Reject>, ImportError> {
        let holder = match reading.header.holder(line, &reading.districts, self.now_s) {
            Ok(holder) => holder,
            Err(reject) => return Ok(Err(reject)),
        };
        if stops(holder.entry) && !self.allowed.colours {
            return Err(ImportError::Colours { path: self.csv.to_owned() });
        }
        let Some(code) = self.keys.code(reading.gateway, &holder.text) else {
            return Ok(Err(Reject::QrText));
        };
        Ok(match registry.add_person(&holder.person, code, holder.entry)? {
            Added::New => Ok((code, holder.entry)),
            Added::SameDocument => Err(Reject::SameDocument),
            Added::SameCode => Err(Reject::SameQrText),
        })
    }
}

fn header(csv: &Path, lines: &mut Lines<impl Read>) -> Result<Header, ImportError> {
    let columns = |missing| ImportError::Columns { path: csv.to_owned(), missing };
    match lines.next().map_err(io("reading", csv))? {
        Some(Line::Whole(line)) => Header::parse(line).map_err(columns),
        Some(Line::TooLong) | None => Err(columns(row::COLUMNS[0])),
    }
}

fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> ImportError + 'a {
    move |source| ImportError::Io { doing, path: path.to_owned(), source }
}

/// The file's digest, by which it is known again, and its length; the file is at its start afterwards.
fn digest_of(file: &mut File) -> std::io::Result<(Vec<u8>, u64)> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 16];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        context.update(&buffer[..read]);
        length += read as u64;
    }
    file.rewind()?;
    Ok((context.finish().as_ref().to_vec(), length))
}

#[cfg(test)]
mod tests;
