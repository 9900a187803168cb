//! The table of codes: narrow, and read completely at each start. A change is committed here before it is put into memory. The clock ends
//! colours here (`end_due_causes`).

pub mod colours;

use protocol::CodeId;
use rusqlite::{Connection, OpenFlags};

use crate::codes::colours::{CodeEntry, Codes};
use crate::decisions::Change;
use crate::{Registry, RegistryError};

/// Codes that the clock changes in one transaction, some tens of milliseconds: requests wait no longer.
const DUE_PER_TRANSACTION: usize = 500;

/// The most readers; more would wait for memory, not for a core.
const READERS_MAX: usize = 8;

impl Registry {
    /// Loads every code into memory, marks the table as loaded, and returns the number of codes. There is one reader for each
    /// core, over equal ranges: codes are random, so the ranges hold about equally many.
    pub fn load_codes(&self, codes: &Codes) -> Result<u64, RegistryError> {
        let bounds: (Option<i64>, Option<i64>) = self.connection.query_row(
            "SELECT (SELECT min(id) FROM codes), (SELECT max(id) FROM codes)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let count = match (bounds, self.connection.path()) {
            ((Some(low), Some(high)), Some(path)) => load_parts(path, low, high, codes)?,
            _ => 0,
        };
        self.load_papers(codes)?;
        codes.set_loaded();
        Ok(count)
    }

    /// Brings a memory up to date that may be behind: loads every code, and takes out those whose holders withdrew, and those that the
    /// registry has no more since a snapshot took its place.
    pub(crate) fn reload_codes(&self, codes: &Codes) -> Result<(), RegistryError> {
        let count = self.load_codes(codes)?;
        // Rows of codes stay for ever otherwise.
        if codes.len() as u64 > count {
            let mut known = foldhash::HashSet::default();
            self.for_each_code(|code, _| {
                known.insert(code);
            })?;
            codes.keep(|code| known.contains(&code));
        }
        Ok(())
    }

    fn load_papers(&self, codes: &Codes) -> Result<(), RegistryError> {
        let mut query = self.connection.prepare("SELECT code, good_from_s FROM papers")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let code = CodeId::from_u64(row.get::<_, i64>(0)? as u64);
            codes.set_paper_from(code.ok_or(RegistryError::Damaged { what: "code" })?, row.get(1)?);
        }
        Ok(())
    }

    /// Returns about how many codes there are, without counting: each belongs to a person, and people are numbered.
    pub fn estimate_codes(&self) -> Result<u64, RegistryError> {
        let last: Option<i64> =
            self.connection.query_row("SELECT max(id) FROM people", [], |row| row.get(0))?;
        Ok(last.unwrap_or(0) as u64)
    }

    /// Counts the codes.
    pub fn count_codes(&self) -> Result<u64, RegistryError> {
        let count: i64 =
            self.connection.query_row("SELECT count(*) FROM codes WHERE tags <> 0", [], |row| row.get(0))?;
        Ok(count as u64)
    }

    /// Visits every code in order and returns their number.
    pub fn for_each_code(&self, mut visit: impl FnMut(CodeId, CodeEntry)) -> Result<u64, RegistryError> {
        let mut query = self.connection.prepare("SELECT id, tags, next_change_s FROM codes ORDER BY id")?;
        let mut rows = query.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let Some((code, entry)) = read(row)? else { continue };
            visit(code, entry);
            count += 1;
        }
        Ok(count)
    }

    /// Returns the code's entry.
    pub fn code(&self, code: CodeId) -> Result<Option<CodeEntry>, RegistryError> {
        let mut query =
            self.connection.prepare_cached("SELECT id, tags, next_change_s FROM codes WHERE id = ?1")?;
        let mut rows = query.query([code.get() as i64])?;
        Ok(rows.next()?.map(read).transpose()?.flatten().map(|(_, entry)| entry))
    }

    /// Adds a code; returns false if it exists already. Runs in the caller's transaction.
    pub fn insert_code(&self, code: CodeId, entry: CodeEntry) -> Result<bool, RegistryError> {
        let sql = "INSERT INTO codes (id, tags, next_change_s) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let parameters = (code.get() as i64, entry.to_tags(), entry.next_change_s());
        Ok(self.connection.prepare_cached(sql)?.execute(parameters)? == 1)
    }

    /// Returns how many seconds the oldest due change is overdue; 0 if none is due.
    pub fn longest_due_s(&self, now_s: u32) -> Result<u32, RegistryError> {
        let sql = "SELECT min(next_change_s) FROM codes WHERE next_change_s > 0 AND next_change_s <= ?1";
        let mut query = self.connection.prepare_cached(sql)?;
        let first_s: Option<u32> = query.query_row([now_s], |row| row.get(0))?;
        Ok(first_s.map_or(0, |first_s| now_s - first_s))
    }

    /// Ends the causes of some codes that are due by the clock, and settles their colours: commits, then updates the memory. Returns true while more are due. The
    /// caller repeats it until false at start, which covers the downtime, and then every second.
    pub fn end_due_causes(&mut self, codes: &Codes, now_s: u32) -> Result<bool, RegistryError> {
        let due = self.transaction(|registry| registry.settle_due(now_s))?;
        for &(code, entry) in &due {
            codes.put(code, entry);
        }
        Ok(due.len() == DUE_PER_TRANSACTION)
    }

    fn settle_due(&self, now_s: u32) -> Result<Vec<(CodeId, CodeEntry)>, RegistryError> {
        let mut query = self.connection.prepare_cached(
            "SELECT id FROM codes WHERE next_change_s > 0 AND next_change_s <= ?1 LIMIT ?2",
        )?;
        let ids = query.query_map((now_s, DUE_PER_TRANSACTION as i64), |row| row.get::<_, i64>(0))?;
        let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;
        let change = Change { cause: None, authority: "clock", operators: "", policy: "" };
        let settle = |id: i64| {
            let code = CodeId::from_u64(id as u64).ok_or(RegistryError::Damaged { what: "code" })?;
            Ok((code, self.settle(code, &change, u64::from(now_s))?))
        };
        ids.into_iter().map(settle).collect()
    }
}

