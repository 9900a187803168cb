//! The cost of one durable write on the city's disk: the other part of a single punch's floor.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use device::clock;
use hdrhistogram::Histogram;

/// The size of one write.
const BLOCK_BYTES: usize = 4096;
/// The number of blocks of the file, written before the measurement, and overwritten in turns.
const BLOCKS: u32 = 64;

/// A file beside the city's punch log, removed with the value.
pub(super) struct Probe {
    file: File,
    path: PathBuf,
}

impl Probe {
    pub(super) fn create(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(format!("loadtest-{}.tmp", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut probe = Self { file: file.with_context(|| format!("creating {}", path.display()))?, path };
        probe.file.write_all(&vec![0; BLOCK_BYTES * BLOCKS as usize])?;
        probe.file.sync_all()?;
        Ok(probe)
    }

    /// Writes and syncs block after block; returns the median time.
    pub(super) fn sync(&mut self) -> anyhow::Result<Duration> {
        let mut took_us = Histogram::<u64>::new(3)?;
        self.file.rewind()?;
        for number in 0..BLOCKS {
            let start = clock::now();
            self.file.write_all(&[number as u8; BLOCK_BYTES])?;
            self.file.sync_data()?;
            took_us += u64::try_from(clock::since(start).as_micros())?;
        }
        Ok(Duration::from_micros(took_us.value_at_quantile(0.5)))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
