//! Departures: holders who left causes or a stay behind, by withdrawing or by changing their phone. The document stays bound to
//! them until they end, and the phone until its number may belong to another person. So neither another document nor another
//! phone avoids them.

use runtime::clock;
use rusqlite::params;

use crate::people::Person;
use crate::personal::{DocumentNumber, Phone};
use crate::{Registry, RegistryError};

/// The reason of a departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepartureReason {
    /// The holder changed the phone.
    NewPhone,
    /// The holder withdrew.
    Withdrawal,
}

impl Registry {
    /// Records that the person left causes or a stay behind: they last until `until_s`, and the phone number counts as the
    /// person's until `phone_until_s`. Runs in the caller's transaction.
    pub fn insert_departure(
        &self,
        person: &Person,
        reason: DepartureReason,
        (until_s, phone_until_s): (u64, u64),
    ) -> Result<(), RegistryError> {
        let (document, phone) = (self.document_hash(&person.document), self.phone_hash(&person.phone));
        let sql = "INSERT INTO departures (document_hash, phone_hash, until_s, phone_until_s, moved)
            VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET until_s = max(until_s, excluded.until_s),
                phone_until_s = max(phone_until_s, excluded.phone_until_s), moved = excluded.moved";
        let (until, phone_until) = (until_s as i64, phone_until_s.min(until_s) as i64);
        let parameters = params![document, phone, until, phone_until, reason == DepartureReason::NewPhone];
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        if reason == DepartureReason::Withdrawal {
            let sql = "UPDATE departures SET moved = 0 WHERE document_hash = ?1";
            self.connection.prepare_cached(sql)?.execute([document])?;
        }
        Ok(())
    }

    /// Returns whether the holder of this document left with this phone; `None` if there is no departure. With another phone it
    /// is a different person, or the holder at an office.
    pub fn left_with(
        &self,
        document: &DocumentNumber,
        phone: &Phone,
        now_s: u64,
    ) -> Result<Option<bool>, RegistryError> {
        let sql = "SELECT max(phone_hash = ?7 AND phone_until_s > ?8) FROM departures
            WHERE document_hash IN (?1, ?2, ?3, ?4, ?5, ?6) AND until_s > ?8";
        let [a, b, c, d, e, f] = self.document_hashes(document);
        let parameters = params![a, b, c, d, e, f, self.phone_hash(phone), clock::certain_s(now_s) as i64];
        let theirs: Option<bool> =
            self.connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?;
        // Departures before they were recorded are known by the stay alone.
        let before = || Ok(self.stay_tied_to(document, now_s)?.map(|_| false));
        theirs.map_or_else(before, |theirs| Ok(Some(theirs)))
    }

    /// Returns whether a holder with another document and with causes in force changed from this phone to another.
    pub fn is_left_by_another(
        &self,
        phone: &Phone,
        document: &DocumentNumber,
        now_s: u64,
    ) -> Result<bool, RegistryError> {
        let sql = "SELECT 1 FROM departures
            WHERE phone_hash = ?1 AND moved AND phone_until_s > ?2 AND document_hash <> ?3";
        let parameters =
            params![self.phone_hash(phone), clock::certain_s(now_s) as i64, self.document_hash(document)];
        Ok(self.connection.prepare_cached(sql)?.exists(parameters)?)
    }

    /// Returns the numbers of the causes that were left with the document and, if given, with the phone.
    pub(crate) fn left_behind(
        &self,
        document: &DocumentNumber,
        phone: Option<&Phone>,
        now_s: u64,
    ) -> Result<Vec<i64>, RegistryError> {
        let sql = "SELECT cause FROM leftovers WHERE document_hash IN (?1, ?2, ?3, ?4, ?5, ?6)
            OR document_hash IN (SELECT document_hash FROM departures
                WHERE phone_hash = ?7 AND NOT moved AND phone_until_s > ?8)";
        let [a, b, c, d, e, f] = self.document_hashes(document);
        let phone = phone.map(|phone| self.phone_hash(phone));
        let mut query = self.connection.prepare_cached(sql)?;
        let rows = query
            .query_map(params![a, b, c, d, e, f, phone, clock::certain_s(now_s) as i64], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
