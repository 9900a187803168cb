//! Proofs that a phone and a document belong to a person, and guardians of wards. A number is given to another person some time
//! after it was given up, so a proof is valid for a limited time.

use protocol::{Class, CodeId};
use rusqlite::{OptionalExtension, params};

use crate::codes::colours::CodeEntry;
use crate::people::Person;
use crate::personal::{DocumentNumber, Phone};
use crate::{Registry, RegistryError};

/// A code with its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The code.
    pub code: CodeId,
    /// True if a guardian holds the code.
    pub is_ward: bool,
    /// The holder's data.
    pub person: Person,
}

impl Registry {
    /// Returns the codes of this phone whose holders proved it after `after_s`, in one read: wards last, each in order of
    /// registration.
    pub fn holders_of(&self, phone: &Phone, after_s: u64) -> Result<Vec<Holder>, RegistryError> {
        let sql = "SELECT code, sealed, guardian IS NOT NULL FROM people
            WHERE phone_hash = ?1 AND proven_s > ?2 ORDER BY guardian IS NOT NULL, id";
        let mut query = self.connection.prepare_cached(sql)?;
        let mut rows = query.query(params![self.phone_hash(phone), after_s as i64])?;
        let mut holders = Vec::new();
        while let Some(row) = rows.next()? {
            let code = CodeId::from_u64(row.get::<_, i64>(0)? as u64);
            let code = code.ok_or(RegistryError::Damaged { what: "person" })?;
            let person = self.open_person(code, &row.get::<_, Vec<u8>>(1)?)?;
            holders.push(Holder { code, is_ward: row.get(2)?, person });
        }
        Ok(holders)
    }

    /// Returns the codes of this phone whose holders proved it after `after_s`.
    pub fn proven_codes(&self, phone: &Phone, after_s: u64) -> Result<Vec<CodeId>, RegistryError> {
        let sql = "SELECT code FROM people WHERE phone_hash = ?1 AND proven_s > ?2 ORDER BY id";
        self.codes_by(sql, params![self.phone_hash(phone), after_s as i64])
    }

    /// Renews the proofs of this phone that were made after `after_s`. Runs in the caller's transaction.
    pub fn renew_proofs(&self, phone: &Phone, after_s: u64, now_s: u64) -> Result<(), RegistryError> {
        let sql = "UPDATE people SET proven_s = ?3 WHERE phone_hash = ?1 AND proven_s > ?2 AND proven_s < ?3";
        let parameters = params![self.phone_hash(phone), after_s as i64, now_s as i64];
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    }

    /// Records that the holder has shown phone and document. Runs in the caller's transaction.
    pub fn set_proven(&self, code: CodeId, now_s: u64) -> Result<(), RegistryError> {
        let sql = "UPDATE people SET proven_s = ?2 WHERE code = ?1";
        self.connection.prepare_cached(sql)?.execute((code.get() as i64, now_s as i64))?;
        Ok(())
    }

    /// Returns the code whose holder has both this phone and this document.
    pub fn code_of_both(
        &self,
        phone: &Phone,
        document: &DocumentNumber,
    ) -> Result<Option<CodeId>, RegistryError> {
        let sql = "SELECT code FROM people
            WHERE document_hash IN (?1, ?2, ?3, ?4, ?5, ?6) AND phone_hash = ?7 ORDER BY document_hash <> ?1";
        let [a, b, c, d, e, f] = self.document_hashes(document);
        let found = self.codes_by(sql, params![a, b, c, d, e, f, self.phone_hash(phone)])?;
        Ok(found.into_iter().next())
    }

    /// Returns the codes of this phone that are not wards': those proven after `after_s`, and all others.
    pub fn own_codes(
        &self,
        phone: &Phone,
        after_s: u64,
    ) -> Result<(Vec<CodeId>, Vec<CodeId>), RegistryError> {
        let own = |proven: &str| {
            let sql = format!(
                "SELECT code FROM people WHERE phone_hash = ?1 AND guardian IS NULL AND ifnull(proven_s, 0) {proven} ?2"
            );
            self.codes_by(&sql, params![self.phone_hash(phone), after_s as i64])
        };
        Ok((own(">")?, own("<=")?))
    }

    /// Counts a try of a document with this phone on the day that begins at `day_s`; returns false if `tries_max` is reached.
    /// Runs in the caller's transaction.
    pub fn take_document_try(
        &self,
        phone: &Phone,
        day_s: u64,
        tries_max: u32,
    ) -> Result<bool, RegistryError> {
        let sql = "INSERT INTO document_tries (phone_hash, day, tries) VALUES (?1, ?2, 1)
            ON CONFLICT DO UPDATE SET day = ?2, tries = iif(day = ?2, tries + 1, 1) WHERE day <> ?2 OR tries < ?3";
        let parameters = params![self.phone_hash(phone), day_s as i64, tries_max];
        Ok(self.connection.prepare_cached(sql)?.execute(parameters)? == 1)
    }

