//! Consents and what came of them. One consent is one query: it is used once, by the phone that gave it, within its time. Of an
//! answer only the outcome is kept, sealed; of a stay the area and the last day, until the cause that may rest on it ends.

use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use super::{Phone, Registry, RegistryError};
use crate::policy::{Outcome, Stay};

/// A consent's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConsentId(pub i64);

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Flow {
    /// A first application.
    Apply = 1,
    /// A modification.
    Modify = 2,
    /// A punch page: shown to staff, changes no colour.
    Scan = 3,
}

impl Flow {
    fn from_number(number: u8) -> Option<Self> {
        [Self::Apply, Self::Modify, Self::Scan].into_iter().find(|&flow| flow as u8 == number)
    }
}

/// Where a consent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ConsentState {
    Given = 1,
    Used = 2,
    Withdrawn = 3,
}

impl ConsentState {
    fn from_number(number: u8) -> Option<Self> {
        [Self::Given, Self::Used, Self::Withdrawn].into_iter().find(|&state| state as u8 == number)
    }
}

const GIVEN: u8 = ConsentState::Given as u8;
const USED: u8 = ConsentState::Used as u8;
const WITHDRAWN: u8 = ConsentState::Withdrawn as u8;

impl Registry {
    /// Records a consent. `text` is the version of the words that were agreed to.
    pub(crate) fn insert_consent(
        &self,
        phone: &Phone,
        flow: Flow,
        text: &str,
        now_s: u64,
    ) -> Result<ConsentId, RegistryError> {
        let sql = "INSERT INTO consents (phone_hash, flow, text, given_s, state) VALUES (?1, ?2, ?3, ?4, ?5)";
        let parameters = params![self.phone_hash(phone), flow as u8, text, now_s as i64, GIVEN];
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(ConsentId(self.connection.last_insert_rowid()))
    }

