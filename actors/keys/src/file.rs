//! Key files: written completely, synced, with mode 0600; refused if other users have access.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use zeroize::Zeroizing;

use super::{KeyError, Secret, random};

/// The maximum length of a key file.
const FILE_BYTES_MAX: u64 = 4096;
/// The beginning of a key file with a moment. Releases that do not know it refuse the file.
const GOOD_FROM: &str = "good-from ";
const OTHERS: u32 = 0o077;
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> KeyError {
    move |source| {
        let path = path.to_owned();
        if source.kind() == ErrorKind::NotFound {
            KeyError::Missing { path }
        } else if source.kind() == ErrorKind::AlreadyExists {
            KeyError::Exists { path }
        } else {
            KeyError::Io { doing, path, source }
        }
    }
}

/// Returns a random secret, wiped on drop.
pub(super) fn random_secret<const N: usize>() -> Result<Secret<N>, KeyError> {
    let mut bytes = Zeroizing::new([0; N]);
    random::fill(&mut *bytes)?;
    Ok(bytes)
}

pub(super) fn make_directory(path: &Path) -> Result<(), KeyError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(DIRECTORY_MODE).create(path).map_err(io("creating", path))
}

/// Refuses a directory to which other users have access.
pub(super) fn check_directory(path: &Path) -> Result<(), KeyError> {
    let mode = std::fs::metadata(path).map_err(io("inspecting", path))?.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    Err(KeyError::Open { path: path.to_owned(), mode, right: DIRECTORY_MODE })
}

pub(super) fn sync_directory(path: &Path) -> Result<(), KeyError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(io("syncing", path))
}

pub(super) fn names(directory: &Path) -> Result<Vec<String>, KeyError> {
    let entries = std::fs::read_dir(directory).map_err(io("listing", directory))?;
    let names: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let names = names.map_err(io("listing", directory))?;
    Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

pub(super) fn remove(path: &Path) -> Result<(), KeyError> {
    std::fs::remove_file(path).map_err(io("removing", path))
}

pub(super) fn destroy(path: &Path) -> Result<(), KeyError> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("opening", path)(error)),
    };
    let bytes = file.metadata().map_err(io("inspecting", path))?.len();
    let overwritten = std::io::copy(&mut std::io::repeat(b'0').take(bytes), &mut file);
    overwritten.and_then(|_| file.sync_all()).map_err(io("overwriting", path))?;
    remove(path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

pub(super) fn made_s(path: &Path) -> Option<u64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    modified.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// Creates a file and syncs it; refuses to overwrite.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let open = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
    let mut file = open.map_err(io("creating", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("writing", path))
}

pub(super) fn write_hex(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let mut text = Zeroizing::new(hex::encode(bytes));
    text.push('\n');
    write(path, text.as_bytes())
}

/// Reads a file; refuses one to which other users have access. Checks the opened file, not the path.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let file = File::open(path).map_err(io("opening", path))?;
    let mode = file.metadata().map_err(io("inspecting", path))?.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(KeyError::Open { path: path.to_owned(), mode, right: FILE_MODE });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize));
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(io("reading", path))?;
    Ok(bytes)
}

pub(super) fn read_hex<const N: usize>(path: &Path) -> Result<Secret<N>, KeyError> {
    decode(&read(path)?, path)
}

/// Creates a key file that begins with the moment from which the key is used: a file that a crash has cut off is no key.
pub(super) fn write_dated(path: &Path, bytes: &[u8], good_from_s: Option<u64>) -> Result<(), KeyError> {
    let Some(good_from_s) = good_from_s else { return write_hex(path, bytes) };
    let key = Zeroizing::new(hex::encode(bytes));
    write(path, Zeroizing::new(format!("{GOOD_FROM}{good_from_s}\n{}\n", *key)).as_bytes())
}

/// Reads a key with the moment from which it is used, if it has one, seconds since 1970 UTC.
pub(super) fn read_dated<const N: usize>(path: &Path) -> Result<(Secret<N>, Option<u64>), KeyError> {
    let text = read(path)?;
    let Some(dated) = text.strip_prefix(GOOD_FROM.as_bytes()) else {
        return Ok((decode(&text, path)?, None));
    };
    let end = dated.iter().position(|&byte| byte == b'\n').unwrap_or(dated.len());
    let (moment, key) = dated.split_at(end);
    let moment = str::from_utf8(moment).ok().and_then(|moment| moment.parse().ok());
    let moment = moment.ok_or_else(|| KeyError::Malformed {
        path: path.to_owned(),
        expected: "a moment in seconds after `good-from`".to_owned(),
    })?;
    Ok((decode(key, path)?, Some(moment)))
}

fn decode<const N: usize>(text: &[u8], path: &Path) -> Result<Secret<N>, KeyError> {
    let mut bytes = Zeroizing::new([0; N]);
    hex::decode_to_slice(text.trim_ascii(), &mut *bytes).map_err(|_| KeyError::Malformed {
        path: path.to_owned(),
        expected: format!("{N} bytes in hexadecimal"),
    })?;
    Ok(bytes)
}
