//! The cost of hostile hosts to other clients: `cargo run --release -p tests --example siege -- SECONDS ROUNDS`. In turns with a quiet
//! city of the same process: handshakes that stop in the middle, idle sockets at each port, sign-ins from ever new networks. Prints
//! the 99th percentile from a real device's punch to its acknowledgement, and from a citizen's request for the card page to its end.
//! Needs as many open files as sockets (`ulimit -n`); attackers, devices and the gateway share this machine.

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use device::{Device, DeviceState, Fleet};
use loadtest::http::{self, Connection};
use protocol::Epoch;
use runtime::clock;
use tests::people::{Citizen, demo};
use tests::stalled::Stalling;
use tests::walk::{endpoint, punch};
use tests::web::{Browser, PROXY};
use tests::{City, block_on};

/// Devices that are measured.
const DEVICES: usize = 8;
/// From one punch of a device to its next.
const PUNCH_EVERY: Duration = Duration::from_millis(20);
/// From one look at the card page to the next.
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// Hosts that begin handshakes, and how many each begins a second: 500 together.
const HANDSHAKES: (u8, u32) = (5, 100);
/// A host elsewhere.
const HOST: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);
/// Sockets at a port.
const SOCKETS: usize = 10_000;
/// Sign-ins a second, of two requests each.
const SIGN_INS_S: u32 = 60;

/// The ways in which the city is attacked.
#[derive(Clone, Copy, Debug)]
enum Attack {
    Handshakes,
    IdleEnrolment,
    IdlePages,
    IdleMetrics,
    SignIns,
}

/// The end of a measurement, and how often the attackers struck.
#[derive(Default)]
struct Siege {
    over: AtomicBool,
    strikes: AtomicU64,
}

impl Siege {
    /// Does it at that rate until the end.
    fn at(&self, per_second: u32, mut strike: impl FnMut(u32)) {
        let every = Duration::from_secs(1) / per_second;
        let start = clock::now();
        for n in 0.. {
            pause_until(start + every * n);
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            strike(n);
            self.strikes.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn idle(&self, port: SocketAddr) {
        let mut sockets = Vec::new();
        self.at(5_000, |_| {
            if sockets.len() < SOCKETS
                && let Some(socket) = connect(HOST, port)
            {
                sockets.push(socket);
            }
        });
        self.strikes.store(sockets.len() as u64, Ordering::Relaxed);
    }
}

#[allow(clippy::disallowed_methods, reason = "keeps the pace of a load")]
fn pause_until(moment: std::time::Instant) {
    std::thread::sleep(moment.saturating_duration_since(clock::now()));
}

/// Returns a connection from that address of this machine.
fn connect(from: Ipv4Addr, to: SocketAddr) -> Option<TcpStream> {
    let stream = block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().ok()?;
        socket.bind((from, 0).into()).ok()?;
        socket.connect(to).await.ok()?.into_std().ok()
    })?;
    stream.set_nonblocking(false).ok()?;
    Some(stream)
}

/// Asks for a message to a new number, from a new network.
async fn sign_in(pages: SocketAddr, n: u32) -> Option<()> {
    let (host, from) = (
        format!("localhost:{}", pages.port()),
        format!("2001:db8:{:x}:{:x}::1", n >> 16 & 0xffff, n & 0xffff),
    );
    let mut proxy = Connection::open(pages, Some(PROXY)).await.ok()?;
    let page = proxy.send(http::with(http::get(&host, "/in"), "x-forwarded-for", &from)).await.ok()?;
    let cookies =
        page.headers().get_all("set-cookie").iter().filter_map(|set| set.to_str().ok()?.split(';').next());
    let cookies = cookies.collect::<Vec<_>>().join("; ");
    let page = std::str::from_utf8(page.body()).ok()?;
    let token = page.split_once("name=\"token\" value=\"")?.1.split('"').next()?;
    let phone = format!("163{:08}", 10_000_000 + n);
    let body = http::form(&[("token", token), ("phone", &phone), ("next", "/")]);
    let mut request = http::post(&host, "/in", http::FORM, body);
    let origin = format!("http://{host}");
    for (name, value) in [("x-forwarded-for", &from), ("origin", &origin), ("cookie", &cookies)] {
        request = http::with(request, name, value);
    }
    proxy.send(request).await.ok().map(drop)
}

