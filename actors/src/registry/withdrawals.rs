//! People who take their data back. The person's row goes; what other clocks keep stays without it: decisions, accesses, and causes
//! in force, found again by the document's keyed hash until they end, or withdrawing would be a way to shake them off.

use protocol::CodeId;
use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use super::{ConsentState, DocumentNumber, Phone, Registry, RegistryError};

/// What stays of a person who withdrew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Changes of the colour on record, without personal data.
    pub decisions: u64,
    /// Looks of operators on record, without personal data.
    pub accesses: u64,
    /// Until when causes in force are kept, seconds since 1970 UTC; `None` if there are none.
    pub causes_until_s: Option<u64>,
    /// Until when a stay that a carrier answered is kept.
    pub stay_until_s: Option<u64>,
}

impl Registry {
    /// Deletes what is known of the person, and gives what stays. Part of the caller's transaction. A cause without an end is kept
    /// until `causes_until_s_max`.
    pub(crate) fn remove_person(
        &self,
        code: CodeId,
        (phone, document): (&Phone, &DocumentNumber),
        now_s: u64,
        causes_until_s_max: u64,
    ) -> Result<Remains, RegistryError> {
        let remains = Remains {
            causes_until_s: self.keep_causes(code, document, now_s, causes_until_s_max)?,
            stay_until_s: self.stay_until_of(phone, now_s)?,
            decisions: self.count("SELECT count(*) FROM decisions WHERE subject = ?1", code)?,
            accesses: self.count("SELECT count(*) FROM accesses WHERE subject = ?1", code)?,
        };
        let (id, subject) = (code.get() as i64, self.subject(code));
        let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
            self.connection.prepare_cached(sql)?.execute(parameters).map(|_| ())
        };
        run("DELETE FROM people WHERE code = ?1", params![id])?;
        run("DELETE FROM papers WHERE code = ?1", params![id])?;
        run("DELETE FROM appeals WHERE subject = ?1", params![subject])?;
        run("UPDATE units SET applicant = 0 WHERE applicant = ?1", params![id])?;
        // The row stays for the causes that decisions name; no entry packs to zero, so it is nobody's code, and never issued again.
        run("UPDATE codes SET tags = 0, next_change_s = 0 WHERE id = ?1", params![id])?;
        if self.codes_of_phone(phone)?.is_empty() {
            let hash = self.phone_hash(phone);
            run("DELETE FROM document_tries WHERE phone_hash = ?1", params![hash])?;
            // Those without an answer are taken back with the rest: one that comes late is not kept.
            run(
                "UPDATE consents SET phone_hash = x'', outcome = NULL, sealed_phone = NULL,
                    state = iif(answered_s IS NULL, ?2, state) WHERE phone_hash = ?1",
                params![hash, ConsentState::Withdrawn as u8],
            )?;
        }
        Ok(remains)
    }

    /// Whoever applies with a document has the causes again that were in force when its holder withdrew. Part of the caller's
    /// transaction, which settles the code afterwards.
    pub(crate) fn return_causes(
        &self,
        code: CodeId,
        document: &DocumentNumber,
        now_s: u64,
    ) -> Result<(), RegistryError> {
        self.connection
            .prepare_cached("DELETE FROM leftovers WHERE until_s <= ?1")?
            .execute([now_s as i64])?;
        let hash = self.document_hash(document);
        let sql = "SELECT id, code, evidence FROM causes
            WHERE id IN (SELECT cause FROM leftovers WHERE document_hash = ?1)";
        let mut query = self.connection.prepare_cached(sql)?;
        let rows = query.query_map([hash], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let causes: Vec<(i64, i64, Option<Vec<u8>>)> = rows.collect::<Result<_, _>>()?;
        for (id, old, sealed) in causes {
            // What a cause rests on is sealed for its code.
            let moved = |sealed: Vec<u8>| {
                let plain = self.sealer.open(old as u64, &sealed).map(Zeroizing::new);
                self.sealer.seal(code.get(), &plain.ok_or(RegistryError::Damaged { what: "evidence" })?)
            };
            let evidence = sealed.map(moved).transpose()?;
            let sql = "UPDATE causes SET code = ?2, evidence = ?3 WHERE id = ?1";
            self.connection.prepare_cached(sql)?.execute(params![id, code.get() as i64, evidence])?;
        }
        self.connection.prepare_cached("DELETE FROM leftovers WHERE document_hash = ?1")?.execute([hash])?;
        Ok(())
    }

    /// Forgets the causes of people who withdrew once they have ended.
    pub(crate) fn forget_leftovers(&self, now_s: u64) -> Result<(), RegistryError> {
        self.connection
            .prepare_cached("DELETE FROM leftovers WHERE until_s <= ?1")?
            .execute([now_s as i64])?;
        Ok(())
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
            if row.cleared_s.is_none() && row.cause.is_in_force(now_s) {
                let until_s = row.cause.until_s.min(until_s_max);
                let parameters = params![row.id, self.document_hash(document), until_s as i64];
                self.connection.prepare_cached(sql)?.execute(parameters)?;
                last = last.max(Some(until_s));
            }
        }
        Ok(last)
    }

    fn stay_until_of(&self, phone: &Phone, now_s: u64) -> Result<Option<u64>, RegistryError> {
        let sql = "SELECT until_s FROM stays WHERE phone_hash = ?1 AND until_s > ?2";
        let parameters = params![self.phone_hash(phone), now_s as i64];
        let until_s: Option<i64> =
            self.connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0)).optional()?;
        Ok(until_s.map(|until_s| until_s as u64))
    }

    fn count(&self, sql: &str, code: CodeId) -> Result<u64, RegistryError> {
        let count: i64 = self.connection.query_row(sql, [self.subject(code)], |row| row.get(0))?;
        Ok(count as u64)
    }
}
