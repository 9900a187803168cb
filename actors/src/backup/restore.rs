//! Restores a backup into a new data directory: checks every digest first, then the log and the decisions as `ledger verify` and `audit
//! verify` do. The directory gets its name only when all checks have passed.

use std::fs::File;
use std::path::{Path, PathBuf};

use keys::Keys;
use ledger::{self, VerifyReport};
use registry::{AuditReport, Registry};
use serde::Serialize;

use super::{BackupError, LEDGER, Manifest, REGISTRY, empty, io, make_empty, sync_directory};

/// The findings of a restoration; all of it is sound.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// The time when the backup was made, seconds since 1970 UTC.
    pub made_s: u64,
    /// The number of files.
    pub files: usize,
    /// The verification of the punch log.
    pub ledger: VerifyReport,
    /// The verification of the decisions.
    pub audit: AuditReport,
    /// The days whose keys were destroyed since the backup: their punches are forgotten.
    pub forgotten: Vec<String>,
}

/// Restores into `data`, which does not exist yet or is empty, with the gateway's keys. A failure leaves nothing there.
///
/// # Errors
/// Names every file that has changed since the backup was made, or the fault of its content.
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
        // Without this a power cut may undo the rename.
        let parent = data.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new(".")))?;
        Ok(restored)
    });
    if placed.is_err() {
        // It was made here, and nothing uses it.
        let _ = std::fs::remove_dir_all(&fresh);
    }
    placed
}

/// Verifies a backup in place as a restoration would, with the gateway's keys: every digest, the whole log, every decision and order.
/// Writes nothing.
///
/// # Errors
/// The errors with which a restoration would fail.
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

/// Checks that the end of the log and the decisions are those of the manifest.
fn fits(
    manifest: &Manifest,
    ledger: &VerifyReport,
    registry: &Registry,
    public: &[u8],
) -> Result<AuditReport, BackupError> {
    if ledger.last_lsn != manifest.lsn {
        return Err(BackupError::Different("the punch log ends at another LSN"));
    }
    registry.quick_check()?;
    let audit = registry.verify_decisions(public)?;
    let head = registry.tree_head()?;
    if (head.decisions, &head.root) != (manifest.decisions, &manifest.root) {
        return Err(BackupError::Different("the decisions are others"));
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
    // Read back, to find a disk that has written something else.
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

/// Returns the directory in which the data are put together.
fn beside(data: &Path) -> PathBuf {
    // The components have no slash at the end.
    let mut name = data.components().collect::<PathBuf>().into_os_string();
    name.push(".new");
    name.into()
}
