//! Verification and exports. They read the log without changing it, whether a gateway is running or not.

use std::borrow::Cow;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;

use protocol::CodeId;
use serde::{Deserialize, Serialize};

use super::deletions::{Forgotten, check_signatures, forgotten};
use super::disk::Disk;
use super::format::Entry;
use super::recover::entries;
use super::scan::Segment;
use super::seal::DayKeys;
use super::time::is_dated;
use super::walk::{for_each_segment, for_newest_segments, read};
use super::{LedgerError, Record, Run, open_for_reading, segment_numbers};

/// The report of a verification that found no damage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// The number of segments read.
    pub segments: u64,
    /// The number of batches read.
    pub batches: u64,
    /// The last log sequence number.
    pub last_lsn: u64,
    /// The time of the last batch, milliseconds since 1970 UTC; 0 without one.
    pub written_ms: u64,
    /// The number of punches whose day key exists.
    pub punches: u64,
    /// The number of punches that were acknowledged to devices and are missing in the log.
    pub lost: u64,
    /// The number of batches of days whose keys are destroyed.
    pub forgotten_batches: u64,
    /// The number of batches written while the clock was not believed.
    pub doubted_batches: u64,
    /// The number of deletion records, all with valid signatures.
    pub deletions: u64,
}

/// Reads the whole log and checks checksums, digests, seals, order and marks, and the signatures of the deletion records.
/// `public_key`: Ed25519, 32 bytes.
///
/// # Errors
/// The first damage found, with the last sound LSN before it.
pub fn verify(directory: &Path, day_keys: &Path, public_key: &[u8]) -> Result<VerifyReport, LedgerError> {
    verify_newest(directory, day_keys, public_key, usize::MAX)
}

/// Verifies the newest `segments` only. A start reads two.
///
/// # Errors
/// The first damage found, with the last sound LSN before it.
pub fn verify_newest(
    directory: &Path,
    day_keys: &Path,
    public_key: &[u8],
    segments: usize,
) -> Result<VerifyReport, LedgerError> {
    let (disk, mut keys) = (open_for_reading(directory)?, DayKeys::at(day_keys));
    let forgotten = forgotten(&disk)?;
    verify_on(&disk, &mut keys, public_key, segments, &forgotten)
}

/// Verifies with a given state of what is forgotten.
pub(super) fn verify_on<D: Disk>(
    disk: &D,
    keys: &mut DayKeys,
    public_key: &[u8],
    segments: usize,
    forgotten: &Forgotten,
) -> Result<VerifyReport, LedgerError> {
    let deletions = check_signatures(disk, public_key)?;
    let mut report = VerifyReport { deletions, ..VerifyReport::default() };
    for_newest_segments(disk, segments, |segment| {
        report.segments += 1;
        report.last_lsn = segment.last_lsn();
        for batch in &segment.batches {
            report.batches += 1;
            report.written_ms = batch.header.written_ms;
            report.doubted_batches += u64::from(batch.header.is_doubted);
            match entries(keys, batch, forgotten)? {
                None => report.forgotten_batches += 1,
                Some(entries) => entries.iter().for_each(|entry| match entry {
                    Entry::Run(run) => report.punches += run.punches.len() as u64,
                    Entry::Lost { from, to, .. } => {
                        // Logs of releases without a limit can hold any numbers from devices.
                        let lost = to.0.saturating_sub(from.0).saturating_add(1);
                        report.lost = report.lost.saturating_add(lost);
                    }
                    Entry::Clock { .. } => {}
                }),
            }
        }
        Ok(())
    })?;
    Ok(report)
}

/// Returns the time of the last batch or segment of a known day, milliseconds since 1970 UTC; `None` if there is none. Uses no key.
///
/// # Errors
/// Damage in the newest segments, or an error of the operating system.
pub fn newest_ms(directory: &Path) -> Result<Option<u64>, LedgerError> {
    if !directory.is_dir() {
        return Ok(None);
    }
    newest_in(&open_for_reading(directory)?)
}

pub(super) fn newest_in<D: Disk>(disk: &D) -> Result<Option<u64>, LedgerError> {
    let names = disk.list().map_err(LedgerError::io("listing", "its segments"))?;
    for &number in segment_numbers(&names).iter().rev() {
        let bytes = read(disk, number)?;
        let segment = Segment::read(number, &bytes)?;
        let mut dated = segment.batches.iter().rev().filter(|batch| is_dated(batch.header.day));
        let begun_ms = (!segment.header.is_undated).then_some(segment.header.created_ms);
        if let Some(newest_ms) = dated.next().map(|batch| batch.header.written_ms).or(begun_ms) {
            return Ok(Some(newest_ms));
        }
    }
    Ok(None)
}

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Comma-separated, with a header line.
    Csv,
    /// One JSON object on each line.
    JsonLines,
}

