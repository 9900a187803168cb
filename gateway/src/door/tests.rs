//! The conduct of a port towards clients that take their time, or all of it: over real sockets on loopback, with short deadlines.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use actix_web::{App, web};
use actors::bounds::{PAGES_CLIENT, PAGES_CONNECTIONS, PAGES_NETWORK};
use runtime::arbiter::{self, ArbiterThread};

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// The time after which a wait is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port that answers `here`.
struct Port {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    front: Option<ArbiterThread>,
}

impl Port {
    fn open((all, client): (u32, u32), request: Duration, idle: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let bound = |bound: Bound, max| Bound { max, ..bound };
        let shares = Shares {
            all: bound(PAGES_CONNECTIONS, all),
            client: bound(PAGES_CLIENT, client),
            network: bound(PAGES_NETWORK, all),
        };
        let (stop, stopped) = watch::channel(false);
        let front = arbiter::spawn("door", move || async move {
            let app = App::new().route("/", web::get().to(async || "here"));
            let (tls, arrivals, proxies) = (None, None, Vec::new());
            let door =
                Door { listener, tls, shares, arrivals, request, idle, proxies, on_connect: |_, _| {} };
            serve(door, app, stopped).await.unwrap();
        });
        Self { address, stop, front: Some(front.unwrap()) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.front.take().unwrap().join().unwrap();
    }
}

/// Sends a request and reads its answer; false if the connection is closed instead.
fn is_served(stream: &mut TcpStream) -> bool {
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    if stream.write_all(GET).is_err() {
        return false;
    }
    while !answer.ends_with(b"here") {
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => answer.extend_from_slice(&buffer[..read]),
            Ok(0) => return false,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return false,
            Err(error) => panic!("neither an answer nor an end: {error}"),
        }
    }
    true
}

/// Waits until the other side has closed.
fn is_closed(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    read.map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |_| true)
}

/// The trap: the first request of a connection has a deadline, and every later one has none.
#[test]
fn a_request_that_trickles_is_cut_also_on_a_connection_that_was_good() {
    let port = Port::open((8, 8), Duration::from_millis(400), PATIENCE);
    let mut stream = port.connect();
    assert!(is_served(&mut stream) && is_served(&mut stream), "a good connection");
    let mut trickle = stream.try_clone().unwrap();
    let trickling = std::thread::spawn(move || {
        // A byte at a time, as fast as the other side takes them: more bytes are no more time.
        while trickle.write_all(b"G").is_ok() {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    });
    assert!(is_closed(stream));
    trickling.join().unwrap();
}

#[test]
fn a_body_that_never_comes_is_cut() {
    let port = Port::open((8, 8), Duration::from_millis(400), PATIENCE);
    let mut stream = port.connect();
    assert!(is_served(&mut stream));
    stream.write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n").unwrap();
    assert!(is_closed(stream));
}

#[test]
fn who_says_nothing_is_closed_and_who_comes_back_in_time_is_served() {
    let port = Port::open((8, 8), PATIENCE, Duration::from_millis(700));
    let (silent, mut stream) = (port.connect(), port.connect());
    for _ in 0..3 {
        assert!(is_served(&mut stream));
    }
    assert!(is_closed(silent) && is_closed(stream));
}

/// The trap: as many idle sockets as the port takes, from one machine, and no other machine gets in.
#[test]
fn idle_sockets_of_one_host_shut_the_port_for_nobody() {
    let port = Port::open((8, 4), PATIENCE, PATIENCE);
    let mut idle: Vec<TcpStream> = Vec::new();
    for _ in 0..50 {
        let mut stream = port.connect();
        assert!(is_served(&mut stream), "each was good once");
        idle.push(stream);
    }
    assert!(is_served(&mut port.connect()), "a newcomer from the very same address");
    let lives = idle.into_iter().rev().take(4).filter_map(|mut stream| is_served(&mut stream).then_some(()));
    assert!(lives.count() >= 3, "its last ones live");
}
