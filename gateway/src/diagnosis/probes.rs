//! The checks of a configuration against machine and network: free ports, answers of carriers and message service, room and sync time of the data
//! directory. Nothing is left behind.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use actors::carrier;
use anyhow::Context;
use policy::trajectory::Unavailable;
use registry::KeptRegistry;
use registry::operator::{Operator, Role};
use runtime::clock;

use crate::config::Settings;
use crate::config::Sms;
use crate::config::named::Named;
use crate::diagnosis::fleet;
use crate::door;
use crate::finding::Finding;
use crate::operator;
use crate::quic::steering;

/// Less is not enough for an hour of a busy city and the next day of its registry: a failure.
const FREE_BYTES_MIN: u64 = 1024 * 1024 * 1024;
/// Less is a warning.
const FREE_BYTES_LOW: u64 = 10 * 1024 * 1024 * 1024;
/// The number of syncs that are timed.
const SYNCS: usize = 32;
/// The longest good sync: a batch may wait for one sync before its own.
const SYNC_MAX: Duration = Duration::from_millis(50);
/// The bytes written before each sync: a small batch.
const SYNC_BYTES: usize = 4096;

/// Runs every probe.
pub(crate) fn all(settings: &Settings) -> Vec<Finding> {
    let mut findings = ports(settings);
    findings.extend(carriers(settings));
    findings.extend(messages(settings));
    findings.extend(fleet::brokers(settings));
    findings.push(disk_space(&settings.data));
    findings.push(sync(&settings.data));
    findings
}

/// Checks the number of admins, if the registry can be read here: with fewer than three the loss of a key may be final.
pub(crate) fn operators(settings: &Settings) -> Option<Finding> {
    const ID: &str = "no-operator";
    const ACTION: &str =
        "`changtong operator key NAME --out KEY` at their own desk, `changtong operator add` on the gateway";
    let path = Settings::registry_path(&settings.data);
    let operators =
        if path.exists() { KeptRegistry::open(&path).ok()?.operators().ok()? } else { Vec::new() };
    let admin = |one: &&Operator| !one.revoked && one.roles.contains(&Role::Admin);
    Some(match operators.iter().filter(admin).count() {
        0 => Finding::warn(ID, "there is no operator yet: no order can be given", ACTION),
        1 => Finding::warn(ID, "there is one admin: no order that takes two can be given", ACTION),
        2 => Finding::warn(ID, "there are two admins: if one loses the key, nobody can be added", ACTION),
        many => Finding::ok(ID, format!("there are {many} admins")),
    })
}

fn ports(settings: &Settings) -> Vec<Finding> {
    // The gateway that has this configuration may be the one that listens there.
    let runs = operator::runs(&Named::of(settings));
    let devices = format!("UDP {}, for devices,", settings.quic);
    let mut findings = vec![port(devices, steering::bind(settings.quic, 1).map(drop), runs, true)];
    let mut tcp = vec![("metrics", settings.http), ("enrolment", settings.enrol)];
    tcp.extend(settings.pages.as_ref().map(|pages| ("pages", pages.listen)));
    for (whose, address) in tcp {
        let what = format!("TCP {address}, for {whose},");
        findings.push(port(what, door::bind(address).map(drop), runs, false));
    }
    findings
}

/// Returns the finding about binding a port; a `handed` one is held by the service manager before the gateway runs.
fn port(what: String, bound: anyhow::Result<()>, runs: bool, handed: bool) -> Finding {
    const ID: &str = "port-in-use";
    let Err(error) = bound else { return Finding::ok(ID, format!("{what} is free")) };
    let kind = error.chain().find_map(|cause| Some(cause.downcast_ref::<std::io::Error>()?.kind()));
    match kind {
        Some(ErrorKind::PermissionDenied) => Finding::warn(
            ID,
            format!("{what} cannot be tried: this user has no right to bind below 1024"),
            "give the gateway's user CAP_NET_BIND_SERVICE, as the package's unit does, or use another port",
        ),
        Some(_) | None if runs => Finding::ok(ID, format!("{what} is the running gateway's")),
        Some(ErrorKind::AddrInUse) if handed => Finding::warn(
            ID,
            format!("{what} is held; by changtong.socket?"),
            "check that with `systemctl status changtong.socket`, or free the port",
        ),
        Some(_) | None => Finding::fail(ID, format!("{error:#}"), "free it, or use another port"),
    }
}

fn carriers(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in &settings.carriers {
        let probed = entry.open().and_then(|config| {
            let runtime = runtime()?;
            Ok(runtime.block_on(carrier::probe(&config))?)
        });
        let (id, name) = ("carrier-failing", &entry.id);
        findings.push(match probed {
            Ok(probed) => match probed.failed {
                None => Finding::ok(id, format!("{name} answers in {} ms", probed.took.as_millis())),
                Some(why) => Finding::fail(id, format!("{name} at {} {}", entry.url, said(why)), meant(why)),
            },
            Err(error) => Finding::fail(id, format!("{name}: {error:#}"), "correct its entry"),
        });
    }
    findings
}

