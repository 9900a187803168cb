//! The import of people who already hold a code: a CSV file of any length, checked line by line. What is wrong with a line
//! goes into a reject file that names the line and the reason and nothing else. An import that was cut goes on where it
//! stopped when it is started again with the same file; a file that is imported again brings in whom it rejected, if the reason is gone,
//! and changes nothing else. A line about somebody who is there already changes nothing, and is named there if it says something else than
//! the record, with the columns and never with what the record says.

mod difference;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod rejects;
mod row;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use keys::Keys;
use protocol::legacy::LegacyKey;
use protocol::{CodeId, Colour};
use registry::colours::CodeEntry;
use registry::imports::Progress;
use registry::people::Added;
use registry::{DocumentNumber, RegionRow, Registry, RegistryError};
use runtime::clock;

use crate::registrar::{Registrar, RegistrarError, RegistrarHandle, RegistryChange};
use crate::residence::Districts;
use crate::table::{self, Encoding, Lines, Surveyed, TableError, Titles};

use difference::{Difference, Facts};
pub use error::ImportError;
use rejects::Rejects;
pub use row::FORM;
use row::{Holder, Reject};

/// Lines in one transaction: long enough that syncs do not count, short enough that other changes of the registry wait for a tenth of a
/// second.
const LINES_PER_TRANSACTION: u64 = 2_000;

/// The progress of an import, after each transaction; and at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImportReport {
    /// Length of the file.
    pub bytes: u64,
    /// Of which this much is done.
    pub bytes_done: u64,
    /// Lines read, the header included.
    pub lines: u64,
    /// People imported from this file, those of an earlier, cut run included; of a dry run, those whom an import would bring in.
    pub people: u64,
    /// People who are there already, with the same document and QR text, as their lines have them.
    pub known: u64,
    /// People who are there already, with other values than their lines have; nothing of theirs is changed.
    #[serde(default)]
    pub differing: u64,
    /// Lines rejected.
    pub rejected: u64,
    /// True if an earlier run of the same file was continued, or found complete.
    pub resumed: bool,
}

/// The things that operators sign for: which file, and whether it may set colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// True if yellow and red may be set.
    pub colours: bool,
    /// True if everything is only read.
    pub dry_run: bool,
}

/// The file's SHA-256, hexadecimal: what operators sign when they have it imported.
pub fn sha256(csv: &Path) -> Result<String, ImportError> {
    let (_, surveyed) = open(csv)?;
    Ok(hex::encode(surveyed.digest))
}

/// Says whether any line of the file would set a colour that stops somebody. Reads all of it and writes nothing.
pub fn sets_colours(csv: &Path, regions: Vec<RegionRow>) -> Result<bool, ImportError> {
    let (now_s, districts) = (now_s(), Districts::new(regions));
    let (file, surveyed) = open(csv)?;
    let (titles, mut lines, _) = begun(csv, &file, encoding(csv, &surveyed)?)?;
    while let Some(line) = lines.next().map_err(io("reading", csv))? {
        if let Ok(Some(holder)) = row::holder(&titles, &line, &districts, now_s)
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
    u32::try_from(clock::now_s()).unwrap_or(u32::MAX)
}

/// Imports the holders in `csv`, in parts: durable first, then in the codes in memory. Other changes are made between two parts. `progress`
/// is called after each part. A file other than the one allowed, or a colour that is not allowed, ends it; nothing of the lines around is
/// written. Blocks its thread.
pub fn import(
    registrar: &RegistrarHandle,
    keys: &Keys,
    (csv, rejects): (&Path, &Path),
    allowed: Allowed,
    progress: &mut dyn FnMut(&ImportReport),
) -> Result<ImportReport, ImportError> {
    let (csv, rejects) = (csv.to_owned(), rejects.to_owned());
    let (keys, now_s, lines_max) = (keys.legacy(), now_s(), LINES_PER_TRANSACTION);
    let result = Import { keys, csv, rejects, now_s, lines_max, allowed }.run(registrar, progress);
    registrar.act_blocking(EndImport)?;
    result
}

/// Prepares the registry for an import, and reads what the import has to know of it.
struct BeginImport {
    digest: Vec<u8>,
}

impl RegistryChange for BeginImport {
    type Reply = (Districts, u16, Option<Progress>);
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<Self::Reply, RegistrarError> {
        let registry = registrar.registry();
        registry.set_filling(true)?;
        let districts = Districts::new(registry.regions()?);
        Ok((districts, registry.gateway()?, registry.import_progress(&self.digest)?))
    }
}

/// Gives back the memory that an import took.
struct EndImport;

impl RegistryChange for EndImport {
    type Reply = ();
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<(), RegistrarError> {
        Ok(registrar.registry().set_filling(false)?)
    }
}

/// The next part of an import. The reply has the import after it.
struct ImportPart {
    import: Import,
    reading: Reading,
    run: Run<File>,
    done: Progress,
}

impl RegistryChange for ImportPart {
    type Reply = Self;
    type Error = ImportError;

    fn apply(mut self, registrar: &mut Registrar<'_>) -> Result<Self, ImportError> {
        let Self { import, reading, run, done } = &mut self;
        *done = import.some(registrar.registry(), reading, run, *done)?;
        run.added.drain(..).for_each(|(code, entry)| registrar.put(code, entry));
        Ok(self)
    }
}

struct Import {
    keys: LegacyKey,
    csv: PathBuf,
    rejects: PathBuf,
    now_s: u32,
    lines_max: u64,
    allowed: Allowed,
}

/// The context that every line of one file is read with.
struct Reading {
    digest: Vec<u8>,
    titles: Titles,
    districts: Districts,
    gateway: u16,
}

/// The place where a run is.
struct Run<R> {
    lines: Lines<R>,
    rejects: Rejects,
    mode: Mode,
    /// The file was imported to its end before. Who has withdrawn since is not brought in again, and not told of.
    is_known: bool,
    /// Added in this transaction.
    added: Vec<(CodeId, CodeEntry)>,
    /// Those whom an import would add, where nothing is written.
    seen: HashSet<CodeId>,
    documents: HashMap<DocumentNumber, (CodeId, Facts)>,
}

/// The purpose of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Import,
    DryRun,
    /// The same file was imported to its end before: it is compared with the record once more, and whoever it rejected then and no more is
    /// brought in.
    Again,
}

