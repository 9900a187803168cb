//! A gateway as a service manager runs it: on sockets that outlive it, so that a restart under load loses nothing, and telling when
//! it is ready, how it is, and that it ends. systemd itself is not booted here; its own `systemd-socket-activate` is used.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use loadtest::quick;
use tests::served::Served;
use tests::walk::{device, endpoint};
use tests::{City, PATIENCE, binary, block_on, heard_until, wait_for};

const DEVICES: u32 = 20;
/// The number of tries: another process may take a port that was free just now.
const ATTEMPTS: usize = 10;
/// People a second over all devices, and for how long: a restart lies well inside.
const RATE: u32 = 400;
const SECONDS: u32 = 15;

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Returns a city on sockets that the test holds.
fn on_held_sockets() -> (City, SocketAddr) {
    let quic = UdpSocket::bind(loopback()).expect("a socket on loopback");
    let http = TcpListener::bind(loopback()).expect("a socket on loopback");
    let address = quic.local_addr().expect("bound");
    let mut city = City::new(500, u64::from(DEVICES));
    city.hand_over(quic, http);
    city.spawn();
    city.wait_ready();
    assert_eq!(city.fleet().quic, [address], "what is handed over wins");
    (city, address)
}

/// Returns a city of two fronts on sockets that the test holds, bound as systemd binds them with ReusePort=yes.
fn on_held_fronts() -> (City, SocketAddr) {
    let mut address = loopback();
    let fronts = [(); 2].map(|()| {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
        socket.set_reuse_port(true).expect("the option");
        socket.bind(&address.into()).expect("a port on loopback");
        let socket = UdpSocket::from(socket);
        address = socket.local_addr().expect("bound");
        socket
    });
    let mut city = City::new(500, u64::from(DEVICES));
    city.hand_over_fronts(fronts);
    city.restart();
    assert_eq!(city.fleet().quic, [address], "what is handed over wins");
    assert_eq!(city.metric("changtong_fronts", ""), 2.0, "as many as sockets");
    (city, address)
}

/// Ends the process under load, starts the next on the same sockets, and proves what every device holds. What was measured.
fn a_restart_holds((mut city, address): (City, SocketAddr), end: impl FnOnce(&mut City)) -> String {
    let options = quick::Options {
        devices: DEVICES,
        seconds: SECONDS,
        rate: RATE,
        data: city.data(),
        seed: 1,
        queries: quick::queries::Options::default(),
    };
    let load = std::thread::spawn(move || quick::run(&options));
    wait_for("punches", || (city.metric("changtong_punches_total", "") > 500.0).then_some(()));
    end(&mut city);
    city.restart();
    assert_eq!(city.fleet().quic, [address]);
    let outcome =
        load.join().expect("the load does not panic").expect("devices connect and the ledger exports");
    let ms = |quantile| outcome.tally.latency_us.value_at_quantile(quantile) as f64 / 1000.0;
    let figures = format!(
        "{} punches, p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms from the intended time; {:?}, {} sent again",
        outcome.tally.acknowledged,
        ms(0.5),
        ms(0.99),
        outcome.tally.latency_us.max() as f64 / 1000.0,
        outcome.counts,
        outcome.resent
    );
    assert!(outcome.proof.holds(), "{:?}", outcome.proof);
    assert_eq!(outcome.stopped, Vec::<String>::new(), "devices went on");
    assert_eq!(outcome.unacknowledged, 0, "everything was acknowledged in the end");
    assert_eq!(outcome.tally.acknowledged, outcome.tally.offered, "nobody was turned away");
    assert!(
        outcome.counts.welcomes >= u64::from(2 * DEVICES),
        "every device came back: {:?}",
        outcome.counts
    );
    let (status, out, err) = city.command(&["ledger", "verify"]);
    assert!(status.success(), "{out}{err}");
    figures
}

#[test]
fn a_drained_restart_on_inherited_sockets_loses_and_doubles_nothing() {
    let figures = a_restart_holds(on_held_sockets(), |city| {
        let status = city.terminate();
        assert_eq!(status.code(), Some(0), "{}", city.log());
    });
    println!("drained: {figures}");
}

#[test]
fn a_killed_gateway_starts_again_on_its_sockets_and_loses_nothing() {
    println!("killed: {}", a_restart_holds(on_held_sockets(), City::kill));
}

#[test]
fn two_fronts_start_again_on_their_sockets_and_lose_nothing() {
    println!("killed: {}", a_restart_holds(on_held_fronts(), City::kill));
}

