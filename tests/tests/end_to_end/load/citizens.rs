//! The citizens of the load test against a running city: the registry has their applications, their receipts work at a gate,
//! and each failure has its reason. No speed is judged.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use loadtest::citizens::{Citizens, Refusal};
use loadtest::scenario::Kind;
use tests::walk::{device, endpoint};
use tests::{City, PATIENCE, block_on};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

const SEED: u64 = 7;
/// The number of people; each has a code before any new one applies.
const PEOPLE: u32 = 100;

async fn prepare(city: &City, signed_in: u32, receipts: u32) -> Citizens {
    let fleet = city.fleet();
    let prepared = Citizens::prepare(&fleet, signed_in, receipts, SEED, &|said| eprintln!("{said}")).await;
    prepared.expect("a development city")
}

/// Makes so many visits at once; returns the result of each.
async fn visits(citizens: &Rc<Citizens>, kind: Kind, count: u32) -> Vec<Result<(), Refusal>> {
    let visiting: Vec<_> = (0..count)
        .map(|n| {
            let citizens = Rc::clone(citizens);
            tokio::task::spawn_local(async move { citizens.visit(kind, n, n.into(), PATIENCE).await })
        })
        .collect();
    let mut ended = Vec::new();
    for one in visiting {
        ended.push(one.await.expect("no panic"));
    }
    ended
}

fn codes(city: &City) -> f64 {
    city.metric("changtong_codes", "")
}

#[test]
fn visits_are_what_they_say_and_receipts_work_at_a_gate() {
    let city = City::start(PEOPLE, 4);
    block_on(async {
        let citizens = Rc::new(prepare(&city, 5, 8).await);
        for kind in [Kind::Place, Kind::Code, Kind::Apply] {
            let ended = visits(&citizens, kind, 60).await;
            assert_eq!(ended, [Ok(()); 60], "{kind:?}");
        }
        tests::wait_for("a code for each applicant", || {
            (codes(&city) == f64::from(PEOPLE + 65)).then_some(())
        });

        let fleet = city.fleet();
        let (_, region) = fleet.devices[0].places().next().expect("a place");
        let mut device = device(&endpoint(&fleet), &fleet, 0);
        let receipts: Vec<_> = std::iter::from_fn(|| citizens.take_receipt()).collect();
        assert_eq!(receipts.len(), 8);
        for receipt in receipts {
            device.ask_trajectory(region, receipt).await.expect("a consent of its own, not used yet");
        }
        let canaries = citizens.canaries();
        assert_eq!(canaries.len(), 65 * 3);
        let log = city.log();
        assert!(canaries.iter().all(|secret| !log.contains(secret.as_str())));
    });
    assert_eq!(city.metric("changtong_trajectory_query_seconds_count", ""), 8.0);
    assert_eq!(city.metric("changtong_punches_total", ""), 8.0, "a receipt for staff comes from a check-in");
}

#[test]
fn receipts_that_grow_old_are_drawn_anew_even_if_the_gateway_was_away() {
    let mut city = City::start(PEOPLE, 4);
    block_on(async {
        let citizens = prepare(&city, 2, 4).await;
        assert_eq!(citizens.renew_receipts(Duration::ZERO).await, Ok(()));
        city.kill();
        assert_eq!(citizens.renew_receipts(PATIENCE).await, Ok(()), "none is old");
        assert_eq!(citizens.renew_receipts(Duration::ZERO).await, Err(Refusal::Connection));
        city.restart();
        // The pages have forgotten which consents they showed: these are others.
        assert_eq!(citizens.renew_receipts(Duration::ZERO).await, Ok(()));
        let fleet = city.fleet();
        let (_, region) = fleet.devices[0].places().next().expect("a place");
        let mut device = device(&endpoint(&fleet), &fleet, 0);
        for _ in 0..4 {
            let receipt = citizens.take_receipt().expect("as many as before");
            device.ask_trajectory(region, receipt).await.expect("a good receipt");
        }
        assert_eq!(citizens.take_receipt(), None);
    });
}

