//! Deletion of data whose period is over: answers, evidence, stays, document tries, consents, texts of orders. In parts, each
//! found by an index, so that no other request waits for more than one part.

use policy::trajectory::{day_of, start_of};
use rusqlite::params;

use crate::consents::past::CONSENT_DAYS;
use crate::operator::order_log::ORDER_TEXT_S;
use crate::periods::FORM_S_MAX;
use crate::time::stored;
use crate::{Registry, RegistryError};

/// Rows of each kind that are deleted in one transaction, some milliseconds.
const FORGOTTEN_PER_TRANSACTION: i64 = 1_000;

const DAY_S: u64 = 86_400;

/// Statements with two parameters: a time in Unix seconds, and the maximum number of rows.
const ENDED: &[&str] = &[
    "UPDATE causes SET evidence = NULL WHERE id IN
        (SELECT id FROM causes WHERE evidence IS NOT NULL AND until_s <= ?1 LIMIT ?2)",
    "UPDATE causes SET evidence = NULL WHERE id IN
        (SELECT id FROM causes WHERE evidence IS NOT NULL AND cleared_s IS NOT NULL AND cleared_s <= ?1 LIMIT ?2)",
    "DELETE FROM stays WHERE phone_hash IN (SELECT phone_hash FROM stays WHERE until_s <= ?1 LIMIT ?2)",
    "DELETE FROM enrolments WHERE token_hash IN (SELECT token_hash FROM enrolments WHERE expires_s < ?1 LIMIT ?2)",
    "DELETE FROM leftovers WHERE cause IN (SELECT cause FROM leftovers WHERE until_s <= ?1 LIMIT ?2)",
    "DELETE FROM departures WHERE (document_hash, phone_hash) IN
        (SELECT document_hash, phone_hash FROM departures WHERE until_s <= ?1 LIMIT ?2)",
];
const FORMS: &[&str] = &[
    "UPDATE consents SET outcome = NULL WHERE id IN
        (SELECT id FROM consents WHERE outcome IS NOT NULL AND given_s < ?1 LIMIT ?2)",
    "UPDATE consents SET sealed_phone = NULL WHERE id IN
        (SELECT id FROM consents WHERE sealed_phone IS NOT NULL AND given_s < ?1 LIMIT ?2)",
];
/// The texts of orders; their signatures are kept.
const ORDERS: &[&str] = &["UPDATE order_log SET sealed = NULL WHERE id IN
        (SELECT id FROM order_log WHERE sealed IS NOT NULL AND recorded_s < ?1 LIMIT ?2)"];
const DAYS: &[&str] = &["DELETE FROM document_tries WHERE phone_hash IN
        (SELECT phone_hash FROM document_tries WHERE day < ?1 LIMIT ?2)"];

impl Registry {
    /// Deletes some of the data whose period is over at `now_s`: evidence of causes that ended or were cleared, stays, enrolment
    /// tokens, causes of people who withdrew, outcomes and phones of consents whose form is too old, old consents, texts of old
    /// orders, and document tries of earlier days. Returns true while there is more.
    pub fn forget_some(&mut self, now_s: u64) -> Result<bool, RegistryError> {
        let forms_s = now_s.saturating_sub(FORM_S_MAX);
        self.transaction(|registry| {
            let ended = registry.forget_by(ENDED, now_s)?;
            let forms = registry.forget_by(FORMS, forms_s)?;
            let days = registry.forget_by(DAYS, start_of(day_of(now_s)))?;
            let consents = registry.forget_consents(now_s.saturating_sub(CONSENT_DAYS * DAY_S))?;
            let orders = registry.forget_by(ORDERS, now_s.saturating_sub(ORDER_TEXT_S))?;
            Ok(orders || ended || forms || days || consents)
        })
    }

    fn forget_by(&self, statements: &[&str], at_s: u64) -> Result<bool, RegistryError> {
        let mut more = false;
        for sql in statements {
            let parameters = params![stored(at_s), FORGOTTEN_PER_TRANSACTION];
            let forgotten = self.connection.prepare_cached(sql)?.execute(parameters)?;
            more |= forgotten as i64 == FORGOTTEN_PER_TRANSACTION;
        }
        Ok(more)
    }
}
