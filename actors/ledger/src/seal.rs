//! Day keys: the punches of each day are sealed with the day's key (AES-256-GCM). Destroying the key when they expire makes them
//! unreadable in all copies of the log.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keys::{KeyError, random, read_secret};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::LedgerError;
use super::format::NONCE_BYTES;
use super::time::{day_name, day_of_name};

/// Reports whether the directory contains day keys, which shows that there were punches. Creates nothing.
///
/// # Errors
/// An error of the operating system.
pub fn has_day_keys(directory: &Path) -> Result<bool, LedgerError> {
    if !directory.exists() {
        return Ok(false);
    }
    let entries = std::fs::read_dir(directory);
    let mut entries = entries.map_err(LedgerError::io("listing", &directory.display().to_string()))?;
    Ok(entries.any(|entry| entry.is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "key"))))
}

/// Returns the names of the days whose keys are in the directory, in their order.
///
/// # Errors
/// An error of the operating system.
pub fn days_with_keys(directory: &Path) -> Result<Vec<String>, LedgerError> {
    let failed = LedgerError::io("listing", &directory.display().to_string());
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let name = |entry: io::Result<std::fs::DirEntry>| {
        let path = entry.ok()?.path();
        let name = path.file_stem()?.to_str()?.to_owned();
        (path.extension()? == "key" && day_of_name(&name).is_some()).then_some(name)
    };
    let mut days: Vec<String> = entries.filter_map(name).collect();
    days.sort();
    Ok(days)
}

/// Reads a day's key, 32 bytes, so that a copy of it is sealed to others; `None` if it does not exist.
///
/// # Errors
/// The name is no day's, other users have access to the file, or an error of the operating system.
pub fn day_key(directory: &Path, day: &str) -> Result<Option<Zeroizing<[u8; 32]>>, LedgerError> {
    let day = day_of_name(day).ok_or_else(|| LedgerError::Key(format!("{day} is no day's name")))?;
    DayKeys::at(directory).read(day)
}

/// The day keys in a directory, read on demand.
pub(super) struct DayKeys {
    directory: PathBuf,
    /// True for keys that were given: there are no others.
    is_given: bool,
    known: HashMap<u32, LessSafeKey>,
}

