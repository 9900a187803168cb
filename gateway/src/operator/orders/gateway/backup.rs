//! The order for a backup: on record like an export, for everybody is in it, and then taken beside the log's thread and the
//! registry's writer. It is the only order that names a place to write to: all else that the gateway writes, it names itself.

use std::path::PathBuf;

use actors::backup;
use registry::lookups::{Lookup, Subjects};
use registry::operator::Role;
use runtime::clock;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::homes::elsewhere;
use crate::operator::orders::{At, Given, Order, Tell};
use crate::out::say;

/// A copy of the punch log and the registry in a directory of the gateway's machine.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    pub(crate) out: PathBuf,
    pub(crate) case: String,
}

/// A backup that is taken.
#[derive(Serialize, Deserialize)]
pub(crate) struct BackupTaken {
    out: PathBuf,
    lsn: u64,
    decisions: u64,
    files: usize,
    bytes: u64,
}

impl Order for Backup {
    const NAME: &'static str = "backup";
    const REPLY: &'static str = "backup";
    const ROLE: Role = Role::Admin;
    type Reply = BackupTaken;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn at(&self) -> At {
        At::Here
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<BackupTaken> {
        let (Self { out, case }, Given { context, by, .. }) = (self, given);
        let (ledger, _) = &context.log;
        let out = elsewhere(&out, &context.homes, |_| true)?;
        given.record(Lookup::Backup, &case, Subjects::Everybody)?;
        let ordered = backup::Ordered { operators: &by.operators, case: &case, now_s: clock::now_s() };
        let manifest = backup::take(ledger, &context.reader()?, &context.keys, &out, &ordered)?;
        tracing::info!(lsn = manifest.lsn, decisions = manifest.decisions, "a backup is taken");
        Ok(BackupTaken {
            out,
            lsn: manifest.lsn,
            decisions: manifest.decisions,
            files: manifest.files.len(),
            bytes: manifest.files.iter().map(|file| file.bytes).sum(),
        })
    }

    fn show(BackupTaken { out, lsn, decisions, files, bytes }: &BackupTaken) -> anyhow::Result<()> {
        say!(
            "{} holds {files} files, {bytes} bytes: punches up to LSN {lsn}, {decisions} decisions.",
            out.display()
        );
        say!(
            "It opens with this gateway's keys alone, which are not in it: keep them in a safe, apart from it."
        );
        Ok(())
    }
}
