//! Withdrawals: a person's row is deleted. Decisions, access records and causes in force remain without it until their own
//! periods end. A returning holder gets the causes back, found by the keyed hash of document or phone; otherwise withdrawing
//! would remove them.

use policy::Stay;
use protocol::CodeId;
use runtime::clock;
use rusqlite::params;
use zeroize::Zeroizing;

use crate::consents::ConsentState;
use crate::people::Person;
use crate::people::departures::DepartureReason;
use crate::periods::PROVEN_DAYS;
use crate::personal::seal::Column;
use crate::personal::{DocumentNumber, Phone};
use crate::{Registry, RegistryError};

/// The longest time for which a withdrawn holder's causes are kept, as long as decisions at least are. Seconds.
const LEFTOVER_S_MAX: u64 = 184 * 86_400;

/// Returns the last times until which the phone number counts as the person's, and until which causes are kept, after a departure
/// at `now_s`.
pub const fn kept_until(now_s: u64) -> (u64, u64) {
    (now_s.saturating_add(PROVEN_DAYS * 86_400), now_s.saturating_add(LEFTOVER_S_MAX))
}

/// The data that remains after a withdrawal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetainedData {
    /// Decisions, without personal data.
    pub decisions: u64,
    /// Access records, without personal data.
    pub accesses: u64,
    /// The end of the causes in force, Unix seconds; `None` if there are none.
    pub causes_until_s: Option<u64>,
    /// The end of the stored stay, Unix seconds; `None` if there is none.
    pub stay_until_s: Option<u64>,
}