/// Makes a command line of the gateway that has the socket on stdin handed over.
fn with_one_socket(name: &str, socket: OwnedFd) -> Command {
    let script = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(binary());
    command.env("LISTEN_FDNAMES", name).stdin(socket).stdout(Stdio::null());
    command
}

#[test]
fn another_number_of_fronts_than_sockets_is_refused_with_the_line_to_change() {
    let served = Served::start();
    let listen = "listen = \"127.0.0.1:0\"";
    let line = served.replace(listen, &format!("{listen}\nfronts = 3")) + 1;
    let socket = UdpSocket::bind(loopback()).expect("a socket");
    let mut command = with_one_socket("quic", socket.into());
    command.arg("serve").arg("--config").arg(served.at("changtong.toml"));
    let output = command.output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("changtong.toml:{line}: `quic.fronts`: 3 fronts")), "{said}");
}

/// Lets systemd wait for the first packet, at an address that was free until then.
fn activated(city: &mut City) -> SocketAddr {
    for _ in 0..ATTEMPTS {
        let free = UdpSocket::bind(loopback()).expect("a socket on loopback");
        let address = free.local_addr().expect("bound");
        drop(free);
        let listen = address.to_string();
        city.run_under(&["systemd-socket-activate", "--datagram", "--listen", &listen, "--fdname=quic"]);
        city.spawn();
        let listens = format!("Listening on {listen} as 3");
        if wait_for("a socket, or none", || match city.log().contains(&listens) {
            true => Some(true),
            false => city.has_ended().then_some(false),
        }) {
            return address;
        }
        city.wait_exit();
    }
    panic!("no address stays free: {}", city.log());
}

#[test]
fn systemds_own_socket_activation_starts_it_with_the_first_packet() {
    let mut city = City::start(100, 1);
    assert!(city.terminate().success());
    city.log_at("info");
    let address = activated(&mut city);
    let listen = address.to_string();
    let fleet = city.fleet();
    assert_ne!(fleet.quic, [address], "nothing has started it yet");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut device = device(&endpoint, &fleet, 0);
        device.set_address(address);
        let answered = async {
            device.connect().await.expect("it is started and answers");
            device.ping().await.expect("an answer");
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("an answer in time");
    });
    city.wait_ready();
    wait_for("the fleet file", || (city.fleet().quic == [address]).then_some(()));
    let log = city.log();
    assert!(log.contains("a socket was handed over") && log.contains(&listen), "{log}");
    assert_eq!(city.terminate().code(), Some(0));
}

#[test]
fn a_socket_that_has_no_use_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let udp = || OwnedFd::from(UdpSocket::bind(loopback()).expect("a socket"));
    let tcp = || OwnedFd::from(TcpListener::bind(loopback()).expect("a socket"));
    for (name, socket, expected) in [
        ("metrics", tcp(), "one of quic, http, enrol, pages"),
        ("quic", tcp(), "ListenDatagram="),
        ("http", udp(), "ListenStream="),
    ] {
        let mut command = with_one_socket(name, socket);
        let output =
            command.args(["dev", "--data"]).arg(directory.path()).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(expected), "{name}: {said}");
    }
}

#[test]
fn a_service_manager_hears_that_it_is_ready_alive_and_ending() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("bound");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut city = City::start(300, 1);
    assert!(city.terminate().success());
    city.environment("NOTIFY_SOCKET", path.to_str().expect("a plain path"));
    city.environment("WATCHDOG_USEC", "1000000");
    city.spawn();
    let starting = heard_until(&socket, "READY=1");
    assert!(city.data().join("admin.sock").exists(), "operators are answered as well");
    assert!(starting.len() > 2 && starting[0].starts_with("STATUS="), "{starting:?}");
    assert!(starting.contains(&"STATUS=loading codes".to_owned()), "{starting:?}");
    let ready = wait_for("an answer", || city.get("/ready"));
    assert_eq!(ready, (200, "ready\n".to_owned()), "not told before it is true");
    for _ in 0..3 {
        heard_until(&socket, "WATCHDOG=1");
    }
    city.wait_ready();
    assert_eq!(city.terminate().code(), Some(0));
    let ending = heard_until(&socket, "STOPPING=1");
    assert_eq!(ending.last().map(String::as_str), Some("STOPPING=1\nSTATUS=draining"), "{ending:?}");
}

#[test]
fn sockets_that_are_handed_over_to_nobody_are_not_taken() {
    let mut city = City::new(100, 1);
    city.environment("LISTEN_FDS", "1");
    city.spawn();
    city.wait_ready();
    assert!(city.log().contains("LISTEN_FDS is set without LISTEN_PID"), "{}", city.log());
    assert_eq!(city.terminate().code(), Some(0));
}
