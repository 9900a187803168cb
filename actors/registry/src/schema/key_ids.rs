//! The ids of the keys that the registry was made with and last opened with. A key file that was restored wrongly, or is missing,
//! is refused by name before anything is issued or signed.

use keys::Keys;
use keys::ids::{KeyId, KeyMismatch};

use crate::{Registry, RegistryError};

/// The prefix of a key file's name in `meta`.
const PREFIX: &str = "key ";

impl Registry {
    /// Checks that field key and pepper are those that the registry was made with.
    pub(crate) fn check_keys(&self) -> Result<(), RegistryError> {
        match self.meta("keys")? {
            Some(known) => self.check_mark(&known),
            None => self.set_meta("keys", &self.sealer.mark()),
        }
    }

    pub(crate) fn check_mark(&self, known: &str) -> Result<(), RegistryError> {
        match self.sealer.other_than(known) {
            None => Ok(()),
            Some(file) => Err(RegistryError::WrongKey { file: file.to_owned() }),
        }
    }

    /// Returns an error if a key differs from the known ones or is missing.
    pub(crate) fn check_key_ids(&self, keys: &Keys) -> Result<(), RegistryError> {
        match keys.mismatch(&self.key_ids()?) {
            None => Ok(()),
            Some(KeyMismatch::Replaced(file)) => Err(RegistryError::WrongKey { file }),
            Some(KeyMismatch::Missing(file)) => Err(RegistryError::KeyGone { file }),
        }
    }

    /// Stores the ids of the present keys; a rotation adds and drops keys.
    pub(crate) fn note_key_ids(&mut self, keys: &Keys) -> Result<(), RegistryError> {
        let (known, here) = (self.key_ids()?, keys.ids());
        if known.len() == here.len() && here.iter().all(|key| known.contains(key)) {
            return Ok(());
        }
        self.transaction(|registry| {
            for key in &known {
                let name = format!("{PREFIX}{}", key.file);
                registry.connection.execute("DELETE FROM meta WHERE name = ?1", [name])?;
            }
            here.iter().try_for_each(|key| registry.set_meta(&format!("{PREFIX}{}", key.file), &key.id))
        })
    }

    fn key_ids(&self) -> Result<Vec<KeyId>, RegistryError> {
        let sql = "SELECT substr(name, 5), value FROM meta WHERE name LIKE 'key %' ORDER BY name";
        let mut query = self.connection.prepare_cached(sql)?;
        let rows = query.query_map([], |row| Ok(KeyId { file: row.get(0)?, id: row.get(1)? }))?;
        rows.collect::<Result<_, _>>().map_err(RegistryError::Store)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn opens(directory: &Path) -> Result<Registry, String> {
        let keys = Keys::load(&directory.join("keys")).map_err(|error| error.to_string())?;
        Registry::open(&directory.join("registry.db"), &keys).map_err(|error| error.to_string())
    }

    #[test]
    fn another_key_of_the_same_name_is_refused_by_its_name_and_so_is_one_that_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        Keys::init(&at("keys")).unwrap();
        Keys::init(&at("others")).unwrap();
        drop(opens(directory.path()).unwrap());
        for file in [
            "signing.pk8",
            "legacy.key",
            "pepper.key",
            "field.key",
            "token-1.key",
            "paper-128.key",
            "quic.key",
        ] {
            let (path, own) = (at("keys").join(file), std::fs::read(at("keys").join(file)).unwrap());
            std::fs::copy(at("others").join(file), &path).unwrap();
            let opened = opens(directory.path()).map(drop);
            match file {
                "quic.key" => opened.expect("devices connect again"),
                _ => {
                    let refused = opened.expect_err(file);
                    assert!(refused.contains(file) && refused.contains("from the safe"), "{refused}");
                    let read = Keys::load(&at("keys")).unwrap();
                    Registry::open_to_read(&at("registry.db"), &read).expect_err(file);
                }
            }
            std::fs::write(&path, own).unwrap();
        }
        drop(opens(directory.path()).unwrap());

        Keys::rotate_token(&at("keys"), None, 0).unwrap();
        drop(opens(directory.path()).unwrap());
        std::fs::remove_file(at("keys/token-1.key")).unwrap();
        let refused = opens(directory.path()).map(drop).unwrap_err();
        assert!(refused.contains("token-1.key") && refused.contains("is missing"), "{refused}");
    }

    #[test]
    fn keys_that_were_rotated_out_are_missed_by_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        Keys::init(&keys).unwrap();
        for starts in 0..200 {
            // Sometimes several rotations between two starts.
            for _ in 0..starts % 4 {
                Keys::rotate_token(&keys, None, 0).unwrap();
            }
            drop(opens(directory.path()).unwrap_or_else(|error| panic!("start {starts}: {error}")));
        }
    }

    #[test]
    fn a_key_whose_id_only_earlier_releases_gave_counts_when_another_is_rotated_out() {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        Keys::init(&keys).unwrap();
        for _ in 0..3 {
            Keys::rotate_token(&keys, None, 0).unwrap();
        }
        std::fs::rename(keys.join("token-3.key"), keys.join("token-5.key")).unwrap();
        drop(opens(directory.path()).unwrap());
        let rotated = Keys::rotate_token(&keys, None, 0).unwrap();
        assert_eq!((rotated.made, rotated.kept, rotated.dropped), (6, 5, vec![4]));
        drop(opens(directory.path()).unwrap());
    }
}