fn load_parts(path: &str, low: i64, high: i64, codes: &Codes) -> Result<u64, RegistryError> {
    let readers = std::thread::available_parallelism().map_or(1, usize::from).min(READERS_MAX) as i64;
    let step = (high - low) / readers + 1;
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..readers)
            .map(|part| low + part * step)
            .map(|from| {
                scope.spawn(move || load_part(path, from, from.saturating_add(step - 1).min(high), codes))
            })
            .collect();
        let mut count = 0;
        for part in parts {
            count += part.join().map_err(|_| RegistryError::Damaged { what: "codes" })??;
        }
        Ok(count)
    })
}

fn load_part(path: &str, from: i64, to: i64, codes: &Codes) -> Result<u64, RegistryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let sql = "SELECT id, tags, next_change_s FROM codes WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
    let mut query = connection.prepare(sql)?;
    let mut rows = query.query([from, to])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let Some((code, entry)) = read(row)? else { continue };
        codes.put(code, entry);
        count += 1;
    }
    Ok(count)
}

/// Reads a code's row; `None` if its holder withdrew.
fn read(row: &rusqlite::Row<'_>) -> Result<Option<(CodeId, CodeEntry)>, RegistryError> {
    let (id, tags, next_change_s): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    if tags == 0 {
        return Ok(None);
    }
    let entry = || {
        let code = CodeId::from_u64(u64::try_from(id).ok()?)?;
        let entry = CodeEntry::from_tags(u32::try_from(tags).ok()?, u32::try_from(next_change_s).ok()?)?;
        Some((code, entry))
    };
    entry().map(Some).ok_or(RegistryError::Damaged { what: "code" })
}

#[cfg(test)]
impl Registry {
    /// Does all of the clock's work at `now_s` and returns the number of decisions that it made.
    pub(crate) fn expire_due(&mut self, codes: &Codes, now_s: u32) -> Result<u64, RegistryError> {
        let before = self.decided()?;
        while self.end_due_causes(codes, now_s)? {}
        while self.forget_some(u64::from(now_s))? {}
        Ok(self.decided()? - before)
    }
}
