//! Which policies were ever in effect, the newest last, and how far the codes follow the newest. A version is in effect once.

use rusqlite::{OptionalExtension, params};

use crate::{Registry, RegistryError, is_conflict};

/// A policy that is, or was, in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// Its version.
    pub version: String,
    /// Its file, as it was.
    pub text: String,
    /// Since when, seconds since 1970 UTC.
    pub activated_s: u64,
    /// Those who signed; empty for the configuration's file, which is the first.
    pub operators: String,
}

/// The last code that follows the newest policy; absent when all do.
const CURSOR: &str = "policy-cursor";

impl Registry {
    /// Every policy that was ever in effect, the newest last.
    pub fn policies(&self) -> Result<Vec<PolicyRow>, RegistryError> {
        let sql = "SELECT version, text, activated_s, operators FROM policies ORDER BY id";
        let mut query = self.connection.prepare(sql)?;
        let rows = query.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The policy in effect; `None` before the first start.
    pub fn newest_policy(&self) -> Result<Option<PolicyRow>, RegistryError> {
        let sql = "SELECT version, text, activated_s, operators FROM policies ORDER BY id DESC LIMIT 1";
        Ok(self.connection.prepare_cached(sql)?.query_row([], read).optional()?)
    }

    /// Notes that a policy is in effect. A version that was before is refused.
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
                Err(RegistryError::Exists { what: "a policy of this version" })
            }
            result => Ok(result.map(|_| ())?),
        }
    }

    /// The last code that follows the newest policy; `None` when all do.
    pub fn policy_cursor(&self) -> Result<Option<i64>, RegistryError> {
        let read = |text: String| text.parse().map_err(|_| RegistryError::Damaged { what: "policy cursor" });
        self.meta(CURSOR)?.map(read).transpose()
    }

    /// Part of the caller's transaction, in which the codes up to there were brought to follow.
    pub fn set_policy_cursor(&self, cursor: Option<i64>) -> Result<(), RegistryError> {
        match cursor {
            Some(code) => self.set_meta(CURSOR, &code.to_string()),
            None => Ok(self.connection.execute("DELETE FROM meta WHERE name = ?1", [CURSOR]).map(|_| ())?),
        }
    }

    /// Says what carriers answered says nothing by another policy: forms that are open go on as without an answer. Stays that are kept
    /// for a phone are kept for as many days more, or fewer. Part of the caller's transaction.
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
