//! Consents and the results of their queries. One consent allows one query: it is used once, for the phone that gave it, within
//! its period. Of an answer only the outcome is stored, sealed; of a stay its area and last day, until the cause based on it
//! ends.

pub(crate) mod past;
pub(crate) mod proof;

use policy::QueryOutcome;
use protocol::{CodeId, receipt};
use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use crate::personal::Phone;
use crate::personal::seal::Column;
use crate::{Registry, RegistryError};

/// The number of a consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConsentId(pub i64);

/// The purpose of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Flow {
    /// The first application for a code.
    Apply = 1,
    /// A change of the holder's information.
    Modify = 2,
    /// A query at a gate or on a punch page: its answer is shown to staff and changes no colour.
    Scan = 3,
}

impl Flow {
    fn from_number(number: u8) -> Option<Self> {
        [Self::Apply, Self::Modify, Self::Scan].into_iter().find(|&flow| flow as u8 == number)
    }
}

/// The part of an answer that staff may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Detail {
    /// Yes, no or unknown.
    Stay = 1,
    /// The cities as well.
    Cities = 2,
}

impl Detail {
    /// Returns the detail with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Stay, Self::Cities].into_iter().find(|&detail| detail as u8 == number)
    }
}

/// One request to one carrier for a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The carrier's id.
    pub carrier: String,
    /// The result, from a closed list.
    pub outcome: &'static str,
    /// The duration in milliseconds.
    pub took_ms: u32,
}

/// The person that a consent is for. The phone's owner gives it in both cases; its answer counts for this person alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beneficiary {
    /// The phone's owner.
    Owner,
    /// A ward of the owner: its code, once it has one.
    Ward(Option<CodeId>),
}

impl Beneficiary {
    /// Returns the stored form.
    pub(super) fn number(self) -> Option<i64> {
        match self {
            Self::Owner => None,
            Self::Ward(code) => Some(code.map_or(0, |code| code.get() as i64)),
        }
    }

    pub(super) fn from_number(number: Option<i64>) -> Self {
        number.map_or(Self::Owner, |number| Self::Ward(CodeId::from_u64(number as u64)))
    }
}

/// The terms that a citizen agreed to.
#[derive(Clone, Copy, Debug)]
pub struct ConsentTerms<'a> {
    /// The purpose of the query.
    pub flow: Flow,
    /// The person that the query is for.
    pub beneficiary: Beneficiary,
    /// The part of the answer that staff may see.
    pub detail: Detail,
    /// The version of the consent's text.
    pub text: &'a str,
}

/// The state of a consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ConsentState {
    /// Not used yet.
    Given = 1,
    /// Used for its one query.
    Used = 2,
    /// Withdrawn by the citizen.
    Withdrawn = 3,
}

