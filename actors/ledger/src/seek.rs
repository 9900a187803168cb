//! Search for old punches of one device. The segment is found by the marks in headers, the batch by the marks in its clear part, and
//! only that batch is opened. At most one header or one batch is in memory. The caller decides what the device is told.

use protocol::{DeviceId, Epoch, Sequence};

use super::deletions::Forgotten;
use super::disk::Disk;
use super::format::{BATCH_CLEAR_BYTES, Batch, Entry, Invalid, MARK_BYTES, read_marks};
use super::headers::read_header;
use super::recover::entries;
use super::scan::corrupt;
use super::seal::DayKeys;
use super::{LedgerError, Record, segment_name, segment_numbers};

/// The size of one read: the clear parts of many small batches, or most of a header.
const CHUNK_BYTES: usize = 64 * 1024;

/// The punches to be found: `count` punches of a device from `first` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) device: DeviceId,
    pub(super) epoch: Epoch,
    pub(super) first: Sequence,
    pub(super) count: usize,
}

/// A device's mark at some position of the log; it only increases.
type Reached = (Epoch, Sequence);

impl Wanted {
    fn end(&self) -> Sequence {
        Sequence(self.first.0.saturating_add(self.count as u64))
    }

    /// Reports whether all wanted punches are at or below this mark.
    fn is_before(&self, reached: Reached) -> bool {
        reached >= (self.epoch, Sequence(self.end().0.saturating_sub(1)))
    }

    /// Reports whether the first wanted punch is at or below this mark.
    fn begins_before(&self, reached: Reached) -> bool {
        reached >= (self.epoch, self.first)
    }
}

/// A recorded punch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) sequence: Sequence,
    pub(super) as_of_ms: u64,
    pub(super) record: Record,
}

/// Returns the wanted punches that the log still holds, in ascending order.
///
/// # Errors
/// Damage in the parts that are read, or an error of the operating system.
pub(super) fn find<D: Disk>(
    disk: &D,
    keys: &mut DayKeys,
    wanted: &Wanted,
) -> Result<Vec<Found>, LedgerError> {
    let names = disk.list().map_err(LedgerError::io("listing", "its segments"))?;
    let numbers = segment_numbers(&names);
    let mut found = Vec::new();
    // A segment that expires meanwhile counts as one before all wanted punches.
    let (mut low, mut high) = (0, numbers.len());
    while low < high {
        let middle = low.midpoint(high);
        let begins = begin(disk, numbers[middle], wanted.device)?;
        if begins.is_some_and(|(reached, _)| wanted.begins_before(reached)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    for &number in &numbers[low.saturating_sub(1)..] {
        let Some((reached, header_end)) = begin(disk, number, wanted.device)? else { continue };
        if wanted.is_before(reached) {
            break;
        }
        Scan { number, pages: Pages::new(disk, number), wanted, reached }
            .read(header_end, keys, &mut found)?;
    }
    Ok(found)
}

/// Returns the device's mark at the start of the segment, and the offset of the first batch; `None` if the segment does not exist.
fn begin<D: Disk>(disk: &D, number: u64, device: DeviceId) -> Result<Option<(Reached, usize)>, LedgerError> {
    let Some(header) = read_header(disk, number)? else { return Ok(None) };
    let mark = header.marks.iter().find(|mark| mark.device == device);
    Ok(Some((mark.map_or((Epoch(0), Sequence(0)), |mark| (mark.epoch, mark.recorded)), header.encoded_len())))
}

/// A file that is read in chunks, with one chunk in memory.
pub(super) struct Pages<'a, D> {
    disk: &'a D,
    name: String,
    from: usize,
    bytes: Vec<u8>,
}

impl<'a, D: Disk> Pages<'a, D> {
    pub(super) fn new(disk: &'a D, number: u64) -> Self {
        Self { disk, name: segment_name(number), from: 0, bytes: Vec::new() }
    }

    /// Returns `len` bytes from `at` on, or fewer at the end of the file.
    pub(super) fn get(&mut self, at: usize, len: usize) -> Result<&[u8], LedgerError> {
        let held = self.from..=self.from + self.bytes.len();
        if !(held.contains(&at) && held.contains(&at.saturating_add(len))) {
            let read = self.disk.read_at(&self.name, at as u64, len.max(CHUNK_BYTES));
            self.bytes = read.map_err(|error| LedgerError::io("reading", &self.name)(error))?;
            self.from = at;
        }
        let start = at - self.from;
        Ok(&self.bytes[start..self.bytes.len().min(start.saturating_add(len))])
    }
}

/// The scan of one segment's batches.
struct Scan<'a, D> {
    number: u64,
    pages: Pages<'a, D>,
    wanted: &'a Wanted,
    reached: Reached,
}

impl<D: Disk> Scan<'_, D> {
    fn read(mut self, mut at: usize, keys: &mut DayKeys, found: &mut Vec<Found>) -> Result<(), LedgerError> {
        while !self.wanted.is_before(self.reached)
            && let Some((marks, len)) = self.lengths(at)?
        {
            if let Some(reached) = self.reaches(at, marks)? {
                if self.wanted.begins_before(reached) {
                    self.open(at, len, keys, found)?;
                }
                self.reached = reached;
            }
            at = at.saturating_add(len);
        }
        Ok(())
    }

    fn lengths(&mut self, at: usize) -> Result<Option<(usize, usize)>, LedgerError> {
        Ok(Batch::lengths(self.pages.get(at, BATCH_CLEAR_BYTES)?))
    }

    /// Returns the device's mark after the batch; `None` if the batch does not move it.
    fn reaches(&mut self, at: usize, marks: usize) -> Result<Option<Reached>, LedgerError> {
        let device = self.wanted.device;
        let bytes = self.pages.get(at + BATCH_CLEAR_BYTES, marks.saturating_mul(MARK_BYTES))?;
        let mine = read_marks(bytes).filter(|mark| mark.device == device);
        Ok(mine.map(|mark| (mark.epoch, mark.recorded)).max())
    }

    fn open(
        &mut self,
        at: usize,
        len: usize,
        keys: &mut DayKeys,
        found: &mut Vec<Found>,
    ) -> Result<(), LedgerError> {
        let number = self.number;
        let batch = Batch::decode(self.pages.get(at, len)?).map_err(|invalid| match invalid {
            Invalid::Bytes => corrupt(number, 0, "a batch is not valid"),
            Invalid::Newer => LedgerError::Newer { name: segment_name(number) },
        })?;
        let entries = entries(keys, &batch, &Forgotten::EVERY_DAY)?.unwrap_or_default();
        let wanted = self.wanted;
        for entry in entries {
            if let Entry::Run(run) = entry
                && (run.device, run.epoch) == (wanted.device, wanted.epoch)
            {
                let all = run.punches.into_iter().zip(run.first.0..);
                found.extend(
                    all.filter(|(_, sequence)| (wanted.first.0..wanted.end().0).contains(sequence)).map(
                        |(record, sequence)| Found {
                            sequence: Sequence(sequence),
                            as_of_ms: run.received_ms,
                            record,
                        },
                    ),
                );
            }
        }
        Ok(())
    }
}
