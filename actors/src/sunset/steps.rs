//! The steps of a sunset's destruction. Each step needs the record alone and can be done again, so that the next run finishes what a crash
//! has cut.

use std::io::ErrorKind;
use std::path::Path;

use keys::{Keys, destroy};
use registry::kept;
use runtime::clock;

use super::record::sync_directory;
use super::{LEDGER, REGISTRY, Record, SunsetError, io, plan};

/// A step: it gets the data directory and the record as it is then.
type Step = fn(&Path, &Record) -> Result<(), SunsetError>;

/// The steps in their order. Day keys come first: after them no copy of a punch can be read anywhere.
pub(super) const STEPS: [(&str, Step); 7] = [
    ("day keys", day_keys),
    ("punches", punches),
    ("people", people),
    ("made-up people", made_up),
    ("keys", keys),
    ("record", record),
    ("signing key", signing_key),
];

fn is_day(name: &str) -> bool {
    name.contains('/')
}

fn day_keys(_: &Path, record: &Record) -> Result<(), SunsetError> {
    destroy_keys(record, is_day)
}

/// Removes the segments. They are not overwritten: without their day's key they are noise. The log's records of deletions stay.
fn punches(data: &Path, _: &Record) -> Result<(), SunsetError> {
    let ledger = data.join(LEDGER);
    for name in plan::punches(data)? {
        let path = ledger.join(name);
        std::fs::remove_file(&path).map_err(io("removing", &path))?;
    }
    if ledger.exists() { sync_directory(&ledger) } else { Ok(()) }
}

fn people(data: &Path, _: &Record) -> Result<(), SunsetError> {
    Ok(kept::empty(&data.join(REGISTRY))?)
}

fn made_up(data: &Path, record: &Record) -> Result<(), SunsetError> {
    for name in &record.plan.made_up {
        destroy(&data.join(name))?;
    }
    // The directories, the deepest first.
    let parents =
        record.plan.made_up.iter().filter_map(|name| name.rsplit_once('/')).map(|(parent, _)| parent);
    let mut parents: Vec<&str> = parents.collect();
    parents.sort_unstable();
    parents.dedup();
    for parent in parents.iter().rev() {
        remove_empty(&data.join(parent))?;
    }
    sync_directory(data)
}

fn keys(_: &Path, record: &Record) -> Result<(), SunsetError> {
    destroy_keys(record, |name| !is_day(name) && !Keys::is_signing(name))
}

/// Signs the record a second time, now with the time of the end; nothing is signed after it. Done again this changes nothing.
fn record(data: &Path, record: &Record) -> Result<(), SunsetError> {
    if record.ended_s.is_some() {
        return Ok(());
    }
    let signing = Keys::read_signing(&record.plan.keys_directory)?;
    let ended = Record { ended_s: Some(clock::now_s()), ..record.clone() };
    ended.write(data, &signing)
}

fn signing_key(_: &Path, record: &Record) -> Result<(), SunsetError> {
    destroy_keys(record, Keys::is_signing)?;
    let directory = &record.plan.keys_directory;
    remove_empty(&Keys::days(directory))?;
    remove_empty(directory)
}

fn destroy_keys(record: &Record, which: impl Fn(&str) -> bool) -> Result<(), SunsetError> {
    let directory = &record.plan.keys_directory;
    for name in record.plan.keys.iter().filter(|name| which(name)) {
        destroy(&directory.join(name))?;
    }
    Ok(())
}

/// Removes an empty directory. One that holds something, is a mount point, or is in a place that may not be changed stays.
fn remove_empty(directory: &Path) -> Result<(), SunsetError> {
    match std::fs::remove_dir(directory) {
        Ok(()) => Ok(()),
        Err(error) if stays(error.kind()) => Ok(()),
        Err(error) => Err(io("removing", directory)(error)),
    }
}

const fn stays(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::DirectoryNotEmpty
            | ErrorKind::PermissionDenied
            | ErrorKind::ResourceBusy
            | ErrorKind::ReadOnlyFilesystem
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_cannot_be_removed_stays_and_the_end_goes_on() {
        // A place of its own: busy for root, not theirs for others.
        remove_empty(Path::new("/proc")).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        remove_empty(file.path()).expect_err("no directory");
        // EACCES, EROFS: a parent that is not to be written.
        for number in [13, 30] {
            assert!(stays(std::io::Error::from_raw_os_error(number).kind()), "{number}");
        }
    }
}
