//! The order for an import of holders: it reads the signed file on the gateway's machine, and returns the rejects to the operator. Files
//! that the gateway writes meanwhile are in its own directory under its own names: no order chooses them.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use actors::holders::{self, Allowed, ImportReport};
use anyhow::{Context, bail};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::homes::{Home, elsewhere};
use crate::operator::orders::{At, Given, Order, Progress, Tell};

/// Of rejects this much is told at once.
const REJECTS_BYTES: usize = 32 * 1024;

/// An import of people who already hold a code, from a file on the gateway's machine: the one with that digest and no other.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportHolders {
    pub(crate) csv: PathBuf,
    pub(crate) sha256: String,
    /// Everything is read and nothing written.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

impl Order for ImportHolders {
    const NAME: &'static str = "import-holders";
    const REPLY: &'static str = "imported";
    const ROLE: Role = Role::Health;
    type Reply = ImportReport;

    fn name(&self) -> &'static str {
        if self.dry_run { "check-holders" } else { Self::NAME }
    }

    /// Returns two if the file sets colours: one operator alone cannot turn a person red, nor many from a file.
    fn operators(&self, context: &OperatorContext) -> anyhow::Result<usize> {
        if self.dry_run {
            return Ok(1);
        }
        let regions = context.read(|registry| Ok(registry.regions()?))?;
        Ok(if holders::sets_colours(&readable(context, &self.csv)?, regions)? { 2 } else { 1 })
    }

    fn at(&self) -> At {
        At::HereIfItLeads
    }

    fn perform(self, given: Given<'_>, tell: &mut Tell<'_>) -> anyhow::Result<ImportReport> {
        let (Self { csv, sha256, dry_run }, Given { context, operators, .. }) = (self, given);
        let csv = readable(context, &csv)?;
        let rejects = rejects_of(context, &sha256, dry_run)?;
        let allowed = Allowed { sha256, colours: operators > 1 || dry_run, dry_run };
        let mut progress = |report: &ImportReport| {
            tell(&Progress::Importing(*report));
        };
        let files = (csv.as_path(), rejects.as_path());
        let report = holders::import(&context.registrar, &context.keys, files, allowed, &mut progress)?;
        if report.rejected + report.differing > 0 {
            tell_rejects(&rejects, tell)?;
        }
        if dry_run {
            // The next one begins anew; what stays is of no use.
            let _ = std::fs::remove_file(&rejects);
        }
        Ok(report)
    }

    fn is_whole(report: &ImportReport) -> bool {
        report.rejected + report.differing == 0
    }
}

/// The file as it really is: whole, ordinary, and none of the gateway's secrets.
fn readable(admin: &OperatorContext, csv: &Path) -> anyhow::Result<PathBuf> {
    let csv = elsewhere(csv, &admin.homes, |home| matches!(home, Home::Secrets(_)))?;
    let kind = std::fs::metadata(&csv).with_context(|| format!("looking at {}", csv.display()))?;
    if !kind.is_file() {
        bail!("{} is no ordinary file", csv.display());
    }
    Ok(csv)
}

/// Names the file where the gateway notes what it rejects of the file with that digest, until the import is over and afterwards.
fn rejects_of(admin: &OperatorContext, sha256: &str, dry_run: bool) -> anyhow::Result<PathBuf> {
    let name = format!("{}{}", name_of(sha256)?, if dry_run { ".dry-run" } else { "" });
    let data = admin.log.0.parent().context("the punch log lies in the data")?;
    let directory = data.join("imports");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
    made.with_context(|| format!("making {}", directory.display()))?;
    Ok(directory.join(name))
}

/// Makes a name, and nothing else, of what an order says of a file.
fn name_of(sha256: &str) -> anyhow::Result<String> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if sha256.len() != 64 || !sha256.bytes().all(is_digit) {
        bail!("{sha256:?} is no SHA-256 in hexadecimal");
    }
    Ok(format!("{sha256}.rejects.csv"))
}

/// Rejects name lines and reasons, nothing of anybody.
fn tell_rejects(rejects: &Path, tell: &mut Tell<'_>) -> anyhow::Result<()> {
    let doing = || format!("reading {}", rejects.display());
    let mut file = match File::open(rejects) {
        Ok(file) => file,
        // Of an import that was complete before this data directory was: its lines were told then.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(doing),
    };
    let mut part = vec![0; REJECTS_BYTES];
    loop {
        let read = file.read(&mut part).with_context(doing)?;
        let text = String::from_utf8_lossy(&part[..read]).into_owned();
        if read == 0 || !tell(&Progress::Rejects(text)) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_order_says_where_the_gateway_writes_what_it_rejects() {
        let import = |more: &str| {
            let act = format!(
                r#"{{"order":"import-holders","csv":"/holders.csv","sha256":"{}"{more}}}"#,
                "a".repeat(64)
            );
            serde_json::from_str::<crate::operator::orders::AnyOrder>(&act).map(drop)
        };
        import("").unwrap();
        import(r#","rejects":"/keys/days/2020-02-20.key""#).unwrap_err();
    }

    #[test]
    fn a_digest_is_a_name_and_leads_nowhere() {
        name_of(&"0a".repeat(32)).unwrap();
        for digest in
            ["", "0a", "../../keys/days/2020-02-20.key", &format!("{}/{}", "0".repeat(31), "0".repeat(32))]
        {
            name_of(digest).expect_err(digest);
        }
        name_of(&"0A".repeat(32)).expect_err("one file has one name");
    }
}
