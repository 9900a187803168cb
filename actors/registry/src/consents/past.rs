//! The end of consents. A consent shows when a phone was at a gate, so it is kept no longer than passages; only counts remain. A
//! consent with an impossible state is kept as evidence.

use rusqlite::params;

use crate::consents::ConsentState;
use crate::consents::proof::{ConsentReport, UNSOUND};
use crate::time::stored;
use crate::{Registry, RegistryError};

/// Consents are kept for this many days, as long as passages and as far as a query looks back.
pub const CONSENT_DAYS: u64 = 14;
/// Consents that are deleted in one transaction, some milliseconds.
const FORGOTTEN_PER_TRANSACTION: usize = 500;

/// A consent that is counted and deleted.
struct PastConsent {
    id: i64,
    is_used: bool,
    is_withdrawn: bool,
    answer: Option<String>,
}

impl Registry {
    /// Deletes some consents given before `before_s`, with their requests to carriers, and adds them to the totals. Returns true
    /// while there are more. Runs in the caller's transaction.
    pub(crate) fn forget_consents(&self, before_s: u64) -> Result<bool, RegistryError> {
        let past = self.past_consents(before_s)?;
        if past.is_empty() {
            return Ok(false);
        }
        let mut sums = ConsentReport::default();
        let sql = "INSERT INTO past_attempts (carrier, attempts)
            SELECT carrier, count(*) FROM attempts WHERE consent = ?1 GROUP BY carrier
            ON CONFLICT DO UPDATE SET attempts = attempts + excluded.attempts";
        let mut count_attempts = self.connection.prepare_cached(sql)?;
        let mut forget_attempts =
            self.connection.prepare_cached("DELETE FROM attempts WHERE consent = ?1")?;
        let mut forget = self.connection.prepare_cached("DELETE FROM consents WHERE id = ?1")?;
        for PastConsent { id, is_used, is_withdrawn, answer } in &past {
            count_attempts.execute([id])?;
            forget_attempts.execute([id])?;
            forget.execute([id])?;
            sums.consents += 1;
            sums.used += u64::from(*is_used);
            sums.withdrawn += u64::from(*is_withdrawn);
            sums.answered += u64::from(answer.as_deref() == Some("answered"));
            sums.unavailable += u64::from(answer.as_deref() == Some("unavailable"));
        }
        let sql = "UPDATE past_consents SET consents = consents + ?1, used = used + ?2,
            withdrawn = withdrawn + ?3, answered = answered + ?4, unavailable = unavailable + ?5";
        let ConsentReport { consents, used, withdrawn, answered, unavailable, .. } = sums;
        let sums = [consents, used, withdrawn, answered, unavailable].map(stored);
        self.connection.prepare_cached(sql)?.execute(sums)?;
        Ok(past.len() == FORGOTTEN_PER_TRANSACTION)
    }

    fn past_consents(&self, before_s: u64) -> Result<Vec<PastConsent>, RegistryError> {
        let unsound: Vec<&str> = UNSOUND.iter().map(|(condition, _)| *condition).collect();
        let sql = format!(
            "SELECT id, used_s IS NOT NULL, state, answer FROM consents WHERE given_s < ?1
                AND (({})) IS NOT TRUE ORDER BY given_s LIMIT ?2",
            unsound.join(") OR (")
        );
        let mut query = self.connection.prepare_cached(&sql)?;
        let row = |row: &rusqlite::Row<'_>| {
            let is_withdrawn = row.get::<_, u8>(2)? == ConsentState::Withdrawn as u8;
            Ok(PastConsent { id: row.get(0)?, is_used: row.get(1)?, is_withdrawn, answer: row.get(3)? })
        };
        let rows = query.query_map(params![stored(before_s), FORGOTTEN_PER_TRANSACTION as i64], row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
