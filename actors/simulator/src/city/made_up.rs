//! Names, documents and phones of people who do not exist, from a table of divisions and ranges that nobody has.

use jiff::ToSpan;
use jiff::civil::Date;
use registry::{DocumentKind, DocumentNumber, Person, Phone, RegionRow};

use crate::BLOCK_FIRST;

const TABLE: &str = include_str!("../../../data/made-up.csv");

/// Ages are spread over this many days before [`BORN_BEFORE`].
const BORN_WITHIN_DAYS: u32 = 90 * 365;
const BORN_BEFORE: Date = Date::constant(2019, 12, 31);
/// Three digits tell people of one division and day apart.
const SAME_DAY_MAX: u32 = 1000;
/// The first ranges of the table are the carriers'; the last one is of things.
const RANGES: usize = 3;
/// The end of each range is kept for the people with a story and for probes.
const PHONES_PER_RANGE: u64 = BLOCK_FIRST as u64;
/// Prime to [`PHONES_PER_RANGE`], so that no two people have the same phone and neighbours do not have neighbouring ones.
const PHONE_STEP: u64 = 61_803_397;

pub(super) struct MadeUp {
    divisions: Vec<&'static str>,
    phones: Vec<&'static str>,
    surnames: Vec<&'static str>,
    given: Vec<&'static str>,
    districts: Vec<String>,
}

impl MadeUp {
    pub(super) fn new(regions: Vec<RegionRow>) -> Self {
        Self {
            divisions: values("division"),
            phones: values("phone"),
            surnames: values("surname"),
            given: values("given"),
            districts: regions.into_iter().map(|region| region.code.unwrap_or(region.name)).collect(),
        }
    }

    /// The `n`-th person: document and phone are numbered through, so that no two are the same.
    pub(super) fn person(&self, n: u32, random: &mut fastrand::Rng) -> Person {
        let pick =
            |random: &mut fastrand::Rng, values: &[&str]| values[random.usize(..values.len())].to_owned();
        let name = pick(random, &self.surnames) + &pick(random, &self.given);
        let district = self.districts[random.usize(..self.districts.len())].clone();
        let (document, phone) = (self.document(n), self.phone(n));
        Person { name, document, phone, district, community: String::new() }
    }

    /// Days vary fastest, then the number within the day, then the division.
    fn document(&self, n: u32) -> DocumentNumber {
        let born = BORN_BEFORE - i64::from(n % BORN_WITHIN_DAYS).days();
        let rest = n / BORN_WITHIN_DAYS;
        let division = self.divisions[(rest / SAME_DAY_MAX) as usize];
        let number = format!("{division}{}{:03}", born.strftime("%Y%m%d"), rest % SAME_DAY_MAX);
        let digits = number.as_bytes().first_chunk().expect("6 + 8 + 3 digits");
        let check = char::from(registry::id_check(digits));
        DocumentNumber::parse(DocumentKind::IdCard, &format!("{number}{check}")).expect("made to be valid")
    }

    /// Every third person shares a phone with the one before: a guardian's.
    fn phone(&self, n: u32) -> Phone {
        let n = n - u32::from(n % 3 == 2);
        let range = self.phones[(n / 3) as usize % RANGES];
        let line = u64::from(n) * PHONE_STEP % PHONES_PER_RANGE;
        Phone::parse(&format!("{range}{line:08}")).expect("made to be valid")
    }
}

/// The values of one kind in the table.
pub(super) fn values(kind: &str) -> Vec<&'static str> {
    TABLE.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(',')).collect()
}

#[cfg(test)]
pub(super) const REACH: u64 = 5 * SAME_DAY_MAX as u64 * BORN_WITHIN_DAYS as u64;
