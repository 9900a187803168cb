//! A host that proves its address, begins handshake after handshake, and ends none. Devices elsewhere connect meanwhile.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use loadtest::wire;
use quinn_proto::{ConnectionHandle, DatagramEvent, Endpoint, EndpointConfig};
use tests::walk::{device, endpoint};
use tests::{City, block_on};

/// As many as fill every permit twice.
const STALLED: usize = 1_000;
/// The gateway's part of a handshake is longer.
const RETRY_BYTES_MAX: usize = 200;

/// Begins a handshake as far as the gateway has it prove its address, and leaves it there.
fn stall(
    socket: &UdpSocket,
    endpoint: &mut Endpoint,
    config: &quinn_proto::ClientConfig,
    to: std::net::SocketAddr,
) {
    let now = actors::clock::now();
    let (handle, mut connection) =
        endpoint.connect(now, config.clone(), to, "localhost").expect("an address");
    let mut bytes = Vec::new();
    let mut send = |connection: &mut quinn_proto::Connection| {
        while let Some(transmit) = connection.poll_transmit(now, 1, &mut bytes) {
            let _ = socket.send_to(&bytes[..transmit.size], to);
            bytes.clear();
        }
    };
    send(&mut connection);
    let mut buffer = [0; 2_048];
    // What still comes for those before it is passed over. No answer is an end, too: that one holds nothing.
    while let Ok((read, from)) = socket.recv_from(&mut buffer) {
        let mut answer = Vec::new();
        let event = endpoint.handle(now, from, None, None, (&buffer[..read]).into(), &mut answer);
        if let Some(DatagramEvent::ConnectionEvent(whose, event)) = event
            && whose == handle
        {
            connection.handle_event(event);
            if read <= RETRY_BYTES_MAX {
                // The proof of the address; after anything else the handshake is left where it is.
                send(&mut connection);
            }
            break;
        }
    }
    forget(endpoint, handle, connection);
}

fn forget(endpoint: &mut Endpoint, handle: ConnectionHandle, connection: quinn_proto::Connection) {
    drop(connection);
    let _ = endpoint.handle_event(handle, quinn_proto::EndpointEvent::drained());
}

#[test]
fn handshakes_that_one_host_does_not_end_keep_no_device_out() {
    let city = City::start(100, 4);
    let fleet = city.fleet();
    let config = wire::client_config(&fleet, &fleet.devices[0]).expect("a good certificate");
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 9, 9, 9), 0)).expect("an address of this machine");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
    let mut hostile = Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None);
    let to = fleet.quic[0];
    let stalling = std::thread::spawn(move || {
        for _ in 0..STALLED {
            stall(&socket, &mut hostile, &config, to);
        }
    });
    tests::wait_for("half of the permits to be held", || {
        (city.metric("changtong_handshakes_under_way", "") >= 256.0 || stalling.is_finished()).then_some(())
    });
    block_on(async {
        let endpoint = endpoint(&fleet);
        for index in 0..4 {
            let mut device = device(&endpoint, &fleet, index);
            device.connect().await.expect("a device elsewhere connects");
            device.ping().await.expect("and is answered");
        }
    });
    stalling.join().expect("it ends");
}
