//! Stays that carriers found, sealed: of a phone, tied to a document whose holder left that phone, and under causes. One stay of one phone
//! is one piece of evidence, and has one keyed hash wherever it is kept: what is refuted is found by it, whoever's code it is.

use policy::{CauseKind, Stay};
use protocol::CodeId;
use runtime::clock;
use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use crate::causes::{CauseRow, Evidence};
use crate::people::Person;
use crate::personal::seal::{Column, Hash};
use crate::personal::{DocumentNumber, Phone};
use crate::{Registry, RegistryError};

impl Registry {
    /// A carrier's finding about that phone.
    pub fn evidence(&self, phone: &Phone, stay: Stay) -> Evidence {
        let text = Zeroizing::new(format!("{}\u{1f}{}\u{1f}{}", phone.reveal(), stay.area, stay.last_day));
        Evidence { mark: Some(self.sealer.hash("evidence", &text)), stay }
    }

    /// Keeps a stay for the phone until then, unless one that ends later is kept already: an answer that comes late does not
    /// overwrite a newer one.
    pub fn keep_stay(&self, phone: &Phone, stay: &Stay, until_s: u64) -> Result<(), RegistryError> {
        self.keep_stay_by(self.phone_hash(phone), &self.evidence(phone, stay.clone()), until_s)
    }

    fn keep_stay_by(&self, hash: Hash, evidence: &Evidence, until_s: u64) -> Result<(), RegistryError> {
        let plain = Zeroizing::new(serde_json::to_vec(&evidence.stay).expect("a stay is plain data"));
        let sealed = self.sealer.seal(Column::Stay, owner(hash), &plain)?;
        let sql = "INSERT INTO stays (phone_hash, sealed, until_s, rests_on) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET sealed = ?2, until_s = ?3, rests_on = ?4 WHERE until_s < ?3";
        self.connection.prepare_cached(sql)?.execute(params![hash, sealed, until_s as i64, evidence.mark])?;
        Ok(())
    }

    /// Keeps the phone's stay, if there is one, for its owner's document as well: the owner takes another phone, or leaves. A ward's
    /// document has nothing to do with it. Part of the caller's transaction.
    pub fn tie_stay(&self, code: CodeId, person: &Person, now_s: u64) -> Result<(), RegistryError> {
        if self.guardian_of(code)?.is_some() {
            return Ok(());
        }
        match self.stay_by(self.phone_hash(&person.phone), now_s)? {
            Some((stay, until_s)) => self.keep_stay_by(self.document_hash(&person.document), &stay, until_s),
            None => Ok(()),
        }
    }

    /// Forgets the stays on which the refuted cause of that person rests; another one of the same phone or document stays. Part of the
    /// caller's transaction.
    fn forget_refuted(&self, refuted: &Ground, person: Option<&Person>) -> Result<(), RegistryError> {
        if let Some(mark) = refuted.mark {
            self.connection.prepare_cached("DELETE FROM stays WHERE rests_on = ?1")?.execute([mark])?;
        }
        // Stays of an earlier release have no mark; they are found by phone and document.
        let Some(person) = person else { return Ok(()) };
        let mut delete = self.connection.prepare_cached("DELETE FROM stays WHERE phone_hash = ?1")?;
        for hash in self.document_hashes(&person.document).into_iter().chain([self.phone_hash(&person.phone)])
        {
            let kept = self.stay_by(hash, 0)?;
            if kept.is_some_and(|(kept, _)| refuted.is_same(&Ground::from(kept))) {
                delete.execute([hash])?;
            }
        }
        Ok(())
    }

    /// The stay that is kept for the phone.
    pub fn stay_of(&self, phone: &Phone, now_s: u64) -> Result<Option<Stay>, RegistryError> {
        Ok(self.stay_by(self.phone_hash(phone), now_s)?.map(|(evidence, _)| evidence.stay))
    }

    /// The stay that was tied to the document.
    pub fn stay_tied_to(
        &self,
        document: &DocumentNumber,
        now_s: u64,
    ) -> Result<Option<Evidence>, RegistryError> {
        for hash in self.document_hashes(document) {
            if let Some((evidence, _)) = self.stay_by(hash, now_s)? {
                return Ok(Some(evidence));
            }
        }
        Ok(None)
    }

