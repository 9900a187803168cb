//! The colours in memory, which every verify and every punch reads. The registry's owner writes them after the commit; a start
//! fills them by a scan. No guard of the map leaves this module.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use protocol::{Basis, Class, CodeId, Colour};

/// Number of bits of [`CodeEntry::version`].
const VERSION_BITS: u32 = 23;
/// The lowest bit of the version; the bit above the version marks an unverified document.
const VERSION_SHIFT: u32 = 8;
const UNVERIFIED: u32 = 1 << (VERSION_SHIFT + VERSION_BITS);
/// The hash table's overhead for a slot: one control byte.
const CONTROL_BYTES: usize = 1;
/// The most memory for one code: a table that has just grown is 7/16 full.
pub const CODE_BYTES_MAX: usize = 40;

const _: () = {
    assert!(size_of::<CodeEntry>() == 8);
    assert!((size_of::<CodeId>() + size_of::<CodeEntry>() + CONTROL_BYTES) * 16 <= CODE_BYTES_MAX * 7);
};

/// The state of a code, packed into eight bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CodeEntry {
    next_change_s: u32,
    /// From the highest bit: one for an unverified document, 23 of version, three of colour, two of basis, three of class.
    packed: u32,
}

impl CodeEntry {
    /// Packs an entry. `next_change_s` is the time of the next change by the clock, Unix seconds, 0 for never. Only the lower
    /// 23 bits of `version` are kept.
    pub const fn new(colour: Colour, basis: Basis, class: Class, next_change_s: u32, version: u32) -> Self {
        let tags = (colour.number() as u32) << 5 | (basis.number() as u32) << 3 | class.number() as u32;
        Self { next_change_s, packed: version << VERSION_SHIFT & !UNVERIFIED | tags }
    }

    /// Returns the entry with the mark for an unverified document set or removed.
    pub const fn unverified(self, unverified: bool) -> Self {
        let packed = if unverified { self.packed | UNVERIFIED } else { self.packed & !UNVERIFIED };
        Self { packed, ..self }
    }

    /// Returns whether the document is unverified; the verdict then asks the checkpoint to look at it.
    pub const fn is_unverified(self) -> bool {
        self.packed & UNVERIFIED != 0
    }

    pub fn colour(self) -> Colour {
        Colour::from_number((self.packed >> 5 & 7) as u8).expect("packed from a colour")
    }

    /// Returns the basis of the colour.
    pub fn basis(self) -> Basis {
        Basis::from_number((self.packed >> 3 & 3) as u8).expect("packed from a basis")
    }

    /// Returns the kind of code.
    pub fn class(self) -> Class {
        Class::from_number((self.packed & 7) as u8).expect("packed from a class")
    }

    /// Returns the time of the next change by the clock, Unix seconds; 0 for never.
    pub const fn next_change_s(self) -> u32 {
        self.next_change_s
    }

    /// Returns everything but the time, as the registry stores it.
    pub const fn to_tags(self) -> u32 {
        self.packed
    }

    /// Unpacks [`Self::to_tags`]; `None` if a field is out of range.
    pub(crate) fn from_tags(packed: u32, next_change_s: u32) -> Option<Self> {
        Colour::from_number((packed >> 5 & 7) as u8)?;
        Basis::from_number((packed >> 3 & 3) as u8)?;
        Class::from_number((packed & 7) as u8)?;
        Some(Self { next_change_s, packed })
    }

    /// Returns the number of changes of this code, modulo 2^23.
    pub const fn version(self) -> u32 {
        (self.packed & !UNVERIFIED) >> VERSION_SHIFT
    }
}

impl std::fmt::Debug for CodeEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeEntry")
            .field("colour", &self.colour())
            .field("basis", &self.basis())
            .field("class", &self.class())
            .field("next_change_s", &self.next_change_s)
            .field("version", &self.version())
            .field("unverified", &self.is_unverified())
            .finish()
    }
}

/// The number of codes from which on they are looked up together.
const MANY: usize = 8;

struct Table {
    entries: DashMap<CodeId, CodeEntry, RandomState>,
    by_colour: [AtomicU64; Colour::ALL.len()],
    loaded: AtomicBool,
    /// The time, in Unix seconds, from which on a code's paper tokens are valid; only for codes with a withdrawn one.
    papers: DashMap<CodeId, u32, RandomState>,
    any_papers: AtomicBool,
}

/// The entries of all codes; clones share the table.
#[derive(Clone)]
pub struct Codes(Arc<Table>);

