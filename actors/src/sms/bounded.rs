//! A map that holds so many entries and no more. What was not touched for long goes; when it is full, the oldest goes if it is
//! old enough to be forgotten early, else nothing more is taken in. Pure: time is an argument.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

pub(super) struct Bounded<K, V> {
    entries: HashMap<K, (u32, V)>,
    by_age: BTreeSet<(u32, K)>,
    entries_max: usize,
    /// After this long untouched an entry is of no use …
    kept_s: u32,
    /// … and after this long it may be given up for a new one.
    needed_s: u32,
}

impl<K: Copy + Eq + Hash + Ord, V: Default> Bounded<K, V> {
    pub(super) fn new(entries_max: usize, kept_s: u32, needed_s: u32) -> Self {
        assert!(entries_max > 0 && needed_s <= kept_s, "there is room, and what is needed is kept");
        Self { entries: HashMap::new(), by_age: BTreeSet::new(), entries_max, kept_s, needed_s }
    }

    /// The entry, made if it is not there; touched now. `None` if there is no room.
    pub(super) fn touch(&mut self, key: K, now_s: u32) -> Option<&mut V> {
        while self.oldest_age(now_s).is_some_and(|age_s| age_s > self.kept_s) {
            self.remove_oldest();
        }
        if let Some((touched_s, _)) = self.entries.get(&key) {
            self.by_age.remove(&(*touched_s, key));
        } else if self.entries.len() >= self.entries_max {
            if self.oldest_age(now_s).is_none_or(|age_s| age_s <= self.needed_s) {
                return None;
            }
            self.remove_oldest();
        }
        self.by_age.insert((now_s, key));
        let (touched_s, value) = self.entries.entry(key).or_default();
        *touched_s = now_s;
        Some(value)
    }

    /// The entry, if it is there; not touched.
    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.entries.get_mut(&key).map(|(_, value)| value)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.by_age.len(), "each entry has one age");
        self.entries.len()
    }

    fn oldest_age(&self, now_s: u32) -> Option<u32> {
        self.by_age.first().map(|(touched_s, _)| now_s.saturating_sub(*touched_s))
    }

    fn remove_oldest(&mut self) {
        if let Some((_, key)) = self.by_age.pop_first() {
            self.entries.remove(&key);
        }
    }
}