const fn said(why: Unavailable) -> &'static str {
    match why {
        Unavailable::TimedOut => "does not answer in time",
        Unavailable::Unreachable => "cannot be reached, or its certificate is not from its `authority`",
        Unavailable::Refused => "refuses the query",
        Unavailable::Garbage => "answers with values that cannot be right",
        Unavailable::Busy => "says that it is busy",
        Unavailable::Paused => "failed recently and is not asked for a while",
    }
}

const fn meant(why: Unavailable) -> &'static str {
    match why {
        Unavailable::TimedOut | Unavailable::Busy | Unavailable::Paused => "try again, then ask the carrier",
        Unavailable::Unreachable => "check `url`, `authority` and the network",
        Unavailable::Refused => "check `key_id`, `key` and this machine's clock, then ask the carrier",
        Unavailable::Garbage => "check that `url` is the carrier's interface, then ask the carrier",
    }
}

fn messages(settings: &Settings) -> Option<Finding> {
    let Sms::Service(service) = &settings.sms else { return None };
    let reached = service.open().and_then(|client| Ok(runtime()?.block_on(client.reach())?));
    Some(match reached {
        Ok(()) => Finding::ok("messages-unavailable", "the message service takes connections"),
        Err(error) => Finding::fail(
            "messages-unavailable",
            format!("the message service cannot be reached: {error:#}"),
            "check that `sms.url` is right and its certificate is from `sms.authority`",
        ),
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Checks the room on the disk of the data.
pub(crate) fn disk_space(data: &Path) -> Finding {
    const ID: &str = "disk-filling";
    let free = match rustix::fs::statvfs(data) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize),
        Err(error) => {
            let what = format!("the free space of {} cannot be read: {error}", data.display());
            return Finding::fail(ID, what, "check that the directory exists");
        }
    };
    let what = format!("{:.1} GiB are free for the data", free as f64 / f64::from(1 << 30));
    match free {
        FREE_BYTES_LOW.. => Finding::ok(ID, what),
        FREE_BYTES_MIN.. => Finding::warn(ID, what, "make room before punches are answered Busy"),
        _ => Finding::fail(ID, what, "make room: without it punches are answered Busy"),
    }
}

fn sync(data: &Path) -> Finding {
    const ID: &str = "sync-slow";
    match time_syncs(data) {
        Ok(mut times) => {
            times.sort_unstable();
            let (middle, worst) = (times[times.len() / 2], times[times.len() - 1]);
            let what = format!(
                "of {SYNCS} syncs the median takes {:.1} ms, the longest {:.1} ms",
                middle.as_secs_f64() * 1e3,
                worst.as_secs_f64() * 1e3
            );
            match middle <= SYNC_MAX {
                true => Finding::ok(ID, what),
                false => Finding::warn(
                    ID,
                    what,
                    "put the data on a faster disk: each acknowledgement waits for a sync",
                ),
            }
        }
        Err(error) => {
            Finding::fail(ID, format!("{error:#}"), "check that the gateway's user may write there")
        }
    }
}

fn time_syncs(data: &Path) -> anyhow::Result<Vec<Duration>> {
    let path = data.join(format!("sync-probe.{}", std::process::id()));
    let doing = || format!("writing {}", path.display());
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path).with_context(doing)?;
    // It goes with the process, whatever happens.
    std::fs::remove_file(&path).with_context(doing)?;
    let mut times = Vec::with_capacity(SYNCS);
    for turn in 0..SYNCS {
        let start = clock::now();
        file.write_all_at(&[turn as u8; SYNC_BYTES], 0).with_context(doing)?;
        file.sync_data().with_context(doing)?;
        times.push(clock::since(start));
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    #[test]
    fn a_port_that_the_service_manager_holds_or_that_this_user_may_not_bind_is_no_failure() {
        let bound = |kind| Err::<(), _>(std::io::Error::from(kind)).context("binding UDP 0.0.0.0:443");
        let (held, denied, absent) =
            (ErrorKind::AddrInUse, ErrorKind::PermissionDenied, ErrorKind::AddrNotAvailable);
        for (bound, runs, handed, state, expected) in [
            (Ok(()), false, true, State::Ok, "is free"),
            (bound(held), true, false, State::Ok, "is the running gateway's"),
            (bound(held), false, true, State::Warn, "is held; by changtong.socket?"),
            (bound(held), false, false, State::Fail, "binding UDP"),
            (bound(absent), false, true, State::Fail, "binding UDP"),
            (bound(denied), false, false, State::Warn, "no right to bind below 1024"),
            (bound(denied), true, true, State::Warn, "no right to bind below 1024"),
        ] {
            let finding = port("UDP 0.0.0.0:443, for devices,".to_owned(), bound, runs, handed);
            assert!(finding.state == state && finding.what.contains(expected), "{finding:?}");
        }
    }
}
