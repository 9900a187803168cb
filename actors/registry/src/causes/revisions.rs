//! The effect of another policy on codes with open causes. The codes are read in order, with one join, and revised in parts.
//! Codes without open causes cannot change and are not read.

use policy::{Cause, CauseKind, Policy, PolicyDiff, Standing, Stay, standing_or_unknown};
use protocol::{Basis, CodeId, Colour};
use rusqlite::params;

use crate::codes::colours::CodeEntry;
use crate::decisions::Change;
use crate::personal::seal::Column;
use crate::time::{seconds, stored};
use crate::{Registry, RegistryError};

/// Codes that are revised in one transaction or read at once; keeps transactions short.
const REVISED_PER_TRANSACTION: usize = 500;

/// Selects the open causes with everything that decides a code's colour, in the order of the codes.
const OPEN: &str =
    "SELECT open.code, open.id, kind, colour, from_s, until_s, evidence, tags, next_change_s, rest_basis
    FROM causes AS open INDEXED BY causes_open
    JOIN codes ON codes.id = open.code LEFT JOIN people ON people.code = open.code
    WHERE cleared_s IS NULL AND open.code > ?1 AND until_s > ?2 ORDER BY open.code, open.id";

/// A code with its open causes.
struct OpenCode {
    code: i64,
    /// `None` if the holder withdrew; the causes are revised all the same because a returning holder has them again.
    before: Option<CodeEntry>,
    rest: Basis,
    causes: Vec<(i64, Cause, Option<Stay>)>,
}

impl OpenCode {
    fn revised(&self, policy: &Policy, now_s: u64) -> Vec<Option<Cause>> {
        let revise =
            |(_, cause, stay): &(i64, Cause, Option<Stay>)| policy.revise(*cause, stay.as_ref(), now_s);
        self.causes.iter().map(revise).collect()
    }

    fn as_kept(&self) -> Vec<Option<Cause>> {
        self.causes.iter().map(|&(_, cause, _)| Some(cause)).collect()
    }

    fn stand(&self, causes: &[Option<Cause>], now_s: u64) -> Standing {
        let causes: Vec<Cause> = causes.iter().copied().flatten().collect();
        standing_or_unknown(&causes, self.rest, now_s)
    }
}

impl Registry {
    /// Computes the changes that `new` makes compared with `old`, or with the stored colours if `old` is `None`. Reads only, in
    /// parts; use a reader connection so that the writer is not blocked.
    pub fn diff_policies(
        &self,
        old: Option<&Policy>,
        new: &Policy,
        now_s: u64,
    ) -> Result<PolicyDiff, RegistryError> {
        let (mut diff, mut after) = (PolicyDiff::default(), Some(i64::MIN));
        while let Some(last) = after {
            after = self.for_each_open(last, now_s, |open| {
                let Some(entry) = open.before else { return };
                diff.codes += 1;
                let (was, will) = (old.map(|old| open.revised(old, now_s)), open.revised(new, now_s));
                let was = was.unwrap_or_else(|| open.as_kept());
                if was != will {
                    let stood = open.stand(&was, now_s);
                    let before = if old.is_some() { stood.colour } else { entry.colour() };
                    diff.count((before, stood.next_change_s), open.stand(&will, now_s));
                }
            })?;
        }
        Ok(diff)
    }

    /// Revises the next codes after the cursor by the newest policy and moves the cursor; removes it at the end. Returns the
    /// entries to put into memory after the commit, or `None` if every code was revised already. Runs in the caller's
    /// transaction.
    pub fn revise_some(
        &self,
        policy: &Policy,
        operators: &str,
        now_s: u64,
    ) -> Result<Option<Vec<(CodeId, CodeEntry)>>, RegistryError> {
        let Some(cursor) = self.policy_cursor()? else { return Ok(None) };
        let mut some = Vec::new();
        let last = self.for_each_open(cursor, now_s, |open| some.push(open))?;
        self.set_policy_cursor(last)?;
        let mut changed = Vec::new();
        for open in some {
            let mut cause = None;
            for ((id, kept, _), revised) in open.causes.iter().zip(open.revised(policy, now_s)) {
                if revised != Some(*kept) {
                    self.replace_cause(*id, revised, policy.version(), now_s)?;
                    cause = cause.or(Some(*id));
                }
            }
            if cause.is_some() && open.before.is_some() {
                let code = code_of(open.code)?;
                let change = Change { cause, authority: POLICY, operators, policy: policy.version() };
                changed.push((code, self.settle(code, &change, now_s)?));
            }
        }
        Ok(Some(changed))
    }