    /// Returns how many documents were tried with this phone on the day that begins at `day_s`.
    pub fn document_tries(&self, phone: &Phone, day_s: u64) -> Result<u32, RegistryError> {
        let sql = "SELECT tries FROM document_tries WHERE phone_hash = ?1 AND day = ?2";
        let parameters = params![self.phone_hash(phone), day_s as i64];
        let mut query = self.connection.prepare_cached(sql)?;
        Ok(query.query_row(parameters, |row| row.get(0)).optional()?.unwrap_or(0))
    }

    /// Returns the guardian's code, if the code is a ward's.
    pub fn guardian_of(&self, code: CodeId) -> Result<Option<CodeId>, RegistryError> {
        let sql = "SELECT guardian FROM people WHERE code = ?1 AND guardian IS NOT NULL";
        Ok(self.codes_by(sql, params![code.get() as i64])?.into_iter().next())
    }

    /// Returns the codes of this holder's wards, in order of registration.
    pub fn wards_of(&self, guardian: CodeId) -> Result<Vec<CodeId>, RegistryError> {
        self.codes_by(
            "SELECT code FROM people WHERE guardian = ?1 ORDER BY id",
            params![guardian.get() as i64],
        )
    }

    /// Sets or removes the guardian. Runs in the caller's transaction.
    pub fn set_guardian(&self, code: CodeId, guardian: Option<CodeId>) -> Result<(), RegistryError> {
        let sql = "UPDATE people SET guardian = ?2 WHERE code = ?1";
        let guardian = guardian.map(|guardian| guardian.get() as i64);
        self.connection.prepare_cached(sql)?.execute((code.get() as i64, guardian))?;
        Ok(())
    }

    /// Sets the code's class. Runs in the caller's transaction; the caller puts the returned entry into memory after the commit.
    pub fn set_class(&self, code: CodeId, class: Class) -> Result<CodeEntry, RegistryError> {
        let before = self.code(code)?.ok_or_else(|| RegistryError::missing("code", code.get()))?;
        let version = before.version().wrapping_add(1);
        let entry = CodeEntry::new(before.colour(), before.basis(), class, before.next_change_s(), version)
            .unverified(before.is_unverified());
        let sql = "UPDATE codes SET tags = ?2 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute((code.get() as i64, entry.to_tags()))?;
        Ok(entry)
    }

    /// Removes the mark of an unverified document, after an office has seen it. Runs in the caller's transaction; the caller puts
    /// the returned entry into memory after the commit.
    pub fn set_seen(&self, code: CodeId) -> Result<CodeEntry, RegistryError> {
        let before = self.code(code)?.ok_or_else(|| RegistryError::missing("code", code.get()))?;
        let version = before.version().wrapping_add(1);
        let entry =
            CodeEntry::new(before.colour(), before.basis(), before.class(), before.next_change_s(), version);
        let sql = "UPDATE codes SET tags = ?2 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute((code.get() as i64, entry.to_tags()))?;
        Ok(entry)
    }

    /// Withdraws the code's paper tokens that were issued before `good_from_s`. Runs in the caller's transaction.
    pub fn set_paper_from(&self, code: CodeId, good_from_s: u32) -> Result<(), RegistryError> {
        let sql = "INSERT INTO papers (code, good_from_s) VALUES (?1, ?2)
            ON CONFLICT DO UPDATE SET good_from_s = max(good_from_s, ?2)";
        self.connection.prepare_cached(sql)?.execute((code.get() as i64, good_from_s))?;
        Ok(())
    }

    /// Returns the time from which on the code's paper tokens are valid, Unix seconds; 0 if none was withdrawn.
    pub fn paper_from(&self, code: CodeId) -> Result<u32, RegistryError> {
        let sql = "SELECT good_from_s FROM papers WHERE code = ?1";
        let found: Option<u32> = self
            .connection
            .prepare_cached(sql)?
            .query_row([code.get() as i64], |row| row.get(0))
            .optional()?;
        Ok(found.unwrap_or(0))
    }

    pub(crate) fn codes_by(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<CodeId>, RegistryError> {
        let mut query = self.connection.prepare_cached(sql)?;
        let codes = query.query_map(parameters, |row| row.get::<_, i64>(0))?;
        let read = |code: i64| CodeId::from_u64(code as u64).ok_or(RegistryError::Damaged { what: "person" });
        codes.map(|code| read(code?)).collect()
    }
}