#[test]
fn two_runs_of_one_city_have_other_people() {
    let city = City::start(PEOPLE, 1);
    block_on(async {
        let (first, second) = (prepare(&city, 3, 0).await, prepare(&city, 3, 0).await);
        let theirs = second.canaries();
        // A name may be two people's.
        let both = first.canaries().into_iter().filter(|secret| secret.is_ascii() && theirs.contains(secret));
        assert_eq!(both.count(), 0);
    });
    tests::wait_for("a code for each", || (codes(&city) == f64::from(PEOPLE + 6)).then_some(()));
}

#[test]
fn a_gateway_that_is_stopped_or_gone_is_a_timeout_or_no_connection() {
    let mut city = City::start(PEOPLE, 1);
    let kinds = [Kind::Place, Kind::Code, Kind::Apply];
    block_on(async {
        let citizens = prepare(&city, 2, 0).await;
        signal(&city, rustix::process::Signal::STOP);
        tests::wait_for("the end of all its threads' turns", || is_stopped(city.pid()).then_some(()));
        for kind in kinds {
            let ended = citizens.visit(kind, 0, 0, Duration::from_millis(300)).await;
            assert_eq!(ended, Err(Refusal::Timeout), "{kind:?}");
        }
        signal(&city, rustix::process::Signal::CONT);
        assert_eq!(
            citizens.visit(Kind::Code, 0, 0, PATIENCE).await,
            Ok(()),
            "what was late is not read as this"
        );
        city.kill();
        for kind in kinds {
            let ended = citizens.visit(kind, 1, 0, PATIENCE).await;
            assert_eq!(ended, Err(Refusal::Connection), "{kind:?}");
        }
        city.restart();
        // A session outlives the process.
        for kind in kinds {
            assert_eq!(citizens.visit(kind, 1, 0, PATIENCE).await, Ok(()), "{kind:?}");
        }
    });
}

fn signal(city: &City, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(city.pid() as i32).expect("a process id is not zero");
    rustix::process::kill_process(pid, signal).expect("our own process");
}

/// Returns true if each thread of that process is stopped.
fn is_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("our own process");
    let stats = threads.map(|thread| std::fs::read_to_string(thread.expect("a thread").path().join("stat")));
    // The state follows the name, which stands in brackets.
    stats.into_iter().all(|stat| {
        stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
    })
}

#[test]
fn an_address_over_its_limit_is_busy_and_others_are_not() {
    let city = City::start(PEOPLE, 1);
    block_on(async {
        let citizens = prepare(&city, 1, 0).await;
        let pages = city.fleet().pages.expect("pages");
        let flood = tokio::spawn(flood(pages, citizens.next_address()));
        let refused = async {
            // The flood runs on this thread, between two looks.
            while city.metric("changtong_limited_total", "requests-client") == 0.0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, refused).await.expect("the address is refused");
        assert_eq!(citizens.visit(Kind::Apply, 0, 0, PATIENCE).await, Err(Refusal::Busy));
        flood.abort();
        assert_eq!(citizens.visit(Kind::Apply, 0, 0, PATIENCE).await, Ok(()), "the next one is elsewhere");
    });
}

#[test]
fn a_city_that_is_not_on_this_machine_is_left_alone() {
    let city = City::start(PEOPLE, 1);
    let mut fleet = city.fleet();
    fleet.pages = Some("192.0.2.1:443".parse().expect("an address"));
    let refused = block_on(Citizens::prepare(&fleet, 1, 0, SEED, &|_| ())).err().expect("refused");
    assert!(refused.to_string().contains("only a development city on loopback"), "{refused}");
}

/// Asks for pages from that address, on connection after connection, ten times as often as one address may.
async fn flood(pages: std::net::SocketAddr, from: Ipv4Addr) {
    /// Requests on the way at once.
    const BATCH: usize = 64;
    let request = format!("GET /in HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", pages.port()).repeat(BATCH);
    let mut pace = tokio::time::interval(Duration::from_millis(60));
    loop {
        pace.tick().await;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("loopback is ours");
        let Ok(mut stream) = socket.connect(pages).await else { continue };
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answers = vec![0; 64 * 1024];
        // Until it is closed, or has answered what was asked.
        while let Ok(Ok(1..)) =
            tokio::time::timeout(Duration::from_millis(40), stream.read(&mut answers)).await
        {}
    }
}
