//! The sunset: the end of the city's measure. Collection stops, keys and personal data are destroyed, and a signed record tells so. A plan
//! lists what would be destroyed; two operators sign its digest. The record is written before anything is destroyed, so that a sunset that
//! was cut by a crash is finished by running it again, and no gateway starts on the rest.

mod left;
mod plan;
mod record;
mod steps;
mod verify;

use std::path::{Path, PathBuf};

use keys::{KeyError, Keys};
use registry::operator::{self, Order, OrderError, Requirement, Role, Signature};
use registry::{Registry, RegistryError};
use runtime::clock;

pub use left::Left;
pub use plan::{Count, Estate, Plan};
pub use record::{Record, order_text};
use steps::STEPS;
pub use verify::{Verified, verify};

const REGISTRY: &str = "registry.db";
const LEDGER: &str = "ledger";
/// The log's own records of deletions, day by day; they hold no personal data.
const DELETIONS: &str = "deletions.jsonl";
/// The record's file, in the data directory.
const RECORD: &str = "sunset.json";
/// The record's file while it is written.
const RECORD_FRESH: &str = "sunset.json.new";
/// The operators who have to sign.
const OPERATORS: usize = 2;

/// An error of a sunset or of verifying its record.
#[derive(Debug, thiserror::Error)]
pub enum SunsetError {
    /// A plan that differs from the one that was signed.
    #[error(
        "the plan has changed since it was made: its digest is {found} now; look at the plan again, and sign that digest"
    )]
    Changed {
        /// The digest of the plan as it would be now.
        found: String,
    },
    /// Data on which the measure has ended, given to a gateway or a command.
    #[error("the measure has ended here: {} says when and by whom. {}", .path.display(), .then)]
    Ended {
        /// The record.
        path: PathBuf,
        /// The advice for the operator.
        then: &'static str,
    },
    /// No record: nothing to finish or to verify.
    #[error("there is no record {}: the measure has not ended here", .path.display())]
    NoRecord {
        /// The path that it would have.
        path: PathBuf,
    },
    /// A record that is not sound, or data that are not as it says.
    #[error("{}: {what}", .path.display())]
    Wrong {
        /// The file or directory.
        path: PathBuf,
        /// The fault.
        what: String,
    },
    /// Signatures of operators without the right, or too few.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// An error of a key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An error of the registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An error of the operating system.
    #[error("{doing} {}", .path.display())]
    Io {
        /// The action.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error.
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

/// Refuses a data directory on which a sunset has begun or ended.
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

/// Begins a sunset: checks the order and the plan and writes the record; destroys nothing yet. The caller holds the directory's lock.
/// `order` has [`order_text`] of the plan's digest.
///
/// # Errors
/// A plan other than the one that was signed, too few signatures, or an error of the operating system.
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
    let now_s = clock::now_s();
    let requirement = Requirement { act: "sunset", role: Role::Admin, operators: OPERATORS };
    operator::accept(&mut registry, order, signatures, requirement, (now_s, keys.signing_pkcs8()))?;
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

/// Carries out [`STEPS`] from the first on; a step that was done before does no harm. The caller holds the directory's lock.
///
/// # Errors
/// An error of the operating system; the caller may run this again.
pub fn carry_out(data: &Path) -> Result<Record, SunsetError> {
    for (_, step) in STEPS {
        step(data, &Record::read(data)?)?;
    }
    Record::read(data)
}

#[cfg(test)]
mod tests;
