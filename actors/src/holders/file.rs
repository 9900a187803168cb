//! The file of an import: opened, read once for its digest and its encoding, and read up to its titles.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;

use super::error::ImportError;
use super::row::FORM;
use crate::table::{self, Encoding, Lines, Surveyed, TableError, Titles};

/// Opens the file, reads it once for its digest and encoding, and returns it for a second context.
pub(super) fn open(csv: &Path) -> Result<(File, Surveyed), ImportError> {
    let mut file = File::open(csv).map_err(io("opening", csv))?;
    let surveyed = table::survey(&mut file).map_err(io("reading", csv))?;
    Ok((file, surveyed))
}

pub(super) fn encoding(csv: &Path, surveyed: &Surveyed) -> Result<Encoding, ImportError> {
    surveyed.encoding.map_err(|unreadable| refused(csv, unreadable.into()))
}

/// Reads the titles; returns them, the lines behind them, and the number of lines that were read.
pub(super) fn read_titles<'a>(
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

pub(super) fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> ImportError + 'a {
    move |source| ImportError::Io { doing, path: path.to_owned(), source }
}
