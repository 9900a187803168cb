//! Appeals, each against one decision. The citizen's text and the answer are sealed. A row is answered once and never removed.
//! The registrar decides who may appeal and who may answer.

use protocol::CodeId;
use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use crate::personal::seal::{Column, Hash as Subject};
use crate::{Registry, RegistryError, is_conflict};

/// A stored appeal.
#[derive(Clone, PartialEq, Eq)]
pub struct AppealRow {
    /// The appeal's number.
    pub id: i64,
    /// The number of the decision that is appealed.
    pub decision: i64,
    /// The authority that has to answer.
    pub authority: String,
    /// The citizen's text.
    pub text: String,
    /// The time of the appeal, Unix seconds.
    pub made_s: u64,
    /// The deadline for the answer, Unix seconds.
    pub due_s: u64,
    /// The answer; `None` while the appeal is open.
    pub answer: Option<AppealAnswer>,
}

/// An answer to an appeal.
#[derive(Clone, PartialEq, Eq)]
pub struct AppealAnswer {
    /// The time of the answer, Unix seconds.
    pub at_s: u64,
    /// The names of the operators who answered.
    pub by: String,
    /// True if the appeal was granted and the cause cleared.
    pub granted: bool,
    /// The operators' text.
    pub text: String,
}

/// Hides personal text.
impl std::fmt::Debug for AppealRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AppealRow({}, against decision {}, by {})", self.id, self.decision, self.authority)
    }
}

impl std::fmt::Debug for AppealAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AppealAnswer({}, by {})", if self.granted { "granted" } else { "refused" }, self.by)
    }
}

/// Prefixes of the sealed texts, so that neither can be put in the place of the other.
const TEXT: &str = "appeal\u{1f}";
const ANSWER: &str = "answer\u{1f}";
const COLUMNS: &str =
    "id, decision, authority, sealed, made_s, due_s, answered_s, answered_by, granted, answer";

/// The values of a new appeal.
pub struct NewAppeal<'a> {
    pub code: CodeId,
    pub decision: i64,
    pub authority: &'a str,
    pub text: &'a str,
    pub made_s: u64,
    pub due_s: u64,
}

impl Registry {
    /// Adds an appeal and returns its number. Runs in the caller's transaction.
    pub fn insert_appeal(&self, appeal: &NewAppeal<'_>) -> Result<i64, RegistryError> {
        let sql = "INSERT INTO appeals (decision, subject, authority, sealed, made_s, due_s)
            VALUES (?1, ?2, ?3, x'', ?4, ?5)";
        let NewAppeal { code, decision, authority, text, made_s, due_s } = appeal;
        let parameters = params![decision, self.subject(*code), authority, *made_s as i64, *due_s as i64];
        self.connection.prepare_cached(sql)?.execute(parameters).map_err(|error| {
            match is_conflict(&error) {
                true => RegistryError::Exists { what: "open appeal" },
                false => error.into(),
            }
        })?;
        let id = self.connection.last_insert_rowid();
        // The number is part of the seal and is known only after the insert.
        let sealed = self.seal_words(id, TEXT, text)?;
        self.connection.execute("UPDATE appeals SET sealed = ?2 WHERE id = ?1", params![id, sealed])?;
        Ok(id)
    }

    /// Stores the answer; returns false if there is one already. Runs in the caller's transaction.
    pub fn set_answer(&self, id: i64, answer: &AppealAnswer) -> Result<bool, RegistryError> {
        let sql = "UPDATE appeals SET answered_s = ?2, answered_by = ?3, granted = ?4, answer = ?5
            WHERE id = ?1 AND answered_s IS NULL";
        let sealed = self.seal_words(id, ANSWER, &answer.text)?;
        let parameters = params![id, answer.at_s as i64, answer.by, answer.granted, sealed];
        Ok(self.connection.prepare_cached(sql)?.execute(parameters)? == 1)
    }

