//! Sockets that the service manager bound before it started the process, told apart by their names. QUIC's is the important one: it
//! outlives the process, so that packets which arrive during a restart wait in it. The servers on these sockets are elsewhere.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use anyhow::{Context, bail};
use listenfd::ListenFd;

use crate::config::{FRONTS_MAX, Fronts};

/// The name that a unit without FileDescriptorName= gives: its own name, with this end.
const UNIT_SUFFIX: &str = ".socket";
/// The way to hand over the sockets of several fronts.
const SAME: &str = "fronts share one address: repeat the same ListenDatagram=, with ReusePort=yes";
/// The words about a name that has no use.
const NAMES: &str = "FileDescriptorName= (or --fdname) is one of quic, http, enrol, pages";

/// A socket that was handed over. It wins over the configured address.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// One for each front, in the order in which they were bound; none without a service manager.
    pub(crate) quic: Vec<UdpSocket>,
    pub(crate) http: Option<TcpListener>,
    pub(crate) enrol: Option<TcpListener>,
    pub(crate) pages: Option<TcpListener>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

impl Inherited {
    /// Takes what LISTEN_FDS announces; `names` is LISTEN_FDNAMES.
    pub(super) fn take(names: Option<&str>) -> anyhow::Result<Self> {
        let mut handed = ListenFd::from_env();
        let mut inherited = Self::default();
        if handed.len() == 0 {
            return Ok(inherited);
        }
        for (index, name) in names_of(names, handed.len())?.into_iter().enumerate() {
            let (address, used) = inherited.put(name, Socket::take(&mut handed, index)?)?;
            tracing::info!(socket = used, %address, "a socket was handed over; the configured address is not used");
        }
        Ok(inherited)
    }

    /// Checks that there are as many sockets of fronts as are to serve, if any.
    pub(crate) fn check_fronts(&self, fronts: Fronts) -> Result<(), String> {
        if self.quic.is_empty() { Ok(()) } else { fronts.check_handed(self.quic.len()) }
    }

    /// Puts a socket where its name says: its address and its use.
    fn put(&mut self, name: &str, socket: Socket) -> anyhow::Result<(SocketAddr, &'static str)> {
        match (name, socket) {
            ("quic" | "", Socket::Udp(socket)) => {
                let address = self.put_front(socket)?;
                Ok((address, "quic"))
            }
            ("quic", Socket::Tcp(_)) => {
                bail!(
                    "the socket quic that was handed over is TCP; it has to be UDP: ListenDatagram=, --datagram"
                )
            }
            ("", Socket::Tcp(_)) => bail!("a TCP socket was handed over without a name; {NAMES}"),
            ("http", Socket::Tcp(listener)) => set(&mut self.http, listener, "http"),
            ("enrol", Socket::Tcp(listener)) => set(&mut self.enrol, listener, "enrol"),
            ("pages", Socket::Tcp(listener)) => set(&mut self.pages, listener, "pages"),
            ("http" | "enrol" | "pages", Socket::Udp(_)) => {
                bail!("the socket {name} that was handed over is UDP; it has to be TCP: ListenStream=")
            }
            (unknown, Socket::Udp(_) | Socket::Tcp(_)) => {
                bail!("a socket with the name `{unknown}` was handed over, which has no use; {NAMES}")
            }
        }
    }

    /// Adds the socket of one more front, which has to share the port of the others.
    fn put_front(&mut self, socket: UdpSocket) -> anyhow::Result<SocketAddr> {
        let address = socket.local_addr().context("asking the socket quic for its address")?;
        if let Some(first) = self.quic.first() {
            let (first, shares) = (first.local_addr()?, socket2::SockRef::from(&socket).reuse_port()?);
            if first != address || !shares {
                bail!(
                    "UDP sockets with the addresses {first} and {address} were handed over, which do not share a port; {SAME}"
                );
            }
        }
        if self.quic.len() == FRONTS_MAX {
            bail!("more than {FRONTS_MAX} UDP sockets were handed over; remove lines ListenDatagram=");
        }
        self.quic.push(socket);
        Ok(address)
    }
}

fn set(
    slot: &mut Option<TcpListener>,
    listener: TcpListener,
    name: &'static str,
) -> anyhow::Result<(SocketAddr, &'static str)> {
    let address =
        listener.local_addr().with_context(|| format!("asking the socket {name} for its address"))?;
    if !socket2::SockRef::from(&listener).is_listener()? {
        bail!("the socket {name} that was handed over does not listen; ListenStream= makes one that does");
    }
    if slot.replace(listener).is_some() {
        bail!("two sockets with the name {name} were handed over; one is served");
    }
    Ok((address, name))
}

