//! Ports on loopback for processes that are started again on the same one: below those that the system gives to clients, so that no
//! connection takes one while its process is away.

use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// The first port, and their number: the system's range for clients begins at 32,768 unless it is set otherwise.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;
/// The distance between the first ports of two processes whose numbers follow each other.
const APART: u32 = 137;

/// Returns a port that is free for TCP and UDP and that this process has not got before.
///
/// # Errors
/// None is free.
pub fn free() -> io::Result<u16> {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let next = process::id().wrapping_mul(APART).wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        let at = (Ipv4Addr::LOCALHOST, (FIRST + next % COUNT) as u16);
        if TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok() {
            return Ok(at.1);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free on loopback"))
}
