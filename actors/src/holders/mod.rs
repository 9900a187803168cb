//! The import of people who already hold a code: a CSV file of any length, checked line by line. A faulty line goes into a reject file,
//! with its number and the reason and nothing else. An interrupted import continues where it stopped when the same file is imported again.
//! A completed file that is imported again adds the lines that were rejected and are good now, and changes nothing else. A line about a
//! registered person changes nothing; if it differs from the record, the reject file names the columns and never the recorded values.

mod difference;
mod error;
mod file;
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
use crate::table::{Lines, Surveyed, Titles};
use difference::{Difference, Facts};
pub use error::ImportError;
use file::{encoding, io, open, read_titles};
use rejects::Rejects;
pub use row::FORM;
use row::{Holder, Reject};

/// Lines in one transaction: so many that syncs do not count, so few that other changes wait for a tenth of a second.
const LINES_PER_TRANSACTION: u64 = 2_000;

/// The progress of an import, after each transaction and at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImportReport {
    /// The length of the file.
    pub bytes: u64,
    /// The part of it that is done.
    pub bytes_done: u64,
    /// The lines read, the header included.
    pub lines: u64,
    /// The people added by this file, those of an earlier, interrupted run included; in a dry run, those whom an import would add.
    pub people: u64,
    /// The people who are registered with the document, the QR text and the other values of their lines.
    pub known: u64,
    /// The people who are registered with the document and the QR text but other values; their records are not changed.
    #[serde(default)]
    pub differing: u64,
    /// The rejected lines.
    pub rejected: u64,
    /// True if an earlier run of the same file was continued, or was complete.
    pub resumed: bool,
}

/// The scope that operators sign for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// True if yellow and red may be set.
    pub colours: bool,
    /// True if nothing is written.
    pub dry_run: bool,
}

/// Computes the file's SHA-256, hexadecimal, which operators sign for.
pub fn sha256(csv: &Path) -> Result<String, ImportError> {
    let (_, surveyed) = open(csv)?;
    Ok(hex::encode(surveyed.digest))
}

