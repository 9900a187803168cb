//! The leader's changes, applied to this registry in the order of the stream, and what the memory has to follow afterwards.

use std::collections::BTreeSet;

use protocol::CodeId;
use rusqlite::params_from_iter;

use super::tables::Table;
use super::{Changes, MESSAGE, RowChange, Sent, TableChanges, Value, check_version};
use crate::codes::colours::CodeEntry;
use crate::{Registry, RegistryError, is_conflict};

/// One step of the stream: the changes of a transaction between two positions.
#[derive(Clone, Debug)]
pub struct Step {
    /// The position before them.
    pub after: u64,
    /// The place with them.
    pub upto: Sent,
    /// The changes.
    pub changes: Changes,
}

/// The things in memory that follow applied changes.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Codes with their entries; `None` for one that is gone.
    pub codes: Vec<(CodeId, Option<CodeEntry>)>,
    /// Codes whose printed tokens from before that time are withdrawn.
    pub papers: Vec<(CodeId, u32)>,
    /// Numbers of devices that may have changed.
    pub devices: BTreeSet<i64>,
    /// Numbers of places that may have changed.
    pub places: BTreeSet<i64>,
    /// True if there may be another policy.
    pub policy: bool,
    /// True if there are new sign-outs.
    pub sign_outs: bool,
    /// The number of applied rows.
    pub rows: u64,
}

impl Registry {
    /// Applies one step of the stream and notes its position. Runs in the caller's transaction; the caller has the memory follow after
    /// the commit.
    ///
    /// # Errors
    /// The step does not follow on what this registry has or on another message than that or is another release's.
    pub fn apply_step(&self, step: &Step, applied: &mut Applied) -> Result<(), RegistryError> {
        let Some(replication) = &self.replication else {
            return Err(RegistryError::Damaged { what: "fleet: it has none" });
        };
        let position = self.position()?;
        // A registry without a place joins by a snapshot.
        if position != step.after || position == 0 {
            return Err(RegistryError::OutOfStep { position });
        }
        check_version(step.changes.version)?;
        let (known, previous) = (self.meta(MESSAGE)?.unwrap_or_default(), &step.changes.previous);
        if !known.is_empty() && !previous.is_empty() && known != *previous {
            return Err(RegistryError::OtherStream { position });
        }
        let parts = parts(&step.changes, &replication.tables)?;
        // Rows that are gone first: another row may have one of their unique values now.
        for (table, changes) in &parts {
            self.delete_rows(table, changes)?;
        }
        for (table, changes) in &parts {
            self.write_rows(table, changes)?;
            self.count_on(table, changes)?;
            self.note_applied(table, changes, applied)?;
            applied.rows += changes.rows.len() as u64;
        }
        self.set_place(&step.upto)
    }

    fn delete_rows(&self, table: &Table, changes: &TableChanges) -> Result<(), RegistryError> {
        let mut statement = None;
        for row in &changes.rows {
            let RowChange::Gone(key) = row else { continue };
            if key.len() != table.key.len() {
                return Err(DAMAGED);
            }
            let prepared = match &mut statement {
                Some(prepared) => prepared,
                None => statement.insert(self.connection.prepare_cached(&table.sql.delete)?),
            };
            prepared.execute(params_from_iter(key))?;
        }
        Ok(())
    }

    /// Writes rows: as new ones, or else over those with their keys. Each is one statement that changes one row, for which SQLite keeps no
    /// journal of its own; one that may remove other rows has one, which it reads through from its beginning each time.
    fn write_rows(&self, table: &Table, changes: &TableChanges) -> Result<(), RegistryError> {
        let mut insert = self.connection.prepare_cached(&table.sql.insert)?;
        let update = table.sql.update.as_ref().map(|sql| self.connection.prepare_cached(sql));
        let mut update = update.transpose()?;
        for row in &changes.rows {
            let RowChange::Now(values) = row else { continue };
            if values.len() != table.columns.len() {
                return Err(DAMAGED);
            }
            let mut is_written = is_free(insert.execute(params_from_iter(values)))?.is_some();
            if !is_written && let Some(update) = &mut update {
                is_written = is_free(update.execute(params_from_iter(values)))?.is_some_and(|rows| rows > 0);
            }
            if !is_written {
                self.connection.prepare_cached(&table.sql.replace)?.execute(params_from_iter(values))?;
            }
        }
        Ok(())
    }

