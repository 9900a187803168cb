//! The columns in which a line differs from the record of its person. Only their names are told, never the recorded values: to compare a
//! table is to look up all people in it, and no such look-up is recorded. Pure.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use registry::colours::CodeEntry;
use registry::{DocumentKind, Person};

/// The compared values of a person. Personal data are digests, because a dry run keeps the facts of all people in its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    name: u64,
    phone: u64,
    district: u64,
    kind: DocumentKind,
    entry: CodeEntry,
}

impl Facts {
    pub(super) fn of(person: &Person, entry: CodeEntry) -> Self {
        Self {
            name: digest(&person.name),
            phone: digest(&person.phone),
            district: digest(&person.district),
            kind: person.document.kind(),
            entry,
        }
    }
}

fn digest(own: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    own.hash(&mut hasher);
    hasher.finish()
}

/// The columns that differ, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    colour: bool,
    basis: bool,
    /// False with another colour, which has another end.
    until: bool,
    kind: bool,
    name: bool,
    phone: bool,
    district: bool,
}

impl Difference {
    /// Compares the record with a line; `None` if they are equal.
    pub(super) fn between(there: Facts, line: Facts) -> Option<Self> {
        let colour = there.entry.colour() != line.entry.colour();
        let difference = Self {
            colour,
            basis: there.entry.basis() != line.entry.basis(),
            until: !colour && there.entry.next_change_s() != line.entry.next_change_s(),
            kind: there.kind != line.kind,
            name: there.name != line.name,
            phone: there.phone != line.phone,
            district: there.district != line.district,
        };
        difference.columns().iter().any(|(_, differs)| *differs).then_some(difference)
    }

    const fn columns(self) -> [(&'static str, bool); 7] {
        [
            ("colour", self.colour),
            ("basis", self.basis),
            ("until", self.until),
            ("document_kind", self.kind),
            ("name", self.name),
            ("phone", self.phone),
            ("district", self.district),
        ]
    }
}

impl fmt::Display for Difference {
    /// Writes the reason for the reject file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there already and not changed")?;
        let differing = self.columns().into_iter().filter(|(_, differs)| *differs);
        differing
            .map(|(column, _)| column)
            .try_for_each(|column| write!(f, "; {column} is another on record"))
    }
}
