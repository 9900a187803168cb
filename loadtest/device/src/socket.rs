//! UDP sockets with large buffers. One socket of a load generator stands for the sockets of a
//! thousand devices: at the kernel's default it drops a burst of a few hundred packets, and QUIC's recovery then looks like a
//! slow gateway.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::net::sockopt;

/// The size of a socket's buffers: several packets of each of a thousand devices, at about a kilobyte each with the
/// kernel's overhead.
const BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Binds a non-blocking socket.
pub fn udp(local: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(local)?;
    socket.set_nonblocking(true)?;
    // Above the system's limit only if this process may; else as much as the limit allows.
    sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER_BYTES)
        .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES))?;
    sockopt::set_socket_send_buffer_size(&socket, BUFFER_BYTES)?;
    Ok(socket)
}

/// Returns the number of packets that the kernel dropped before they were read from the socket of that port, if it tells.
pub fn dropped(local: SocketAddr) -> Option<u64> {
    let table = if local.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
    let port = format!(":{:04X}", local.port());
    let text = std::fs::read_to_string(table).ok()?;
    let line = text
        .lines()
        .skip(1)
        .find(|line| line.split_whitespace().nth(1).is_some_and(|address| address.ends_with(&port)))?;
    line.split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_fits_and_what_does_not_is_counted() {
        let local = || udp(([127, 0, 0, 1], 0).into()).unwrap();
        let (sender, receiver) = (local(), local());
        let address = receiver.local_addr().unwrap();
        // A kilobyte is more than a small packet takes with all that the kernel adds.
        let room = sockopt::socket_recv_buffer_size(&receiver).unwrap();
        let fits = (room / 1024).min(1000);
        (0..fits).for_each(|_| assert_eq!(sender.send_to(&[0; 64], address).unwrap(), 64));
        assert_eq!(dropped(address), Some(0));
        let mut buffer = [0; 64];
        assert!((0..fits).all(|_| receiver.recv(&mut buffer).is_ok()));
        (0..room / 64).for_each(|_| assert_eq!(sender.send_to(&[0; 64], address).unwrap(), 64));
        assert!(dropped(address).is_some_and(|dropped| dropped > 0));
    }
}
