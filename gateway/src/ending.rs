//! The end of the process: with which code, which tells the service manager whether another start may go better, and by force when it
//! does not end by itself. When it is to end is decided elsewhere.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use actors::vouch::{Difference, VouchError};
use keys::KeyError;
use ledger::LedgerError;
use registry::RegistryError;

/// Something that was given is wrong: a flag, a file, a key. The same as clap's own.
pub(crate) const EXIT_USAGE: u8 = 2;
/// The punch log failed: start again, which recovers.
pub(crate) const EXIT_LEDGER: u8 = 75;
/// Something failed that may not fail again.
pub(crate) const EXIT_FAILED: u8 = 1;

/// A start that failed though nothing that was given is wrong. It reads as what went wrong.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// The machine's fault, or another process's.
    #[error(transparent)]
    Passing(anyhow::Error),
    /// The disk's, under the punch log.
    #[error(transparent)]
    Ledger(anyhow::Error),
}

/// Notes of an error of a process that had its configuration and its sockets whether another start may go better.
pub(crate) fn weigh(error: anyhow::Error) -> anyhow::Error {
    if error.chain().any(<dyn std::error::Error>::is::<Failed>) || error.chain().any(stays) {
        return error;
    }
    if error.chain().any(|cause| is_of_the_log(cause) || is_full(cause)) {
        Failed::Ledger(error).into()
    } else {
        Failed::Passing(error).into()
    }
}

fn is_of_the_log(cause: &(dyn std::error::Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(LedgerError::Io { .. }))
}

/// Reports whether a disk is full: the registry is on the same disk as the log, and is the first to fail.
fn is_full(cause: &(dyn std::error::Error + 'static)) -> bool {
    let io = cause.downcast_ref::<Error>().map(Error::kind);
    io == Some(ErrorKind::StorageFull) || cause.downcast_ref().is_some_and(RegistryError::is_full)
}

/// The exit code of a process that an error ends.
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        Some(Failed::Passing(_)) => EXIT_FAILED,
        Some(Failed::Ledger(_)) => EXIT_LEDGER,
        None => EXIT_USAGE,
    }
}

/// Returns an error's text for people: each of its parts once, and none of a store's internal messages.
pub(crate) fn words_of(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain() {
        let said = cause.to_string();
        // Some say what is under them themselves.
        if !words.contains(&said) {
            let between = if words.is_empty() { "" } else { ": " };
            words = words + between + &said;
        }
        if RegistryError::is_of_the_store(&said) {
            tracing::debug!(error = format!("{error:#}"), "the store's own words");
            break;
        }
    }
    words
}

