//! Sign-outs of one session, or of all sessions of a phone. Each has a mark that only the sessions' key can make, and the time
//! from which on a proof is valid again. It is kept for as long as an older proof may be presented.

use rusqlite::params;

use crate::periods::PROVEN_S_MAX;
use crate::{Registry, RegistryError};

/// A sign-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignOut {
    /// The mark of a phone or of a session.
    pub mark: [u8; 16],
    pub good_from_s: u64,
}

impl Registry {
    /// Stores a sign-out and deletes those older than any valid proof. Runs in the caller's transaction.
    pub fn insert_sign_out(&self, out: &SignOut, now_s: u64) -> Result<(), RegistryError> {
        let sql = "DELETE FROM sign_outs WHERE good_from_s < ?1";
        self.connection.prepare_cached(sql)?.execute([now_s.saturating_sub(PROVEN_S_MAX) as i64])?;
        let sql = "INSERT INTO sign_outs (mark, good_from_s) VALUES (?1, ?2)
            ON CONFLICT DO UPDATE SET good_from_s = max(good_from_s, excluded.good_from_s)";
        self.connection.prepare_cached(sql)?.execute(params![out.mark, out.good_from_s as i64])?;
        Ok(())
    }

    /// Visits every sign-out.
    pub fn for_each_sign_out(&self, mut visit: impl FnMut(SignOut)) -> Result<(), RegistryError> {
        let mut query = self.connection.prepare("SELECT mark, good_from_s FROM sign_outs")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            visit(SignOut { mark: row.get(0)?, good_from_s: row.get::<_, i64>(1)? as u64 });
        }
        Ok(())
    }
}
