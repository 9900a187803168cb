//! The bytes of a simulated file on disk and in the cache, and the effects of a sync, a failed sync and a power cut.

use std::collections::BTreeSet;

const SECTOR_BYTES: usize = 512;

#[derive(Clone, Default)]
pub(super) struct Content {
    pub(super) durable: Vec<u8>,
    pub(super) cache: Vec<u8>,
    /// The sectors that the kernel knows to be unsynced.
    pub(super) dirty: BTreeSet<usize>,
    /// True if the length has changed since the last sync.
    pub(super) resized: bool,
}

impl Content {
    /// Applies a power cut: each unsynced sector is old or new; the length is old, new or between.
    pub(super) fn lose(&mut self, random: &mut fastrand::Rng) {
        let (old, new) = (self.durable.len(), self.cache.len());
        if self.resized {
            let len = match random.u8(0..3) {
                0 => old,
                1 => new,
                _ => random.usize(old.min(new)..=old.max(new)),
            };
            self.durable.resize(len, 0);
        }
        let kept_share = random.u8(0..=100);
        for &sector in &self.dirty {
            let from = sector * SECTOR_BYTES;
            let to = (from + SECTOR_BYTES).min(self.cache.len()).min(self.durable.len());
            if from < to && random.u8(0..100) < kept_share {
                self.durable[from..to].copy_from_slice(&self.cache[from..to]);
            }
        }
        self.cache = self.durable.clone();
        self.dirty.clear();
        self.resized = false;
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.cache.len(), 0);
        for &sector in &self.dirty {
            let from = sector * SECTOR_BYTES;
            let to = (from + SECTOR_BYTES).min(self.cache.len());
            if from < to {
                self.durable[from..to].copy_from_slice(&self.cache[from..to]);
            }
        }
        self.dirty.clear();
        self.resized = false;
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.cache.len() < end {
            self.cache.resize(end, 0);
            self.resized = true;
        }
        self.cache[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    /// Applies a failed sync: the kernel marks the pages as clean, so the cache can be read, the disk lacks the data, and a second sync
    /// succeeds.
    pub(super) fn fail_sync(&mut self, random: &mut fastrand::Rng) {
        let written: Vec<usize> = self.dirty.iter().copied().filter(|_| random.bool()).collect();
        self.dirty = written.into_iter().collect();
        let resized = self.resized;
        let len = self.durable.len();
        self.sync();
        if resized && random.bool() {
            self.durable.truncate(len);
        }
    }
}
