//! Invented people, by numbers: their phones and documents are from ranges that are not assigned. A development city's own
//! people and its demonstration people have others.

use std::cell::Cell;
use std::net::Ipv4Addr;

use super::browser::Form;

/// Divisions in documents that are not assigned, and that a development city does not use.
const DIVISIONS: [&str; 3] = ["389902", "389903", "399901"];
/// Prefixes of phones that no carrier has been assigned.
const RANGES: [&str; 3] = ["163", "164", "168"];
/// The used part of each range; its end is for demonstration people and probes.
const PHONES_PER_RANGE: u64 = 99_990_000;
/// A prime that does not divide [`PHONES_PER_RANGE`]: people have different phones, and neighbours no neighbouring ones.
const PHONE_STEP: u64 = 49_979_687;
/// Years of birth; dates are the first 28 days of each month, so that each exists.
const YEARS: u64 = 89;
const BORN_FROM: u64 = 1930;
const DATES: u64 = YEARS * 12 * 28;
/// The people of one division and day, told apart by three digits.
const SAME_DAY_MAX: u64 = 1_000;
/// The number of different documents.
const PEOPLE_MAX: u64 = DIVISIONS.len() as u64 * DATES * SAME_DAY_MAX;
const _: () = assert!(PEOPLE_MAX / RANGES.len() as u64 <= PHONES_PER_RANGE);

/// People a second from whose count a run's first number is taken. Two runs of one city have different people as long as neither makes more
/// on average, and for four days; then the numbers repeat.
const PEOPLE_PER_S: u64 = 250;

/// The number of visitors' addresses. A gateway remembers 200,000 of the last hour and refuses visitors from further ones.
const ADDRESSES: u64 = 100_000;
const ADDRESS_FIRST: u32 = Ipv4Addr::new(127, 64, 0, 1).to_bits();
const _: () = assert!(ADDRESSES < 1 << 22, "127.64.0.0/10");

const SURNAMES: [char; 8] = ['瞿', '鄢', '郗', '亓', '逄', '缑', '綦', '麴'];
/// Characters that are in no other text of a gateway, so that a search for these names finds nothing else.
const GIVEN: [char; 16] =
    ['芷', '蘅', '翀', '玘', '珧', '甪', '睿', '瓒', '翯', '舁', '蒯', '蕤', '麂', '邈', '鄱', '騫'];
const DISTRICTS: [&str; 5] = ["360102", "360103", "360104", "360111", "360112"];

/// An invented person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    number: u64,
    name: String,
    pub(crate) phone: String,
    document: String,
}

/// The people of a run, made one after another. They are not stored: each follows from the number.
pub(crate) struct People {
    first: u64,
    made: Cell<u64>,
    seed: u64,
}

impl People {
    /// Starts the people of a run that begins at `now_ms`; the seed decides the names.
    pub(crate) fn new(seed: u64, now_ms: u64) -> Self {
        Self { first: now_ms / (1000 / PEOPLE_PER_S), made: Cell::new(0), seed }
    }

    /// Makes a new person.
    pub(crate) fn next(&self) -> Person {
        let made = self.made.get();
        self.made.set(made + 1);
        self.person(made)
    }

    /// Returns the address of the next person.
    pub(crate) fn next_address(&self) -> Ipv4Addr {
        self.person(self.made.get()).address()
    }

    /// Returns all people so far.
    pub(crate) fn all(&self) -> impl Iterator<Item = Person> + '_ {
        (0..self.made.get()).map(|made| self.person(made))
    }

    fn person(&self, made: u64) -> Person {
        let number = (self.first + made) % PEOPLE_MAX;
        let mut random = fastrand::Rng::with_seed(self.seed ^ number);
        let mut one = |from: &[char]| from[random.usize(..from.len())];
        let name = [one(&SURNAMES), one(&GIVEN), one(&GIVEN)].iter().collect();
        Person { number, name, phone: phone(number), document: document(number) }
    }
}

impl Person {
    /// Returns this person's fields of the application form.
    pub(crate) fn form(&self) -> Form<'_> {
        let district = DISTRICTS[(self.number % DISTRICTS.len() as u64) as usize];
        Form { name: &self.name, document: &self.document, district }
    }

    /// Returns the address of this person's browser, on loopback.
    pub(crate) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(ADDRESS_FIRST + (self.number % ADDRESSES) as u32)
    }

    /// Returns the personal texts: phone, document and name.
    pub(crate) fn secrets(self) -> [String; 3] {
        [self.phone, self.document, self.name]
    }
}

fn phone(number: u64) -> String {
    let ranges = RANGES.len() as u64;
    let line = number / ranges * PHONE_STEP % PHONES_PER_RANGE;
    format!("{}{line:08}", RANGES[(number % ranges) as usize])
}

/// Returns the document of a number. Days vary fastest, then the number within the day, then the division.
fn document(number: u64) -> String {
    let (date, rest) = (number % DATES, number / DATES);
    let (year, month, day) = (BORN_FROM + date / (12 * 28), date / 28 % 12 + 1, date % 28 + 1);
    let division = DIVISIONS[(rest / SAME_DAY_MAX) as usize];
    let digits = format!("{division}{year:04}{month:02}{day:02}{:03}", rest % SAME_DAY_MAX);
    format!("{digits}{}", check(&digits))
}

/// Returns the check character of an identity card's number (GB 11643).
fn check(digits: &str) -> char {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    char::from(b"10X98765432"[sum as usize % 11])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_check_character_is_that_of_the_standard() {
        // Made-up people of the development city.
        for number in ["39990219900101901X", "399902199002029025", "399902199006069067"] {
            assert_eq!(check(&number[..17]), number.chars().last().unwrap(), "{number}");
        }
    }

    #[test]
    fn nobody_is_twice_in_a_run_or_in_two_runs_of_some_days() {
        let day_ms = 24 * 3600 * 1000;
        let now_ms = 1_790_000_000_000;
        let mut seen: [HashSet<String>; 2] = Default::default();
        let (runs, each) = (8, 5_000);
        for run in 0..runs {
            // From twenty seconds between two runs to four days.
            let people = People::new(7, now_ms + if run % 2 == 0 { run * 20_000 } else { run * day_ms / 2 });
            for _ in 0..each {
                let [phone, document, name] = people.next().secrets();
                assert!(phone.len() == 11 && document.len() == 18 && name.chars().count() == 3);
                seen[0].insert(phone);
                seen[1].insert(document);
            }
        }
        assert_eq!(seen.map(|seen| seen.len()), [(runs * each) as usize; 2]);
    }

    #[test]
    fn everybody_is_known_again_and_has_an_address_of_their_own() {
        let people = People::new(7, 1_790_000_000_000);
        let address = people.next_address();
        let made: Vec<_> = (0..1_000).map(|_| people.next()).collect();
        assert_eq!(made[0].address(), address);
        assert!(people.all().eq(made.iter().cloned()));
        let addresses: HashSet<_> = made.iter().map(Person::address).collect();
        assert_eq!(addresses.len(), made.len());
        assert!(addresses.iter().all(|from| from.octets()[0] == 127 && from.octets()[1] & 0xc0 == 64));
        assert!(
            made.iter().all(|person| person.document[..6] != *"399902" && person.phone[3..] < *"99990000")
        );
    }
}