    /// Uses the consent up. `None` if it is not that phone's, was used or withdrawn, or is older than `from_s`. One statement:
    /// of two that come at once, one gets it.
    pub(crate) fn use_consent(
        &self,
        id: ConsentId,
        phone: &Phone,
        from_s: u64,
    ) -> Result<Option<Flow>, RegistryError> {
        let sql = "UPDATE consents SET state = ?4
            WHERE id = ?1 AND phone_hash = ?2 AND given_s >= ?3 AND state = ?5 RETURNING flow";
        let parameters = params![id.0, self.phone_hash(phone), from_s as i64, USED, GIVEN];
        let flow: Option<u8> =
            self.connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0)).optional()?;
        flow.map(|flow| Flow::from_number(flow).ok_or(RegistryError::Damaged { what: "consent" })).transpose()
    }

    /// Takes a consent back, with what came of it.
    pub(crate) fn withdraw_consent(&self, id: ConsentId, phone: &Phone) -> Result<bool, RegistryError> {
        let sql = "UPDATE consents SET state = ?3, outcome = NULL WHERE id = ?1 AND phone_hash = ?2";
        let parameters = params![id.0, self.phone_hash(phone), WITHDRAWN];
        Ok(self.connection.prepare_cached(sql)?.execute(parameters)? == 1)
    }

    /// Keeps what came of the query. False if the consent was withdrawn meanwhile: then nothing is kept.
    pub(crate) fn set_outcome(&self, id: ConsentId, outcome: &Outcome) -> Result<bool, RegistryError> {
        let plain = Zeroizing::new(serde_json::to_vec(outcome).expect("an outcome is plain data"));
        let sealed = self.sealer.seal(id.0 as u64, &plain)?;
        let sql = "UPDATE consents SET outcome = ?2 WHERE id = ?1 AND state = ?3";
        Ok(self.connection.prepare_cached(sql)?.execute(params![id.0, sealed, USED])? == 1)
    }

    /// Where that phone's consent for a form stands, and what came of it, if it is no older than `from_s`.
    pub(crate) fn consent_of(
        &self,
        id: ConsentId,
        phone: &Phone,
        from_s: u64,
    ) -> Result<Option<(ConsentState, Option<Outcome>)>, RegistryError> {
        let sql = "SELECT state, outcome FROM consents
            WHERE id = ?1 AND phone_hash = ?2 AND given_s >= ?3 AND flow <> ?4";
        let parameters = params![id.0, self.phone_hash(phone), from_s as i64, Flow::Scan as u8];
        let mut query = self.connection.prepare_cached(sql)?;
        let found: Option<(u8, Option<Vec<u8>>)> =
            query.query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((state, sealed)) = found else { return Ok(None) };
        let state = ConsentState::from_number(state).ok_or(RegistryError::Damaged { what: "consent" })?;
        let outcome = sealed.map(|sealed| self.open_json(id.0 as u64, &sealed, "consent")).transpose()?;
        Ok(Some((state, outcome)))
    }

    /// Forgets the outcomes of consents older than `from_s`, and stays whose time is over.
    pub(crate) fn forget_outcomes(&self, from_s: u64, now_s: u64) -> Result<(), RegistryError> {
        let sql = "UPDATE consents SET outcome = NULL WHERE given_s < ?1 AND outcome IS NOT NULL";
        self.connection.prepare_cached(sql)?.execute([from_s as i64])?;
        self.connection.prepare_cached("DELETE FROM stays WHERE until_s <= ?1")?.execute([now_s as i64])?;
        Ok(())
    }

    /// Keeps a stay for the phone until then, unless one that ends later is kept already: an answer that comes late does not
    /// overwrite a newer one.
    pub(crate) fn keep_stay(&self, phone: &Phone, stay: &Stay, until_s: u64) -> Result<(), RegistryError> {
        let plain = Zeroizing::new(serde_json::to_vec(stay).expect("a stay is plain data"));
        let sealed = self.sealer.seal(STAYS, &plain)?;
        let sql = "INSERT INTO stays (phone_hash, sealed, until_s) VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET sealed = ?2, until_s = ?3 WHERE until_s < ?3";
        self.connection.prepare_cached(sql)?.execute(params![
            self.phone_hash(phone),
            sealed,
            until_s as i64
        ])?;
        Ok(())
    }

    /// Forgets the stay that is kept for the phone. Part of the caller's transaction.
    pub(crate) fn forget_stay(&self, phone: &Phone) -> Result<(), RegistryError> {
        let sql = "DELETE FROM stays WHERE phone_hash = ?1";
        self.connection.prepare_cached(sql)?.execute([self.phone_hash(phone)])?;
        Ok(())
    }

    /// The stay that is kept for the phone.
    pub(crate) fn stay_of(&self, phone: &Phone, now_s: u64) -> Result<Option<Stay>, RegistryError> {
        let sql = "SELECT sealed FROM stays WHERE phone_hash = ?1 AND until_s > ?2";
        let mut query = self.connection.prepare_cached(sql)?;
        let parameters = params![self.phone_hash(phone), now_s as i64];
        let sealed: Option<Vec<u8>> = query.query_row(parameters, |row| row.get(0)).optional()?;
        sealed.map(|sealed| self.open_json(STAYS, &sealed, "stay")).transpose()
    }

    fn open_json<T: serde::de::DeserializeOwned>(
        &self,
        owner: u64,
        sealed: &[u8],
        what: &'static str,
    ) -> Result<T, RegistryError> {
        let damaged = RegistryError::Damaged { what };
        let Some(plain) = self.sealer.open(owner, sealed).map(Zeroizing::new) else { return Err(damaged) };
        serde_json::from_slice(&plain).map_err(|_| damaged)
    }

    fn phone_hash(&self, phone: &Phone) -> super::seal::Hash {
        self.sealer.hash("phone", phone.reveal())
    }
}

/// Stays are sealed for this owner: they are found by their phone's hash alone. No code has this number.
const STAYS: u64 = u64::MAX;
