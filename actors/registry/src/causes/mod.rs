//! Causes of colours. A row is never removed while its code exists; clearing a cause sets its time of clearing.

pub mod appeals;
pub(crate) mod evidence;
pub(crate) mod policies;
mod revisions;

use policy::{Cause, CauseKind, Standing, Stay, standing_or_unknown};
use protocol::{Basis, CodeId, Colour};
use runtime::clock;
use rusqlite::params;
use zeroize::Zeroizing;

use crate::codes::colours::CodeEntry;
use crate::decisions::{Change, INHERITED};
use crate::personal::seal::{Column, Hash};
use crate::time::{seconds, stored};
use crate::{Registry, RegistryError};

/// A stored cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseRow {
    /// The cause's number.
    pub id: i64,
    /// The colour that it gives, and its period.
    pub cause: Cause,
    /// The authority that set it; no other may clear it.
    pub authority: String,
    /// The version of the policy that applied.
    pub policy: String,
    /// The time of clearing, Unix seconds; `None` if it was not cleared.
    pub cleared_s: Option<u64>,
}

impl CauseRow {
    /// Returns whether the cause is in force: not cleared, and its end has not certainly been reached.
    pub fn is_in_force(&self, now_s: u64) -> bool {
        self.cleared_s.is_none() && clock::certain_s(now_s) < self.cause.until_s
    }
}

/// A stay that a cause is based on, with its keyed hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub stay: Stay,
    /// The keyed hash of phone and stay; `None` for rows of earlier releases.
    pub(super) mark: Option<Hash>,
}

impl Registry {
    /// Returns every cause of the code, the oldest first.
    pub fn causes(&self, code: CodeId) -> Result<Vec<CauseRow>, RegistryError> {
        let sql = "SELECT id, kind, colour, from_s, until_s, authority, policy, cleared_s FROM causes
            WHERE code = ?1 ORDER BY id";
        let mut query = self.connection.prepare_cached(sql)?;
        let mut rows = query.query([code.get() as i64])?;
        let mut causes = Vec::new();
        while let Some(row) = rows.next()? {
            let damaged = RegistryError::Damaged { what: "cause" };
            let (Some(kind), Some(colour)) =
                (CauseKind::from_number(row.get(1)?), Colour::from_number(row.get(2)?))
            else {
                return Err(damaged);
            };
            let cause = Cause { kind, colour, from_s: seconds(row.get(3)?), until_s: seconds(row.get(4)?) };
            causes.push(CauseRow {
                id: row.get(0)?,
                cause,
                authority: row.get(5)?,
                policy: row.get(6)?,
                cleared_s: row.get::<_, Option<i64>>(7)?.map(seconds),
            });
        }
        Ok(causes)
    }

