//! The services of a service manager for the process that it starts: it hands over sockets that outlive the process, and hears how the
//! process is. The protocol is systemd's. Without a service manager nothing is handed over and nothing is said.

mod inherited;
mod notify;

use anyhow::bail;

pub(crate) use inherited::Inherited;
pub(crate) use notify::Notify;

/// The start of the process by its service manager.
#[derive(Default)]
pub(crate) struct Service {
    pub(crate) inherited: Inherited,
    pub(crate) notify: Notify,
}

impl Service {
    /// Reads it from the environment: once, and before there are threads, because what is taken is removed there.
    pub(crate) fn from_environment() -> anyhow::Result<Self> {
        let notify = notify::Environment {
            socket: environment("NOTIFY_SOCKET")?,
            watchdog_us: environment("WATCHDOG_USEC")?,
            watchdog_pid: environment("WATCHDOG_PID")?,
        };
        let (sockets, pid) = (environment("LISTEN_FDS")?, environment("LISTEN_PID")?);
        let names = environment("LISTEN_FDNAMES")?;
        let inherited = match (sockets, pid) {
            // They may be meant for a parent that has closed them since; what has their numbers now is something else.
            (Some(_), None) => {
                tracing::warn!(
                    "LISTEN_FDS is set without LISTEN_PID; sockets that are handed over to nobody are not used"
                );
                Inherited::default()
            }
            (Some(_) | None, _) => Inherited::take(names.as_deref())?,
        };
        Ok(Self { inherited, notify: Notify::new(&notify)? })
    }
}

/// Reports whether stderr leads to systemd's journal, which records the time of every line itself.
pub(crate) fn stderr_is_journal() -> bool {
    let (Ok(Some(stream)), Ok(stat)) = (environment("JOURNAL_STREAM"), rustix::fs::fstat(std::io::stderr()))
    else {
        return false;
    };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

#[allow(clippy::disallowed_methods, reason = "this is how a service manager speaks to what it starts")]
fn environment(name: &str) -> anyhow::Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!("{name} in the environment is not UTF-8"),
    }
}