fn attack(attack: Attack, siege: &Siege, fleet: &Fleet, number: u32) {
    let pages = fleet.pages.expect("a development city has pages");
    match attack {
        Attack::Handshakes => std::thread::scope(|scope| {
            for host in 0..HANDSHAKES.0 {
                let from = Ipv4Addr::new(127, 9, 8, host);
                let mut hostile = Stalling::new(fleet, from, Duration::from_millis(5));
                scope.spawn(move || siege.at(HANDSHAKES.1, |_| hostile.begin()));
            }
        }),
        Attack::IdleEnrolment => siege.idle(fleet.enrol),
        Attack::IdlePages => siege.idle(pages),
        Attack::IdleMetrics => siege.idle(fleet.http),
        Attack::SignIns => std::thread::scope(|scope| {
            for lane in 0..4 {
                scope.spawn(move || {
                    siege.at(SIGN_INS_S / 4, |n| {
                        let _ = http::block_on(sign_in(pages, (number << 16) + n * 4 + lane));
                    });
                });
            }
        }),
    }
}

/// Returns the milliseconds from each punch to its acknowledgement.
fn punches(fleet: &Fleet, index: usize, epoch: Epoch, over: &AtomicBool) -> Vec<f64> {
    let (region, place) =
        fleet.devices[index].places().next().map(|(place, region)| (region, place)).expect("a place");
    block_on(async {
        let endpoint = endpoint(fleet);
        let state = DeviceState::new(epoch);
        let device = Device::new(&endpoint, fleet, &fleet.devices[index], state);
        let mut device = device.expect("the fleet's certificates are good");
        device.connect().await.expect("it connects");
        let mut took = Vec::new();
        let mut next = clock::now();
        while !over.load(Ordering::Relaxed) {
            device.step_until(next).await.expect("another attempt heals it");
            next += PUNCH_EVERY;
            let start = clock::now();
            device.punch(region, punch(place), 0);
            device.settle().await.expect("acknowledged");
            took.push(clock::since(start).as_secs_f64() * 1_000.0);
            drop(device.take_acknowledged());
        }
        took
    })
}

/// Returns the milliseconds of each request for the card page.
fn looks(browser: &mut Browser, over: &AtomicBool) -> Vec<f64> {
    let mut took = Vec::new();
    let mut next = clock::now();
    while !over.load(Ordering::Relaxed) {
        pause_until(next);
        next += LOOK_EVERY;
        let start = clock::now();
        assert_eq!(browser.get("/code").status, 200, "a citizen is answered");
        took.push(clock::since(start).as_secs_f64() * 1_000.0);
    }
    took
}

/// Returns the 99th percentile.
fn p99(mut ms: Vec<f64>) -> f64 {
    ms.sort_by(f64::total_cmp);
    ms[(ms.len() - 1) * 99 / 100]
}

/// Returns both percentiles, and how often the attackers struck. Measurements are numbered from 1, as the devices' epochs are.
fn measure(
    city: &City,
    browser: &mut Browser,
    what: Option<Attack>,
    seconds: u64,
    number: u32,
) -> (f64, f64, u64) {
    let (fleet, siege) = (&city.fleet(), &Siege::default());
    let (punches, looks) = std::thread::scope(|scope| {
        let attacker = what.map(|what| scope.spawn(move || attack(what, siege, fleet, number)));
        let devices: Vec<_> = (0..DEVICES)
            .map(|index| scope.spawn(move || punches(fleet, index, Epoch(number), &siege.over)))
            .collect();
        let citizen = scope.spawn(|| looks(browser, &siege.over));
        pause_until(clock::now() + Duration::from_secs(seconds));
        siege.over.store(true, Ordering::Relaxed);
        if let Some(attacker) = attacker {
            attacker.join().expect("it ends");
        }
        let punches = devices.into_iter().flat_map(|device| device.join().expect("it ends"));
        (punches.collect(), citizen.join().expect("it ends"))
    });
    (p99(punches), p99(looks), siege.strikes.load(Ordering::Relaxed))
}

fn main() {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u32>().expect("SECONDS ROUNDS"));
    let seconds = u64::from(numbers.next().unwrap_or(8));
    let rounds = numbers.next().unwrap_or(3);
    let city = City::start(1_000, DEVICES as u64);
    let person = demo("clean");
    let applied = Citizen::new(&city, person.phone).apply(person.document, &["--declared", "false"]);
    applied.expect("a code");
    let mut browser = Browser::signed_in(&city, person.phone);
    println!("attack, strikes | punch p99 ms: quiet, attacked | card page p99 ms: quiet, attacked");
    let attacks =
        [Attack::Handshakes, Attack::IdleEnrolment, Attack::IdlePages, Attack::IdleMetrics, Attack::SignIns];
    let mut number = 0;
    let mut measured = |browser: &mut Browser, what| {
        number += 1;
        measure(&city, browser, what, seconds, number)
    };
    for what in (0..rounds).flat_map(|_| attacks) {
        let quiet = measured(&mut browser, None);
        let under = measured(&mut browser, Some(what));
        println!("{what:?}, {} | {:.2}, {:.2} | {:.2}, {:.2}", under.2, quiet.0, under.0, quiet.1, under.1);
    }
}
