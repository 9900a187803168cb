//! The columns in which a line of a table is not as its person is on record. Colours, their basis and end, and kinds of documents are
//! told as they are; of names, phones and districts it is told only that they differ. Pure.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use policy::trajectory::day_of;
use protocol::{Basis, Colour};
use registry::colours::CodeEntry;
use registry::{DocumentKind, Person};

/// Whatever is compared of a person. Their own words are there as digests: a dry run keeps these of everybody in its file.
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

/// A value on record and another one in the table.
type Pair<T> = Option<(T, T)>;

/// The columns that differ; one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    kind: Pair<DocumentKind>,
    colour: Pair<Colour>,
    basis: Pair<Basis>,
    /// Seconds since 1970 UTC, 0 for never; of one colour alone, because another has another end.
    until: Pair<u32>,
    name: bool,
    phone: bool,
    district: bool,
}

impl Difference {
    /// Compares the record with a line; `None` if they say the same.
    pub(super) fn between(there: Facts, line: Facts) -> Option<Self> {
        let colours = (there.entry.colour(), line.entry.colour());
        let difference = Self {
            kind: pair(there.kind, line.kind),
            colour: pair(colours.0, colours.1),
            basis: pair(there.entry.basis(), line.entry.basis()),
            until: pair(there.entry.next_change_s(), line.entry.next_change_s())
                .filter(|_| colours.0 == colours.1),
            name: there.name != line.name,
            phone: there.phone != line.phone,
            district: there.district != line.district,
        };
        let Self { kind, colour, basis, until, name, phone, district } = &difference;
        let values = kind.is_some() || colour.is_some() || basis.is_some() || until.is_some();
        (values || *name || *phone || *district).then_some(difference)
    }
}

fn pair<T: PartialEq>(there: T, line: T) -> Pair<T> {
    (there != line).then_some((there, line))
}

impl fmt::Display for Difference {
    /// As the reject file says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there already and not changed")?;
        told(f, "colour", self.colour.map(|(there, line)| (there.name(), line.name())))?;
        told(f, "basis", self.basis.map(|(there, line)| (there.name(), line.name())))?;
        told(f, "until", self.until.map(|(there, line)| (last_day(there), last_day(line))))?;
        told(f, "document_kind", self.kind.map(|(there, line)| (there.name(), line.name())))?;
        let own = [("name", self.name), ("phone", self.phone), ("district", self.district)];
        own.iter()
            .filter(|(_, differs)| *differs)
            .try_for_each(|(column, _)| write!(f, "; {column} is another on record"))
    }
}

fn told<T: fmt::Display>(f: &mut fmt::Formatter<'_>, column: &str, pair: Pair<T>) -> fmt::Result {
    pair.map_or(Ok(()), |(there, line)| write!(f, "; {column} is {there} on record and {line} in the table"))
}

/// The last day that ends at that moment.
fn last_day(until_s: u32) -> String {
    if until_s == 0 { "without an end".to_owned() } else { day_of(u64::from(until_s) - 1).to_string() }
}
