//! Forgetting: punches older than the retention are removed with their segments, and the keys of their days are destroyed, which
//! forgets them in copies as well. Each time a signed record says what was removed; it holds no personal data.

use std::io;

use ring::signature::Ed25519KeyPair;
use serde::{Deserialize, Serialize};

use super::disk::{Disk, DiskFile, write_all_at};
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
        self.expire_before(today.saturating_sub(self.retention_days), now_ms).map_err(CommitError::Poison)?;
        self.expired_on = Some(today);
        Ok(())
    }

    /// The order is what makes a crash in between harmless: keys, record, segments; what is left over is done next time.
    fn expire_before(&mut self, oldest_day: u32, now_ms: u64) -> Result<(), LedgerError> {
        let days = self.keys.days_before(oldest_day)?;
        let (removable, first_lsn_left) = self.removable(oldest_day)?;
        if days.is_empty() && removable.is_empty() {
            return Ok(());
        }
        for &day in &days {
            self.keys.destroy(day)?;
        }
        let segments = removable.first().copied().zip(removable.last().copied());
        let days = days.into_iter().map(time::day_name).collect();
        self.record(Deletion { deleted_ms: now_ms, days, segments, first_lsn_left })?;
        for number in removable {
            let name = segment_name(number);
            self.disk.remove(&name).map_err(LedgerError::io("removing", &name))?;
        }
        self.disk.sync_directory().map_err(LedgerError::io("syncing", "the directory"))
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

    fn record(&self, deletion: Deletion) -> Result<(), LedgerError> {
        let key = Ed25519KeyPair::from_pkcs8(&self.signing_pkcs8)
            .map_err(|_| LedgerError::Key("the signing key is no Ed25519 key in PKCS#8".to_owned()))?;
        let signed = serde_json::to_string(&deletion).expect("a deletion is plain data");
        let signature = hex::encode(key.sign(signed.as_bytes()));
        let line = serde_json::to_string(&Signed { deletion, signature }).expect("a deletion is plain data");
        let io = |error| LedgerError::io("recording a deletion in", DELETIONS)(error);
        let mut content = match self.disk.read(DELETIONS) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io(error)),
        };
        content.extend_from_slice(line.as_bytes());
        content.push(b'\n');
        let fresh = format!("{DELETIONS}.new");
        let mut file = self.disk.create(&fresh).map_err(io)?;
        write_all_at(&mut file, &content, 0)
            .and_then(|()| file.sync())
            .and_then(|()| self.disk.rename(&fresh, DELETIONS))
            .and_then(|()| self.disk.sync_directory())
            .map_err(io)
    }
}