/// Returns true if a line of the file would set yellow or red. Reads the whole file and writes nothing.
pub fn sets_colours(csv: &Path, regions: Vec<RegionRow>) -> Result<bool, ImportError> {
    let (now_s, districts) = (now_s(), Districts::new(regions));
    let (file, surveyed) = open(csv)?;
    let (titles, mut lines, _) = read_titles(csv, &file, encoding(csv, &surveyed)?)?;
    while let Some(line) = lines.next().map_err(io("reading", csv))? {
        if let Ok(Some(holder)) = row::holder(&titles, &line, &districts, now_s)
            && needs_two_operators(holder.entry)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn needs_two_operators(entry: CodeEntry) -> bool {
    match entry.colour() {
        Colour::Yellow | Colour::Red => true,
        Colour::Green | Colour::Unknown => false,
    }
}

fn now_s() -> u32 {
    u32::try_from(clock::now_s()).unwrap_or(u32::MAX)
}

/// Imports the holders in `csv`, in parts, each durable before it is in memory; other changes are made between two parts. Calls `progress`
/// after each part. Blocks its thread.
///
/// # Errors
/// A file or colour that is not allowed, or a failure of a file or the registry. Earlier parts stay imported, the current one is not.
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
    if let Err(error) = registrar.act_blocking(EndImport) {
        tracing::error!(%error, "the registry keeps the large cache of imports until the next one");
    }
    result
}

/// The preparation of the registry. The reply is the districts, the gateway's number, and the progress of an earlier run of the file.
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

/// The release of the memory that an import took.
struct EndImport;

impl RegistryChange for EndImport {
    type Reply = ();
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<(), RegistrarError> {
        Ok(registrar.registry().set_filling(false)?)
    }
}

/// The next part of an import. The reply is the import after that part.
struct ImportPart {
    import: Import,
    context: FileContext,
    state: ImportState<File>,
    done: Progress,
}

impl RegistryChange for ImportPart {
    type Reply = Self;
    type Error = ImportError;

    fn apply(mut self, registrar: &mut Registrar<'_>) -> Result<Self, ImportError> {
        let Self { import, context, state, done } = &mut self;
        *done = import.import_lines(registrar.registry(), context, state, *done)?;
        state.added.drain(..).for_each(|(code, entry)| registrar.put(code, entry));
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

/// The values that stay the same for every line of a file.
struct FileContext {
    digest: Vec<u8>,
    titles: Titles,
    districts: Districts,
    gateway: u16,
}

/// The state of an import between two lines.
struct ImportState<R> {
    lines: Lines<R>,
    rejects: Rejects,
    mode: Mode,
    /// True if the file was imported to its end before. People who have withdrawn since are not added again, and not reported.
    is_known: bool,
    /// The codes added in this transaction.
    added: Vec<(CodeId, CodeEntry)>,
    /// The codes that an import would have added, in a dry state.
    seen: HashSet<CodeId>,
    /// The people whom an import would have added, in a dry state.
    documents: HashMap<DocumentNumber, (CodeId, Facts)>,
}

/// The purpose of an import.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Import,
    DryRun,
    /// The same file was imported to its end before: it is compared with the record once more, and the lines that were rejected then and
    /// are good now are added.
    Again,
}

/// The result of a line.
enum LineResult {
    Added(CodeId, CodeEntry),
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
        let (titles, lines, lines_done) = read_titles(&self.csv, &file, encoding)?;
        let begin = Progress { bytes_done: lines.bytes(), lines_done, ..Progress::default() };
        let Surveyed { digest, bytes, .. } = surveyed;
        let (districts, gateway, known) = registrar.act_blocking(BeginImport { digest: digest.clone() })?;
        let context = FileContext { digest, titles, districts, gateway };
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
        let state = ImportState {
            lines: Lines::new(BufReader::new(file), encoding, done.bytes_done),
            rejects: Rejects::open(&self.rejects, done.rejects_bytes)?,
            mode,
            is_known,
            added: Vec::new(),
            seen: HashSet::new(),
            documents: HashMap::new(),
        };
        let mut part = ImportPart { import: self, context, state, done };
        while !part.done.complete {
            part = registrar.act_blocking(part)?;
            progress(&report(&part.done));
        }
        Ok(report(&part.done))
    }

    /// Imports the lines of one transaction. Their rejects are durable before the transaction is.
    fn import_lines(
        &self,
        registry: &Registry,
        context: &FileContext,
        state: &mut ImportState<impl Read>,
        mut done: Progress,
    ) -> Result<Progress, ImportError> {
        state.added.clear();
        for _ in 0..self.lines_max {
            let Some(line) = state.lines.next().map_err(io("reading", &self.csv))? else {
                done.complete = true;
                break;
            };
            done.lines_done += 1;
            let result = match row::holder(&context.titles, &line, &context.districts, self.now_s) {
                Ok(None) => continue,
                Ok(Some(holder)) => self.add(registry, context, state, holder)?,
                Err(reject) => LineResult::Rejected(reject),
            };
            match result {
                LineResult::Added(code, entry) => {
                    state.added.push((code, entry));
                    done.people += 1;
                }
                LineResult::Known => done.known += 1,
                LineResult::Differs(difference) => {
                    state.rejects.add(done.lines_done, difference);
                    done.differing += 1;
                }
                LineResult::Rejected(reject) => {
                    state.rejects.add(done.lines_done, reject);
                    done.rejected += 1;
                }
            }
        }
        done.bytes_done = state.lines.bytes();
        done.rejects_bytes = state.rejects.sync().map_err(io("writing", &self.rejects))?;
        match state.mode {
            Mode::Import => registry.set_import_progress(&context.digest, &done)?,
            Mode::DryRun => state.added.clear(),
            Mode::Again => {}
        }
        Ok(done)
    }

    /// Adds the holder of a line, or compares the line with the record.
    fn add(
        &self,
        registry: &Registry,
        context: &FileContext,
        state: &mut ImportState<impl Read>,
        holder: Holder,
    ) -> Result<LineResult, ImportError> {
        if needs_two_operators(holder.entry) && !self.allowed.colours {
            return Err(ImportError::Colours { path: self.csv.clone() });
        }
        let Some(code) = self.keys.code(context.gateway, &holder.text) else {
            return Ok(LineResult::Rejected(Reject::QrText));
        };
        if state.is_known && registry.has_withdrawn(code)? {
            return Ok(LineResult::Known);
        }
        let document = &holder.person.document;
        let facts = Facts::of(&holder.person, holder.entry);
        let added = match state.mode {
            Mode::Import | Mode::Again => registry.add_person(&holder.person, code, holder.entry)?,
            Mode::DryRun => state.would_add(registry, code, document, facts)?,
        };
        Ok(match added {
            Added::New => LineResult::Added(code, holder.entry),
            Added::SameCode => LineResult::Rejected(Reject::SameQrText),
            Added::SameDocument => match state.on_record(registry, code, document)? {
                Some(there) => {
                    Difference::between(there, facts).map_or(LineResult::Known, LineResult::Differs)
                }
                None => LineResult::Rejected(Reject::SameDocument),
            },
        })
    }
}

impl<R> ImportState<R> {
    /// Returns the result that adding this person would have.
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

    /// Returns the recorded facts of the document's holder; `None` if that is not the holder of the code.
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

#[cfg(test)]
mod tests;
