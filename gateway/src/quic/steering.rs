//! The sockets of the devices' port: one for each front, and the program by which the kernel chooses the socket of a packet. The bytes
//! that it goes by are the first of the connection id, which names the front (`tls/connection_ids.rs`).

use std::net::{SocketAddr, UdpSocket};

use anyhow::Context;
use libc::{BPF_ABS, BPF_ALU, BPF_H, BPF_JA, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_MOD, BPF_RET};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

/// The size of a socket's buffers in the kernel: a burst of all gates at once has to fit.
const SOCKET_BUFFER_BYTES: usize = 8 * 1024 * 1024;
/// The bit of a packet's first byte that a long header has.
const LONG_HEADER: u32 = 0x80;
/// The place of the connection id in a packet with a long header: behind its first byte, the version and the length of the id.
const LONG_HEADER_ID_AT: u32 = 6;
/// The same in a packet with a short header: behind its first byte.
const SHORT_HEADER_ID_AT: u32 = 1;
/// A return of the accumulator. libc has no name for it.
const BPF_A: u32 = 0x10;

/// Binds the sockets of that many fronts, before anything else is started: a port in use is found at once. They are in the order of the
/// fronts.
pub(crate) fn bind(address: SocketAddr, fronts: usize) -> anyhow::Result<Vec<UdpSocket>> {
    let first = open(address)?;
    // Without the option, so that a second gateway of the same user does not join the first one's port.
    first.bind(&address.into()).with_context(|| {
        format!(
            "binding UDP {address}; if a gateway runs there or changtong.socket holds it, choose another address or end it"
        )
    })?;
    let mut sockets = vec![first];
    if fronts > 1 {
        sockets[0].set_reuse_port(true).context("sharing the devices' port among fronts")?;
        // The port that the system chose, if it was to choose one.
        let bound = sockets[0].local_addr()?;
        for front in 1..fronts {
            let socket = open(address)?;
            socket.set_reuse_port(true)?;
            socket
                .bind(&bound)
                .with_context(|| format!("binding the socket of front {front} to UDP {address}"))?;
            sockets.push(socket);
        }
    }
    let sockets: Vec<UdpSocket> = sockets.into_iter().map(Into::into).collect();
    steer(&sockets)?;
    Ok(sockets)
}

fn open(address: SocketAddr) -> anyhow::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    // The kernel caps these silently at its own limits.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    Ok(socket)
}

/// Makes the kernel steer each packet to the socket of its front. The sockets are of one port, in the order in which they were bound.
/// Nothing happens to a single one. Sockets that are steered already take the program anew.
pub(crate) fn steer(sockets: &[UdpSocket]) -> anyhow::Result<()> {
    let [first, _, ..] = sockets else { return Ok(()) };
    let mut program = program(sockets.len());
    let program = libc::sock_fprog { len: program.len() as libc::c_ushort, filter: program.as_mut_ptr() };
    setsockopt(first, sockopt::AttachReusePortCbpf, &program)
        .context("telling the kernel which front a packet is for; with `fronts = 1` it need not know")
}

/// Makes the program: the number of a packet's front. A packet that is too short for a connection id is front 0's, which drops it.
fn program(fronts: usize) -> [libc::sock_filter; 7] {
    let step = |code: u32, no: u8, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: no, k };
    [
        step(BPF_LD | libc::BPF_B | BPF_ABS, 0, 0),
        step(BPF_JMP | BPF_JSET | BPF_K, 2, LONG_HEADER),
        step(BPF_LD | BPF_H | BPF_ABS, 0, LONG_HEADER_ID_AT),
        step(BPF_JMP | BPF_JA, 0, 1),
        step(BPF_LD | BPF_H | BPF_ABS, 0, SHORT_HEADER_ID_AT),
        step(BPF_ALU | BPF_MOD | BPF_K, 0, fronts as u32),
        step(BPF_RET | BPF_A, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    /// A packet with that header and those first bytes of a connection id.
    fn packet(is_long: bool, id: [u8; 2]) -> Vec<u8> {
        let (first, before) = if is_long { (0xc3, 6) } else { (0x41, 1) };
        let mut bytes = vec![0xff; before + 20];
        bytes[0] = first;
        bytes[before..before + 2].copy_from_slice(&id);
        bytes
    }

    fn receive(socket: &UdpSocket) -> Option<Vec<u8>> {
        let mut bytes = [0; 64];
        match socket.recv(&mut bytes) {
            Ok(length) => Some(bytes[..length].to_vec()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Checks that packets from many addresses go where their connection ids say.
    fn check(sockets: &[UdpSocket]) {
        let to = sockets[0].local_addr().unwrap();
        sockets.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        for id in (0..=u16::MAX).step_by(151) {
            for is_long in [true, false] {
                let client = UdpSocket::bind(loopback()).unwrap();
                let sent = packet(is_long, id.to_be_bytes());
                client.send_to(&sent, to).unwrap();
                let front = usize::from(id) % sockets.len();
                assert_eq!(receive(&sockets[front]), Some(sent), "{id} at front {front}");
            }
        }
        for short in [&[][..], &[0x41], &[0xc3, 1, 2, 3]] {
            UdpSocket::bind(loopback()).unwrap().send_to(short, to).unwrap();
            assert_eq!(receive(&sockets[0]).as_deref(), Some(short), "nothing else would take it");
        }
        for socket in sockets {
            assert_eq!(receive(socket), None, "nothing came that was not sent there");
        }
    }

    #[test]
    fn the_kernel_brings_each_packet_to_the_front_that_its_connection_id_names() {
        for fronts in [2, 3, 16] {
            let sockets = bind(loopback(), fronts).unwrap();
            assert_eq!(sockets.len(), fronts);
            check(&sockets);
            // As after a restart on sockets that the service manager holds.
            steer(&sockets).unwrap();
            check(&sockets);
        }
    }

    #[test]
    fn a_port_of_one_or_more_fronts_is_found_taken_by_the_next_gateway() {
        for fronts in [1, 3] {
            let sockets = bind(loopback(), fronts).unwrap();
            let address = sockets[0].local_addr().unwrap();
            for next in [1, 3] {
                let refused = bind(address, next).expect_err("it is in use");
                assert!(format!("{refused:#}").contains("choose another address"), "{refused:#}");
            }
        }
    }

    #[test]
    fn one_front_has_its_port_for_itself() {
        let sockets = bind(loopback(), 1).unwrap();
        assert!(!socket2::SockRef::from(&sockets[0]).reuse_port().unwrap());
        sockets[0].set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let sent = packet(false, [9, 9]);
        UdpSocket::bind(loopback()).unwrap().send_to(&sent, sockets[0].local_addr().unwrap()).unwrap();
        assert_eq!(receive(&sockets[0]), Some(sent));
    }
}