/// The fate of a line.
enum Outcome {
    New(CodeId, CodeEntry),
    Known,
    Differs(Difference),
    Rejected(Reject),
}

impl Import {
    fn run(
        self,
        registrar: &RegistrarHandle,
        progress: &mut dyn FnMut(&ImportReport),
    ) -> Result<ImportReport, ImportError> {
        let (mut file, surveyed) = open(&self.csv)?;
        if hex::encode(&surveyed.digest) != self.allowed.sha256 {
            return Err(ImportError::Changed { path: self.csv });
        }
        let encoding = encoding(&self.csv, &surveyed)?;
        let (titles, lines, lines_done) = begun(&self.csv, &file, encoding)?;
        let begin = Progress { bytes_done: lines.bytes(), lines_done, ..Progress::default() };
        let Surveyed { digest, bytes, .. } = surveyed;
        let (districts, gateway, known) = registrar.act_blocking(BeginImport { digest: digest.clone() })?;
        let reading = Reading { digest, titles, districts, gateway };
        let is_known = known.is_some_and(|known| known.complete);
        let known = known.filter(|_| !self.allowed.dry_run);
        let mode = if self.allowed.dry_run {
            Mode::DryRun
        } else if is_known {
            Mode::Again
        } else {
            Mode::Import
        };
        let report = |done: &Progress| ImportReport {
            bytes,
            bytes_done: done.bytes_done,
            lines: done.lines_done,
            people: done.people,
            known: done.known,
            differing: done.differing,
            rejected: done.rejected,
            resumed: known.is_some(),
        };
        let done = known.filter(|_| mode == Mode::Import).unwrap_or(begin);
        file.seek(SeekFrom::Start(done.bytes_done)).map_err(io("reading", &self.csv))?;
        let run = Run {
            lines: Lines::new(BufReader::new(file), encoding, done.bytes_done),
            rejects: Rejects::open(&self.rejects, done.rejects_bytes)?,
            mode,
            is_known,
            added: Vec::new(),
            seen: HashSet::new(),
            documents: HashMap::new(),
        };
        let mut part = ImportPart { import: self, reading, run, done };
        while !part.done.complete {
            part = registrar.act_blocking(part)?;
            progress(&report(&part.done));
        }
        Ok(report(&part.done))
    }