    pub(crate) fn stay_by(&self, hash: Hash, now_s: u64) -> Result<Option<(Evidence, u64)>, RegistryError> {
        let sql = "SELECT sealed, until_s, rests_on FROM stays WHERE phone_hash = ?1 AND until_s > ?2";
        let mut query = self.connection.prepare_cached(sql)?;
        let parameters = params![hash, clock::certain_s(now_s) as i64];
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found: Option<(Vec<u8>, i64, Option<Hash>)> = query.query_row(parameters, read).optional()?;
        let Some((sealed, until_s, mark)) = found else { return Ok(None) };
        let stay = self.open_json(Column::Stay, owner(hash), &sealed)?;
        Ok(Some((Evidence { stay, mark }, until_s as u64)))
    }

    /// Everything that rests on the same evidence as that cause of the code, is not cleared, and is not the cause itself: the codes and
    /// their causes. And no form rests on it any more. Nothing, if the cause rests on no answer of a carrier about its own holder. Part of
    /// the caller's transaction.
    pub fn refute(&self, code: CodeId, row: &CauseRow) -> Result<Vec<(CodeId, CauseRow)>, RegistryError> {
        if row.cause.kind != CauseKind::Trajectory {
            return Ok(Vec::new());
        }
        let refuted = self.ground_of(code, row.id)?;
        let person = self.person(code)?;
        self.forget_refuted(&refuted, person.as_ref())?;
        let mut codes = Vec::new();
        if let Some(mark) = refuted.mark {
            codes = self.codes_by("SELECT DISTINCT code FROM causes WHERE rests_on = ?1", [mark])?;
        }
        if let Some(person) = person {
            // Causes of an earlier release have no mark; those of a phone's wards rested on the phone's stay.
            codes.extend(self.codes_of_phone(&person.phone)?);
        }
        codes.sort_unstable();
        codes.dedup();
        let mut found = Vec::new();
        for other in codes {
            for cause in self.causes(other)? {
                let rests = matches!(cause.cause.kind, CauseKind::Trajectory | CauseKind::Accompanied);
                if cause.id != row.id
                    && rests
                    && cause.cleared_s.is_none()
                    && refuted.is_same(&self.ground_of(other, cause.id)?)
                {
                    found.push((other, cause));
                }
            }
        }
        Ok(found)
    }

    fn ground_of(&self, code: CodeId, cause: i64) -> Result<Ground, RegistryError> {
        let sql = "SELECT evidence, rests_on FROM causes WHERE id = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let (sealed, mark): (Option<Vec<u8>>, Option<Hash>) =
            self.connection.prepare_cached(sql)?.query_row([cause], read)?;
        let open = |sealed: Vec<u8>| self.open_json(Column::Evidence, code.get(), &sealed);
        Ok(Ground { stay: sealed.map(open).transpose()?, mark })
    }
}

/// The ground of a cause or of a kept stay, as far as it is still known: the stay goes when its cause ends or is cleared, the mark stays,
/// and what an earlier release kept has none.
struct Ground {
    stay: Option<Stay>,
    mark: Option<Hash>,
}

impl From<Evidence> for Ground {
    fn from(Evidence { stay, mark }: Evidence) -> Self {
        Self { stay: Some(stay), mark }
    }
}

impl Ground {
    /// Says if both are one piece of evidence. Without a mark on either side, the same stay on the same phone is taken for the same; where
    /// neither is known, nothing is.
    fn is_same(&self, other: &Self) -> bool {
        match (self.mark, other.mark) {
            (Some(mine), Some(others)) => mine == others,
            (None, _) | (_, None) => self.stay.is_some() && self.stay == other.stay,
        }
    }
}

/// A stay's owner is the hash by which it is found, as far as an owner holds of it.
pub(crate) fn owner(hash: Hash) -> u64 {
    u64::from_be_bytes(*hash.first_chunk().expect("a hash is longer"))
}
