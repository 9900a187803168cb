//! The order for a backup: on record like an export, for everybody is in it, and then taken beside the log's thread and the
//! registry's writer.

use std::path::Path;

use actors::backup;
use registry::lookups::{Lookup, LookupRequest, Subjects};
use registry::operator::Signed;
use runtime::clock;

use super::Ordered;
use super::place::elsewhere;
use crate::operator::OperatorContext;

/// Takes a backup to a directory of the gateway's machine.
pub(super) fn take(admin: &OperatorContext, out: &Path, case: &str, by: &Signed) -> anyhow::Result<Ordered> {
    let (ledger, _) = &admin.log;
    let out = &elsewhere(out, &admin.homes, |_| true)?;
    let now_s = clock::now_ms() / 1000;
    let reader = admin.write(|registry| {
        LookupRequest { lookup: Lookup::Backup, by, case, now_s }.record(registry, Subjects::Everybody)?;
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
