//! Day keys: each day's punches are sealed with a key of their own, which is destroyed when they expire; that forgets them in
//! every copy of the log as well. AES-256-GCM.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keys::{KeyError, read_secret};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::LedgerError;
use super::format::NONCE_BYTES;
use super::time::{day_name, day_of_name};

/// Says whether there are keys of days in that directory: then there were punches. Makes nothing.
///
/// # Errors
/// The operating system's word.
pub fn has_day_keys(directory: &Path) -> Result<bool, LedgerError> {
    if !directory.exists() {
        return Ok(false);
    }
    let entries = std::fs::read_dir(directory);
    let mut entries = entries.map_err(LedgerError::io("listing", &directory.display().to_string()))?;
    Ok(entries.any(|entry| entry.is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "key"))))
}

/// The day keys in their directory.
pub(super) struct DayKeys {
    directory: PathBuf,
    known: HashMap<u32, LessSafeKey>,
    random: SystemRandom,
}

impl DayKeys {
    pub(super) fn open(directory: &Path) -> Result<Self, LedgerError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(LedgerError::io("making", &directory.display().to_string()))?;
        Ok(Self::at(directory))
    }

    /// The same for a reader, who makes no directory.
    pub(super) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), known: HashMap::new(), random: SystemRandom::new() }
    }

    /// Says where they are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, day: u32) -> PathBuf {
        self.directory.join(format!("{}.key", day_name(day)))
    }

    /// Seals a body in place, for that day; the nonce is what [`Self::nonce`] gave.
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

    /// A nonce that no batch has had.
    pub(super) fn nonce(&self) -> Result<[u8; NONCE_BYTES], LedgerError> {
        let mut nonce = [0; NONCE_BYTES];
        self.random
            .fill(&mut nonce)
            .map_err(|_| LedgerError::Key("the system gives no random bytes".to_owned()))?;
        Ok(nonce)
    }

    /// Opens a body. `None` when the day's key is gone: its punches are forgotten.
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

    /// Destroys the key of a day: overwritten, then removed, and the removal made durable.
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

    /// Days that have a key.
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

    /// Says whether the day has a key.
    pub(super) fn has(&self, day: u32) -> bool {
        self.known.contains_key(&day) || self.path(day).exists()
    }

    fn load(&mut self, day: u32) -> Result<bool, LedgerError> {
        if self.known.contains_key(&day) {
            return Ok(true);
        }
        let path = self.path(day);
        let text = match read_secret(&path) {
            Ok(text) => text,
            Err(KeyError::Missing { .. }) => return Ok(false),
            Err(KeyError::Io { source, .. }) => {
                return Err(LedgerError::io("reading", &path.display().to_string())(source));
            }
            Err(error) => return Err(LedgerError::Key(error.to_string())),
        };
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *bytes)
            .map_err(|_| LedgerError::Key(format!("{} is not 64 hexadecimal digits", path.display())))?;
        self.keep(day, &bytes);
        Ok(true)
    }

    fn keep(&mut self, day: u32, bytes: &[u8; 32]) {
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("an AES-256 key has 32 bytes");
        self.known.insert(day, LessSafeKey::new(key));
    }

    /// Makes the day's key if it has none.
    pub(super) fn make(&mut self, day: u32) -> Result<(), LedgerError> {
        if self.load(day)? {
            return Ok(());
        }
        let mut bytes = Zeroizing::new([0; 32]);
        self.random
            .fill(&mut *bytes)
            .map_err(|_| LedgerError::Key("the system gives no random bytes".to_owned()))?;
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
