//! Look-ups of people. Each names a case, stays within the operators' daily limits, and is on record before data is shown. The
//! results are not stored.

use protocol::{CodeId, metric};
use rusqlite::params;
use serde::{Deserialize, Serialize};

use crate::operator::Signers;
use crate::operator::accesses::AccessRow;
use crate::{Registry, RegistryError};

/// Cases are numbers in other registers.
const CASE_CHARS_MAX: usize = 64;
const DAY_S: u64 = 86_400;
const HOUR_S: u64 = 3_600;
/// Queries of a place and time for an operator in a day: a case has about ten places, and an operator traces two cases at most.
pub const PASSAGES_DAY_MAX: u64 = 20;
/// People that an operator sees in a day, by all look-ups together: the passengers of the busiest place.
const PEOPLE_DAY_MAX: u64 = 5_000;
/// Phones that an operator sees in a day: one call takes at least three minutes.
const CONTACTS_DAY_MAX: u64 = 200;
/// Codes whose causes an operator sees in a day: a hotline answers one a minute.
const CODES_DAY_MAX: u64 = 500;
/// Taps that an operator opens in a day: at ten minutes each, one shift.
const TAPS_DAY_MAX: u64 = 50;
/// The alarm's threshold: more people in an hour, by all operators together, than a tracing team can call.
pub const PEOPLE_HOUR_MAX: u64 = 2_000;

/// The kinds of look-ups, as access records name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The causes and decisions of a code.
    Why,
    /// The access records of a code.
    Accesses,
    /// Name and phone of a code's holder.
    Contact,
    /// The people who passed a place.
    Passages,
    /// All passages.
    Export,
    /// Appeals with their texts.
    Appeals,
    /// A copy of everything; it opens with the gateway's keys alone.
    Backup,
    /// Live verdicts without personal data.
    Tap,
    /// The code of a document's holder.
    Find,
    /// Not a look-up: an office moved a code to another phone.
    MovePhone,
    /// Not a look-up: an office recorded that it saw the document.
    DocumentSeen,
    /// The last characters of a document's number, for staff of a checkpoint to compare. Made by a shift, not by an operator.
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

    /// Returns the name in access records and metrics.
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

    /// Returns the limit for an operator in a day; `None` where the number of people is limited instead, or all people are concerned.
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

/// Errors of look-ups; nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// No case was named, or its text is not allowed.
    #[error("a look-up names its case, 1 to {CASE_CHARS_MAX} characters")]
    Case,
    /// An operator has reached a daily limit.
    #[error(
        "{operator} has looked at as much as one operator may in a day; continue tomorrow, or ask another operator"
    )]
    Quota {
        /// The operator's name.
        operator: String,
    },
    /// The code does not exist.
    #[error("there is no code {0}")]
    NoCode(u64),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// The people whose data is shown.
#[derive(Clone, Debug)]
pub enum Subjects {
    /// These codes' holders.
    Codes(Vec<CodeId>),
    /// All people.
    Everybody,
    /// The citizens who made these appeals.
    Appeals(Vec<i64>),
}

/// A look-up that an operator asks for.
#[derive(Clone, Copy, Debug)]
pub struct LookupRequest<'a> {
    /// The kind of look-up.
    pub lookup: Lookup,
    /// The operators who signed.
    pub by: &'a Signers,
    /// The case.
    pub case: &'a str,
    /// The time, Unix seconds.
    pub now_s: u64,
}

/// A holder's name and phone. This is the only way in which an operator sees a phone, after the look-up is on record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The holder's name.
    pub name: String,
    /// The phone number.
    pub phone: String,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact(…)")
    }
}

impl LookupRequest<'_> {
    /// Returns an error if the case is missing, or if `people` more would exceed an operator's daily limits.
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

    /// Puts the look-up on record, one access for each person. It is committed when this returns; show data only afterwards.
    pub fn record(&self, registry: &mut Registry, subjects: &Subjects) -> Result<(), LookupError> {
        let hashes = match subjects {
            Subjects::Codes(codes) => codes.iter().map(|&code| registry.subject(code)).collect(),
            Subjects::Everybody => vec![registry.everybody()],
            Subjects::Appeals(appeals) => registry.appellants(appeals)?,
        };
        let people = match subjects {
            Subjects::Codes(_) | Subjects::Appeals(_) => hashes.len() as u64,
            Subjects::Everybody => 0,
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
            for &subject in &hashes {
                registry.insert_access(subject, &access)?;
            }
            by.names().try_for_each(|operator| registry.insert_lookup(operator, lookup, people, now_s))
        })?;
        metrics::counter!(metric::LOOKUPS, "lookup" => lookup.name()).increment(1);
        metrics::counter!(metric::LOOKUP_PEOPLE).increment(people);
        Ok(())
    }

    /// Puts the look-up on record and returns name and phone of the code's holder.
    pub fn contact(&self, registry: &mut Registry, code: CodeId) -> Result<Contact, LookupError> {
        if registry.code(code)?.is_none() {
            return Err(LookupError::NoCode(code.get()));
        }
        self.record(registry, &Subjects::Codes(vec![code]))?;
        let person = registry.person(code)?.ok_or(LookupError::NoCode(code.get()))?;
        Ok(Contact { name: person.name, phone: person.phone.reveal().to_owned() })
    }
}

impl Registry {
    /// Counts a look-up toward the operator's daily limits. Runs in the caller's transaction.
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

    /// Returns the operator's look-ups of this kind since `from_s`, and the people seen by all kinds together.
    fn lookups_of(&self, operator: &str, lookup: Lookup, from_s: u64) -> Result<(u64, u64), RegistryError> {
        let sql = "SELECT count(*) FILTER (WHERE lookup = ?3), coalesce(sum(people), 0) FROM lookups
            WHERE at_s > ?1 AND operator = ?2";
        let parameters = params![from_s as i64, operator, lookup.name()];
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
        Ok(self.connection.prepare_cached(sql)?.query_row(parameters, read)?)
    }

    /// Returns how many people all operators have looked at since `from_s`.
    fn people_looked_at(&self, from_s: u64) -> Result<u64, RegistryError> {
        let sql = "SELECT coalesce(sum(people), 0) FROM lookups WHERE at_s > ?1";
        let people: i64 =
            self.connection.prepare_cached(sql)?.query_row([from_s as i64], |row| row.get(0))?;
        Ok(people as u64)
    }
}

/// Returns whether the look-ups of the last hour exceed [`PEOPLE_HOUR_MAX`].
pub fn is_burst(registry: &Registry, now_s: u64) -> Result<bool, RegistryError> {
    Ok(registry.people_looked_at(now_s.saturating_sub(HOUR_S))? > PEOPLE_HOUR_MAX)
}

/// Returns the first character of a name: enough to tell people at one place apart, too little to search for them.
pub fn masked(name: &str) -> String {
    name.chars().next().into_iter().chain(['＊']).collect()
}

#[cfg(test)]
mod tests;