    /// Has a table that gives no number twice go on from the leader's highest one.
    fn count_on(&self, table: &Table, changes: &TableChanges) -> Result<(), RegistryError> {
        let Some(counter) = changes.counter.filter(|_| table.counts) else { return Ok(()) };
        let sql = "UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1";
        if self.connection.prepare_cached(sql)?.execute((table.name, counter))? == 0 {
            let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
            self.connection.prepare_cached(sql)?.execute((table.name, counter))?;
        }
        Ok(())
    }

    fn note_applied(
        &self,
        table: &Table,
        changes: &TableChanges,
        applied: &mut Applied,
    ) -> Result<(), RegistryError> {
        let numbers = || changes.rows.iter().filter_map(|row| first_key(table, row).integer());
        match table.name {
            "codes" => {
                for row in &changes.rows {
                    applied.codes.push(code(table, row)?);
                }
            }
            "papers" => {
                let from = table.column("good_from_s");
                for row in &changes.rows {
                    let RowChange::Now(values) = row else { continue };
                    let from_s = values[from].integer().and_then(|from_s| u32::try_from(from_s).ok());
                    applied.papers.push((code_id(first_key(table, row))?, from_s.ok_or(DAMAGED)?));
                }
            }
            "withdrawals" => {
                let at = table.column("at_s");
                for row in &changes.rows {
                    let RowChange::Now(values) = row else { continue };
                    let at_s = values[at].integer().unwrap_or_default() as u64;
                    self.withdrawn_list.note(code_id(first_key(table, row))?, at_s);
                }
            }
            "devices" | "device_regions" | "device_places" => applied.devices.extend(numbers()),
            "places" => applied.places.extend(numbers()),
            "policies" => applied.policy = true,
            "sign_outs" => applied.sign_outs = true,
            "meta" => self.expect_old_people()?,
            _ => {}
        }
        Ok(())
    }
}

/// Returns the number of written rows; `None` if another row has one of the unique values.
fn is_free(written: rusqlite::Result<usize>) -> Result<Option<usize>, RegistryError> {
    match written {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if is_conflict(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

const DAMAGED: RegistryError = RegistryError::Damaged { what: "changeset" };

/// Pairs the changes with this release's tables.
fn parts<'a>(
    changes: &'a Changes,
    tables: &'a [Table],
) -> Result<Vec<(&'a Table, &'a TableChanges)>, RegistryError> {
    let part = |changes: &'a TableChanges| {
        tables.iter().find(|table| table.name == changes.table).map(|table| (table, changes)).ok_or(DAMAGED)
    };
    changes.tables.iter().map(part).collect()
}

fn first_key<'a>(table: &Table, row: &'a RowChange) -> &'a Value {
    match row {
        RowChange::Gone(key) => &key[0],
        RowChange::Now(values) => &values[table.column(&table.key[0])],
    }
}

fn code_id(value: &Value) -> Result<CodeId, RegistryError> {
    value.integer().and_then(|id| CodeId::from_u64(id as u64)).ok_or(DAMAGED)
}

fn code(table: &Table, row: &RowChange) -> Result<(CodeId, Option<CodeEntry>), RegistryError> {
    let id = code_id(first_key(table, row))?;
    let RowChange::Now(values) = row else { return Ok((id, None)) };
    let number = |column: &str| {
        values[table.column(column)].integer().and_then(|number| u32::try_from(number).ok()).ok_or(DAMAGED)
    };
    let (tags, next_change_s) = (number("tags")?, number("next_change_s")?);
    // A holder who withdrew.
    if tags == 0 {
        return Ok((id, None));
    }
    Ok((id, Some(CodeEntry::from_tags(tags, next_change_s).ok_or(DAMAGED)?)))
}