    fn replace_cause(
        &self,
        id: i64,
        revised: Option<Cause>,
        version: &str,
        now_s: u64,
    ) -> Result<(), RegistryError> {
        let Some(cause) = revised else { return self.clear_cause(id, now_s) };
        let sql = "UPDATE causes SET colour = ?2, until_s = ?3, policy = ?4 WHERE id = ?1";
        let parameters = params![id, cause.colour.number(), stored(cause.until_s), version];
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    }

    /// Visits up to [`REVISED_PER_TRANSACTION`] codes with open causes after this code, in order. Returns the last one, or `None`
    /// at the end.
    fn for_each_open(
        &self,
        after: i64,
        now_s: u64,
        mut visit: impl FnMut(OpenCode),
    ) -> Result<Option<i64>, RegistryError> {
        let mut query = self.connection.prepare_cached(OPEN)?;
        let mut rows = query.query((after, stored(now_s)))?;
        let (mut current, mut visited): (Option<OpenCode>, usize) = (None, 0);
        while let Some(row) = rows.next()? {
            let code: i64 = row.get(0)?;
            if let Some(done) = current.take_if(|open| open.code != code) {
                let last = done.code;
                visit(done);
                visited += 1;
                if visited == REVISED_PER_TRANSACTION {
                    return Ok(Some(last));
                }
            }
            let cause = self.open_cause(code, row)?;
            match &mut current {
                Some(open) => open.causes.push(cause),
                None => current = Some(open_code(code, row, cause)?),
            }
        }
        current.into_iter().for_each(visit);
        Ok(None)
    }

    fn open_cause(
        &self,
        code: i64,
        row: &rusqlite::Row<'_>,
    ) -> Result<(i64, Cause, Option<Stay>), RegistryError> {
        let damaged = || RegistryError::Damaged { what: "cause" };
        let kind = CauseKind::from_number(row.get(2)?).ok_or_else(damaged)?;
        let colour = Colour::from_number(row.get(3)?).ok_or_else(damaged)?;
        let cause = Cause { kind, colour, from_s: seconds(row.get(4)?), until_s: seconds(row.get(5)?) };
        let sealed: Option<Vec<u8>> = row.get(6)?;
        let stay = sealed.map(|sealed| self.open_json(Column::Evidence, code as u64, &sealed)).transpose()?;
        Ok((row.get(1)?, cause, stay))
    }
}

/// The authority of changes that a new policy makes.
const POLICY: &str = "policy";

fn open_code(
    code: i64,
    row: &rusqlite::Row<'_>,
    cause: (i64, Cause, Option<Stay>),
) -> Result<OpenCode, RegistryError> {
    let tags: u32 = row.get(7)?;
    let entry = CodeEntry::from_tags(tags, row.get(8)?);
    if entry.is_none() && tags != 0 {
        return Err(RegistryError::Damaged { what: "code" });
    }
    let rest = match row.get::<_, Option<u8>>(9)? {
        Some(number) => Basis::from_number(number).ok_or(RegistryError::Damaged { what: "person" })?,
        None => entry.map_or(Basis::Nothing, CodeEntry::basis),
    };
    Ok(OpenCode { code, before: entry, rest, causes: vec![cause] })
}

fn code_of(number: i64) -> Result<CodeId, RegistryError> {
    CodeId::from_u64(number as u64).ok_or(RegistryError::Damaged { what: "code" })
}

#[cfg(test)]
impl Registry {
    /// Returns the query plan for open causes.
    pub(crate) fn explain_open(&self) -> String {
        let sql = format!("EXPLAIN QUERY PLAN {OPEN}");
        self.connection.query_row(&sql, (0, 0), |row| row.get(3)).expect("a plan")
    }

    /// Returns the sealed evidence of the code's last cause.
    pub(crate) fn evidence_for_test(&self, code: CodeId) -> Option<Vec<u8>> {
        let sql = "SELECT evidence FROM causes WHERE code = ?1 ORDER BY id DESC LIMIT 1";
        self.connection.query_row(sql, [code.get() as i64], |row| row.get(0)).expect("a cause")
    }
}
