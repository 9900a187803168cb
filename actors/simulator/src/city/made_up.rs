//! Names, documents and phones of made-up people, from a table of unassigned divisions and ranges.

use jiff::ToSpan;
use jiff::civil::Date;
use registry::{DocumentKind, DocumentNumber, Person, Phone, RegionRow};

use crate::BLOCK_FIRST;

const TABLE: &str = include_str!("../../../data/made-up.csv");

/// Dates of birth are spread over this many days before [`BORN_BEFORE`].
const BORN_WITHIN_DAYS: u32 = 90 * 365;
const BORN_BEFORE: Date = Date::constant(2019, 12, 31);
/// People of one division and day, told apart by three digits.
const SAME_DAY_MAX: u32 = 1000;
/// The first ranges in the table are the carriers'; the last one is for IoT devices.
const RANGES: usize = 3;
/// The end of each range is reserved for demo people and probes.
const PHONES_PER_RANGE: u64 = BLOCK_FIRST as u64;
/// Coprime to [`PHONES_PER_RANGE`], so that phones do not repeat and neighbours do not have neighbouring ones.
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

    /// Makes the `n`-th person. Documents and phones are numbered, so none repeats.
    pub(super) fn person(&self, n: u32, random: &mut fastrand::Rng) -> Person {
        let pick =
            |random: &mut fastrand::Rng, values: &[&str]| values[random.usize(..values.len())].to_owned();
        let name = pick(random, &self.surnames) + &pick(random, &self.given);
        let district = self.districts[random.usize(..self.districts.len())].clone();
        let (document, phone) = (self.document(n), self.phone(n));
        Person { name, document, phone, district, community: String::new() }
    }

    /// Makes the `n`-th document: the day varies fastest, then the number within the day, then the division.
    fn document(&self, n: u32) -> DocumentNumber {
        let born = BORN_BEFORE - i64::from(n % BORN_WITHIN_DAYS).days();
        let rest = n / BORN_WITHIN_DAYS;
        let division = self.divisions[(rest / SAME_DAY_MAX) as usize];
        let number = format!("{division}{}{:03}", born.strftime("%Y%m%d"), rest % SAME_DAY_MAX);
        let digits = number.as_bytes().first_chunk().expect("6 + 8 + 3 digits");
        let check = char::from(registry::id_check(digits));
        DocumentNumber::parse(DocumentKind::IdCard, &format!("{number}{check}")).expect("made to be valid")
    }

    /// Makes the `n`-th phone: every third person shares it with the one before, a guardian.
    fn phone(&self, n: u32) -> Phone {
        let n = n - u32::from(n % 3 == 2);
        let range = self.phones[(n / 3) as usize % RANGES];
        let line = u64::from(n) * PHONE_STEP % PHONES_PER_RANGE;
        Phone::parse(&format!("{range}{line:08}")).expect("made to be valid")
    }
}

/// Returns the values of one kind in the table.
pub(super) fn values(kind: &str) -> Vec<&'static str> {
    TABLE.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(',')).collect()
}

#[cfg(test)]
pub(super) const REACH: u64 = 5 * SAME_DAY_MAX as u64 * BORN_WITHIN_DAYS as u64;