    /// The lines of one transaction. Rejects are durable before it is.
    fn some(
        &self,
        registry: &Registry,
        reading: &Reading,
        run: &mut Run<impl Read>,
        mut done: Progress,
    ) -> Result<Progress, ImportError> {
        run.added.clear();
        for _ in 0..self.lines_max {
            let Some(line) = run.lines.next().map_err(io("reading", &self.csv))? else {
                done.complete = true;
                break;
            };
            done.lines_done += 1;
            let outcome = match row::holder(&reading.titles, &line, &reading.districts, self.now_s) {
                Ok(None) => continue,
                Ok(Some(holder)) => self.take(registry, reading, run, holder)?,
                Err(reject) => Outcome::Rejected(reject),
            };
            match outcome {
                Outcome::New(code, entry) => {
                    run.added.push((code, entry));
                    done.people += 1;
                }
                Outcome::Known => done.known += 1,
                Outcome::Differs(difference) => {
                    run.rejects.add(done.lines_done, difference);
                    done.differing += 1;
                }
                Outcome::Rejected(reject) => {
                    run.rejects.add(done.lines_done, reject);
                    done.rejected += 1;
                }
            }
        }
        done.bytes_done = run.lines.bytes();
        done.rejects_bytes = run.rejects.sync().map_err(io("writing", &self.rejects))?;
        match run.mode {
            Mode::Import => registry.set_import_progress(&reading.digest, &done)?,
            Mode::DryRun => run.added.clear(),
            Mode::Again => {}
        }
        Ok(done)
    }

    fn take(
        &self,
        registry: &Registry,
        reading: &Reading,
        run: &mut Run<impl Read>,
        holder: Holder,
    ) -> Result<Outcome, ImportError> {
        if stops(holder.entry) && !self.allowed.colours {
            return Err(ImportError::Colours { path: self.csv.clone() });
        }
        let Some(code) = self.keys.code(reading.gateway, &holder.text) else {
            return Ok(Outcome::Rejected(Reject::QrText));
        };
        if run.is_known && registry.has_withdrawn(code)? {
            return Ok(Outcome::Known);
        }
        let document = &holder.person.document;
        let facts = Facts::of(&holder.person, holder.entry);
        let added = match run.mode {
            Mode::Import | Mode::Again => registry.add_person(&holder.person, code, holder.entry)?,
            Mode::DryRun => run.would_add(registry, code, document, facts)?,
        };
        Ok(match added {
            Added::New => Outcome::New(code, holder.entry),
            Added::SameCode => Outcome::Rejected(Reject::SameQrText),
            Added::SameDocument => match run.on_record(registry, code, document)? {
                Some(there) => Difference::between(there, facts).map_or(Outcome::Known, Outcome::Differs),
                None => Outcome::Rejected(Reject::SameDocument),
            },
        })
    }
}

impl<R> Run<R> {
    /// The outcome of adding this one.
    fn would_add(
        &mut self,
        registry: &Registry,
        code: CodeId,
        document: &DocumentNumber,
        facts: Facts,
    ) -> Result<Added, RegistryError> {
        if self.documents.contains_key(document) || registry.code_of_document(document)?.is_some() {
            return Ok(Added::SameDocument);
        }
        if !self.seen.insert(code) || registry.code(code)?.is_some() || registry.has_withdrawn(code)? {
            return Ok(Added::SameCode);
        }
        self.documents.insert(document.clone(), (code, facts));
        Ok(Added::New)
    }

    /// Finds what is on record of the document's holder; `None` if that is not the holder of the code.
    fn on_record(
        &self,
        registry: &Registry,
        code: CodeId,
        document: &DocumentNumber,
    ) -> Result<Option<Facts>, RegistryError> {
        if let Some((theirs, facts)) = self.documents.get(document) {
            return Ok(Some(*facts).filter(|_| *theirs == code));
        }
        if registry.code_of_document(document)? != Some(code) {
            return Ok(None);
        }
        let there = registry.person(code)?.zip(registry.code(code)?);
        Ok(there.map(|(person, entry)| Facts::of(&person, entry)))
    }
}

/// The file, read through once, at its start again.
fn open(csv: &Path) -> Result<(File, Surveyed), ImportError> {
    let mut file = File::open(csv).map_err(io("opening", csv))?;
    let surveyed = table::survey(&mut file).map_err(io("reading", csv))?;
    Ok((file, surveyed))
}

fn encoding(csv: &Path, surveyed: &Surveyed) -> Result<Encoding, ImportError> {
    surveyed.encoding.map_err(|unreadable| refused(csv, unreadable.into()))
}

/// The lines behind the titles, and how many lines were read.
fn begun<'a>(
    csv: &Path,
    mut file: &'a File,
    encoding: Encoding,
) -> Result<(Titles, Lines<&'a File>, u64), ImportError> {
    let begin = encoding.begin() as u64;
    file.seek(SeekFrom::Start(begin)).map_err(io("reading", csv))?;
    let mut lines = Lines::new(BufReader::new(file), encoding, begin);
    let (titles, read) = table::titles(FORM, &mut lines).map_err(|error| refused(csv, error))?;
    Ok((titles, lines, read))
}

fn refused(csv: &Path, source: TableError) -> ImportError {
    ImportError::Table { path: csv.to_owned(), source }
}

fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> ImportError + 'a {
    move |source| ImportError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
