//! Looking at people: each look-up names its case, is within what an operator may look at in a day, and is on record before
//! anything is shown. What a look-up finds is not kept here.

use protocol::{CodeId, metric};
use rusqlite::params;
use serde::{Deserialize, Serialize};

use crate::operator::Signed;
use crate::operator::accesses::AccessRow;
use crate::{Registry, RegistryError};

/// Cases are numbers of other registers.
const CASE_CHARS_MAX: usize = 64;
const DAY_S: u64 = 86_400;
const HOUR_S: u64 = 3_600;
/// Times and places that an operator asks for in a day: a case has about ten places, and nobody traces more than two cases alone.
pub const PASSAGES_DAY_MAX: u64 = 20;
/// People that an operator sees in a day, by all look-ups together: the passengers of a day's worst place.
pub const PEOPLE_DAY_MAX: u64 = 5_000;
/// Phones that an operator sees in a day: one call takes three minutes at least.
pub const CONTACTS_DAY_MAX: u64 = 200;
/// Codes whose causes an operator sees in a day: a hotline answers one a minute.
const CODES_DAY_MAX: u64 = 500;
/// Taps that an operator opens in a day: of ten minutes each they are a shift.
pub const TAPS_DAY_MAX: u64 = 50;
/// More people than this, looked at in an hour by all operators together, are more than a tracing team can call.
pub const PEOPLE_HOUR_MAX: u64 = 2_000;

/// The kinds of look-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Why a code has its colour.
    Why,
    /// The one who looked at a code.
    Accesses,
    /// Name and phone of a code's holder.
    Contact,
    /// The people who passed a place.
    Passages,
    /// Everybody's passages.
    Export,
    /// The appeals of people, and their words.
    Appeals,
    /// A copy of everything, which opens with the gateway's keys alone.
    Backup,
    /// Verdicts while they are given, with nobody in them.
    Tap,
    /// The code of a document's holder.
    Find,
    /// No look: a code was moved to another phone, by an office.
    MovePhone,
    /// No look: a document was noted as seen, by an office.
    DocumentSeen,
    /// The end of a document's number, at a checkpoint whose staff compare it. A shift looks, no operator.
    Document,
}

impl Lookup {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Why,
        Self::Accesses,
        Self::Contact,
        Self::Passages,
        Self::Export,
        Self::Appeals,
        Self::Backup,
        Self::Tap,
        Self::Find,
        Self::MovePhone,
        Self::DocumentSeen,
        Self::Document,
    ];

    /// Its name in access records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Why => "why",
            Self::Accesses => "accesses",
            Self::Contact => "contact",
            Self::Passages => "passages",
            Self::Export => "export",
            Self::Appeals => "appeals",
            Self::Backup => "backup",
            Self::Tap => "tap",
            Self::Find => "find",
            Self::MovePhone => "move-phone",
            Self::DocumentSeen => "document-seen",
            Self::Document => "document",
        }
    }

    /// Says how many an operator may make in a day; `None` where the people seen are what counts, or everybody is.
    const fn day_max(self) -> Option<u64> {
        match self {
            Self::Why | Self::Accesses | Self::Find | Self::DocumentSeen => Some(CODES_DAY_MAX),
            Self::Contact | Self::MovePhone => Some(CONTACTS_DAY_MAX),
            Self::Passages => Some(PASSAGES_DAY_MAX),
            Self::Tap => Some(TAPS_DAY_MAX),
            Self::Export | Self::Appeals | Self::Backup | Self::Document => None,
        }
    }
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Without a case nobody looks at anybody.
    #[error("a look-up names its case, 1 to {CASE_CHARS_MAX} characters")]
    Case,
    /// Enough for today.
    #[error(
        "{operator} has looked at as much as one operator may in a day; go on tomorrow, or have another operator look"
    )]
    Quota {
        /// Who.
        operator: String,
    },
    /// There is no such code.
    #[error("there is no code {0}")]
    NoCode(u64),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Whose data is shown.
#[derive(Clone, Copy, Debug)]
pub enum Whom<'a> {
    /// These codes' holders.
    Codes(&'a [CodeId]),
    /// Everybody.
    Everybody,
    /// Those who made these appeals.
    Appeals(&'a [i64]),
}

/// A look-up as it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What.
    pub lookup: Lookup,
    /// By whom.
    pub by: &'a Signed,
    /// For which case.
    pub case: &'a str,
    /// When, seconds since 1970 UTC.
    pub now_s: u64,
}

/// The way to somebody: the only place where a phone is shown, to an operator whose look-up is on record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The name.
    pub name: String,
    /// The number.
    pub phone: String,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact(…)")
    }
}

