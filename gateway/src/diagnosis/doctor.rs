//! `changtong doctor`: all checks of a gateway, running or not. Each check has the id of its runbook. It reads beside the gateway and changes
//! nothing.

mod certificates;
mod stores;
pub(crate) mod vitals;

use std::path::Path;

use keys::Keys;
use policy::Policy;
use registry::Registry;
use runtime::clock;

use crate::check;
use crate::config::Config;
use crate::config::Settings;
use crate::diagnosis::{fleet, probes};
use crate::finding::Finding;
use crate::operator::orders::time;
use crate::policies;

/// An implausible time for this program: before 2024-01-01.
const CLOCK_S_MIN: u64 = 1_704_067_200;

/// Runs every check; with `full` on every segment of the punch log, too. A development city has no `config`.
pub(crate) fn examine(settings: &Settings, config: Option<&Config>, full: bool) -> Vec<Finding> {
    let now_s = clock::now_ms() / 1000;
    let mut findings = vitals::examine(settings, now_s);
    findings.extend(fleet::examine(settings, now_s));
    findings.extend(config.map(refused));
    // A gateway that runs has said what it thinks of its clock.
    if !findings.iter().any(|finding| finding.id == "clock-wrong") {
        findings.push(clock_sane(now_s));
    }
    findings.push(probes::disk_space(&settings.data));
    let (keys, found) = keys(&settings.keys);
    findings.extend(found);
    findings.extend(waiting(&settings.keys, now_s));
    findings.extend(certificates::examine(settings, now_s));
    let Some(keys) = keys else { return findings };
    findings.push(stores::ledger(settings, &keys, now_s, full));
    findings.push(stores::together(settings));
    let path = Settings::registry_path(&settings.data);
    if !path.exists() {
        findings.push(Finding::ok("registry-damaged", "there is no registry yet; the first start makes it"));
        return findings;
    }
    match Registry::open_to_read(&path, &keys) {
        Ok(registry) => {
            findings.extend(stores::registry(&registry, now_s));
            findings.push(policy(&registry, &settings.policy));
        }
        Err(error) => findings.push(stores::registry_damaged(&error)),
    }
    findings
}

fn refused(config: &Config) -> Finding {
    const ID: &str = "config-refused";
    match &check::faults(config)[..] {
        [] => Finding::ok(ID, "the configuration would be started with"),
        [first, others @ ..] => {
            let path = config.path.display();
            let what = format!("{path}:{}: {}, and {} more", first.line, first.what, others.len());
            Finding::fail(ID, what, "run `changtong check-config`, which names each, before the next start")
        }
    }
}

fn clock_sane(now_s: u64) -> Finding {
    match now_s {
        CLOCK_S_MIN.. => Finding::ok("clock-wrong", "the clock is at a day on which this release exists"),
        _ => Finding::fail(
            "clock-wrong",
            "the clock is before this release was made",
            "set it, and have it kept by NTP: days of punches and ends of causes rest on it",
        ),
    }
}

fn keys(directory: &Path) -> (Option<Keys>, Vec<Finding>) {
    const ID: &str = "keys-wrong";
    const ACTION: &str = "bring it back from the safe, for the gateway's user alone, mode 0600";
    let problems = match Keys::status(directory) {
        Ok(status) => status.into_iter().filter_map(|key| key.problem).collect(),
        Err(error) => vec![format!("{:#}", anyhow::Error::from(error))],
    };
    match Keys::load(directory) {
        Ok(keys) if problems.is_empty() => {
            (Some(keys), vec![Finding::ok(ID, "every key is there, and private")])
        }
        Ok(_) => (None, problems.into_iter().map(|problem| Finding::fail(ID, problem, ACTION)).collect()),
        Err(error) => {
            let mut all = problems;
            let error = error.to_string();
            if !all.contains(&error) {
                all.push(error);
            }
            (None, all.into_iter().map(|problem| Finding::fail(ID, problem, ACTION)).collect())
        }
    }
}

/// The token key of a fleet that waits for its moment: whether the other gateways have it, this one does not know.
fn waiting(directory: &Path, now_s: u64) -> Option<Finding> {
    const ID: &str = "keys-apart";
    let status = Keys::status(directory).ok().filter(|_| Keys::has_fleet(directory))?;
    let what = status
        .iter()
        .find_map(|key| Some(format!("{} is good from {}", key.file, time(key.waits_until_s(now_s)?))))?;
    let action = "copy it to all gateways before, and restart them one after another; `changtong fleet status` names one that lacks it";
    Some(Finding::warn(ID, what, action))
}

fn policy(registry: &Registry, file: &Path) -> Finding {
    const ID: &str = "policy-differs";
    const ACTION: &str = "activate the file as a new version, or write `changtong policy show` into it";
    let newest = match registry.newest_policy() {
        Ok(Some(newest)) => newest,
        Ok(None) => return Finding::ok(ID, "no policy was in effect yet; the first start takes the file's"),
        Err(error) => return stores::registry_damaged(&error),
    };
    match policies::read(file) {
        Ok(text) if text == newest.text => {
            Finding::ok(ID, format!("policy {} is in effect, as in its file", newest.version))
        }
        Ok(text) => {
            let why = Policy::parse(&text, file).map_or_else(
                |error| error.to_string(),
                |policy| format!("the file says version {}", policy.version()),
            );
            Finding::warn(
                ID,
                format!("policy {} is in effect, and not the file's: {why}", newest.version),
                ACTION,
            )
        }
        Err(error) => Finding::warn(ID, format!("policy {} is in effect; {error:#}", newest.version), ACTION),
    }
}
