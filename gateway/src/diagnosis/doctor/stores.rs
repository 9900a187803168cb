//! The checks of the punch log and the registry, read beside the gateway: their integrity, as far as a quick check can tell, and work in them that
//! waits. `ledger verify` and `audit verify` read everything.

use keys::Keys;
use ledger::{self, LedgerError};
use registry::{Registry, RegistryError, SignedUpTo};

use crate::config::Settings;
use crate::finding::Finding;
use crate::host::vouching;

/// The segments that recovery reads at a start.
const SEGMENTS: usize = 2;
/// The largest plausible difference between two readings of one machine's clock.
const CLOCK_S_MAX: u64 = 60;
/// The longest time without a signature; the registrar signs every minute.
const UNSIGNED_S_MAX: u64 = 10 * 60;
/// Devices renew their certificate a month before its end; one that has less time left has failed to.
const DEVICE_S_LOW: u64 = 14 * 86_400;

/// A check of the registry at a time in seconds since 1970 UTC.
type Check = fn(&Registry, u64) -> Result<Finding, RegistryError>;

/// Checks the newest segments, as a start does; with `full` all of them, which takes as long as reading them.
pub(super) fn ledger(settings: &Settings, keys: &Keys, now_s: u64, full: bool) -> Finding {
    const ID: &str = "ledger-damaged";
    let (directory, days) = (Settings::ledger_path(&settings.data), Keys::days(&settings.keys));
    if !directory.exists() {
        return Finding::ok(ID, "there is no punch log yet; the first start makes it");
    }
    match ledger::verify_newest(
        &directory,
        &days,
        &keys.signing_public(),
        if full { usize::MAX } else { SEGMENTS },
    ) {
        Ok(report) if report.written_ms / 1000 > now_s + CLOCK_S_MAX => Finding::fail(
            "clock-wrong",
            "the punch log's last batch was written after now",
            "set the clock before the gateway is started: punches are kept by the day",
        ),
        Ok(report) => Finding::ok(
            ID,
            match full {
                true => format!("all {} segments are sound, up to LSN {}", report.segments, report.last_lsn),
                false => format!(
                    "the newest {} segments are sound, up to LSN {}; `changtong doctor --full` reads the closed ones, too",
                    report.segments, report.last_lsn
                ),
            },
        ),
        Err(LedgerError::Key(why)) => {
            Finding::fail(ID, format!("punch log: {why}"), "restore the day's key from the safe")
        }
        Err(error) => Finding::fail(
            ID,
            error.to_string(),
            "keep the directory as it is: the runbook says which file to restore, and from where",
        ),
    }
}

/// Checks that the punch log and the registry are the two that vouched for each other.
pub(super) fn together(settings: &Settings) -> Finding {
    const ID: &str = "stores-differ";
    match vouching::look(&settings.data, &settings.keys) {
        Ok(()) => Finding::ok(ID, "the punch log and the registry belong together"),
        Err(error) => Finding::fail(
            ID,
            format!("{error:#}"),
            "do not start the gateway: check that every disk is mounted, and restore the missing store",
        ),
    }
}

/// Runs every check of the registry.
pub(super) fn registry(registry: &Registry, now_s: u64) -> Vec<Finding> {
    let checks: [Check; 4] = [intact, signed, appeals, devices];
    checks
        .iter()
        .map(|check| check(registry, now_s).unwrap_or_else(|error| registry_damaged(&error)))
        .collect()
}

pub(super) fn registry_damaged(error: &RegistryError) -> Finding {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Finding::fail(
        "registry-damaged",
        format!("{error}{source}"),
        "keep the directory as it is, and restore the registry from a backup",
    )
}

fn intact(registry: &Registry, _: u64) -> Result<Finding, RegistryError> {
    registry.quick_check()?;
    Ok(Finding::ok("registry-damaged", "the registry's pages are as its store wrote them"))
}

fn signed(registry: &Registry, now_s: u64) -> Result<Finding, RegistryError> {
    const ID: &str = "checkpoint-old";
    let SignedUpTo { decisions, covered, at_s, decided_s } = registry.signed_up_to()?;
    // Since when something waits: the newest decision is the youngest of those that do.
    let waits_s = now_s.saturating_sub(at_s.max(decided_s));
    Ok(match decisions.saturating_sub(covered) {
        0 => Finding::ok(ID, format!("all {decisions} decisions are signed")),
        open if waits_s <= UNSIGNED_S_MAX => {
            Finding::ok(ID, format!("{open} of {decisions} decisions wait for the next minute's signature"))
        }
        open => Finding::warn(
            ID,
            format!(
                "{open} of {decisions} decisions have waited for a signature for {} minutes",
                waits_s / 60
            ),
            "check that the gateway runs and its registrar is not parked; a start signs them",
        ),
    })
}

fn appeals(registry: &Registry, now_s: u64) -> Result<Finding, RegistryError> {
    const ID: &str = "appeals-overdue";
    let (open, overdue) = registry.appeals_open(now_s)?;
    Ok(match overdue {
        0 => Finding::ok(ID, format!("{open} appeals are open, none overdue")),
        _ => Finding::warn(
            ID,
            format!("{overdue} of {open} open appeals should have been answered by now"),
            "have the authorities answer them: `changtong appeal list`",
        ),
    })
}

fn devices(registry: &Registry, now_s: u64) -> Result<Finding, RegistryError> {
    const ID: &str = "device-certificate-expires";
    let ends = |row: &registry::DeviceRow| row.not_after_s > 0 && row.not_after_s < now_s + DEVICE_S_LOW;
    let devices = registry.devices()?;
    let enrolled: Vec<_> = devices.iter().filter(|row| !row.revoked && row.not_after_s > 0).collect();
    let ending: Vec<_> = enrolled.iter().copied().filter(|row| ends(row)).collect();
    Ok(match ending.first() {
        None => Finding::ok(ID, format!("the certificates of {} devices are good", enrolled.len())),
        Some(first) => Finding::warn(
            ID,
            format!(
                "{} devices, among them {}, have not renewed a certificate that ends",
                ending.len(),
                first.id
            ),
            "look at each with `changtong device list`: renew it, or revoke it if it is gone",
        ),
    })
}
