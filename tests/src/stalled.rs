//! Handshakes that a host begins, with a proven address, and does not continue.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use device::{Fleet, wire};
use quinn_proto::{ClientConfig, ConnectionHandle, DatagramEvent, Endpoint, EndpointConfig};
use runtime::clock;

/// The longest retry packet; the gateway's part of a handshake is longer.
const RETRY_BYTES_MAX: usize = 200;

/// A host that begins handshakes and ends none.
pub struct Stalling {
    socket: UdpSocket,
    endpoint: Endpoint,
    config: ClientConfig,
    to: SocketAddr,
}

impl Stalling {
    /// Makes a host at that loopback address with a good certificate. `patience` is the deadline for an answer of the gateway.
    pub fn new(fleet: &Fleet, from: Ipv4Addr, patience: Duration) -> Self {
        let socket = UdpSocket::bind((from, 0)).expect("an address of this machine");
        socket.set_read_timeout(Some(patience)).expect("set");
        Self {
            socket,
            endpoint: Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None),
            config: wire::client_config(fleet, &fleet.devices[0]).expect("a good certificate"),
            to: fleet.quic[0],
        }
    }

    /// Begins a handshake, proves the address, and leaves it there.
    pub fn begin(&mut self) {
        let now = clock::now();
        let connecting = self.endpoint.connect(now, self.config.clone(), self.to, "localhost");
        let (handle, mut connection) = connecting.expect("an address");
        self.send(&mut connection);
        let mut buffer = [0; 2_048];
        // What still comes for those before it is passed over. No answer is an end, too: that one holds nothing.
        while let Ok((read, from)) = self.socket.recv_from(&mut buffer) {
            let (mut answer, bytes) = (Vec::new(), buffer[..read].into());
            let event = self.endpoint.handle(now, from, None, None, bytes, &mut answer);
            if let Some(DatagramEvent::ConnectionEvent(whose, event)) = event
                && whose == handle
            {
                connection.handle_event(event);
                if read <= RETRY_BYTES_MAX {
                    // The proof of the address; after anything else the handshake is left where it is.
                    self.send(&mut connection);
                }
                break;
            }
        }
        self.forget(handle, connection);
    }

    fn send(&self, connection: &mut quinn_proto::Connection) {
        let mut bytes = Vec::new();
        while let Some(transmit) = connection.poll_transmit(clock::now(), 1, &mut bytes) {
            let _ = self.socket.send_to(&bytes[..transmit.size], self.to);
            bytes.clear();
        }
    }

    fn forget(&mut self, handle: ConnectionHandle, connection: quinn_proto::Connection) {
        drop(connection);
        let _ = self.endpoint.handle_event(handle, quinn_proto::EndpointEvent::drained());
    }
}
