//! The deletion records: each lists the days and segments of one deletion and is signed with the gateway's key. Days and segments up to
//! the recorded ones are forgotten: such a day never gets another key, and a segment that a crash restores is ignored.

use std::io;
use std::path::Path;

use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::disk::{Disk, replace};
use super::{LedgerError, time};

/// The deletion records, one JSON object on each line.
pub(super) const DELETIONS: &str = "deletions.jsonl";

/// One deletion record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// The time of the deletion, milliseconds since 1970 UTC.
    pub(super) deleted_ms: u64,
    /// The days whose keys are destroyed.
    pub days: Vec<String>,
    /// The first and the last removed segment.
    pub segments: Option<(u64, u64)>,
    /// The first remaining log sequence number.
    pub(super) first_lsn_left: u64,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    deletion: Deletion,
    /// Ed25519 over the deletion's JSON, hexadecimal.
    signature: String,
}

/// Signs a deletion and appends it to the records.
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

/// Verifies the signatures of the deletion records and returns their number.
pub(super) fn check_signatures(disk: &impl Disk, public_key: &[u8]) -> Result<u64, LedgerError> {
    let key = UnparsedPublicKey::new(&ED25519, public_key);
    let mut checked = 0;
    for Signed { deletion, signature } in read_records(disk)? {
        let text = serde_json::to_string(&deletion).expect("a deletion is plain data");
        let genuine = hex::decode(signature).is_ok_and(|bytes| key.verify(text.as_bytes(), &bytes).is_ok());
        if !genuine {
            let what = "the signature of a record is not valid";
            return Err(LedgerError::Corrupt { name: DELETIONS.to_owned(), what, lsn: 0, is_newest: true });
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
    let damaged = |_| LedgerError::Corrupt {
        name: DELETIONS.to_owned(),
        what: "a record is not valid",
        lsn: 0,
        is_newest: true,
    };
    content
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).map_err(damaged))
        .collect()
}

/// The recorded deletions: segments and days up to these are forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// The last removed segment, 0 if none.
    pub(super) segment: u64,
    /// The last day whose key was destroyed, in days since 1970.
    pub(super) day: u32,
    /// The last undated day whose key was destroyed.
    pub(super) undated: u32,
}

impl Forgotten {
    /// Every day, for readers to whom the reason for a missing key does not matter.
    pub(super) const EVERY_DAY: Self = Self { segment: u64::MAX, day: u32::MAX, undated: u32::MAX };

    /// Adds a day and all days before it.
    pub(super) fn add(&mut self, day: u32) {
        let last = if time::is_dated(day) { &mut self.day } else { &mut self.undated };
        *last = day.max(*last);
    }

    /// Reports whether that day's key was destroyed.
    pub(super) const fn covers(&self, day: u32) -> bool {
        day <= if time::is_dated(day) { self.day } else { self.undated }
    }
}

/// Reports whether the log in that directory has recorded the deletion of the day of that name.
///
/// # Errors
/// A damaged record, or an error of the operating system.
pub fn is_forgotten(directory: &Path, day: &str) -> Result<bool, LedgerError> {
    let forgotten = forgotten(&super::open_for_reading(directory)?)?;
    Ok(time::day_of_name(day).is_some_and(|day| forgotten.covers(day)))
}

/// Reads the deletion records and returns the deletions.
pub(super) fn forgotten(disk: &impl Disk) -> Result<Forgotten, LedgerError> {
    let mut forgotten = Forgotten::default();
    for Signed { deletion, .. } in read_records(disk)? {
        forgotten.segment = deletion.segments.map_or(0, |(_, last)| last).max(forgotten.segment);
        deletion.days.iter().filter_map(|day| time::day_of_name(day)).for_each(|day| forgotten.add(day));
    }
    Ok(forgotten)
}
