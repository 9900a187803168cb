//! Sockets that a test hands over to a gateway, as a service manager does: they outlive its processes.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::Command;

use crate::City;

/// Two sockets with their names.
pub(crate) struct Handed {
    sockets: [OwnedFd; 2],
    names: &'static str,
}

impl Handed {
    /// Returns the words before a command line to which the sockets are handed over.
    pub(crate) fn words(&self) -> [String; 4] {
        handing_over(self.names)
    }

    /// Gives the sockets to a command that begins with these words.
    pub(crate) fn give(&self, command: &mut Command) {
        let [stdin, stdout] =
            self.sockets.each_ref().map(|socket| socket.try_clone().expect("a second descriptor"));
        command.stdin(stdin).stdout(stdout);
    }
}

impl City {
    /// Holds these sockets from now on, for the next processes.
    pub fn hand_over(&mut self, quic: UdpSocket, http: TcpListener) {
        self.handed = Some(Handed { sockets: [quic.into(), http.into()], names: "quic:http" });
    }

    /// Does the same with the sockets of two fronts, which share a port.
    pub fn hand_over_fronts(&mut self, fronts: [UdpSocket; 2]) {
        self.handed = Some(Handed { sockets: fronts.map(OwnedFd::from), names: "quic:quic" });
    }
}

/// Makes a command line that hands stdin and stdout over as two sockets with these names, before the program that follows.
pub(crate) fn handing_over(names: &str) -> [String; 4] {
    let script = format!(
        "exec 3<&0 4<&1 </dev/null >/dev/null; \
         export LISTEN_FDS=2 LISTEN_PID=$$ LISTEN_FDNAMES={names}; exec \"$@\""
    );
    ["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()]
}
