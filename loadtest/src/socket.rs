//! UDP sockets with room for what arrives while their thread does something else. One socket here stands for the sockets of a
//! thousand devices: at the kernel's default it drops a burst of a few hundred packets, and what QUIC then waits for looks like a
//! slow gateway.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::net::sockopt;

/// What the kernel keeps for a socket, both ways: several packets of each of a thousand devices, at about a kilobyte each with what the
/// kernel adds.
const BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// A socket bound there, not blocking.
pub(crate) fn udp(local: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(local)?;
    socket.set_nonblocking(true)?;
    // Above the system's limit only if this process may; else as much as the limit allows.
    sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER_BYTES)
        .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES))?;
    sockopt::set_socket_send_buffer_size(&socket, BUFFER_BYTES)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_a_thousand_devices_fits() {
        let (sender, receiver) =
            (udp(([127, 0, 0, 1], 0).into()).unwrap(), udp(([127, 0, 0, 1], 0).into()).unwrap());
        for _ in 0..1000 {
            sender.send_to(&[0; 64], receiver.local_addr().unwrap()).unwrap();
        }
        let mut buffer = [0; 64];
        assert!((0..1000).all(|_| receiver.recv(&mut buffer).is_ok()), "a packet was dropped");
    }
}