impl DayKeys {
    /// Opens the directory; creates it if it does not exist.
    pub(super) fn open(directory: &Path) -> Result<Self, LedgerError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(LedgerError::io("creating", &directory.display().to_string()))?;
        Ok(Self::at(directory))
    }

    /// Opens the directory for reading; does not create it.
    pub(super) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), is_given: false, known: HashMap::new() }
    }

    /// Holds keys that were given, by the names of their days.
    pub(super) fn given<'a>(keys: impl IntoIterator<Item = (&'a str, &'a [u8; 32])>) -> Self {
        let mut given = Self { directory: PathBuf::new(), is_given: true, known: HashMap::new() };
        for (day, key) in keys {
            if let Some(day) = day_of_name(day) {
                given.keep(day, key);
            }
        }
        given
    }

    /// Returns the directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, day: u32) -> PathBuf {
        self.directory.join(format!("{}.key", day_name(day)))
    }

    /// Seals a body in place with the day's key, which is made if necessary. `nonce` comes from [`Self::nonce`].
    pub(super) fn seal(
        &mut self,
        day: u32,
        nonce: [u8; NONCE_BYTES],
        associated: &[u8],
        body: &mut Vec<u8>,
    ) -> Result<(), LedgerError> {
        self.make(day)?;
        let key = self.known.get(&day).expect("made above");
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), body)
            .map_err(|_| LedgerError::Key("a batch is too long to seal".to_owned()))
    }

    /// Returns a random nonce.
    pub(super) fn nonce() -> Result<[u8; NONCE_BYTES], LedgerError> {
        random::bytes().map_err(|error| LedgerError::Key(error.to_string()))
    }

    /// Opens a body; `None` if the day's key does not exist.
    pub(super) fn open_body(
        &mut self,
        day: u32,
        nonce: [u8; NONCE_BYTES],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        if !self.load(day)? {
            return Ok(None);
        }
        let key = self.known.get(&day).expect("loaded above");
        let mut body = sealed.to_vec();
        let plain = key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(associated), &mut body)
            .map_err(|_| {
                LedgerError::Key(format!("the key of {} does not open its punches", day_name(day)))
            })?;
        let len = plain.len();
        body.truncate(len);
        Ok(Some(body))
    }

    /// Destroys a day's key: overwrites it, removes it, and syncs the directory.
    pub(super) fn destroy(&mut self, day: u32) -> Result<(), LedgerError> {
        self.known.remove(&day);
        let path = self.path(day);
        let result = (|| {
            let mut file = OpenOptions::new().write(true).open(&path)?;
            file.write_all(&[b'0'; 64])?;
            file.sync_all()?;
            std::fs::remove_file(&path)?;
            File::open(&self.directory)?.sync_all()
        })();
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(LedgerError::io("destroying", &path.display().to_string())),
        }
    }

    /// Returns the days before `day` that have a key, in order.
    pub(super) fn days_before(&self, day: u32) -> Result<Vec<u32>, LedgerError> {
        let io = LedgerError::io("listing", &self.directory.display().to_string());
        if !self.directory.exists() {
            return Ok(Vec::new());
        }
        let names = std::fs::read_dir(&self.directory)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())).collect());
        let names: Vec<std::ffi::OsString> = names.map_err(io)?;
        let mut days: Vec<u32> = names
            .iter()
            .filter_map(|name| day_of_name(name.to_str()?.strip_suffix(".key")?))
            .filter(|&named| named < day)
            .collect();
        days.sort_unstable();
        Ok(days)
    }

    /// Reports whether the day has a key.
    pub(super) fn has(&self, day: u32) -> bool {
        self.known.contains_key(&day) || self.path(day).exists()
    }

    fn load(&mut self, day: u32) -> Result<bool, LedgerError> {
        if self.known.contains_key(&day) {
            return Ok(true);
        }
        let bytes = if self.is_given { None } else { self.read(day)? };
        Ok(bytes.map(|bytes| self.keep(day, &bytes)).is_some())
    }

    /// Reads the day's key; `None` if it does not exist.
    fn read(&self, day: u32) -> Result<Option<Zeroizing<[u8; 32]>>, LedgerError> {
        let path = self.path(day);
        let text = match read_secret(&path) {
            Ok(text) => text,
            Err(KeyError::Missing { .. }) => return Ok(None),
            Err(KeyError::Io { source, .. }) => {
                return Err(LedgerError::io("reading", &path.display().to_string())(source));
            }
            Err(error) => return Err(LedgerError::Key(error.to_string())),
        };
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *bytes)
            .map_err(|_| LedgerError::Key(format!("{} is not 64 hexadecimal digits", path.display())))?;
        Ok(Some(bytes))
    }

    fn keep(&mut self, day: u32, bytes: &[u8; 32]) {
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("an AES-256 key has 32 bytes");
        self.known.insert(day, LessSafeKey::new(key));
    }

    /// Makes the day's key if it does not exist.
    pub(super) fn make(&mut self, day: u32) -> Result<(), LedgerError> {
        if self.load(day)? {
            return Ok(());
        }
        let mut bytes = Zeroizing::new([0; 32]);
        random::fill(&mut *bytes).map_err(|error| LedgerError::Key(error.to_string()))?;
        let path = self.path(day);
        let fresh = path.with_extension("new");
        (|| {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(Zeroizing::new(hex::encode(*bytes)).as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)?;
            File::open(&self.directory)?.sync_all()
        })()
        .map_err(LedgerError::io("writing", &path.display().to_string()))?;
        self.keep(day, &bytes);
        Ok(())
    }
}