    /// Adds a cause with its evidence and returns its number. Runs in the caller's transaction; the caller settles the code
    /// afterwards.
    pub fn insert_cause(
        &self,
        code: CodeId,
        cause: Cause,
        authority: &str,
        policy: &str,
        evidence: Option<&Evidence>,
    ) -> Result<i64, RegistryError> {
        let seal = |evidence: &Evidence| {
            let plain = Zeroizing::new(serde_json::to_vec(&evidence.stay).expect("a stay is plain data"));
            self.sealer.seal(Column::Evidence, code.get(), &plain)
        };
        let (rests_on, evidence) =
            (evidence.and_then(|evidence| evidence.mark), evidence.map(seal).transpose()?);
        let sql =
            "INSERT INTO causes (code, kind, colour, from_s, until_s, authority, policy, evidence, rests_on)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.connection.prepare_cached(sql)?.execute(params![
            code.get() as i64,
            cause.kind.number(),
            cause.colour.number(),
            stored(cause.from_s),
            stored(cause.until_s),
            authority,
            policy,
            evidence,
            rests_on
        ])?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Clears a cause from `now_s` on. Runs in the caller's transaction.
    pub fn clear_cause(&self, id: i64, now_s: u64) -> Result<(), RegistryError> {
        let sql = "UPDATE causes SET cleared_s = ?2 WHERE id = ?1 AND cleared_s IS NULL";
        match self.connection.prepare_cached(sql)?.execute((id, stored(now_s)))? {
            1 => Ok(()),
            _ => Err(RegistryError::missing("cause in force with the number", id)),
        }
    }

    /// Replaces the kind and the end of a declared cause that its declarer has corrected, and records a decision. Runs in the
    /// caller's transaction; the caller settles the code afterwards.
    pub fn correct_cause(
        &self,
        code: CodeId,
        (id, corrected): (i64, Cause),
        change: &Change<'_>,
        now_s: u64,
    ) -> Result<(), RegistryError> {
        let sql = "UPDATE causes SET kind = ?2, until_s = ?3 WHERE id = ?1";
        let parameters = (id, corrected.kind.number(), stored(corrected.until_s));
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        let colour = self.code(code)?.ok_or_else(|| RegistryError::missing("code", code.get()))?.colour();
        self.decide(code, (colour, colour), change, now_s)
    }

    /// Returns the cause with this number, and its code.
    pub fn cause(&self, id: i64) -> Result<Option<(CodeId, CauseRow)>, RegistryError> {
        use rusqlite::OptionalExtension;
        let sql = "SELECT code FROM causes WHERE id = ?1";
        let code: Option<i64> = self.connection.query_row(sql, [id], |row| row.get(0)).optional()?;
        let Some(code) = code else { return Ok(None) };
        let code = CodeId::from_u64(code as u64).ok_or(RegistryError::Damaged { what: "cause" })?;
        Ok(self.causes(code)?.into_iter().find(|row| row.id == id).map(|row| (code, row)))
    }

    /// Returns the cause that a decision is about, and its code.
    pub fn cause_of_decision(&self, id: i64) -> Result<Option<(CodeId, CauseRow)>, RegistryError> {
        use rusqlite::OptionalExtension;
        let sql = "SELECT cause FROM decisions WHERE id = ?1";
        let cause: Option<Option<i64>> = self.connection.query_row(sql, [id], |row| row.get(0)).optional()?;
        cause.flatten().map_or(Ok(None), |cause| self.cause(cause))
    }

    /// Returns the number of causes of this colour that were set by hand after `from_s`.
    pub fn set_by_hand(&self, colour: Colour, from_s: u64) -> Result<u64, RegistryError> {
        let sql = "SELECT count(*) FROM causes WHERE kind IN (3, 4, 5) AND from_s > ?1 AND colour = ?2";
        let mut query = self.connection.prepare_cached(sql)?;
        let count: i64 = query.query_row((stored(from_s), colour.number()), |row| row.get(0))?;
        Ok(count as u64)
    }

    /// Returns the numbers of causes that the authority set by hand within this period (Unix seconds) and that are in force, at
    /// most `max`.
    pub fn by_hand_of(
        &self,
        authority: &str,
        (from_s, to_s): (u64, u64),
        now_s: u64,
        max: usize,
    ) -> Result<Vec<i64>, RegistryError> {
        let sql =
            "SELECT id FROM causes WHERE kind IN (3, 4, 5) AND authority = ?1 AND from_s BETWEEN ?2 AND ?3
            AND cleared_s IS NULL AND until_s > ?4 ORDER BY id LIMIT ?5";
        let mut query = self.connection.prepare_cached(sql)?;
        let asked = (authority, stored(from_s), stored(to_s), stored(now_s), max as i64);
        Ok(query.query_map(asked, |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Prepares a code without causes for its first one. A colour that came with an import or a made-up city has no cause row:
    /// red and yellow get one. The code's basis is stored as the rest basis, which applies again when no cause is in force. Runs
    /// in the caller's transaction.
    pub fn keep_inherited(&self, code: CodeId, now_s: u64) -> Result<(), RegistryError> {
        let Some(entry) = self.code(code)? else { return Ok(()) };
        if !self.causes(code)?.is_empty() {
            return Ok(());
        }
        if self.rest_basis(code)?.is_none() {
            self.set_rest_basis(code, entry.basis())?;
        }
        match inherited(entry, now_s) {
            Some(cause) => self.insert_cause(code, cause, INHERITED, "", None).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Sets the code's colour to what its causes give at `now_s`. Records a decision if the colour changes or the cause is new.
    /// Runs in the caller's transaction; the caller puts the returned entry into memory after the commit.
    pub fn settle(&self, code: CodeId, change: &Change<'_>, now_s: u64) -> Result<CodeEntry, RegistryError> {
        let before = self.code(code)?.ok_or_else(|| RegistryError::missing("code", code.get()))?;
        let Standing { colour, basis, next_change_s } = self.standing(code, before, now_s)?;
        let next_change_s = next_change_s.map_or(0, |at_s| u32::try_from(at_s).unwrap_or(u32::MAX));
        let version = before.version().wrapping_add(1);
        let entry = CodeEntry::new(colour, basis, before.class(), next_change_s, version)
            .unverified(before.is_unverified());
        let sql = "UPDATE codes SET tags = ?2, next_change_s = ?3 WHERE id = ?1";
        let parameters = (code.get() as i64, entry.to_tags(), entry.next_change_s());
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        // A cause beside others has its own decision, which names the signers and which an appeal refers to.
        let is_decided = change.cause.map_or(Ok(true), |cause| self.is_decided(cause))?;
        if before.colour() != colour || !is_decided {
            self.decide(code, (before.colour(), colour), change, now_s)?;
        }
        Ok(entry)
    }

    fn standing(&self, code: CodeId, before: CodeEntry, now_s: u64) -> Result<Standing, RegistryError> {
        // A clock that jumps ends no cause. A cause that is set is in force and one that is cleared is not, whatever the clock
        // showed at that time.
        let now_s = clock::certain_s(now_s);
        let causes: Vec<Cause> = self
            .causes(code)?
            .iter()
            .filter(|row| row.cleared_s.is_none())
            .map(|row| Cause { from_s: row.cause.from_s.min(now_s), ..row.cause })
            .collect();
        let rest = self.rest_basis(code)?.unwrap_or(before.basis());
        Ok(standing_or_unknown(&causes, rest, now_s))
    }

    /// Returns the basis that applies while no cause is in force; `None` until the holder has submitted a form.
    fn rest_basis(&self, code: CodeId) -> Result<Option<Basis>, RegistryError> {
        use rusqlite::OptionalExtension;
        let sql = "SELECT rest_basis FROM people WHERE code = ?1";
        let mut query = self.connection.prepare_cached(sql)?;
        let number: Option<Option<u8>> = query.query_row([code.get() as i64], |row| row.get(0)).optional()?;
        let read = |number| Basis::from_number(number).ok_or(RegistryError::Damaged { what: "person" });
        number.flatten().map(read).transpose()
    }

    /// Stores the basis that applies while no cause is in force. Runs in the caller's transaction.
    pub fn set_rest_basis(&self, code: CodeId, basis: Basis) -> Result<(), RegistryError> {
        let sql = "UPDATE people SET rest_basis = ?2 WHERE code = ?1";
        self.connection.prepare_cached(sql)?.execute((code.get() as i64, basis.number()))?;
        Ok(())
    }
}

/// Returns the cause for a colour that came with an import, in force from `from_s`; `None` for green and unknown, which need
/// none.
pub fn inherited(entry: CodeEntry, from_s: u64) -> Option<Cause> {
    match entry.colour() {
        Colour::Red | Colour::Yellow => {}
        Colour::Green | Colour::Unknown => return None,
    }
    let until_s = match entry.next_change_s() {
        0 => i64::MAX as u64,
        until_s => u64::from(until_s),
    };
    let kind = match entry.basis() {
        Basis::Declared => CauseKind::InheritedDeclared,
        Basis::Verified | Basis::Nothing => CauseKind::Inherited,
    };
    Some(Cause { kind, colour: entry.colour(), from_s, until_s })
}