impl Registry {
    /// Deletes the person's data and returns what remains. Runs in the caller's transaction.
    pub fn remove_person(
        &self,
        code: CodeId,
        person: &Person,
        now_s: u64,
    ) -> Result<RetainedData, RegistryError> {
        let Person { phone, document, .. } = person;
        let (phone_until_s, causes_until_s_max) = kept_until(now_s);
        // Without this, a holder whose form is not sent yet could return with another phone and without the locked field.
        self.tie_stay(code, person, now_s)?;
        let remains = RetainedData {
            causes_until_s: self.keep_causes(code, document, now_s, causes_until_s_max)?,
            stay_until_s: self.stay_until_of(person, now_s)?,
            decisions: self.count("SELECT count(*) FROM decisions WHERE subject = ?1", code)?,
            accesses: self.count("SELECT count(*) FROM accesses WHERE subject = ?1", code)?,
        };
        if let Some(until_s) = remains.causes_until_s.max(remains.stay_until_s) {
            self.insert_departure(person, DepartureReason::Withdrawal, (until_s, phone_until_s))?;
        }
        let (id, subject) = (code.get() as i64, self.subject(code));
        let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
            self.connection.prepare_cached(sql)?.execute(parameters).map(|_| ())
        };
        run("DELETE FROM people WHERE code = ?1", params![id])?;
        run("DELETE FROM papers WHERE code = ?1", params![id])?;
        run("UPDATE consents SET ward = 0 WHERE ward = ?1 AND ward > 0", params![id])?;
        run("DELETE FROM appeals WHERE subject = ?1", params![subject])?;
        run("UPDATE units SET applicant = 0 WHERE applicant = ?1", params![id])?;
        self.withdrawn_list.note(code, now_s);
        run("INSERT INTO withdrawals (code, at_s) VALUES (?1, ?2)", params![id, now_s as i64])?;
        // The row stays because decisions name its causes. No entry packs to zero, so the code is invalid and never issued again.
        run("UPDATE codes SET tags = 0, next_change_s = 0 WHERE id = ?1", params![id])?;
        if self.codes_of_phone(phone)?.is_empty() {
            let hash = self.phone_hash(phone);
            // Consents without an answer are withdrawn too, so that a late answer is not stored.
            run(
                "UPDATE consents SET phone_hash = x'', outcome = NULL, sealed_phone = NULL,
                    state = iif(answered_s IS NULL, ?2, state) WHERE phone_hash = ?1",
                params![hash, ConsentState::Withdrawn as u8],
            )?;
        }
        Ok(remains)
    }

    /// Moves causes to the code of an applicant: those that were in force when the document's holder withdrew, and those of the
    /// holder of `phone`, whatever the document. Runs in the caller's transaction; the caller settles the code afterwards.
    pub fn return_causes(
        &self,
        code: CodeId,
        document: &DocumentNumber,
        phone: Option<&Phone>,
        now_s: u64,
    ) -> Result<(), RegistryError> {
        self.forget_leftovers(now_s)?;
        for id in self.left_behind(document, phone, now_s)? {
            let sql = "SELECT code, evidence FROM causes WHERE id = ?1";
            let mut query = self.connection.prepare_cached(sql)?;
            let (old, sealed): (i64, Option<Vec<u8>>) =
                query.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            // Evidence is sealed for its code.
            let moved = |sealed: Vec<u8>| {
                let stay: Stay = self.open_json(Column::Evidence, old as u64, &sealed)?;
                let plain = Zeroizing::new(serde_json::to_vec(&stay).expect("a stay is plain data"));
                self.sealer.seal(Column::Evidence, code.get(), &plain)
            };
            let evidence = sealed.map(moved).transpose()?;
            let sql = "UPDATE causes SET code = ?2, evidence = ?3 WHERE id = ?1";
            self.connection.prepare_cached(sql)?.execute(params![id, code.get() as i64, evidence])?;
            self.connection.prepare_cached("DELETE FROM leftovers WHERE cause = ?1")?.execute([id])?;
        }
        Ok(())
    }

    /// Deletes the ended causes of people who withdrew, and ended departures.
    pub(crate) fn forget_leftovers(&self, now_s: u64) -> Result<(), RegistryError> {
        for sql in ["DELETE FROM leftovers WHERE until_s <= ?1", "DELETE FROM departures WHERE until_s <= ?1"]
        {
            self.connection.prepare_cached(sql)?.execute([clock::certain_s(now_s) as i64])?;
        }
        Ok(())
    }

    /// Returns the end of the causes in force, Unix seconds, for a holder who changes the phone; `None` if there are none.
    pub fn causes_until(&self, code: CodeId, now_s: u64) -> Result<Option<u64>, RegistryError> {
        let rows = self.causes(code)?.into_iter();
        let in_force = rows.filter(|row| row.is_in_force(now_s));
        Ok(in_force.map(|row| row.cause.until_s).max())
    }

    fn keep_causes(
        &self,
        code: CodeId,
        document: &DocumentNumber,
        now_s: u64,
        until_s_max: u64,
    ) -> Result<Option<u64>, RegistryError> {
        self.keep_inherited(code, now_s)?;
        let sql = "INSERT INTO leftovers (cause, document_hash, until_s) VALUES (?1, ?2, ?3)";
        let mut last = None;
        for row in self.causes(code)? {
            if row.is_in_force(now_s) {
                let until_s = row.cause.until_s.min(until_s_max);
                let parameters = params![row.id, self.document_hash(document), until_s as i64];
                self.connection.prepare_cached(sql)?.execute(parameters)?;
                last = last.max(Some(until_s));
            }
        }
        Ok(last)
    }

    fn stay_until_of(&self, person: &Person, now_s: u64) -> Result<Option<u64>, RegistryError> {
        let hashes =
            self.document_hashes(&person.document).into_iter().chain([self.phone_hash(&person.phone)]);
        let mut last = None;
        for hash in hashes {
            last = last.max(self.stay_by(hash, now_s)?.map(|(_, until_s)| until_s));
        }
        Ok(last)
    }

    fn count(&self, sql: &str, code: CodeId) -> Result<u64, RegistryError> {
        let count: i64 = self.connection.query_row(sql, [self.subject(code)], |row| row.get(0))?;
        Ok(count as u64)
    }
}
