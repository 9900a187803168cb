//! The end of the city's measure: collection stops, keys and personal data are destroyed, and a signed record says so. What would be
//! destroyed is a plan with a digest, which two operators sign. The record stands before anything is destroyed, so that a crash at any
//! moment is finished by doing it again, and no gateway starts on what is left.

mod left;
mod plan;
mod record;
mod steps;
mod verify;

use std::path::{Path, PathBuf};

use keys::{KeyError, Keys};
use registry::operator::{self, Order, OrderError, Role, Signature, Takes};
use registry::{Registry, RegistryError};
use runtime::clock;

pub use left::Left;
pub use plan::{Count, Estate, Plan};
pub use record::{Record, order_text};
pub use steps::STEPS;
pub use verify::{Verified, verify};

const REGISTRY: &str = "registry.db";
const LEDGER: &str = "ledger";
/// The log's own records of what it forgot, day by day; they hold no personal data.
const DELETIONS: &str = "deletions.jsonl";
/// The record of the end, beside what is left of the data.
const RECORD: &str = "sunset.json";
/// The same while it is written.
const RECORD_FRESH: &str = "sunset.json.new";
/// Whoever ends the measure has a second person who agrees.
const OPERATORS: usize = 2;

/// Why the measure does not end, or why its record proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum SunsetError {
    /// Something is different from what was signed.
    #[error(
        "the plan has changed since it was looked at: its digest is {found} now; look at it again, and sign that"
    )]
    Changed {
        /// The digest of the plan as it would be now.
        found: String,
    },
    /// A gateway, or a command on its data.
    #[error("the measure has ended here: {} says when and by whom. {}", .path.display(), .then)]
    Ended {
        /// The record.
        path: PathBuf,
        /// The way out.
        then: &'static str,
    },
    /// There is nothing to finish or to verify.
    #[error("there is no record {}: the measure has not ended here", .path.display())]
    NoRecord {
        /// The place where it would be.
        path: PathBuf,
    },
    /// The record, or what is left, is not as it says.
    #[error("{}: {what}", .path.display())]
    Wrong {
        /// The fault.
        path: PathBuf,
        /// How.
        what: String,
    },
    /// Those who signed it may not, or not enough did.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// A key's file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The registry's word.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The operating system says no.
    #[error("{doing} {}", .path.display())]
    Io {
        /// The attempt.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SunsetError + use<> {
    let path = path.to_owned();
    move |source| SunsetError::Io { doing, path, source }
}

fn wrong(path: &Path, what: impl Into<String>) -> SunsetError {
    SunsetError::Wrong { path: path.to_owned(), what: what.into() }
}

/// Refuses a directory on which the measure has ended, or is being ended.
///
/// # Errors
/// [`SunsetError::Ended`] names the record.
pub fn refuse(data: &Path) -> Result<(), SunsetError> {
    let path = record::path(data);
    if !path.exists() {
        return Ok(());
    }
    let ended = Record::read(data).is_ok_and(|record| record.ended_s.is_some());
    let then = match ended {
        true => "No gateway starts on it again",
        false => "It was not finished: `changtong sunset --finish` on it finishes it",
    };
    Err(SunsetError::Ended { path, then })
}

/// Writes the record with which it begins, after the order and the plan are checked. The directory's lock is held, and nothing is
/// destroyed yet. `order` holds [`order_text`] of the plan's digest.
///
/// # Errors
/// Another plan than the one that was signed, signatures that are not enough, or the operating system's word.
pub fn begin(
    estate: &Estate,
    digest: &str,
    order: &Order,
    signatures: &[Signature],
) -> Result<Record, SunsetError> {
    refuse(&estate.data)?;
    let plan = Plan::make(estate)?;
    if plan.digest() != digest || order.act != order_text(digest) {
        return Err(SunsetError::Changed { found: plan.digest() });
    }
    let keys = Keys::load(&estate.keys)?;
    let mut registry = Registry::open(&estate.data.join(REGISTRY), &keys)?;
    let now_s = clock::now_ms() / 1000;
    let takes = Takes { act: "sunset", role: Role::Admin, operators: OPERATORS };
    operator::accept(&mut registry, order, signatures, takes, (now_s, keys.signing_pkcs8()))?;
    registry.checkpoint(keys.signing_pkcs8(), now_s)?;
    let report = registry.verify_decisions(&keys.signing_public())?;
    let head = registry.tree_head()?;
    let record = Record {
        version: record::VERSION,
        begun_s: now_s,
        ended_s: None,
        digest: digest.to_owned(),
        plan,
        order: order.clone(),
        signatures: signatures.to_vec(),
        public_key: hex::encode(keys.signing_public()),
        decisions: report.decisions,
        root: head.root,
    };
    drop(registry);
    record.write(&estate.data, keys.signing_pkcs8())?;
    Ok(record)
}

/// Does what is left to do of [`STEPS`], from the first on: what is done already does no harm. The directory's lock is held.
///
/// # Errors
/// The operating system's word; do it again.
pub fn carry_out(data: &Path) -> Result<Record, SunsetError> {
    for (_, step) in STEPS {
        step(data, &Record::read(data)?)?;
    }
    Record::read(data)
}

#[cfg(test)]
mod tests;
