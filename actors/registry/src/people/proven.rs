//! The one who has shown that a phone and a document are theirs, and when; whose wards are whose. A number is given to somebody else some
//! time after it was given up, so a proof counts for so long and no longer.

use protocol::{Class, CodeId};
use rusqlite::{OptionalExtension, params};

use crate::codes::colours::CodeEntry;
use crate::people::Person;
use crate::personal::{DocumentNumber, Phone};
use crate::{Registry, RegistryError};

/// Whose code it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The code.
    pub code: CodeId,
    /// True if a guardian holds it.
    pub is_ward: bool,
    /// Everything known besides.
    pub person: Person,
}

impl Registry {
    /// The holders of that phone's codes who proved it after that moment, in one read: wards last, each in the order in which they
    /// came.
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

    /// The codes of that phone whose holders proved it after that moment.
    pub fn proven_codes(&self, phone: &Phone, after_s: u64) -> Result<Vec<CodeId>, RegistryError> {
        let sql = "SELECT code FROM people WHERE phone_hash = ?1 AND proven_s > ?2 ORDER BY id";
        self.codes_by(sql, params![self.phone_hash(phone), after_s as i64])
    }

    /// The holders of that phone who proved it after that moment have proven it again. Part of the caller's transaction.
    pub fn renew_proofs(&self, phone: &Phone, after_s: u64, now_s: u64) -> Result<(), RegistryError> {
        let sql = "UPDATE people SET proven_s = ?3 WHERE phone_hash = ?1 AND proven_s > ?2 AND proven_s < ?3";
        let parameters = params![self.phone_hash(phone), after_s as i64, now_s as i64];
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    }

    /// The holder has shown phone and document. Part of the caller's transaction.
    pub fn set_proven(&self, code: CodeId, now_s: u64) -> Result<(), RegistryError> {
        let sql = "UPDATE people SET proven_s = ?2 WHERE code = ?1";
        self.connection.prepare_cached(sql)?.execute((code.get() as i64, now_s as i64))?;
        Ok(())
    }

    /// The code of whoever has both that phone and that document.
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

    /// The codes of that phone that are nobody's ward's: those whose holders proved it after that moment, and all others.
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

    /// Counts a try of a document with that phone on the day that begins then; false if there were as many as may be. Part of the
    /// caller's transaction.
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

    /// Counts the documents that were tried with that phone on the day that begins then.
    pub fn document_tries(&self, phone: &Phone, day_s: u64) -> Result<u32, RegistryError> {
        let sql = "SELECT tries FROM document_tries WHERE phone_hash = ?1 AND day = ?2";
        let parameters = params![self.phone_hash(phone), day_s as i64];
        let mut query = self.connection.prepare_cached(sql)?;
        Ok(query.query_row(parameters, |row| row.get(0)).optional()?.unwrap_or(0))
    }

    /// The guardian of that code's holder.
    pub fn guardian_of(&self, code: CodeId) -> Result<Option<CodeId>, RegistryError> {
        let sql = "SELECT guardian FROM people WHERE code = ?1 AND guardian IS NOT NULL";
        Ok(self.codes_by(sql, params![code.get() as i64])?.into_iter().next())
    }

    /// The wards of that code's holder, in the order in which they came.
    pub fn wards_of(&self, guardian: CodeId) -> Result<Vec<CodeId>, RegistryError> {
        self.codes_by(
            "SELECT code FROM people WHERE guardian = ?1 ORDER BY id",
            params![guardian.get() as i64],
        )
    }

    /// Part of the caller's transaction.
    pub fn set_guardian(&self, code: CodeId, guardian: Option<CodeId>) -> Result<(), RegistryError> {
        let sql = "UPDATE people SET guardian = ?2 WHERE code = ?1";
        let guardian = guardian.map(|guardian| guardian.get() as i64);
        self.connection.prepare_cached(sql)?.execute((code.get() as i64, guardian))?;
        Ok(())
    }

    /// Makes a code one of another class. Part of the caller's transaction; the entry is for memory, once that is durable.
    pub fn set_class(&self, code: CodeId, class: Class) -> Result<CodeEntry, RegistryError> {
        let before = self.code(code)?.ok_or_else(|| RegistryError::missing("code", code.get()))?;
        let version = before.version().wrapping_add(1);
        let entry = CodeEntry::new(before.colour(), before.basis(), class, before.next_change_s(), version)
            .unverified(before.is_unverified());
        let sql = "UPDATE codes SET tags = ?2 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute((code.get() as i64, entry.to_tags()))?;
        Ok(entry)
    }

    /// Makes the document of a code's holder one that somebody has seen. Part of the caller's transaction; the entry is for memory, once
    /// that is durable.
    pub fn set_seen(&self, code: CodeId) -> Result<CodeEntry, RegistryError> {
        let before = self.code(code)?.ok_or_else(|| RegistryError::missing("code", code.get()))?;
        let version = before.version().wrapping_add(1);
        let entry =
            CodeEntry::new(before.colour(), before.basis(), before.class(), before.next_change_s(), version);
        let sql = "UPDATE codes SET tags = ?2 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute((code.get() as i64, entry.to_tags()))?;
        Ok(entry)
    }

    /// Printed codes of which only those made from that moment on are good. Part of the caller's transaction.
    pub fn set_paper_from(&self, code: CodeId, good_from_s: u32) -> Result<(), RegistryError> {
        let sql = "INSERT INTO papers (code, good_from_s) VALUES (?1, ?2)
            ON CONFLICT DO UPDATE SET good_from_s = max(good_from_s, ?2)";
        self.connection.prepare_cached(sql)?.execute((code.get() as i64, good_from_s))?;
        Ok(())
    }

    /// From which moment on printed codes of it are good; 0 if none was withdrawn.
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
