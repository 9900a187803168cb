//! Forgetting: punches older than the retention are removed with their segments, and the keys of their days are destroyed, which
//! forgets them in copies as well. Each time a signed record says what was removed; it holds no personal data.

use std::io;

use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::disk::{Disk, is_full, replace, uninterrupted};
use super::format::SegmentHeader;
use super::log::{CommitError, Log};
use super::{LedgerError, segment_name, segment_numbers, time};

/// The deletion records, one JSON object on each line.
pub(super) const DELETIONS: &str = "deletions.jsonl";

/// What was forgotten at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// When, milliseconds since 1970 UTC.
    pub deleted_ms: u64,
    /// Days whose keys were destroyed.
    pub days: Vec<String>,
    /// The first and last segment that was removed.
    pub segments: Option<(u64, u64)>,
    /// The first log sequence number that is left.
    pub first_lsn_left: u64,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    deletion: Deletion,
    /// Ed25519 over the deletion's JSON, hexadecimal.
    signature: String,
}

impl<D: Disk> Log<D> {
    /// Removes what is too old. Cheap when the day has not changed since the last time.
    pub(super) fn expire(&mut self, now_ms: u64) -> Result<(), CommitError> {
        let today = time::day(now_ms);
        if self.expired_on == Some(today) {
            return Ok(());
        }
        let oldest = today.saturating_sub(self.retention_days);
        self.expire_before(oldest, now_ms).map_err(|error| match error {
            // Without its record nothing is forgotten; it is tried again when there is room.
            LedgerError::Io { error, name, .. } if name == DELETIONS && is_full(&error) => CommitError::Full,
            error @ (LedgerError::Io { .. }
            | LedgerError::Corrupt { .. }
            | LedgerError::Newer { .. }
            | LedgerError::Key(_)) => CommitError::Poison(error),
        })?;
        self.expired_on = Some(today);
        Ok(())
    }

    /// When the oldest punch that has its day's key may have been recorded; now, if there is none.
    pub(super) fn oldest_ms(&self, now_ms: u64) -> u64 {
        let days = self.keys.days_before(u32::MAX).unwrap_or_default();
        days.first().map_or(now_ms, |day| time::start_ms(*day).min(now_ms))
    }

    /// The order is what makes a crash in between harmless: record, keys, segments; what is left over is done next time, and
    /// a key that is missing without a record is a missing key.
    fn expire_before(&mut self, oldest_day: u32, now_ms: u64) -> Result<(), LedgerError> {
        let days = self.keys.days_before(oldest_day)?;
        let (removable, first_lsn_left) = self.removable(oldest_day)?;
        if days.is_empty() && removable.is_empty() {
            return Ok(());
        }
        let segments = removable.first().copied().zip(removable.last().copied());
        let named = days.iter().copied().map(time::day_name).collect();
        let deletion = Deletion { deleted_ms: now_ms, days: named, segments, first_lsn_left };
        record(&self.disk, &self.signing_pkcs8, deletion)?;
        for day in days {
            self.keys.destroy(day)?;
        }
        for number in removable {
            let name = segment_name(number);
            uninterrupted(|| self.disk.remove(&name)).map_err(LedgerError::io("removing", &name))?;
        }
        uninterrupted(|| self.disk.sync_directory()).map_err(LedgerError::io("syncing", "the directory"))
    }

    /// Segments that hold nothing of `oldest_day` or later: those whose next one was begun before it. Never the one in use.
    fn removable(&self, oldest_day: u32) -> Result<(Vec<u64>, u64), LedgerError> {
        let names = self.disk.list().map_err(LedgerError::io("listing", "its segments"))?;
        let mut removable = Vec::new();
        let mut first_lsn_left = 1;
        for pair in segment_numbers(&names).windows(2) {
            let name = segment_name(pair[1]);
            let bytes = self.disk.read(&name).map_err(LedgerError::io("reading", &name))?;
            let Ok((next, _)) = SegmentHeader::decode(&bytes) else { break };
            if time::day(next.created_ms) >= oldest_day {
                break;
            }
            removable.push(pair[0]);
            first_lsn_left = next.first_lsn;
        }
        Ok((removable, first_lsn_left))
    }
}

/// Signs a deletion and adds it to the records.
pub(super) fn record(disk: &impl Disk, signing_pkcs8: &[u8], deletion: Deletion) -> Result<(), LedgerError> {
    let key = Ed25519KeyPair::from_pkcs8(signing_pkcs8)
        .map_err(|_| LedgerError::Key("the signing key is no Ed25519 key in PKCS#8".to_owned()))?;
    let signed = serde_json::to_string(&deletion).expect("a deletion is plain data");
    let signature = hex::encode(key.sign(signed.as_bytes()));
    let line = serde_json::to_string(&Signed { deletion, signature }).expect("a deletion is plain data");
    let io = |error| LedgerError::io("recording a deletion in", DELETIONS)(error);
    let mut content = match disk.read(DELETIONS) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(io(error)),
    };
    content.extend_from_slice(line.as_bytes());
    content.push(b'\n');
    replace(disk, DELETIONS, &content).map_err(io)
}

/// Checks the deletion records against the key whose owner signs them, and gives their number.
pub(super) fn check_signatures(disk: &impl Disk, public_key: &[u8]) -> Result<u64, LedgerError> {
    let key = UnparsedPublicKey::new(&ED25519, public_key);
    let mut checked = 0;
    for Signed { deletion, signature } in read_records(disk)? {
        let text = serde_json::to_string(&deletion).expect("a deletion is plain data");
        let genuine = hex::decode(signature).is_ok_and(|bytes| key.verify(text.as_bytes(), &bytes).is_ok());
        if !genuine {
            let what = "a record's signature is not the gateway's";
            return Err(LedgerError::Corrupt { name: DELETIONS.to_owned(), what, lsn: 0 });
        }
        checked += 1;
    }
    Ok(checked)
}

fn read_records(disk: &impl Disk) -> Result<Vec<Signed>, LedgerError> {
    let content = match disk.read(DELETIONS) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LedgerError::io("reading", DELETIONS)(error)),
    };
    let damaged =
        |_| LedgerError::Corrupt { name: DELETIONS.to_owned(), what: "a record does not read", lsn: 0 };
    content
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).map_err(damaged))
        .collect()
}

/// What the deletion records say has been forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// The last segment that was removed, 0 if none.
    pub(super) segment: u64,
    /// The last day whose key was destroyed, in days since 1970.
    pub(super) day: u32,
}

/// Reads the deletion records.
pub(super) fn forgotten(disk: &impl Disk) -> Result<Forgotten, LedgerError> {
    let mut forgotten = Forgotten::default();
    for Signed { deletion, .. } in read_records(disk)? {
        forgotten.segment = deletion.segments.map_or(0, |(_, last)| last).max(forgotten.segment);
        let last_day = deletion.days.iter().filter_map(|day| time::day_of_name(day)).max();
        forgotten.day = last_day.unwrap_or(0).max(forgotten.day);
    }
    Ok(forgotten)
}
