//! Verification of a sunset's record: its signatures, and that what it lists is gone. It needs no key; a caller that kept the gateway's
//! public key can check that the record is that gateway's.

use std::path::{Path, PathBuf};

use registry::KeptRegistry;
use registry::operator::{Operator, Role};
use serde::{Deserialize, Serialize};

use super::{Left, OPERATORS, REGISTRY, Record, SunsetError, order_text, plan, record, wrong};

/// The findings of [`verify`]; all of it is as the record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The time when it ended, seconds since 1970 UTC.
    pub ended_s: u64,
    /// The operators who ordered it.
    pub operators: Vec<String>,
    /// The keys that are gone.
    pub keys: Vec<String>,
    /// The number of decisions, which are as they were made.
    pub decisions: u64,
    /// The gateway's public key, hexadecimal.
    pub public_key: String,
}

/// Checks the record and what is left. `public_key` is the gateway's, hexadecimal, as the caller kept it; without it the record's own is
/// trusted.
///
/// # Errors
/// The first finding that is not as the record says.
pub fn verify(data: &Path, public_key: Option<&str>) -> Result<Verified, SunsetError> {
    let (record, path) = (Record::read(data)?, record::path(data));
    if public_key.is_some_and(|key| !key.trim().eq_ignore_ascii_case(&record.public_key)) {
        return Err(wrong(&path, "it was not signed by the gateway with that public key"));
    }
    let Some(ended_s) = record.ended_s else {
        return Err(wrong(&path, "it was begun and not finished; `changtong sunset --finish` finishes it"));
    };
    let registry = KeptRegistry::open(&data.join(REGISTRY))?;
    let operators = signed_by(&record, &registry.operators()?);
    if operators.len() < OPERATORS {
        return Err(wrong(&path, "its order is not signed by two operators with the role admin"));
    }
    nothing_left(data, &record)?;
    let key = hex::decode(&record.public_key).map_err(|_| wrong(&path, "its public key is none"))?;
    let (report, root) = registry.verify_decisions(&key)?;
    if (report.decisions, &root) != (record.decisions, &record.root) {
        return Err(wrong(&data.join(REGISTRY), "its decisions are not those of the record"));
    }
    Ok(Verified {
        ended_s,
        operators,
        keys: record.plan.keys,
        decisions: report.decisions,
        public_key: record.public_key,
    })
}

/// Returns the admins who signed the order over the plan, each once.
fn signed_by(record: &Record, known: &[Operator]) -> Vec<String> {
    let digest = record.plan.digest();
    if digest != record.digest || record.order.act != order_text(&digest) {
        return Vec::new();
    }
    let signed = |operator: &&Operator| {
        let genuine = record.signatures.iter().any(|signature| {
            signature.operator == operator.name && signature.is_genuine(&record.order, &operator.public_key)
        });
        genuine && !operator.revoked && operator.roles.contains(&Role::Admin)
    };
    known.iter().filter(signed).map(|operator| operator.name.clone()).collect()
}

fn nothing_left(data: &Path, record: &Record) -> Result<(), SunsetError> {
    let left = Left::of(data, record)?;
    if let Some(path) = left.files.first() {
        return Err(wrong(path, "it is still there"));
    }
    let keys = &record.plan.keys_directory;
    for stray in plan::strays(keys)? {
        if let Some(path) = first_file(&stray)? {
            return Err(wrong(
                &path,
                format!("a file is left in {}; it may be a key: destroy it", keys.display()),
            ));
        }
    }
    match left.rows.first() {
        Some(count) => Err(wrong(&data.join(REGISTRY), format!("the table {} is not empty", count.of))),
        None => Ok(()),
    }
}

/// Returns the path itself if it is no directory, otherwise the first file below it.
fn first_file(path: &Path) -> Result<Option<PathBuf>, SunsetError> {
    if path.is_symlink() || !path.is_dir() {
        return Ok(Some(path.to_owned()));
    }
    for name in plan::names(path)? {
        if let Some(file) = first_file(&path.join(name))? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}