/// A punch as it is exported; the fields are the columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PunchRow {
    lsn: u64,
    /// The device that sent it.
    pub device: u64,
    /// The epoch of its number.
    pub epoch: u32,
    /// Its number.
    pub sequence: u64,
    region: u16,
    place: u32,
    direction: Cow<'static, str>,
    kind: Cow<'static, str>,
    code: Option<u64>,
    device_time_ms: u64,
    received_ms: u64,
    offline: bool,
    colour: Cow<'static, str>,
    advice: Cow<'static, str>,
    basis: Cow<'static, str>,
    reason: Cow<'static, str>,
    clock_said_ms: Option<u64>,
    /// The gateway whose log holds it, in an export of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

/// The rows of an export, in its format.
pub enum PunchRows<'a> {
    /// Lines of CSV.
    Csv(Box<csv::Writer<&'a mut dyn Write>>),
    /// Lines of JSON.
    Json(&'a mut dyn Write),
}

impl<'a> PunchRows<'a> {
    /// Begins an export.
    pub fn new(format: ExportFormat, out: &'a mut dyn Write) -> Self {
        match format {
            ExportFormat::Csv => Self::Csv(Box::new(csv::Writer::from_writer(out))),
            ExportFormat::JsonLines => Self::Json(out),
        }
    }

    /// Writes a row.
    ///
    /// # Errors
    /// An error of the output.
    pub fn write(&mut self, row: &PunchRow) -> std::io::Result<()> {
        match self {
            Self::Csv(out) => out.serialize(row).map_err(std::io::Error::other),
            Self::Json(out) => {
                serde_json::to_writer(&mut **out, row)?;
                out.write_all(b"\n")
            }
        }
    }

    /// Ends the export.
    ///
    /// # Errors
    /// An error of the output.
    pub fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Csv(mut out) => out.flush(),
            Self::Json(out) => out.flush(),
        }
    }
}

/// The whole log, for an export.
pub const ALL_TIME: RangeInclusive<u64> = 0..=u64::MAX;

/// Writes the punches received in `received_ms` (milliseconds since 1970 UTC) in the order of the log, and returns their number.
/// Columns: lsn, device, epoch, sequence, region, place, direction, kind, code, device_time_ms, received_ms, offline, colour, advice,
/// basis, reason, and clock_said_ms, the wall clock's time at the recording if it was not believed.
///
/// # Errors
/// Damage in the log, or an error of the output.
pub fn export(
    directory: &Path,
    day_keys: &Path,
    (format, received_ms): (ExportFormat, &RangeInclusive<u64>),
    out: &mut dyn Write,
) -> Result<u64, LedgerError> {
    let (disk, mut keys) = (open_for_reading(directory)?, DayKeys::at(day_keys));
    let mut rows = PunchRows::new(format, out);
    let mut written = 0;
    let forgotten = forgotten(&disk)?;
    for_each_segment(&disk, |segment| {
        for batch in &segment.batches {
            let entries = entries(&mut keys, batch, &forgotten)?.unwrap_or_default();
            written += export_batch(batch.header.lsn, &entries, received_ms, &mut rows)?;
        }
        Ok(())
    })?;
    rows.finish().map_err(LedgerError::io("exporting to", "the output"))?;
    Ok(written)
}

/// Writes a batch's punches that were received in that time; returns their number.
pub(super) fn export_batch(
    lsn: u64,
    entries: &[Entry],
    received_ms: &RangeInclusive<u64>,
    rows: &mut PunchRows<'_>,
) -> Result<u64, LedgerError> {
    let clock = entries.iter().find_map(|entry| match entry {
        Entry::Clock { wall_ms } => Some(*wall_ms),
        Entry::Run(_) | Entry::Lost { .. } => None,
    });
    let mut written = 0;
    for entry in entries {
        let Entry::Run(run) = entry else { continue };
        if !received_ms.contains(&run.received_ms) {
            continue;
        }
        for (record, sequence) in run.punches.iter().zip(run.first.0..) {
            let written = rows.write(&row((lsn, clock), run, sequence, record));
            written.map_err(LedgerError::io("exporting to", "the output"))?;
        }
        written += run.punches.len() as u64;
    }
    Ok(written)
}

fn row((lsn, clock_said_ms): (u64, Option<u64>), run: &Run, sequence: u64, record: &Record) -> PunchRow {
    PunchRow {
        lsn,
        device: run.device.0,
        epoch: run.epoch.0,
        sequence,
        region: run.region.0,
        place: record.place.0,
        direction: record.direction.name().into(),
        kind: record.kind.name().into(),
        code: record.code.map(CodeId::get),
        device_time_ms: record.device_time_ms,
        received_ms: run.received_ms,
        offline: record.offline,
        colour: record.verdict.colour.name().into(),
        advice: record.verdict.advice.name().into(),
        basis: record.verdict.basis.name().into(),
        reason: record.verdict.reason.name().into(),
        clock_said_ms,
        gateway: None,
    }
}
