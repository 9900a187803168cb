//! The policy over the life of a gateway: which one is in effect at start, how another one is put into effect while it runs, and
//! what is said when the configured file is not the one in effect. What a policy may say is checked where it is read.

use std::path::Path;

use anyhow::{Context, bail};
use policy::trajectory::day_of;
use policy::{Policy, PolicyDiff};
use registry::{PolicyRow, Registry};
use runtime::clock;
use serde::{Deserialize, Serialize};

/// A policy is a page of text; an order carries it in one line.
const POLICY_BYTES_MAX: usize = 32 * 1024;

/// A policy that is, or was, in effect, for people and programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PolicyLine {
    pub(crate) version: String,
    pub(crate) activated_s: u64,
    /// Empty for the configuration's file, which is the first.
    pub(crate) operators: String,
    pub(crate) text: String,
}

impl From<PolicyRow> for PolicyLine {
    fn from(row: PolicyRow) -> Self {
        let PolicyRow { version, text, activated_s, operators } = row;
        Self { version, activated_s, operators, text }
    }
}

/// The policy that is in effect from the start: the newest that was activated, or, in a new registry, the configured file.
pub(crate) fn at_start(registry: &Registry, file: &Path) -> anyhow::Result<Policy> {
    let Some(newest) = registry.newest_policy()? else {
        let text = read(file)?;
        let policy = Policy::parse(&text, file)?;
        registry.insert_policy(policy.version(), &text, "", clock::now_s())?;
        tracing::info!(version = policy.version(), "the policy is in effect");
        return Ok(policy);
    };
    let name = format!("policy {} in the registry", newest.version);
    let policy = Policy::parse(&newest.text, Path::new(&name))
        .context("the policy in effect is none by this release; run the release that activated it")?;
    tracing::info!(version = policy.version(), "the policy is in effect");
    let why = match read(file) {
        Ok(text) if text == newest.text => return Ok(policy),
        Ok(text) => match Policy::parse(&text, file) {
            Ok(_) => "it says something else".to_owned(),
            Err(error) => error.to_string(),
        },
        Err(error) => format!("{error:#}"),
    };
    tracing::warn!(
        file = %file.display(),
        in_effect = policy.version(),
        why,
        "the configured policy file is not the policy in effect; to put it into effect give it a new version and run \
         `changtong policy activate FILE --sign KEY`, to keep what is in effect write `changtong policy show` into it"
    );
    Ok(policy)
}

/// Reads a policy's text.
pub(crate) fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// Reads what an order is to put into effect. `file` is what its errors name.
pub(crate) fn ordered(file: &str, text: &str, registry: &Registry) -> anyhow::Result<Policy> {
    if text.len() > POLICY_BYTES_MAX {
        bail!("{file}: a policy has {POLICY_BYTES_MAX} bytes at most");
    }
    let policy = Policy::parse(text, Path::new(file))?;
    let regions = registry.regions()?;
    if let Some(region) = policy.advised_regions().iter().find(|id| !regions.iter().any(|row| row.id == **id))
    {
        bail!("{file}: an exception names region {region}, which is not in the region table");
    }
    Ok(policy)
}

/// Counts what the policy would change now. Uses its own reader, not the registrar: it reads all evidence, which takes long.
pub(crate) fn diff(new: &Policy, reader: &Registry) -> anyhow::Result<PolicyDiff> {
    Ok(reader.diff_policies(None, new, clock::now_s())?)
}

/// Since when, for people.
pub(crate) fn since(line: &PolicyLine) -> String {
    let by = if line.operators.is_empty() { "the configuration" } else { &line.operators };
    format!("since {} by {by}", day_of(line.activated_s))
}
