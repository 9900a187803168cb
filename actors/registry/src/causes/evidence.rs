//! Stays that carriers reported, sealed: stored for a phone, for the document of a holder who left that phone, and with causes. A
//! stay of one phone is one piece of evidence. Its keyed hash is the same wherever it is stored, so that refuting it finds every
//! cause based on it.

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
    /// Returns the evidence that a carrier's answer about this phone gives.
    pub fn evidence(&self, phone: &Phone, stay: Stay) -> Evidence {
        let text = Zeroizing::new(format!("{}\u{1f}{}\u{1f}{}", phone.reveal(), stay.area, stay.last_day));
        Evidence { mark: Some(self.sealer.hash("evidence", &text)), stay }
    }

    /// Stores a stay for the phone until `until_s`. A stored stay that ends later is not overwritten: answers may arrive out of
    /// order.
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

    /// Stores the phone's stay, if there is one, also for the document of the phone's owner, who changes the phone or withdraws.
    /// Does nothing for a ward. Runs in the caller's transaction.
    pub fn tie_stay(&self, code: CodeId, person: &Person, now_s: u64) -> Result<(), RegistryError> {
        if self.guardian_of(code)?.is_some() {
            return Ok(());
        }
        match self.stay_by(self.phone_hash(&person.phone), now_s)? {
            Some((stay, until_s)) => self.keep_stay_by(self.document_hash(&person.document), &stay, until_s),
            None => Ok(()),
        }
    }

    /// Deletes the stays that are the refuted evidence, and returns the hashes by which they were found; other stays of the same
    /// phone or document are kept. Runs in the caller's transaction.
    fn forget_refuted(&self, refuted: &Ground, person: Option<&Person>) -> Result<Vec<Hash>, RegistryError> {
        let mut freed = Vec::new();
        if let Some(mark) = refuted.mark {
            let sql = "DELETE FROM stays WHERE rests_on = ?1 RETURNING phone_hash";
            let mut delete = self.connection.prepare_cached(sql)?;
            for hash in delete.query_map([mark], |row| row.get(0))? {
                freed.push(hash?);
            }
        }
        // Stays of earlier releases have no mark and are found by phone and document.
        let Some(person) = person else { return Ok(freed) };
        let mut delete = self.connection.prepare_cached("DELETE FROM stays WHERE phone_hash = ?1")?;
        for hash in self.document_hashes(&person.document).into_iter().chain([self.phone_hash(&person.phone)])
        {
            let kept = self.stay_by(hash, 0)?;
            if kept.is_some_and(|(kept, _)| refuted.is_same(&Ground::from(kept))) {
                delete.execute([hash])?;
                freed.push(hash);
            }
        }
        Ok(freed)
    }

    /// Keeps the latest stay that is left of the owner, where the refuted one stood: of causes in force that rest on another one. For a
    /// phone only stays that were found with it are kept: others would lock the next owner of its number. Part of the caller's transaction.
    fn keep_what_stands(
        &self,
        (code, person): (CodeId, &Person),
        refuted: &Ground,
        freed: &[Hash],
        now_s: u64,
    ) -> Result<(), RegistryError> {
        if self.guardian_of(code)?.is_some() {
            return Ok(());
        }
        let (phone, documents) = (self.phone_hash(&person.phone), self.document_hashes(&person.document));
        for row in self.causes(code)? {
            let stands = row.cause.kind == CauseKind::Trajectory && row.is_in_force(now_s);
            let ground = self.ground_of(code, row.id)?;
            let Ground { stay: Some(stay), mark } = &ground else { continue };
            if !stands || refuted.is_same(&ground) {
                continue;
            }
            let is_of_phone = mark.is_none() || self.evidence(&person.phone, stay.clone()).mark == *mark;
            let evidence = Evidence { stay: stay.clone(), mark: *mark };
            for hash in freed {
                if documents.contains(hash) || (*hash == phone && is_of_phone) {
                    self.keep_stay_by(*hash, &evidence, row.cause.until_s)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the stay that is stored for the phone.
    pub fn stay_of(&self, phone: &Phone, now_s: u64) -> Result<Option<Stay>, RegistryError> {
        Ok(self.stay_by(self.phone_hash(phone), now_s)?.map(|(evidence, _)| evidence.stay))
    }

    /// Returns the stay that is stored for the document.
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

    /// Returns the other uncleared causes, with their codes, that are based on the same evidence as this cause. Deletes the stays
    /// that are this evidence; an earlier stay of theirs that stands takes its place. Returns nothing unless the cause comes from
    /// a carrier's answer about the holder's own phone. Runs in the caller's transaction.
    pub fn refute(
        &self,
        code: CodeId,
        row: &CauseRow,
        now_s: u64,
    ) -> Result<Vec<(CodeId, CauseRow)>, RegistryError> {
        if row.cause.kind != CauseKind::Trajectory {
            return Ok(Vec::new());
        }
        let refuted = self.ground_of(code, row.id)?;
        let person = self.person(code)?;
        let freed = self.forget_refuted(&refuted, person.as_ref())?;
        let mut codes = Vec::new();
        if let Some(mark) = refuted.mark {
            codes = self.codes_by("SELECT DISTINCT code FROM causes WHERE rests_on = ?1", [mark])?;
        }
        if let Some(person) = person {
            // Causes of earlier releases have no mark; causes of wards were based on the phone's stay.
            codes.extend(self.codes_of_phone(&person.phone)?);
        }
        codes.sort_unstable();
        codes.dedup();
        let mut found = Vec::new();
        for other in codes {
            if let Some(person) = self.person(other)? {
                self.keep_what_stands((other, &person), &refuted, &freed, now_s)?;
            }
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

/// The evidence of a cause or of a stored stay, as far as it is still known. The stay is deleted when its cause ends or is
/// cleared; the mark is kept. Rows of earlier releases have no mark.
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
    /// Returns whether both are the same evidence. If either has no mark, the stays are compared; two unknown stays are not the
    /// same.
    fn is_same(&self, other: &Self) -> bool {
        match (self.mark, other.mark) {
            (Some(mine), Some(others)) => mine == others,
            (None, _) | (_, None) => self.stay.is_some() && self.stay == other.stay,
        }
    }
}

/// Returns the owner under which a stay is sealed: the first eight bytes of the hash that it is found by.
pub(crate) fn owner(hash: Hash) -> u64 {
    u64::from_be_bytes(*hash.first_chunk().expect("a hash is longer"))
}
