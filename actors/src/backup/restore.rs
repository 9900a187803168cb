//! Takes a backup back into a new data directory: every digest first, then the log and the decisions as `ledger verify` and
//! `audit verify` read them. The directory has its name only when all of that has held.

use std::fs::File;
use std::path::{Path, PathBuf};

use keys::Keys;
use ledger::{self, VerifyReport};
use registry::{AuditReport, Registry};
use serde::Serialize;

use super::{BackupError, LEDGER, Manifest, REGISTRY, empty, io, make_empty, sync_directory};

/// The restored data; all of it is sound.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// When the backup was made, seconds since 1970 UTC.
    pub made_s: u64,
    /// Files.
    pub files: usize,
    /// The punch log.
    pub ledger: VerifyReport,
    /// The decisions.
    pub audit: AuditReport,
    /// Days whose keys were destroyed since: their punches are forgotten.
    pub forgotten: Vec<String>,
}

/// Restores into `data`, which is not there yet or empty, with the gateway's keys. Nothing is left there if it fails.
///
/// # Errors
/// Names every file that is not as it was when the backup was made, or what is wrong with what is in them.
pub fn restore(
    from: &Path,
    data: &Path,
    (keys, keys_directory): (&Keys, &Path),
    retention_days: u32,
    now_ms: u64,
) -> Result<Restored, BackupError> {
    if data.exists() {
        empty(data)?;
    }
    let manifest = Manifest::read(from, &keys.signing_public())?;
    manifest.check(from)?;
    let fresh = beside(data);
    make_empty(&fresh)?;
    let restored = fill(from, &fresh, &manifest, (keys, keys_directory), retention_days, now_ms);
    let placed = restored.and_then(|restored| {
        std::fs::rename(&fresh, data).map_err(io("naming", data))?;
        // Else a power cut gives the old name back, and with it the next restore is refused.
        let parent = data.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new(".")))?;
        Ok(restored)
    });
    if placed.is_err() {
        // It is ours, and nothing rests on it.
        let _ = std::fs::remove_dir_all(&fresh);
    }
    placed
}

/// Reads a backup where it lies as a restore would, with the gateway's keys: every digest, the whole log, every decision and order.
/// Nothing is written.
///
/// # Errors
/// The reasons for which a restore would be refused.
pub fn verify(
    from: &Path,
    (keys, keys_directory): (&Keys, &Path),
    retention_days: u32,
    now_ms: u64,
) -> Result<Restored, BackupError> {
    let public = keys.signing_public();
    let manifest = Manifest::read(from, &public)?;
    manifest.check(from)?;
    let days = Keys::days(keys_directory);
    let (ledger, forgotten) =
        ledger::verify_copy(&from.join(LEDGER), &days, &public, retention_days, now_ms)?;
    let registry = Registry::open_to_read(&from.join(REGISTRY), keys)?;
    let audit = fits(&manifest, &ledger, &registry, &public)?;
    Ok(Restored { made_s: manifest.made_s, files: manifest.files.len(), ledger, audit, forgotten })
}

/// Checks that the log ends, and the decisions are, as the manifest says.
fn fits(
    manifest: &Manifest,
    ledger: &VerifyReport,
    registry: &Registry,
    public: &[u8],
) -> Result<AuditReport, BackupError> {
    if ledger.last_lsn != manifest.lsn {
        return Err(BackupError::Different("the punch log ends elsewhere"));
    }
    registry.quick_check()?;
    let audit = registry.verify_decisions(public)?;
    let head = registry.tree_head()?;
    if (head.decisions, &head.root) != (manifest.decisions, &manifest.root) {
        return Err(BackupError::Different("its decisions are others"));
    }
    registry.verify_orders(public)?;
    Ok(audit)
}

fn fill(
    from: &Path,
    fresh: &Path,
    manifest: &Manifest,
    (keys, keys_directory): (&Keys, &Path),
    retention_days: u32,
    now_ms: u64,
) -> Result<Restored, BackupError> {
    make_empty(&fresh.join(LEDGER))?;
    for file in &manifest.files {
        let (source, target) = (from.join(&file.name), fresh.join(&file.name));
        std::fs::copy(&source, &target).map_err(io("copying", &source))?;
        File::open(&target).and_then(|file| file.sync_all()).map_err(io("syncing", &target))?;
    }
    // Read back: a disk that writes something else is found now.
    manifest.check(fresh)?;
    sync_directory(&fresh.join(LEDGER))?;
    sync_directory(fresh)?;

    let (log, days, public) = (fresh.join(LEDGER), Keys::days(keys_directory), keys.signing_public());
    let forgotten = ledger::forget_expired(&log, &days, keys.signing_pkcs8(), retention_days, now_ms)?;
    let ledger = ledger::verify(&log, &days, &public)?;
    let mut registry = Registry::open(&fresh.join(REGISTRY), keys)?;
    let audit = fits(manifest, &ledger, &registry, &public)?;
    registry.renew_gateway_id()?;
    Ok(Restored { made_s: manifest.made_s, files: manifest.files.len(), ledger, audit, forgotten })
}

/// Says where it is put together.
fn beside(data: &Path) -> PathBuf {
    // Without a slash at its end.
    let mut name = data.components().collect::<PathBuf>().into_os_string();
    name.push(".new");
    name.into()
}
