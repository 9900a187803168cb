//! Causes that authorities set and clear by hand. To clear one never clears another, and only the authority that set a cause clears it.

use policy::trajectory::{day_of, days_after, start_of};
use policy::{Cause, CauseKind, Policy};
use protocol::{CodeId, Colour, metric};
use registry::colours::CodeEntry;
use registry::operator::Signers;
use registry::{CauseRow, Change, Registry, RegistryError};

use super::{Registrar, RegistrarError};

/// The causes by hand that may turn people red within an hour before an alert asks a person whether they are meant: a tracing team finds
/// some tens of contacts in that time.
pub const MANUAL_REDS_HOUR_MAX: u64 = 100;

/// The causes that one order clears: they are one step of the registrar's, and other changes wait meanwhile.
pub const CLEARED_MAX: usize = 500;

/// The outcome that a cause by hand would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The code's present colour.
    pub before: Colour,
    /// The cause.
    pub cause: Cause,
    /// True if the authority has set this cause already, until the same day.
    pub is_there: bool,
}

impl Registrar<'_> {
    /// Sets a cause in the name of an authority, until the end of a day; returns its number.
    pub fn add_cause(
        &mut self,
        code: CodeId,
        kind: CauseKind,
        by: &Signers,
        until: jiff::civil::Date,
        now_s: u64,
    ) -> Result<i64, RegistrarError> {
        let policy = self.policy()?;
        let cause = by_policy(&policy, kind, until, now_s)?;
        let (id, entry) = self
            .registry
            .transaction::<_, RegistrarError>(|registry| set(registry, (code, cause), by, &policy))?;
        self.put(code, entry);
        metrics::counter!(metric::CAUSES, "kind" => kind.name()).increment(1);
        Ok(id)
    }

    /// Finds what a cause by hand would come to; writes nothing.
    pub fn plan_cause(
        &self,
        code: CodeId,
        kind: CauseKind,
        by: &Signers,
        until: jiff::civil::Date,
        now_s: u64,
    ) -> Result<Planned, RegistrarError> {
        let cause = by_policy(&*self.policy()?, kind, until, now_s)?;
        let before = self.registry.code(code)?.ok_or_else(|| RegistryError::missing("code", code.get()))?;
        let is_there = same(&self.registry.causes(code)?, &cause, by, now_s).is_some();
        Ok(Planned { before: before.colour(), cause, is_there })
    }

    /// Sets planned causes on codes that do not have them yet: all of them or none.
    pub fn add_causes(&mut self, causes: &[(CodeId, Cause)], by: &Signers) -> Result<(), RegistrarError> {
        let policy = self.policy()?;
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

    /// Clears a cause in the name of the authority that set it; returns its code. Every other cause stays.
    pub fn clear_cause(&mut self, id: i64, by: &Signers, now_s: u64) -> Result<CodeId, RegistrarError> {
        let policy = self.policy()?;
        let (code, entry) = self.registry.transaction::<_, RegistrarError>(|registry| {
            let (code, row) = registry.cause(id)?.ok_or_else(|| RegistryError::missing("cause", id))?;
            if row.authority != by.authority {
                return Err(RegistrarError::Cause(
                    "only the authority that set a cause clears it".to_owned(),
                ));
            }
            registry.clear_cause(id, now_s)?;
            // The holder has withdrawn: the cause does not come back with another application.
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

    /// Clears the causes by hand that the authority of `by` set in that time, seconds since 1970 UTC, [`CLEARED_MAX`] at most; returns
    /// their number.
    ///
    /// # Errors
    /// An error of the registry.
    pub fn clear_causes(
        &mut self,
        set: (u64, u64),
        by: &Signers,
        now_s: u64,
    ) -> Result<usize, RegistrarError> {
        let causes = self.registry.by_hand_of(&by.authority, set, now_s, CLEARED_MAX)?;
        for &cause in &causes {
            self.clear_cause(cause, by, now_s)?;
        }
        Ok(causes.len())
    }
}

/// Returns true if more people than [`MANUAL_REDS_HOUR_MAX`] were turned red by hand within the last hour.
pub fn is_burst_of_reds(registry: &Registry, now_s: u64) -> Result<bool, RegistryError> {
    Ok(registry.set_by_hand(Colour::Red, now_s.saturating_sub(3600))? > MANUAL_REDS_HOUR_MAX)
}

/// Finds the cause of that kind that the authority has set already, until the same day.
fn same<'a>(causes: &'a [CauseRow], cause: &Cause, by: &Signers, now_s: u64) -> Option<&'a CauseRow> {
    causes.iter().find(|row| {
        row.authority == by.authority
            && (row.cause.kind, row.cause.until_s) == (cause.kind, cause.until_s)
            && row.is_in_force(now_s)
    })
}

/// Refuses a cause that is set already: the order was given twice.
fn refuse_again(causes: &[CauseRow], cause: &Cause, by: &Signers, now_s: u64) -> Result<(), RegistrarError> {
    let Some(row) = same(causes, cause, by, now_s) else { return Ok(()) };
    let (id, kind) = (row.id, cause.kind.name());
    Err(RegistrarError::Cause(format!(
        "the code has this already: cause {id}, {kind}, set by {} on {}, to the same day",
        row.authority,
        day_of(row.cause.from_s)
    )))
}

pub(super) fn by_hand<'a>(cause: i64, by: &'a Signers, policy: &'a Policy) -> Change<'a> {
    let Signers { authority, operators } = by;
    Change { cause: Some(cause), authority, operators, policy: policy.version() }
}

fn by_policy(
    policy: &Policy,
    kind: CauseKind,
    until: jiff::civil::Date,
    now_s: u64,
) -> Result<Cause, RegistrarError> {
    let Some(rule) = policy.rule(kind).filter(|_| kind.is_manual()) else {
        return Err(RegistrarError::Cause("this cause is not set by hand".to_owned()));
    };
    let until_s = start_of(days_after(until, 1));
    let (today, latest) = (day_of(now_s), days_after(day_of(now_s), i32::from(rule.days)));
    if until_s <= now_s || until > latest {
        let (kind, days) = (kind.name(), rule.days);
        return Err(RegistrarError::Cause(format!(
            "the last day of a cause is {today} to {latest}: {kind} is set for {days} days at most"
        )));
    }
    Ok(Cause { kind, colour: rule.colour, from_s: now_s, until_s })
}

fn set(
    registry: &Registry,
    (code, cause): (CodeId, Cause),
    by: &Signers,
    policy: &Policy,
) -> Result<(i64, CodeEntry), RegistrarError> {
    if registry.code(code)?.is_none() {
        return Err(RegistryError::missing("code", code.get()).into());
    }
    refuse_again(&registry.causes(code)?, &cause, by, cause.from_s)?;
    registry.keep_inherited(code, cause.from_s)?;
    let id = registry.insert_cause(code, cause, &by.authority, policy.version(), None)?;
    Ok((id, registry.settle(code, &by_hand(id, by, policy), cause.from_s)?))
}