/// A name for each socket; empty for those that were given none.
fn names_of(names: Option<&str>, sockets: usize) -> anyhow::Result<Vec<&str>> {
    let Some(names) = names else { return Ok(vec![""; sockets]) };
    let names: Vec<_> =
        names.split(':').map(|name| if name.ends_with(UNIT_SUFFIX) { "" } else { name }).collect();
    if names.len() != sockets {
        bail!(
            "{sockets} sockets were handed over with {} names in LISTEN_FDNAMES; each needs one",
            names.len()
        );
    }
    Ok(names)
}

impl Socket {
    fn take(handed: &mut ListenFd, index: usize) -> anyhow::Result<Self> {
        // A socket of the other kind is left where it is.
        if let Ok(Some(socket)) = handed.take_udp_socket(index) {
            return Ok(Self::Udp(socket));
        }
        let listener = handed.take_tcp_listener(index);
        let listener = listener
            .with_context(|| format!("the descriptor {index} that was handed over is neither UDP nor TCP"))?;
        listener.map(Self::Tcp).context("each descriptor is taken once")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp() -> Socket {
        Socket::Udp(UdpSocket::bind("127.0.0.1:0").expect("a socket on loopback"))
    }

    fn tcp() -> Socket {
        Socket::Tcp(TcpListener::bind("127.0.0.1:0").expect("a socket on loopback"))
    }

    fn mute() -> Socket {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        Socket::Tcp(socket.into())
    }

    /// The sockets of fronts as systemd binds them with ReusePort=yes: in order, all with the option.
    fn fronts(number: usize) -> Vec<Socket> {
        let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut bound = || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
            socket.set_reuse_port(true).unwrap();
            socket.bind(&address.into()).unwrap();
            let socket = UdpSocket::from(socket);
            address = socket.local_addr().unwrap();
            Socket::Udp(socket)
        };
        (0..number).map(|_| bound()).collect()
    }

    /// Two sockets of fronts, of different ports.
    fn strangers() -> Vec<Socket> {
        fronts(1).into_iter().chain(fronts(1)).collect()
    }

    /// Which uses are filled, or why it is refused.
    fn check(names: Option<&str>, sockets: Vec<Socket>) -> Result<Vec<&'static str>, String> {
        let names = names_of(names, sockets.len()).map_err(|error| error.to_string())?;
        let mut inherited = Inherited::default();
        let mut used = Vec::new();
        for (name, socket) in names.into_iter().zip(sockets) {
            used.push(inherited.put(name, socket).map_err(|error| error.to_string())?.1);
        }
        Ok(used)
    }

    #[test]
    fn a_socket_goes_where_its_name_says() {
        for (names, sockets, expected) in [
            (None, vec![udp()], vec!["quic"]),
            (Some("quic"), vec![udp()], vec!["quic"]),
            (Some("changtong.socket"), vec![udp()], vec!["quic"]),
            (Some("quic:quic:quic"), fronts(3), vec!["quic", "quic", "quic"]),
            (Some("changtong.socket:changtong.socket"), fronts(2), vec!["quic", "quic"]),
            (
                Some("pages:quic:enrol:http"),
                vec![tcp(), udp(), tcp(), tcp()],
                vec!["pages", "quic", "enrol", "http"],
            ),
        ] {
            assert_eq!(check(names, sockets), Ok(expected), "{names:?}");
        }
    }

    #[test]
    fn a_socket_without_a_use_is_refused_with_what_to_do() {
        for (names, sockets, expected) in [
            (Some("quic"), vec![tcp()], "has to be UDP: ListenDatagram="),
            (Some("http"), vec![udp()], "has to be TCP: ListenStream="),
            (Some("enrol"), vec![mute()], "does not listen"),
            (Some("quick"), vec![udp()], "the name `quick`"),
            (Some("metrics"), vec![tcp()], "one of quic, http, enrol, pages"),
            (None, vec![tcp()], "without a name"),
            (Some("changtong.socket"), vec![tcp()], "without a name"),
            (None, vec![udp(), udp()], "repeat the same ListenDatagram=, with ReusePort=yes"),
            (Some("quic:quic"), strangers(), "do not share a port"),
            (Some("http:http"), vec![tcp(), tcp()], "two sockets with the name http"),
            (None, fronts(FRONTS_MAX + 1), "more than 64 UDP sockets"),
            (Some("quic"), vec![udp(), tcp()], "2 sockets were handed over with 1 names"),
        ] {
            let refused = check(names, sockets).expect_err(expected);
            assert!(refused.contains(expected), "{names:?}: {refused}");
        }
    }
}
