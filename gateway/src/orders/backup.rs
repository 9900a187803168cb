//! The order for a backup: on record like an export, for everybody is in it, and then taken beside the log's thread and the
//! registry's writer.

use std::path::Path;

use actors::backup;
use actors::clock;
use actors::lookups::{Asked, Lookup, Whom};
use actors::operators::Signed;
use anyhow::bail;

use super::Ordered;
use crate::process::Admin;

/// Takes a backup to a directory of the gateway's machine.
pub(super) fn take(admin: &Admin, out: &Path, case: &str, by: &Signed) -> anyhow::Result<Ordered> {
    let (ledger, day_keys) = &admin.log;
    let inside = [ledger.parent(), day_keys.parent()].into_iter().flatten().find(|own| out.starts_with(own));
    if !out.is_absolute() || inside.is_some() {
        bail!("{} is where the gateway lives; a backup lies elsewhere, best on another disk", out.display());
    }
    let now_s = clock::now_ms() / 1000;
    let reader = admin.write(|registry| {
        Asked { lookup: Lookup::Backup, by, case, now_s }.record(registry, Whom::Everybody)?;
        Ok(registry.reader()?)
    })?;
    let ordered = backup::Ordered { operators: &by.operators, case, now_s };
    let manifest = backup::take(ledger, &reader, &admin.keys, out, &ordered)?;
    tracing::info!(lsn = manifest.lsn, decisions = manifest.decisions, "a backup is taken");
    Ok(Ordered::Backup {
        out: out.to_owned(),
        lsn: manifest.lsn,
        decisions: manifest.decisions,
        files: manifest.files.len(),
        bytes: manifest.files.iter().map(|file| file.bytes).sum(),
    })
}
