//! Causes that authorities set and clear. Clearing one never clears another, and only who set it may.

use std::sync::Arc;

use protocol::{CodeId, Colour, metric};

use super::{Registrar, RegistrarError};
use crate::codes::CodeEntry;
use crate::operators::Signed;
use crate::policy::{Cause, CauseKind, Policy};
use crate::registry::{Change, Registry, RegistryError};
use crate::trajectory::{day_of, days_after, start_of};

/// More causes by hand that turn people red than this, within an hour, and somebody looks whether they are meant: a tracing team
/// finds some tens of contacts in that time.
pub const MANUAL_REDS_HOUR_MAX: u64 = 100;

/// Causes that one order clears: each is durable by itself, and the registry is held meanwhile, for a second or two.
pub const CLEARED_MAX: usize = 500;

/// What a cause by hand would come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The code's colour now.
    pub before: Colour,
    /// The cause.
    pub cause: Cause,
    /// Whether the authority has set it already, until the same day.
    pub is_there: bool,
}

impl Registrar<'_> {
    /// An authority sets a cause until the end of a day.
    pub fn add_cause(
        &mut self,
        code: CodeId,
        kind: CauseKind,
        by: &Signed,
        until: jiff::civil::Date,
        now_s: u64,
    ) -> Result<i64, RegistrarError> {
        let cause = by_policy(&self.policy, kind, until, now_s)?;
        let policy = Arc::clone(&self.policy);
        let (id, entry) = self
            .registry
            .transaction::<_, RegistrarError>(|registry| set(registry, (code, cause), by, &policy))?;
        self.put(code, entry);
        metrics::counter!(metric::CAUSES, "kind" => kind.name()).increment(1);
        Ok(id)
    }

    /// Says what a cause by hand would come to, and writes nothing.
    pub fn plan_cause(
        &self,
        code: CodeId,
        kind: CauseKind,
        by: &Signed,
        until: jiff::civil::Date,
        now_s: u64,
    ) -> Result<Planned, RegistrarError> {
        let cause = by_policy(&self.policy, kind, until, now_s)?;
        let before = self.registry.code(code)?.ok_or(RegistryError::Missing { what: "code" })?;
        let is_there = self.registry.causes(code)?.iter().any(|row| {
            row.is_in_force(now_s)
                && row.authority == by.authority
                && (row.cause.kind, row.cause.until_s) == (kind, cause.until_s)
        });
        Ok(Planned { before: before.colour(), cause, is_there })
    }

    /// Sets causes that were planned, of codes that have them not yet: all of them or none.
    pub fn add_causes(&mut self, causes: &[(CodeId, Cause)], by: &Signed) -> Result<(), RegistrarError> {
        let policy = Arc::clone(&self.policy);
        let entries = self.registry.transaction::<_, RegistrarError>(|registry| {
            let set = |&(code, cause): &(CodeId, Cause)| {
                set(registry, (code, cause), by, &policy).map(|(_, entry)| (code, entry))
            };
            causes.iter().map(set).collect::<Result<Vec<_>, _>>()
        })?;
        for (code, entry) in entries {
            self.put(code, entry);
        }
        for (_, cause) in causes {
            metrics::counter!(metric::CAUSES, "kind" => cause.kind.name()).increment(1);
        }
        Ok(())
    }

    /// The authority that set a cause takes it back; every other cause stays.
    pub fn clear_cause(&mut self, id: i64, by: &Signed, now_s: u64) -> Result<CodeId, RegistrarError> {
        let policy = Arc::clone(&self.policy);
        let (code, entry) = self.registry.transaction::<_, RegistrarError>(|registry| {
            let (code, row) = registry.cause(id)?.ok_or(RegistryError::Missing { what: "cause" })?;
            if row.authority != by.authority {
                return Err(RegistrarError::Cause("only the authority that set a cause clears it"));
            }
            registry.clear_cause(id, now_s)?;
            // Its holder has withdrawn: the cause does not come back if they apply again.
            if registry.code(code)?.is_none() {
                return Ok((code, None));
            }
            let change = by_hand(id, by, &policy);
            Ok((code, Some(registry.settle(code, &change, now_s)?)))
        })?;
        if let Some(entry) = entry {
            self.put(code, entry);
        }
        Ok(code)
    }

    /// Clears every cause by hand that the authority of `by` set in that time, seconds since 1970 UTC, [`CLEARED_MAX`] at most: how
    /// many.
    ///
    /// # Errors
    /// When the registry fails; what was cleared before stays so.
    pub fn clear_causes(
        &mut self,
        set: (u64, u64),
        by: &Signed,
        now_s: u64,
    ) -> Result<usize, RegistrarError> {
        let causes = self.registry.by_hand_of(&by.authority, set, now_s, CLEARED_MAX)?;
        for &cause in &causes {
            self.clear_cause(cause, by, now_s)?;
        }
        Ok(causes.len())
    }
}

/// Whether more people were turned red by hand within the last hour.
pub fn is_burst_of_reds(registry: &Registry, now_s: u64) -> Result<bool, RegistryError> {
    Ok(registry.set_by_hand(Colour::Red, now_s.saturating_sub(3600))? > MANUAL_REDS_HOUR_MAX)
}

pub(super) fn by_hand<'a>(cause: i64, by: &'a Signed, policy: &'a Policy) -> Change<'a> {
    let Signed { authority, operators } = by;
    Change { cause: Some(cause), authority, operators, policy: policy.version() }
}

fn by_policy(
    policy: &Policy,
    kind: CauseKind,
    until: jiff::civil::Date,
    now_s: u64,
) -> Result<Cause, RegistrarError> {
    let Some(rule) = policy.rule(kind).filter(|_| kind.is_manual()) else {
        return Err(RegistrarError::Cause("this cause is not set by hand"));
    };
    let until_s = start_of(days_after(until, 1));
    let latest_s = start_of(days_after(day_of(now_s), i32::from(rule.days) + 1));
    if until_s <= now_s || until_s > latest_s {
        return Err(RegistrarError::Cause("a cause ends after today and within the days of its policy"));
    }
    Ok(Cause { kind, colour: rule.colour, from_s: now_s, until_s })
}

fn set(
    registry: &Registry,
    (code, cause): (CodeId, Cause),
    by: &Signed,
    policy: &Policy,
) -> Result<(i64, CodeEntry), RegistrarError> {
    registry.keep_inherited(code, cause.from_s)?;
    let id = registry.insert_cause(code, cause, &by.authority, policy.version(), None)?;
    Ok((id, registry.settle(code, &by_hand(id, by, policy), cause.from_s)?))
}
