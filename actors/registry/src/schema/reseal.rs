//! The rewriting of what earlier releases sealed and hashed: fields are now bound to their column as well, and a document's hash
//! covers its number without its kind. Small tables are rewritten when the registry is opened, people in parts while the gateway
//! runs; until the last part, people are found and read in both forms.

use rusqlite::params;

use crate::causes::evidence::owner;
use crate::people::fields;
use crate::personal::seal::{Column, Hash};
use crate::{Registry, RegistryError, is_conflict};

/// The row of `meta` with the progress: [`ALL`] at the start, then the number of the last person; absent at the end.
const CURSOR: &str = "reseal-cursor";
const ALL: &str = "all";
/// People who are rewritten in one transaction, about a tenth of a second.
const PEOPLE_PER_TRANSACTION: usize = 2_000;
/// The owner for which earlier releases sealed every stay.
const STAYS: u64 = u64::MAX;

impl Registry {
    /// Rewrites everything but people, if an earlier release wrote it.
    pub(crate) fn begin_resealing(&mut self) -> Result<(), RegistryError> {
        if self.meta(CURSOR)?.as_deref() == Some(ALL) {
            self.transaction(|registry| {
                let by_number = [
                    (
                        Column::Appeal,
                        "SELECT id, id, sealed FROM appeals",
                        "UPDATE appeals SET sealed = ?2 WHERE id = ?1",
                    ),
                    (
                        Column::Appeal,
                        "SELECT id, id, answer FROM appeals WHERE answer IS NOT NULL",
                        "UPDATE appeals SET answer = ?2 WHERE id = ?1",
                    ),
                    (
                        Column::Evidence,
                        "SELECT id, code, evidence FROM causes WHERE evidence IS NOT NULL",
                        "UPDATE causes SET evidence = ?2 WHERE id = ?1",
                    ),
                ];
                for (column, select, update) in by_number {
                    registry.reseal_column(column, select, update)?;
                }
                registry.reseal_stays()?;
                registry.set_meta(CURSOR, if registry.people()? > 0 { "0" } else { "" })
            })?;
            self.forget_cursor_at_end()?;
        }
        self.expect_old_people()
    }

    /// Sets that people are read in both forms while some are not rewritten.
    pub(crate) fn expect_old_people(&self) -> Result<(), RegistryError> {
        self.sealer.set_old_people(self.meta(CURSOR)?.is_some());
        Ok(())
    }

    /// Rewrites the next people; returns false when none is left.
    pub fn reseal_some(&mut self) -> Result<bool, RegistryError> {
        if !self.sealer.has_old_people() {
            return Ok(false);
        }
        let after: i64 = self.meta(CURSOR)?.and_then(|text| text.parse().ok()).unwrap_or(0);
        self.transaction(|registry| {
            let some = registry.people_after(after)?;
            let last = some.last().map(|row| row.0).filter(|_| some.len() == PEOPLE_PER_TRANSACTION);
            let twins = some.iter().map(|row| registry.reseal_person(row)).sum::<Result<u32, _>>()?;
            if twins > 0 {
                tracing::warn!(
                    twins,
                    "people are registered twice, with the same number as two kinds of document"
                );
            }
            registry.set_meta(CURSOR, &last.map_or_else(String::new, |id| id.to_string()))
        })?;
        self.forget_cursor_at_end()?;
        self.expect_old_people()?;
        Ok(self.sealer.has_old_people())
    }

    fn forget_cursor_at_end(&mut self) -> Result<(), RegistryError> {
        let sql = "DELETE FROM meta WHERE name = ?1 AND value = ''";
        self.transaction(|registry| Ok(registry.connection.execute(sql, [CURSOR]).map(drop)?))
    }

    fn people_after(&self, id: i64) -> Result<Vec<(i64, i64, Vec<u8>)>, RegistryError> {
        let sql = "SELECT id, code, sealed FROM people WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut query = self.connection.prepare_cached(sql)?;
        let rows = query.query_map((id, PEOPLE_PER_TRANSACTION as i64), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Rewrites a person; returns 1 if another row has the same document number. This row then keeps its old hash and is found by
    /// its phone.
    fn reseal_person(&self, (id, code, sealed): &(i64, i64, Vec<u8>)) -> Result<u32, RegistryError> {
        let whose = protocol::CodeId::from_u64(*code as u64);
        let Some(person) = whose.and_then(|code| self.open_person(code, sealed).ok()) else {
            tracing::error!("a person's sealed data is damaged and was not rewritten");
            return Ok(0);
        };
        let sealed = self.sealer.seal(Column::Person, *code as u64, fields(&person).as_bytes())?;
        let sql = "UPDATE people SET document_hash = ?2, sealed = ?3 WHERE id = ?1";
        let parameters = params![id, self.document_hash(&person.document), sealed];
        match self.connection.prepare_cached(sql)?.execute(parameters) {
            Ok(_) => Ok(0),
            Err(error) if is_conflict(&error) => {
                let sql = "UPDATE people SET sealed = ?2 WHERE id = ?1";
                self.connection.prepare_cached(sql)?.execute(params![id, sealed])?;
                Ok(1)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Rewrites a column. `select` returns row, owner and field; `update` takes row and field.
    fn reseal_column(&self, column: Column, select: &str, update: &str) -> Result<(), RegistryError> {
        let mut rows = self.connection.prepare(select)?;
        let rows: Vec<(i64, i64, Vec<u8>)> = rows
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        for (id, owner, sealed) in rows {
            let plain = self.sealer.open_old(owner as u64, &sealed).map(zeroize::Zeroizing::new);
            let Some(plain) = plain else {
                tracing::error!(?column, "a sealed field is damaged and was not rewritten");
                continue;
            };
            let sealed = self.sealer.seal(column, owner as u64, &plain)?;
            self.connection.prepare_cached(update)?.execute(params![id, sealed])?;
        }
        Ok(())
    }

    fn reseal_stays(&self) -> Result<(), RegistryError> {
        let mut rows = self.connection.prepare("SELECT phone_hash, sealed FROM stays")?;
        let rows: Vec<(Hash, Vec<u8>)> =
            rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        for (hash, sealed) in rows {
            let plain = self.sealer.open_old(STAYS, &sealed).map(zeroize::Zeroizing::new);
            let Some(plain) = plain else {
                tracing::error!("a sealed stay is damaged and was not rewritten");
                continue;
            };
            let sealed = self.sealer.seal(Column::Stay, owner(hash), &plain)?;
            self.connection
                .execute("UPDATE stays SET sealed = ?2 WHERE phone_hash = ?1", params![hash, sealed])?;
        }
        Ok(())
    }
}
