//! The file of a saved order: the order and the signatures so far.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use registry::operator::{OperatorKey, Order, Signature};
use serde::{Deserialize, Serialize};

use crate::operator::orders::{AnyOrder, ExportLedger, PunchFormat};

/// More than the admin socket takes in one line.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// An order and the signatures under it, as they stand in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    pub(crate) order: Order,
    pub(crate) signatures: Vec<Signature>,
}

impl Saved {
    pub(crate) const fn new(order: Order) -> Self {
        Self { order, signatures: Vec::new() }
    }

    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let doing = || format!("reading {}", file.display());
        if std::fs::metadata(file).with_context(doing)?.len() > FILE_BYTES_MAX {
            bail!("{} is no saved order: it is too long", file.display());
        }
        let text = std::fs::read_to_string(file).with_context(doing)?;
        serde_json::from_str(&text).with_context(|| format!("{} is no saved order", file.display()))
    }

    /// Adds a signature with the key of that file.
    pub(crate) fn sign(&mut self, key: &Path) -> anyhow::Result<()> {
        let signature = OperatorKey::load(key)?.sign(&self.order);
        self.signatures.retain(|other| other.operator != signature.operator);
        self.signatures.push(signature);
        Ok(())
    }

    /// True for an export whose punches come as CSV.
    pub(super) fn is_csv(&self) -> bool {
        let order = serde_json::from_str(&self.order.act);
        matches!(order, Ok(AnyOrder::ExportLedger(ExportLedger { format: PunchFormat::Csv, .. })))
    }

    /// Writes it to a file that is not there yet, for its owner alone: it may name people.
    pub(crate) fn write_new(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        let mut opened = opened.with_context(|| format!("making {}", file.display()))?;
        let written = opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all());
        written.with_context(|| format!("writing {}", file.display()))
    }

    /// Writes it instead of what the file holds, whole or not at all.
    pub(crate) fn write_again(&self, file: &Path) -> anyhow::Result<()> {
        let mut fresh = file.as_os_str().to_owned();
        fresh.push(".signing");
        let fresh = PathBuf::from(fresh);
        self.write_new(&fresh)?;
        std::fs::rename(&fresh, file).with_context(|| format!("writing {}", file.display()))
    }
}