/// A consent as the citizen sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentRow {
    /// The consent's number.
    pub id: ConsentId,
    /// The purpose of the query.
    pub flow: Flow,
    /// The person that the query is for.
    pub beneficiary: Beneficiary,
    /// The time of the consent, Unix seconds.
    pub given_s: u64,
    /// The consent's state.
    pub state: ConsentState,
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
    /// Stores a consent and returns its number.
    pub fn insert_consent(
        &self,
        phone: &Phone,
        agreed: ConsentTerms<'_>,
        now_s: u64,
    ) -> Result<ConsentId, RegistryError> {
        let sql = "INSERT INTO consents (phone_hash, flow, text, given_s, state, detail, ward)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let (flow, detail) = (agreed.flow as u8, agreed.detail as u8);
        let hash = self.phone_hash(phone);
        let parameters =
            params![hash, flow, agreed.text, now_s as i64, GIVEN, detail, agreed.beneficiary.number()];
        let mut insert = self.connection.prepare_cached(sql)?;
        let mut id = insert.insert(parameters)?;
        while receipt::begins_with_space(id as u64) {
            self.connection.prepare_cached("DELETE FROM consents WHERE id = ?1")?.execute([id])?;
            id = insert.insert(parameters)?;
        }
        if agreed.flow == Flow::Scan {
            // A gate's device sends the receipt alone, so the phone is stored. The number is part of the seal and is known only
            // after the insert.
            let sealed = self.sealer.seal(Column::OpenPhone, id as u64, phone.reveal().as_bytes())?;
            let sql = "UPDATE consents SET sealed_phone = ?2 WHERE id = ?1";
            self.connection.prepare_cached(sql)?.execute(params![id, sealed])?;
        }
        Ok(ConsentId(id))
    }

    /// Uses the consent; returns its purpose and the person that it is for, or `None` if it is not this phone's, was used or
    /// withdrawn, or was given before `from_s`. One statement: of two concurrent callers one succeeds.
    pub fn use_consent(
        &self,
        id: ConsentId,
        phone: &Phone,
        (from_s, now_s): (u64, u64),
    ) -> Result<Option<(Flow, Beneficiary)>, RegistryError> {
        let sql = "UPDATE consents SET state = ?4, used_s = max(?6, given_s)
            WHERE id = ?1 AND phone_hash = ?2 AND given_s >= ?3 AND state = ?5 RETURNING flow, ward";
        let parameters = params![id.0, self.phone_hash(phone), from_s as i64, USED, GIVEN, now_s as i64];
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Beneficiary::from_number(row.get(1)?)));
        let used: Option<(u8, Beneficiary)> =
            self.connection.prepare_cached(sql)?.query_row(parameters, read).optional()?;
        let damaged = RegistryError::Damaged { what: "consent" };
        used.map(|(flow, beneficiary)| Flow::from_number(flow).map(|flow| (flow, beneficiary)).ok_or(damaged))
            .transpose()
    }

    /// Uses the consent of a query at a gate, whose device has only the receipt. Returns the phone and the part of the answer
    /// that staff may see.
    pub fn use_receipt(
        &self,
        id: ConsentId,
        (from_s, now_s): (u64, u64),
    ) -> Result<Option<(Phone, Detail)>, RegistryError> {
        let damaged = || RegistryError::Damaged { what: "consent" };
        let sql = "SELECT sealed_phone, detail FROM consents
            WHERE id = ?1 AND given_s >= ?2 AND state = ?3 AND flow = ?4 AND sealed_phone IS NOT NULL";
        let parameters = params![id.0, from_s as i64, GIVEN, Flow::Scan as u8];
        let mut query = self.connection.prepare_cached(sql)?;
        let found: Option<(Vec<u8>, u8)> =
            query.query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((sealed, detail)) = found else { return Ok(None) };
        let plain = self
            .sealer
            .open(Column::OpenPhone, id.0 as u64, &sealed)
            .map(Zeroizing::new)
            .ok_or_else(damaged)?;
        let phone = std::str::from_utf8(&plain).ok().and_then(Phone::parse).ok_or_else(damaged)?;
        let sql = "UPDATE consents SET state = ?2, used_s = max(?3, given_s), scanned_s = ?3, sealed_phone = NULL WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute(params![id.0, USED, now_s as i64])?;
        Ok(Some((phone, Detail::from_number(detail).ok_or_else(damaged)?)))
    }

    /// Records that staff scanned the receipt of a query that the citizen's page has made already. Its answer is shown to staff
    /// once: returns false if it was shown before, or if there is no such query.
    pub fn show_receipt(&self, id: ConsentId, (from_s, now_s): (u64, u64)) -> Result<bool, RegistryError> {
        let sql = "UPDATE consents SET scanned_s = ?3
            WHERE id = ?1 AND given_s >= ?2 AND state = ?4 AND flow = ?5 AND scanned_s IS NULL";
        let parameters = params![id.0, from_s as i64, now_s as i64, USED, Flow::Scan as u8];
        Ok(self.connection.prepare_cached(sql)?.execute(parameters)? == 1)
    }

    /// Returns the part of the answer that staff may see by this phone's consent at a gate, and the time at which they scanned
    /// its receipt.
    pub fn gate_consent(
        &self,
        id: ConsentId,
        phone: &Phone,
        from_s: u64,
    ) -> Result<Option<(Detail, Option<u64>)>, RegistryError> {
        let sql = "SELECT detail, scanned_s FROM consents
            WHERE id = ?1 AND phone_hash = ?2 AND given_s >= ?3 AND state IN (?4, ?5) AND flow = ?6";
        let parameters = params![id.0, self.phone_hash(phone), from_s as i64, GIVEN, USED, Flow::Scan as u8];
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?));
        let found: Option<(u8, Option<i64>)> =
            self.connection.prepare_cached(sql)?.query_row(parameters, read).optional()?;
        Ok(found.and_then(|(detail, at)| Some((Detail::from_number(detail)?, at.map(|at| at as u64)))))
    }

    /// Withdraws a consent and deletes its outcome. Returns false if it is not this phone's.
    pub fn withdraw_consent(&self, id: ConsentId, phone: &Phone) -> Result<bool, RegistryError> {
        let sql = "UPDATE consents SET state = ?3, outcome = NULL, sealed_phone = NULL
            WHERE id = ?1 AND phone_hash = ?2";
        let parameters = params![id.0, self.phone_hash(phone), WITHDRAWN];
        Ok(self.connection.prepare_cached(sql)?.execute(parameters)? == 1)
    }

    /// Returns the phone's consents, the newest first, at most `rows_max`.
    pub fn consents_of(&self, phone: &Phone, rows_max: usize) -> Result<Vec<ConsentRow>, RegistryError> {
        let damaged = || RegistryError::Damaged { what: "consent" };
        let sql = "SELECT id, flow, given_s, state, ward FROM consents WHERE phone_hash = ?1 ORDER BY id DESC LIMIT ?2";
        let mut query = self.connection.prepare_cached(sql)?;
        let mut rows = query.query(params![self.phone_hash(phone), rows_max as i64])?;
        let mut consents = Vec::new();
        while let Some(row) = rows.next()? {
            consents.push(ConsentRow {
                id: ConsentId(row.get(0)?),
                flow: Flow::from_number(row.get(1)?).ok_or_else(damaged)?,
                given_s: row.get::<_, i64>(2)? as u64,
                state: ConsentState::from_number(row.get(3)?).ok_or_else(damaged)?,
                beneficiary: Beneficiary::from_number(row.get(4)?),
            });
        }
        Ok(consents)
    }

    /// Records that the query was answered or is unavailable, and the requests that were sent for it. A repetition changes
    /// nothing. Returns false if the consent was withdrawn meanwhile; the caller then must not store the outcome.
    pub fn answered(
        &self,
        id: ConsentId,
        answer: &str,
        attempts: &[Attempt],
        now_s: u64,
    ) -> Result<bool, RegistryError> {
        let known = "SELECT 1 FROM attempts WHERE consent = ?1";
        let attempts = if self.connection.prepare_cached(known)?.exists([id.0])? { &[] } else { attempts };
        let sql = "INSERT INTO attempts (consent, carrier, outcome, took_ms) VALUES (?1, ?2, ?3, ?4)";
        for Attempt { carrier, outcome, took_ms } in attempts {
            self.connection.prepare_cached(sql)?.execute(params![id.0, carrier, outcome, took_ms])?;
        }
        let sql = "UPDATE consents SET answered_s = max(?2, used_s), answer = ?3, sealed_phone = NULL WHERE id = ?1 AND state = ?4";
        Ok(self.connection.prepare_cached(sql)?.execute(params![id.0, now_s as i64, answer, USED])? == 1)
    }

    /// Stores the outcome of the query, sealed.
    pub fn set_outcome(&self, id: ConsentId, outcome: &QueryOutcome) -> Result<(), RegistryError> {
        let plain = Zeroizing::new(serde_json::to_vec(outcome).expect("an outcome is plain data"));
        let sealed = self.sealer.seal(Column::Outcome, id.0 as u64, &plain)?;
        let sql = "UPDATE consents SET outcome = ?2 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute(params![id.0, sealed])?;
        Ok(())
    }

    /// Returns the state and the outcome of this phone's consent for a form, if it was given at or after `from_s` and for this
    /// person, or for a ward without a code.
    pub fn consent_of(
        &self,
        id: ConsentId,
        (phone, beneficiary): (&Phone, Beneficiary),
        from_s: u64,
    ) -> Result<Option<(ConsentState, Option<QueryOutcome>)>, RegistryError> {
        let sql = "SELECT state, outcome FROM consents
            WHERE id = ?1 AND phone_hash = ?2 AND given_s >= ?3 AND flow <> ?4
                AND (ward IS ?5 OR ward = 0 AND ?5 IS NOT NULL)";
        let hash = self.phone_hash(phone);
        let parameters = params![id.0, hash, from_s as i64, Flow::Scan as u8, beneficiary.number()];
        let mut query = self.connection.prepare_cached(sql)?;
        let found: Option<(u8, Option<Vec<u8>>)> =
            query.query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((state, sealed)) = found else { return Ok(None) };
        let state = ConsentState::from_number(state).ok_or(RegistryError::Damaged { what: "consent" })?;
        let outcome =
            sealed.map(|sealed| self.open_json(Column::Outcome, id.0 as u64, &sealed)).transpose()?;
        Ok(Some((state, outcome)))
    }

    /// Sets the code of the ward that the consent was given for. Runs in the caller's transaction.
    pub fn name_ward(&self, id: ConsentId, code: CodeId) -> Result<(), RegistryError> {
        let sql = "UPDATE consents SET ward = ?2 WHERE id = ?1 AND ward = 0";
        self.connection.prepare_cached(sql)?.execute((id.0, code.get() as i64))?;
        Ok(())
    }

    pub(super) fn open_json<T: serde::de::DeserializeOwned>(
        &self,
        column: Column,
        owner: u64,
        sealed: &[u8],
    ) -> Result<T, RegistryError> {
        let what = match column {
            Column::Person | Column::Appeal | Column::OpenPhone => "text",
            Column::Evidence => "evidence",
            Column::Outcome => "consent",
            Column::Stay => "stay",
            Column::Order => "order",
        };
        let damaged = RegistryError::Damaged { what };
        let plain = self.sealer.open(column, owner, sealed).map(Zeroizing::new);
        plain.and_then(|plain| serde_json::from_slice(&plain).ok()).ok_or(damaged)
    }
}
