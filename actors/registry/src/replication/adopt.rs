//! A copy of another member's registry in the place of this one: page by page, in one transaction, while readers go on. What is this machine's
//! alone is written into the copy before. Where the copy comes from is decided in the crate `fleet`.

use std::ffi::c_int;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OptionalExtension};

use super::tables::local_only;
use super::{FLEET, MESSAGE, POSITION, StreamPlace, check_version};
use crate::codes::colours::Codes;
use crate::{Registry, RegistryError, schema};

/// All pages in one step, which is one transaction of the registry.
const PAGES: c_int = c_int::MAX;
/// The pause between two tries while a reader or the writer holds the file.
const PAUSE: Duration = Duration::from_millis(20);
/// The rows of `meta` that come with a copy, though they are a registry's own: they are its place in the stream.
const PLACE: [&str; 3] = [POSITION, MESSAGE, FLEET];

impl Registry {
    /// Returns an error if this registry belongs to no fleet and has people or operators of its own, which no other one may replace.
    pub fn may_join(&self) -> Result<(), RegistryError> {
        let own = "SELECT EXISTS (SELECT 1 FROM people) OR EXISTS (SELECT 1 FROM operators) OR EXISTS (SELECT 1 FROM order_log)";
        let has_own: bool = self.connection.query_row(own, [], |row| row.get(0))?;
        if self.position()? == 0 && has_own { Err(RegistryError::NotEmpty) } else { Ok(()) }
    }

    /// Copies everything to a new file, as [`Self::copy_to`]; returns the place in the stream that the copy has.
    pub fn snapshot_to(&self, path: &Path) -> Result<StreamPlace, RegistryError> {
        self.copy_to(path)?;
        place_of(&Connection::open(path)?)
    }

    /// Has the memory follow this registry as a whole: codes, withdrawals beside the keys, and whether rows of an earlier release are left.
    pub fn follow_whole(&self, codes: &Codes) -> Result<(), RegistryError> {
        self.reload_codes(codes)?;
        self.list_withdrawn()?;
        self.expect_old_people()
    }

    /// Puts a copy of another member's registry, which is in that place of the stream, into this registry's file, and returns its number of
    /// people. It is there as a whole or not at all; what is this gateway's alone stays. Called on a reader; the outbox holds the writer
    /// ([`super::Outbox::is_joining`]). The file of the copy is changed. The memory follows by the caller.
    ///
    /// # Errors
    /// The copy is another release's, is in another place or of other keys, or this registry may not be replaced.
    pub fn adopt(&self, copy: &Path, place: &StreamPlace) -> Result<u64, RegistryError> {
        let path = self.connection.path().ok_or(RegistryError::Damaged { what: "path" })?;
        let mut live = Connection::open(path)?;
        schema::configure(&live, Path::new(path))?;
        let copied = Connection::open(copy)?;
        check_version(copied.query_row("PRAGMA user_version", [], |row| row.get(0))?)?;
        if place_of(&copied)? != *place {
            return Err(RegistryError::Damaged { what: "snapshot" });
        }
        self.check_mark(&meta(&copied, "keys")?)?;
        self.may_join()?;
        keep_own(&live, &copied)?;
        Backup::new(&copied, &mut live)?.run_to_completion(PAGES, PAUSE, None)?;
        // Here and not with the writer's next change. A reader that is under way leaves it to that.
        live.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let people: i64 = live.query_row("SELECT count(*) FROM people", [], |row| row.get(0))?;
        Ok(people as u64)
    }
}

/// Returns a row of a copy's `meta`; empty if it has none.
fn meta(copied: &Connection, name: &str) -> Result<String, RegistryError> {
    let row = copied.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0));
    Ok(row.optional()?.unwrap_or_default())
}

fn place_of(copied: &Connection) -> Result<StreamPlace, RegistryError> {
    let position = meta(copied, POSITION)?.parse().unwrap_or(0);
    Ok(StreamPlace { fleet: meta(copied, FLEET)?, position, message: meta(copied, MESSAGE)? })
}

/// Writes into a copy what is this gateway's alone, in the place of what is another one's.
fn keep_own(live: &Connection, copied: &Connection) -> Result<(), RegistryError> {
    // Behind whatever the writer was doing.
    live.execute_batch("BEGIN IMMEDIATE")?;
    let places = PLACE.map(|name| format!("'{name}'")).join(", ");
    let own = format!("{} AND name NOT IN ({places})", local_only());
    let mut query = live.prepare(&format!("SELECT name, value FROM meta WHERE {own}"))?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    live.execute_batch("ROLLBACK")?;
    let change = copied.unchecked_transaction()?;
    change.execute(&format!("DELETE FROM meta WHERE {own}"), [])?;
    for row in rows {
        change.execute("INSERT INTO meta (name, value) VALUES (?1, ?2)", row)?;
    }
    Ok(change.commit()?)
}
