//! Proves from the registry that carriers were asked with consent only: each query rests on a consent that was used up for it, and no
//! consent was used twice.

use rusqlite::OptionalExtension;

use super::{Registry, RegistryError};

/// What [`Registry::verify_consents`] counted; nothing was sent to a carrier without a consent.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ConsentReport {
    /// Consents that were given, those used and withdrawn included.
    pub consents: u64,
    /// Used up, each for one query.
    pub used: u64,
    /// Taken back, before or after their use.
    pub withdrawn: u64,
    /// Queries that a carrier answered.
    pub answered: u64,
    /// Queries that no carrier answered.
    pub unavailable: u64,
    /// Queries that are under way, whose consent was taken back meanwhile, or that a crash cut.
    pub open: u64,
    /// What was sent to each carrier for these queries.
    pub attempts: Vec<(String, u64)>,
}

impl Registry {
    /// Reads every consent again. The error names the first that is not as it has to be.
    pub fn verify_consents(&self) -> Result<ConsentReport, RegistryError> {
        for (sql, what) in [
            (
                "SELECT consent FROM attempts LEFT JOIN consents ON consents.id = consent
                    WHERE consents.id IS NULL OR used_s IS NULL",
                "a carrier was asked and it was not used for that",
            ),
            (
                "SELECT id FROM consents WHERE used_s IS NULL AND (answered_s IS NOT NULL OR outcome IS NOT NULL)",
                "it has an answer and was never used",
            ),
            (
                "SELECT id FROM consents WHERE answer = 'answered'
                    AND NOT EXISTS (SELECT 1 FROM attempts WHERE consent = consents.id)",
                "it has an answer and no carrier was asked",
            ),
            (
                "SELECT id FROM consents WHERE used_s < given_s OR answered_s < used_s",
                "it was used before it was given, or answered before it was used",
            ),
        ] {
            let first: Option<i64> =
                self.connection.query_row(&format!("{sql} LIMIT 1"), [], |row| row.get(0)).optional()?;
            if let Some(number) = first {
                return Err(RegistryError::Consent { number, what });
            }
        }
        let count = |condition: &str| -> Result<u64, RegistryError> {
            let sql = format!("SELECT count(*) FROM consents WHERE {condition}");
            Ok(self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0))? as u64)
        };
        let used = count("used_s IS NOT NULL")?;
        let (answered, unavailable) = (count("answer = 'answered'")?, count("answer = 'unavailable'")?);
        let sql = "SELECT carrier, count(*) FROM attempts GROUP BY carrier ORDER BY carrier";
        let mut query = self.connection.prepare(sql)?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        Ok(ConsentReport {
            consents: count("1")?,
            used,
            withdrawn: count("state = 3")?,
            answered,
            unavailable,
            open: used.saturating_sub(answered + unavailable),
            attempts: rows.collect::<Result<_, _>>()?,
        })
    }
}
