//! The order for a backup: on record like an export, for everybody is in it, and then taken beside the log's thread and the
//! registry's writer.

use std::path::{Path, PathBuf};

use actors::backup;
use actors::clock;
use actors::lookups::{Asked, Lookup, Whom};
use actors::operators::Signed;
use anyhow::{Context, bail};

use super::Ordered;
use crate::process::Admin;

/// Takes a backup to a directory of the gateway's machine.
pub(super) fn take(admin: &Admin, out: &Path, case: &str, by: &Signed) -> anyhow::Result<Ordered> {
    let (ledger, day_keys) = &admin.log;
    let homes: Vec<&Path> = [ledger.parent(), day_keys.parent()].into_iter().flatten().collect();
    let out = &elsewhere(out, &homes)?;
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

/// Where it really is, which is in none of the directories, whatever links and dots lead there.
fn elsewhere(out: &Path, homes: &[&Path]) -> anyhow::Result<PathBuf> {
    let (true, Some(parent), Some(name)) = (out.is_absolute(), out.parent(), out.file_name()) else {
        bail!("{} names no directory of the gateway's machine; give its whole path", out.display())
    };
    let really = |path: &Path| path.canonicalize().with_context(|| format!("looking for {}", path.display()));
    let found = if out.exists() { really(out)? } else { really(parent)?.join(name) };
    for home in homes {
        if found.starts_with(really(home)?) {
            bail!(
                "{} is where the gateway lives; a backup lies elsewhere, best on another disk",
                out.display()
            );
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_leads_a_backup_to_where_the_gateway_lives() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["data", "keys", "out", "there"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::os::unix::fs::symlink(at("data"), at("link")).unwrap();
        let homes = [at("data"), at("keys")];
        let taken = |out: &Path| elsewhere(out, &[homes[0].as_path(), homes[1].as_path()]);
        for name in
            ["data", "data/b", "keys/b", "out/../data/b", "link", "link/b", "there/../link/b", "out/.."]
        {
            taken(&at(name)).expect_err(name);
        }
        taken(Path::new("out")).expect_err("from nowhere");
        taken(&at("none/b")).expect_err("no such parent");
        let really = directory.path().canonicalize().unwrap();
        for (name, expected) in
            [("out/b", "out/b"), ("there", "there"), ("data/../out/b", "out/b"), ("database", "database")]
        {
            assert_eq!(taken(&at(name)).unwrap(), really.join(expected), "{name}");
        }
    }
}