impl Asked<'_> {
    /// Refuses a look-up without a case, and one beyond what its operators may look at in a day, with `people` more.
    pub fn check(&self, registry: &Registry, people: u64) -> Result<(), LookupError> {
        let case = self.case.trim();
        if case.is_empty() || case.chars().count() > CASE_CHARS_MAX || case.chars().any(char::is_control) {
            return Err(LookupError::Case);
        }
        let from_s = self.now_s.saturating_sub(DAY_S);
        for operator in self.by.names() {
            let (made, seen) = registry.lookups_of(operator, self.lookup, from_s)?;
            let too_many = self.lookup.day_max().is_some_and(|max| made >= max);
            let limited = self.lookup.day_max().is_some();
            if too_many || (limited && seen + people > PEOPLE_DAY_MAX) {
                metrics::counter!(metric::LOOKUPS_REFUSED, "lookup" => self.lookup.name()).increment(1);
                return Err(LookupError::Quota { operator: operator.to_owned() });
            }
        }
        Ok(())
    }

    /// Puts the look-up on record, one access for each person concerned. Durable when it returns: show after it, never before.
    pub fn record(&self, registry: &mut Registry, whom: Whom<'_>) -> Result<(), LookupError> {
        let subjects = match whom {
            Whom::Codes(codes) => codes.iter().map(|&code| registry.subject(code)).collect(),
            Whom::Everybody => vec![registry.everybody()],
            Whom::Appeals(appeals) => registry.appellants(appeals)?,
        };
        let people = match whom {
            Whom::Codes(_) | Whom::Appeals(_) => subjects.len() as u64,
            Whom::Everybody => 0,
        };
        self.check(registry, people)?;
        let Self { lookup, by, case, now_s } = *self;
        let access = AccessRow {
            at_s: now_s,
            operators: by.operators.clone(),
            act: lookup.name().to_owned(),
            case: case.trim().to_owned(),
        };
        registry.transaction::<_, RegistryError>(|registry| {
            for &subject in &subjects {
                registry.insert_access(subject, &access)?;
            }
            by.names().try_for_each(|operator| registry.insert_lookup(operator, lookup, people, now_s))
        })?;
        metrics::counter!(metric::LOOKUPS, "lookup" => lookup.name()).increment(1);
        metrics::counter!(metric::LOOKUP_PEOPLE).increment(people);
        Ok(())
    }

    /// Name and phone of the code's holder, after the look-up is on record.
    pub fn contact(&self, registry: &mut Registry, code: CodeId) -> Result<Contact, LookupError> {
        if registry.code(code)?.is_none() {
            return Err(LookupError::NoCode(code.get()));
        }
        self.record(registry, Whom::Codes(&[code]))?;
        let person = registry.person(code)?.ok_or(LookupError::NoCode(code.get()))?;
        Ok(Contact { name: person.name, phone: person.phone.reveal().to_owned() })
    }
}

impl Registry {
    /// Notes a look-up for the operator's quota. Part of the caller's transaction.
    fn insert_lookup(
        &self,
        operator: &str,
        lookup: Lookup,
        people: u64,
        at_s: u64,
    ) -> Result<(), RegistryError> {
        let sql = "INSERT INTO lookups (at_s, operator, lookup, people) VALUES (?1, ?2, ?3, ?4)";
        let parameters = params![at_s as i64, operator, lookup.name(), people as i64];
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    }

    /// Says how many look-ups of that kind the operator has made since then, and how many people they saw by all kinds.
    fn lookups_of(&self, operator: &str, lookup: Lookup, from_s: u64) -> Result<(u64, u64), RegistryError> {
        let sql = "SELECT count(*) FILTER (WHERE lookup = ?3), coalesce(sum(people), 0) FROM lookups
            WHERE at_s > ?1 AND operator = ?2";
        let parameters = params![from_s as i64, operator, lookup.name()];
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
        Ok(self.connection.prepare_cached(sql)?.query_row(parameters, read)?)
    }

    /// Says how many people were looked at since then, by all operators.
    fn people_looked_at(&self, from_s: u64) -> Result<u64, RegistryError> {
        let sql = "SELECT coalesce(sum(people), 0) FROM lookups WHERE at_s > ?1";
        let people: i64 =
            self.connection.prepare_cached(sql)?.query_row([from_s as i64], |row| row.get(0))?;
        Ok(people as u64)
    }
}

/// Says whether more people were looked at within the last hour than a team can call.
pub fn is_burst(registry: &Registry, now_s: u64) -> Result<bool, RegistryError> {
    Ok(registry.people_looked_at(now_s.saturating_sub(HOUR_S))? > PEOPLE_HOUR_MAX)
}

/// The first character of a name: enough to tell people of one place apart, not enough to look for them.
pub fn masked(name: &str) -> String {
    name.chars().next().into_iter().chain(['＊']).collect()
}

#[cfg(test)]
mod tests;
