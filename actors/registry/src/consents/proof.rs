//! The proof, from the registry alone, that carriers were asked only with consent: each query has a consent that was used for it,
//! and no consent was used twice.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use crate::{Registry, RegistryError};

/// The counts of a successful [`Registry::verify_consents`].
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ConsentReport {
    /// All consents, including used, withdrawn and deleted ones.
    pub consents: u64,
    /// Of these, deleted after their period.
    pub forgotten: u64,
    /// Used, each for one query.
    pub used: u64,
    /// Withdrawn, before or after their use.
    pub withdrawn: u64,
    /// Queries that a carrier answered.
    pub answered: u64,
    /// Queries that no carrier answered.
    pub unavailable: u64,
    /// Queries that are under way, that a crash interrupted, or whose consent was withdrawn meanwhile.
    pub open: u64,
    /// Requests to each carrier for these queries.
    pub attempts: Vec<(String, u64)>,
}

/// States that no consent may have: a condition on its row, and the error.
pub(crate) const UNSOUND: [(&str, &str); 4] = [
    (
        "used_s IS NULL AND EXISTS (SELECT 1 FROM attempts WHERE consent = consents.id)",
        "a carrier was asked, but the consent was not used",
    ),
    (
        "used_s IS NULL AND (answered_s IS NOT NULL OR outcome IS NOT NULL)",
        "it has an answer, but was not used",
    ),
    (
        "answer = 'answered' AND NOT EXISTS (SELECT 1 FROM attempts WHERE consent = consents.id)",
        "it has an answer, but no carrier was asked",
    ),
    (
        "used_s < given_s OR answered_s < used_s",
        "it was used before it was given, or answered before it was used",
    ),
];

impl Registry {
    /// Reads every consent again; deleted ones are taken from the totals. The error names the first consent with an impossible
    /// state.
    pub fn verify_consents(&self) -> Result<ConsentReport, RegistryError> {
        let first = |sql: &str, what| -> Result<(), RegistryError> {
            let first: Option<i64> =
                self.connection.query_row(&format!("{sql} LIMIT 1"), [], |row| row.get(0)).optional()?;
            first.map_or(Ok(()), |number| Err(RegistryError::Consent { number, what }))
        };
        let sql = "SELECT consent FROM attempts WHERE consent NOT IN (SELECT id FROM consents)";
        first(sql, "a carrier was asked, but there is no such consent")?;
        for (condition, what) in UNSOUND {
            first(&format!("SELECT id FROM consents WHERE {condition}"), what)?;
        }
        let count = |condition: &str| -> Result<u64, RegistryError> {
            let sql = format!("SELECT count(*) FROM consents WHERE {condition}");
            Ok(self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0))? as u64)
        };
        let past = sums(&self.connection)?;
        let used = past.used + count("used_s IS NOT NULL")?;
        let answered = past.answered + count("answer = 'answered'")?;
        let unavailable = past.unavailable + count("answer = 'unavailable'")?;
        let sql = "SELECT carrier, count(*) FROM attempts GROUP BY carrier";
        let mut query = self.connection.prepare(sql)?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        let mut attempts: BTreeMap<String, u64> = past.attempts.into_iter().collect();
        for row in rows {
            let (carrier, count) = row?;
            *attempts.entry(carrier).or_default() += count;
        }
        Ok(ConsentReport {
            consents: past.consents + count("1")?,
            forgotten: past.consents,
            used,
            withdrawn: past.withdrawn + count("state = 3")?,
            answered,
            unavailable,
            open: used.saturating_sub(answered + unavailable),
            attempts: attempts.into_iter().collect(),
        })
    }
}

/// Reads the totals of deleted consents.
fn sums(connection: &Connection) -> Result<ConsentReport, RegistryError> {
    let sql = "SELECT consents, used, withdrawn, answered, unavailable FROM past_consents";
    let number = |row: &rusqlite::Row<'_>, at: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)? as u64);
    let mut sums = connection.query_row(sql, [], |row| {
        let (used, withdrawn) = (number(row, 1)?, number(row, 2)?);
        let (consents, answered, unavailable) = (number(row, 0)?, number(row, 3)?, number(row, 4)?);
        Ok(ConsentReport { consents, used, withdrawn, answered, unavailable, ..Default::default() })
    })?;
    let mut query = connection.prepare("SELECT carrier, attempts FROM past_attempts")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, number(row, 1)?)))?;
    sums.attempts = rows.collect::<Result<_, _>>()?;
    Ok(sums)
}
