//! The list of withdrawn codes, a file beside the keys. A registry restored from a backup still holds these people and removes
//! them when it is opened. A line holds a code's number and a time, no personal data; backups do not include the file.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use protocol::CodeId;
use runtime::clock;

use crate::{Registry, RegistryError};

/// People who are removed in one transaction.
const PEOPLE_PER_TRANSACTION: usize = 1_000;

/// The file, and the withdrawals of the open transaction.
#[derive(Default)]
pub(crate) struct WithdrawnList {
    /// `None` for readers.
    path: Option<PathBuf>,
    noted: RefCell<Vec<(CodeId, u64)>>,
}

impl WithdrawnList {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path: Some(path), noted: RefCell::default() }
    }

    pub(crate) fn note(&self, code: CodeId, at_s: u64) {
        self.noted.borrow_mut().push((code, at_s));
    }

    /// Returns the position to roll back to.
    pub(crate) fn len(&self) -> usize {
        self.noted.borrow().len()
    }

    /// Drops the withdrawals after this position.
    pub(crate) fn truncate(&self, len: usize) {
        self.noted.borrow_mut().truncate(len);
    }

    /// Adds the withdrawals to the file, after the commit. If that fails the next start tries again.
    pub(crate) fn write(&self) {
        let noted = std::mem::take(&mut *self.noted.borrow_mut());
        if let Err(error) = self.append(&noted) {
            tracing::error!(%error, "withdrawals cannot be added to the list beside the keys: a restored backup would contain these people");
        }
    }

    fn append(&self, codes: &[(CodeId, u64)]) -> Result<(), RegistryError> {
        let Some(path) = self.path.as_ref().filter(|_| !codes.is_empty()) else { return Ok(()) };
        let io = |source| RegistryError::Io { doing: "writing", path: path.clone(), source };
        // A line that a power cut has torn ends where the next one begins.
        let lines: String =
            codes.iter().map(|(code, at_s)| format!("\n{:016x} {at_s}", code.get())).collect();
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(path).map_err(io)?;
        file.write_all(lines.as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.sync_all())
            .map_err(io)
    }

    fn read(&self) -> Result<HashMap<CodeId, u64>, RegistryError> {
        let Some(path) = &self.path else { return Ok(HashMap::new()) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
            Err(source) => return Err(RegistryError::Io { doing: "reading", path: path.clone(), source }),
        };
        let line = |line: &str| {
            let (code, at_s) = line.split_once(' ')?;
            let code = (code.len() == 16).then(|| u64::from_str_radix(code, 16).ok()).flatten()?;
            Some((CodeId::from_u64(code)?, at_s.parse().ok()?))
        };
        Ok(text.lines().filter_map(line).collect())
    }
}

impl Registry {
    /// Returns the withdrawn codes with their times; rows of earlier releases have none and get the present time.
    fn withdrawn(&self) -> Result<Vec<(CodeId, u64)>, RegistryError> {
        let sql =
            "SELECT id, coalesce(at_s, ?1) FROM codes LEFT JOIN withdrawals ON code = id WHERE tags = 0";
        let mut query = self.connection.prepare(sql)?;
        let now_s = clock::now_s();
        let rows =
            query.query_map([now_s as i64], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        let code = |id: i64| CodeId::from_u64(id as u64).ok_or(RegistryError::Damaged { what: "code" });
        rows.map(|row| row.map_err(Into::into).and_then(|(id, at_s)| Ok((code(id)?, at_s as u64)))).collect()
    }

    /// Returns true if the code was a person's who has withdrawn. It is issued to no one again.
    pub fn has_withdrawn(&self, code: CodeId) -> Result<bool, RegistryError> {
        let sql = "SELECT 1 FROM codes WHERE id = ?1 AND tags = 0";
        Ok(self.connection.prepare_cached(sql)?.exists([code.get() as i64])?)
    }

    /// Adds withdrawals that the file lacks; returns what it had.
    pub(crate) fn list_withdrawn(&self) -> Result<HashMap<CodeId, u64>, RegistryError> {
        let gone = self.withdrawn_list.read()?;
        let known = self.withdrawn()?.into_iter();
        let missing: Vec<_> = known.filter(|(code, _)| !gone.contains_key(code)).collect();
        if let Err(error) = self.withdrawn_list.append(&missing) {
            tracing::error!(%error, "withdrawals cannot be added to the list beside the keys: a restored backup would contain these people");
        }
        Ok(gone)
    }

    /// Removes the people who withdrew after this registry was copied, and adds withdrawals that the file lacks.
    pub(crate) fn remove_withdrawn(&mut self) -> Result<(), RegistryError> {
        let gone = self.list_withdrawn()?;
        let mut back = Vec::new();
        for (code, at_s) in gone {
            if let Some(person) = self.person(code)? {
                back.push((code, at_s, person));
            }
        }
        for some in back.chunks(PEOPLE_PER_TRANSACTION) {
            self.transaction::<_, RegistryError>(|registry| {
                for (code, at_s, person) in some {
                    for ward in registry.wards_of(*code)? {
                        registry.set_guardian(ward, None)?;
                    }
                    registry.remove_person(*code, person, *at_s)?;
                }
                // They are in the file already.
                registry.withdrawn_list.truncate(0);
                Ok(())
            })?;
        }
        if !back.is_empty() {
            tracing::warn!(people = back.len(), "people who had withdrawn were removed from this registry");
        }
        Ok(())
    }
}