    /// Returns the appeal with this number.
    pub fn appeal(&self, id: i64) -> Result<Option<AppealRow>, RegistryError> {
        let sql = format!("SELECT {COLUMNS} FROM appeals WHERE id = ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        query.query_row([id], |row| Ok(self.read_appeal(row))).optional()?.transpose()
    }

    /// Returns the appeals about this code, the oldest first.
    pub fn appeals_of(&self, code: CodeId) -> Result<Vec<AppealRow>, RegistryError> {
        let sql = format!("SELECT {COLUMNS} FROM appeals WHERE subject = ?1 ORDER BY id");
        let mut query = self.connection.prepare_cached(&sql)?;
        let rows = query.query_map([self.subject(code)], |row| Ok(self.read_appeal(row)))?;
        rows.map(|row| row?).collect()
    }

    /// Returns the open appeals that this authority has to answer, the nearest deadline first.
    pub fn open_appeals(&self, authority: &str) -> Result<Vec<AppealRow>, RegistryError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM appeals WHERE answered_s IS NULL AND authority = ?1 ORDER BY due_s, id"
        );
        let mut query = self.connection.prepare_cached(&sql)?;
        let rows = query.query_map([authority], |row| Ok(self.read_appeal(row)))?;
        rows.map(|row| row?).collect()
    }

    /// Returns the numbers of open appeals and of overdue ones.
    pub fn appeals_open(&self, now_s: u64) -> Result<(u64, u64), RegistryError> {
        let sql =
            "SELECT count(*), count(*) FILTER (WHERE due_s <= ?1) FROM appeals WHERE answered_s IS NULL";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
        Ok(self.connection.prepare_cached(sql)?.query_row([now_s as i64], read)?)
    }

    /// Returns the subjects of these appeals, as access records name them. Appeals that were withdrawn meanwhile are left out.
    pub(crate) fn appellants(&self, appeals: &[i64]) -> Result<Vec<Subject>, RegistryError> {
        let mut query = self.connection.prepare_cached("SELECT subject FROM appeals WHERE id = ?1")?;
        let subjects =
            appeals.iter().filter_map(|id| query.query_row([id], |row| row.get(0)).optional().transpose());
        Ok(subjects.collect::<Result<_, _>>()?)
    }

    fn seal_words(&self, id: i64, kind: &str, words: &str) -> Result<Vec<u8>, RegistryError> {
        let plain = Zeroizing::new(format!("{kind}{words}"));
        self.sealer.seal(Column::Appeal, id as u64, plain.as_bytes())
    }

    fn open_words(&self, id: i64, kind: &str, sealed: &[u8]) -> Result<String, RegistryError> {
        let damaged = || RegistryError::Damaged { what: "appeal" };
        let plain = Zeroizing::new(self.sealer.open(Column::Appeal, id as u64, sealed).ok_or_else(damaged)?);
        let text = std::str::from_utf8(&plain).ok().and_then(|text| text.strip_prefix(kind));
        text.map(str::to_owned).ok_or_else(damaged)
    }

    fn read_appeal(&self, row: &rusqlite::Row<'_>) -> Result<AppealRow, RegistryError> {
        let id: i64 = row.get(0)?;
        let answer = match row.get::<_, Option<i64>>(6)? {
            None => None,
            Some(at_s) => Some(AppealAnswer {
                at_s: at_s as u64,
                by: row.get(7)?,
                granted: row.get(8)?,
                text: self.open_words(id, ANSWER, &row.get::<_, Vec<u8>>(9)?)?,
            }),
        };
        Ok(AppealRow {
            id,
            decision: row.get(1)?,
            authority: row.get(2)?,
            text: self.open_words(id, TEXT, &row.get::<_, Vec<u8>>(3)?)?,
            made_s: row.get::<_, i64>(4)? as u64,
            due_s: row.get::<_, i64>(5)? as u64,
            answer,
        })
    }
}
