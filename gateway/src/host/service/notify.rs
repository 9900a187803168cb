//! The messages to the service manager: one datagram each for ready, stopping, reloading, a status in words, and a beat
//! while every arbiter answers. When it is said is decided elsewhere. Without NOTIFY_SOCKET nothing is sent.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use runtime::clock;
use runtime::watchdog::KeepAlive;

/// The receiver reads at once; if it does not, the process does not wait for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The word of the environment.
#[derive(Default)]
pub(super) struct Environment {
    /// NOTIFY_SOCKET: a path, or an abstract name after `@`.
    pub(super) socket: Option<String>,
    /// WATCHDOG_USEC: a process that is silent for this long is ended.
    pub(super) watchdog_us: Option<String>,
    /// WATCHDOG_PID: the process that this is meant for.
    pub(super) watchdog_pid: Option<String>,
}

/// Tells the service manager, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Notify(Option<Arc<Receiver>>);

struct Receiver {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notify {
    pub(super) fn new(environment: &Environment) -> anyhow::Result<Self> {
        let Some(name) = &environment.socket else { return Ok(Self::default()) };
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(name),
        };
        let address = address.with_context(|| format!("NOTIFY_SOCKET is no socket's name: {name}"))?;
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(Some(Arc::new(Receiver { socket, address, watchdog: watchdog(environment)? }))))
    }

    /// It is what it is started for.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// It is about to end.
    pub(crate) fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={status}"));
    }

    /// It takes its configuration anew; [`Notify::ready`] says that this is over.
    pub(crate) fn reloading(&self, status: &str) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS={status}", clock::monotonic_us()));
    }

    /// Tells the service manager what the process does, for `systemctl status`.
    pub(crate) fn status(&self, status: &str) {
        self.send(&format!("STATUS={status}"));
    }

    /// Returns the watchdog's message and its interval; `None` if the service manager has set no watchdog.
    pub(crate) fn beat(&self) -> Option<KeepAlive> {
        // Half of what is waited for, as systemd recommends.
        let every = self.0.as_ref()?.watchdog? / 2;
        let notify = self.clone();
        Some(KeepAlive {
            every,
            send: Box::new(move || notify.send("WATCHDOG=1")),
            is_healthy: Box::new(|| true),
        })
    }

    fn send(&self, message: &str) {
        let Some(receiver) = &self.0 else { return };
        if let Err(error) = receiver.socket.send_to_addr(message.as_bytes(), &receiver.address) {
            tracing::warn!(%error, message, "the service manager does not hear");
        }
    }
}

/// Returns the watchdog's time limit; `None` if it is not set, or set for another process.
fn watchdog(environment: &Environment) -> anyhow::Result<Option<Duration>> {
    let other = |pid: &String| *pid != std::process::id().to_string();
    let Some(us) = &environment.watchdog_us else { return Ok(None) };
    if environment.watchdog_pid.as_ref().is_some_and(other) {
        return Ok(None);
    }
    let us: u64 = us.parse().with_context(|| format!("WATCHDOG_USEC is no number of microseconds: {us}"))?;
    Ok((us > 0).then(|| Duration::from_micros(us)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(socket: &str, watchdog: [Option<&str>; 2]) -> anyhow::Result<Notify> {
        let [watchdog_us, watchdog_pid] = watchdog.map(|text| text.map(str::to_owned));
        Notify::new(&Environment { socket: Some(socket.to_owned()), watchdog_us, watchdog_pid })
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).expect("a datagram");
        String::from_utf8(bytes[..length].to_vec()).expect("text")
    }

    fn says_everything(name: &str, socket: &UnixDatagram) {
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let notify = given(name, [Some("30000000"), None]).expect("a name");
        notify.status("loading codes");
        assert_eq!(heard(socket), "STATUS=loading codes");
        notify.ready("ready");
        assert_eq!(heard(socket), "READY=1\nSTATUS=ready");
        let before = clock::monotonic_us();
        notify.reloading("reloading");
        let said = heard(socket);
        let us = said
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .and_then(|rest| rest.strip_suffix("\nSTATUS=reloading"));
        let us: u64 = us.and_then(|us| us.parse().ok()).unwrap_or_else(|| panic!("{said}"));
        assert!((before..=clock::monotonic_us()).contains(&us), "{us} after {before}");
        let mut beat = notify.beat().expect("a watchdog waits");
        assert_eq!(beat.every, Duration::from_secs(15));
        (beat.send)();
        assert_eq!(heard(socket), "WATCHDOG=1");
        notify.stopping("draining");
        assert_eq!(heard(socket), "STOPPING=1\nSTATUS=draining");
    }

    #[test]
    fn it_is_heard_at_a_path_and_at_an_abstract_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        says_everything(&path.display().to_string(), &UnixDatagram::bind(&path).expect("bound"));
        let name = format!("changtong-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        says_everything(&format!("@{name}"), &UnixDatagram::bind_addr(&address).expect("bound"));
    }

    #[test]
    fn it_is_silent_without_a_socket_and_goes_on_without_a_receiver() {
        let silent = Notify::new(&Environment::default()).expect("nothing is wrong");
        silent.ready("ready");
        assert!(silent.beat().is_none());
        let directory = tempfile::tempdir().expect("a directory");
        let gone = directory.path().join("gone").display().to_string();
        given(&gone, [None; 2]).expect("a name").ready("ready");
    }

    #[test]
    fn a_watchdog_is_fed_only_by_the_process_that_it_waits_for() {
        let own = std::process::id().to_string();
        let beats = |us, pid| given("@x", [us, pid]).map(|notify| notify.beat().map(|beat| beat.every));
        for (us, pid, expected) in [
            (None, None, None),
            (Some("2000000"), None, Some(Duration::from_secs(1))),
            (Some("2000000"), Some(own.as_str()), Some(Duration::from_secs(1))),
            (Some("2000000"), Some("1"), None),
            (Some("0"), None, None),
        ] {
            assert_eq!(beats(us, pid).expect("good"), expected, "{us:?} {pid:?}");
        }
        beats(Some("soon"), None).expect_err("no number");
    }
}
