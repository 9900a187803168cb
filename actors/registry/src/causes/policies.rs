//! Every policy that was in effect, the newest last, and how far the codes have been revised by the newest. A version can be in
//! effect only once.

use rusqlite::{OptionalExtension, params};

use crate::{Registry, RegistryError, is_conflict};

/// A policy that is or was in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// Its version.
    pub version: String,
    /// The text of its file.
    pub text: String,
    /// The time of activation, Unix seconds.
    pub activated_s: u64,
    /// The operators who signed; empty for the first policy, which is the configured file.
    pub operators: String,
}

/// The row of `meta` with the last code that was revised by the newest policy; absent once all were.
const CURSOR: &str = "policy-cursor";

impl Registry {
    /// Returns every policy that was in effect, the newest last.
    pub fn policies(&self) -> Result<Vec<PolicyRow>, RegistryError> {
        let sql = "SELECT version, text, activated_s, operators FROM policies ORDER BY id";
        let mut query = self.connection.prepare(sql)?;
        let rows = query.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the policy in effect; `None` before the first start.
    pub fn newest_policy(&self) -> Result<Option<PolicyRow>, RegistryError> {
        let sql = "SELECT version, text, activated_s, operators FROM policies ORDER BY id DESC LIMIT 1";
        Ok(self.connection.prepare_cached(sql)?.query_row([], read).optional()?)
    }

    /// Records that a policy is in effect. Returns an error if this version was in effect before.
    pub fn insert_policy(
        &self,
        version: &str,
        text: &str,
        operators: &str,
        now_s: u64,
    ) -> Result<(), RegistryError> {
        let sql = "INSERT INTO policies (version, text, activated_s, operators) VALUES (?1, ?2, ?3, ?4)";
        match self.connection.execute(sql, params![version, text, now_s as i64, operators]) {
            Err(error) if is_conflict(&error) => {
                Err(RegistryError::Exists { what: "policy of this version" })
            }
            result => Ok(result.map(|_| ())?),
        }
    }

    /// Returns the last code that was revised by the newest policy; `None` once all were.
    pub fn policy_cursor(&self) -> Result<Option<i64>, RegistryError> {
        let read = |text: String| text.parse().map_err(|_| RegistryError::Damaged { what: "policy cursor" });
        self.meta(CURSOR)?.map(read).transpose()
    }

    /// Stores the revision's cursor. Runs in the caller's transaction, which also revises the codes up to it.
    pub fn set_policy_cursor(&self, cursor: Option<i64>) -> Result<(), RegistryError> {
        match cursor {
            Some(code) => self.set_meta(CURSOR, &code.to_string()),
            None => Ok(self.connection.execute("DELETE FROM meta WHERE name = ?1", [CURSOR]).map(|_| ())?),
        }
    }

    /// Deletes the outcomes of open forms, which another policy evaluates differently: those forms continue as without an answer.
    /// Moves the end of stored stays by `more_days`. Runs in the caller's transaction.
    pub fn outdate_answers(&self, more_days: i64) -> Result<(), RegistryError> {
        self.connection.execute("UPDATE consents SET outcome = NULL WHERE outcome IS NOT NULL", [])?;
        if more_days != 0 {
            self.connection.execute("UPDATE stays SET until_s = until_s + 86400 * ?1", [more_days])?;
        }
        Ok(())
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<PolicyRow> {
    let activated_s: i64 = row.get(2)?;
    Ok(PolicyRow {
        version: row.get(0)?,
        text: row.get(1)?,
        activated_s: activated_s as u64,
        operators: row.get(3)?,
    })
}
