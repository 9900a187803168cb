//! The ways of one gateway to the servers of a broker: each a port of its own, whose bytes can be held back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// The ways of one gateway to all servers. They end with the value.
pub struct Links {
    state: Arc<(Mutex<State>, Condvar)>,
    ports: Vec<u16>,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    has_ended: bool,
    open: Vec<TcpStream>,
}

impl Links {
    /// Makes a link to each of these ports.
    pub(super) fn to(ports: impl IntoIterator<Item = u16>) -> std::io::Result<Self> {
        let state = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let ports = ports.into_iter().map(|port| link(port, Arc::clone(&state)));
        Ok(Self { ports: ports.collect::<std::io::Result<_>>()?, state })
    }

    /// Returns the servers as a gateway's configuration has them.
    pub fn urls(&self) -> Vec<String> {
        self.ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect()
    }

    /// Holds back every byte, in both directions, as a network does that loses every packet.
    pub fn cut(&self) {
        self.change(|state| state.is_cut = true);
    }

    /// Lets what was held back go on.
    pub fn heal(&self) {
        self.change(|state| state.is_cut = false);
    }

    /// Returns true while they are cut.
    pub fn is_cut(&self) -> bool {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner).is_cut
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.state.1.notify_all();
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.change(|state| {
            state.has_ended = true;
            for stream in state.open.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        // The listeners look at the state when somebody connects.
        for &port in &self.ports {
            drop(TcpStream::connect(("127.0.0.1", port)));
        }
    }
}

/// Starts a link to the server on `to`, and returns its port.
fn link(to: u16, state: Arc<(Mutex<State>, Condvar)>) -> std::io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for client in listener.incoming() {
            if passes(&state).is_none() {
                return;
            }
            // A server that is away refuses the connection.
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", to))) else { continue };
            for (from, into) in [(&client, &server), (&server, &client)] {
                let (Ok(from), Ok(into), Ok(known)) = (from.try_clone(), into.try_clone(), from.try_clone())
                else {
                    return;
                };
                state.0.lock().unwrap_or_else(PoisonError::into_inner).open.push(known);
                let state = Arc::clone(&state);
                thread::spawn(move || carry(from, into, &state));
            }
        }
    });
    Ok(port)
}

/// Waits while the links are cut; `None` if they have ended.
fn passes(state: &(Mutex<State>, Condvar)) -> Option<()> {
    let known = state.0.lock().unwrap_or_else(PoisonError::into_inner);
    let known = state.1.wait_while(known, |state| state.is_cut && !state.has_ended);
    (!known.unwrap_or_else(PoisonError::into_inner).has_ended).then_some(())
}

/// Carries bytes in one direction until one end closes.
fn carry(mut from: TcpStream, mut into: TcpStream, state: &(Mutex<State>, Condvar)) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if passes(state).is_none() || into.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = into.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_link_holds_bytes_back_until_it_is_healed() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let links = Links::to([listener.local_addr().unwrap().port()]).unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", links.ports[0])).unwrap();
        let mut server = listener.accept().unwrap().0;
        let mut bytes = [0; 3];
        client.write_all(b"one").unwrap();
        server.read_exact(&mut bytes).unwrap();
        links.cut();
        client.write_all(b"two").unwrap();
        server.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        server.read_exact(&mut bytes).expect_err("held back");
        server.set_read_timeout(None).unwrap();
        links.heal();
        server.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"two");
        drop(links);
        assert_eq!(server.read(&mut bytes).unwrap(), 0, "closed in good order");
    }
}