/// Reports whether every start fails with it until an operator mends it: a key, damage, files of another release.
fn stays(cause: &(dyn std::error::Error + 'static)) -> bool {
    if cause.is::<KeyError>() || cause.is::<Difference>() || cause.is::<VouchError>() {
        return true;
    }
    if let Some(error) = cause.downcast_ref() {
        return match error {
            LedgerError::Corrupt { .. } | LedgerError::Newer { .. } | LedgerError::Key(_) => true,
            LedgerError::Io { .. } => false,
        };
    }
    cause.downcast_ref().is_some_and(|error| match error {
        RegistryError::Newer { .. }
        | RegistryError::Older { .. }
        | RegistryError::NotARegistry { .. }
        | RegistryError::WrongKey { .. }
        | RegistryError::KeyGone { .. }
        | RegistryError::Audit { .. }
        | RegistryError::Orders { .. }
        | RegistryError::Consent { .. }
        | RegistryError::OtherRelease { .. }
        | RegistryError::NotEmpty
        | RegistryError::Damaged { .. } => true,
        RegistryError::InUse { .. }
        | RegistryError::Exists { .. }
        | RegistryError::Missing { .. }
        | RegistryError::NotNow(_)
        | RegistryError::OutOfStep { .. }
        | RegistryError::OtherStream { .. }
        | RegistryError::GroupLost
        | RegistryError::Io { .. }
        | RegistryError::Store(_) => false,
    })
}

/// Ends the process with that code if it has not ended by then: whatever hangs, nothing unsynced was acknowledged.
pub(crate) fn deadline(limit: Duration, code: u8) {
    let (_stay, never) = std::sync::mpsc::sync_channel::<()>(0);
    let armed = std::thread::Builder::new().name("deadline".to_owned()).spawn(move || {
        let _stay = _stay;
        let _ = never.recv_timeout(limit);
        tracing::error!("the shutdown took too long");
        std::process::exit(code.into());
    });
    if let Err(error) = armed {
        tracing::warn!(%error, "no thread for the shutdown's deadline");
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn io() -> Error {
        Error::from(ErrorKind::PermissionDenied)
    }

    #[test]
    fn an_error_says_each_part_once_and_nothing_in_the_words_of_the_store() {
        #[derive(Debug, thiserror::Error)]
        #[error("reading fleet.json: {source}")]
        struct Twice {
            source: Error,
        }
        let twice = anyhow::Error::new(Twice { source: Error::from_raw_os_error(2) }).context("starting");
        assert_eq!(words_of(&twice), "starting: reading fleet.json: No such file or directory (os error 2)");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("registry.db");
        std::fs::write(&path, vec![7; 8192]).expect("written");
        let keys = directory.path().join("keys");
        keys::Keys::init(&keys).expect("made");
        let keys = keys::Keys::load(&keys).expect("keys");
        let error = registry::Registry::open_to_read(&path, &keys).expect_err("no registry");
        let said = words_of(&anyhow::Error::new(error).context("opening"));
        assert_eq!(
            said,
            "opening: the registry is damaged: do not change the file; `changtong doctor` names the next step"
        );
    }

    #[test]
    fn what_another_start_may_not_meet_again_is_told_apart_from_what_stays() {
        let path = || "/var/lib/changtong".into();
        let (name, doing) = (String::from("000000000001.segment"), "opening");
        let ledger = LedgerError::Io { action: doing, name: name.clone(), error: io() };
        for (error, code) in [
            (anyhow::Error::new(ledger), EXIT_LEDGER),
            (
                LedgerError::Corrupt {
                    name: name.clone(),
                    what: "it does not read",
                    lsn: 7,
                    is_newest: true,
                }
                .into(),
                EXIT_USAGE,
            ),
            (LedgerError::Newer { name }.into(), EXIT_USAGE),
            (LedgerError::Key("no key of a day".to_owned()).into(), EXIT_USAGE),
            (RegistryError::InUse { path: path(), by: "process 7".to_owned() }.into(), EXIT_FAILED),
            (RegistryError::Io { doing, path: path(), source: io() }.into(), EXIT_FAILED),
            (RegistryError::WrongKey { file: "field.key".to_owned() }.into(), EXIT_USAGE),
            (RegistryError::Damaged { what: "code" }.into(), EXIT_USAGE),
            (KeyError::Missing { path: path() }.into(), EXIT_USAGE),
            (io().into(), EXIT_FAILED),
            (Error::from(ErrorKind::StorageFull).into(), EXIT_LEDGER),
            (anyhow::anyhow!("the thread that answers devices ended"), EXIT_FAILED),
        ] {
            let said = format!("{error:#}");
            let weighed = weigh(error);
            assert_eq!(code_of(&weighed), code, "{said}");
            assert_eq!(format!("{weighed:#}"), said, "it says the same");
            let within = weigh(weighed).context("starting the gateway");
            assert_eq!(code_of(&within), code, "also from further away: {said}");
        }
        assert_eq!(code_of(&anyhow::anyhow!("no such operator")), EXIT_USAGE, "a command's error");
        let bound = Err::<(), _>(io()).context("binding UDP 0.0.0.0:7443").expect_err("an error");
        assert_eq!(code_of(&bound), EXIT_USAGE, "an address");
    }
}