impl Codes {
    /// Creates an empty table with room for `capacity` codes, not marked as loaded.
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Table {
            entries: DashMap::with_capacity_and_hasher(capacity, RandomState::default()),
            by_colour: std::array::from_fn(|_| AtomicU64::new(0)),
            loaded: AtomicBool::new(false),
            papers: DashMap::with_hasher(RandomState::default()),
            any_papers: AtomicBool::new(false),
        }))
    }

    /// Returns the code's entry.
    pub fn get(&self, code: CodeId) -> Option<CodeEntry> {
        self.0.entries.get(&code).map(|entry| *entry)
    }

    /// Returns the entries of many codes, in their order. Each shard is locked once, and look-ups, which mostly wait for memory,
    /// overlap.
    pub fn get_many(&self, codes: &[CodeId]) -> Vec<Option<CodeEntry>> {
        let entries = &self.0.entries;
        if codes.len() < MANY {
            return codes.iter().map(|&code| self.get(code)).collect();
        }
        let hashes: Vec<u64> = codes.iter().map(|code| entries.hasher().hash_one(code)).collect();
        let part = |hash: u64| entries.determine_shard(hash as usize);
        let mut found = vec![None; codes.len()];
        let parts = entries.shards();
        let mut starts = vec![0u32; parts.len() + 1];
        hashes.iter().for_each(|&hash| starts[part(hash) + 1] += 1);
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut order = vec![0u32; codes.len()];
        let mut next = starts.clone();
        for (index, &hash) in hashes.iter().enumerate() {
            let slot = &mut next[part(hash)];
            order[*slot as usize] = index as u32;
            *slot += 1;
        }
        for (table, bounds) in parts.iter().zip(starts.windows(2)) {
            let table = table.read();
            for &index in &order[bounds[0] as usize..bounds[1] as usize] {
                let (index, code) = (index as usize, codes[index as usize]);
                found[index] =
                    table.get(hashes[index], |(known, _)| *known == code).map(|(_, entry)| *entry.get());
            }
        }
        found
    }

    /// Sets the code's entry.
    pub fn put(&self, code: CodeId, entry: CodeEntry) {
        self.counter(entry).fetch_add(1, Ordering::Relaxed);
        if let Some(before) = self.0.entries.insert(code, entry) {
            self.counter(before).fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Removes the code.
    pub fn remove(&self, code: CodeId) {
        if let Some((_, before)) = self.0.entries.remove(&code) {
            self.counter(before).fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Removes the codes for which `keeps` returns false.
    pub(crate) fn keep(&self, keeps: impl Fn(CodeId) -> bool) {
        let gone: Vec<CodeId> =
            self.0.entries.iter().map(|entry| *entry.key()).filter(|&code| !keeps(code)).collect();
        gone.into_iter().for_each(|code| self.remove(code));
    }

    /// Withdraws the code's paper tokens that were issued before `good_from_s`.
    pub fn set_paper_from(&self, code: CodeId, good_from_s: u32) {
        let later = |known: &mut u32| *known = (*known).max(good_from_s);
        self.0.papers.entry(code).and_modify(later).or_insert(good_from_s);
        self.0.any_papers.store(true, Ordering::Release);
    }

    /// Returns whether a paper token issued at this time was withdrawn.
    pub fn is_paper_withdrawn(&self, code: CodeId, issued_at_s: u32) -> bool {
        self.0.any_papers.load(Ordering::Acquire)
            && self.0.papers.get(&code).is_some_and(|good_from_s| issued_at_s < *good_from_s)
    }

    /// Returns the number of codes.
    pub fn len(&self) -> usize {
        self.by_colour().iter().sum::<u64>() as usize
    }

    /// Returns whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of codes of each colour, in the order of [`Colour::ALL`]. Does not scan.
    pub fn by_colour(&self) -> [u64; Colour::ALL.len()] {
        std::array::from_fn(|index| self.0.by_colour[index].load(Ordering::Relaxed))
    }

    /// Marks the table as complete: from now on a missing code is not registered.
    pub fn set_loaded(&self) {
        self.0.loaded.store(true, Ordering::Release);
    }

    /// Returns whether the table is complete; before that a missing code may be registered.
    pub fn is_loaded(&self) -> bool {
        self.0.loaded.load(Ordering::Acquire)
    }

    fn counter(&self, entry: CodeEntry) -> &AtomicU64 {
        &self.0.by_colour[usize::from(entry.colour().number()) - 1]
    }
}

impl std::fmt::Debug for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Codes({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_gives_back_what_was_packed() {
        for &colour in Colour::ALL {
            for &basis in Basis::ALL {
                for &class in Class::ALL {
                    for (next, version) in [(0, 0), (1, 1), (u32::MAX, (1 << VERSION_BITS) - 1)] {
                        let entry = CodeEntry::new(colour, basis, class, next, version);
                        assert_eq!((entry.colour(), entry.basis(), entry.class()), (colour, basis, class));
                        assert_eq!((entry.next_change_s(), entry.version()), (next, version));
                    }
                }
            }
        }
    }

    #[test]
    fn many_codes_are_found_as_one_by_one() {
        let codes = Codes::new(0);
        let code = |n| CodeId::issue(1, n).unwrap();
        for n in 1..5_000 {
            let colour = Colour::ALL[n as usize % Colour::ALL.len()];
            codes.put(code(n * 3), CodeEntry::new(colour, Basis::Verified, Class::Person, 0, n as u32));
        }
        for count in [0, 1, MANY - 1, MANY, 1_000, 20_000] {
            let asked: Vec<CodeId> = (1..=count as u64).map(code).collect();
            let expected: Vec<_> = asked.iter().map(|&code| codes.get(code)).collect();
            assert_eq!(codes.get_many(&asked), expected, "{count}");
        }
    }

    #[test]
    fn colours_are_counted_as_codes_come_change_and_go() {
        let codes = Codes::new(8);
        let code = |n| CodeId::issue(1, n).unwrap();
        let entry = |colour| CodeEntry::new(colour, Basis::Declared, Class::Person, 0, 1);
        codes.put(code(1), entry(Colour::Green));
        codes.put(code(2), entry(Colour::Green));
        codes.put(code(2), entry(Colour::Red));
        codes.put(code(3), entry(Colour::Unknown));
        codes.remove(code(3));
        codes.remove(code(4));
        assert_eq!(codes.by_colour(), [1, 0, 1, 0]);
        assert_eq!(codes.len(), 2);
        assert_eq!(codes.get(code(2)).map(CodeEntry::colour), Some(Colour::Red));
        assert_eq!(codes.get(code(3)), None);
    }
}
