//! A fleet of three gateways as one to those who ask: the record of all of them has each punch once and names a gateway that is away, orders
//! and devices' queries are answered wherever they are given, and the broker sees nothing of them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use device::tokens::Tokens;
use device::{Device, DeviceError, DeviceState};
use protocol::message::{Answer, BusyReason};
use protocol::receipt::RECEIPT_BYTES;
use protocol::trajectory::TrajectoryAnswer;
use protocol::{Colour, Direction, Epoch, ErrorCode, Punch};
use registry::Detail;
use runtime::clock;
use serde_json::Value;
use tests::members::Member;
use tests::nats::Nats;
use tests::people::receipts;
use tests::served::write_secret;
use tests::stand_in::StandIn;
use tests::walk::{device, endpoint};
use tests::{City, block_on, wait_for};

use super::members::{green, redden, set_cause, shown_by};
use super::moving::{three, three_with};

/// The phone of a person who stayed at home.
const HOME: &str = "16399990001";
/// Punches that one gateway alone has, before the one that two have.
const ALONE: usize = 5;

/// A client of the broker that reads all messages.
struct Spy(Arc<Mutex<Vec<u8>>>);

impl Spy {
    fn on(nats: &Nats) -> Self {
        let url = nats.url();
        let mut stream = TcpStream::connect(url.strip_prefix("nats://").expect("a URL")).expect("the broker");
        stream.write_all(b"CONNECT {\"verbose\":false}\r\nSUB > 1\r\nPING\r\n").expect("taken");
        let seen = Arc::<Mutex<Vec<u8>>>::default();
        let all = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut bytes = [0; 64 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut bytes) {
                all.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..read]);
            }
        });
        let spy = Self(seen);
        wait_for("the broker's answer", || spy.has("PONG").then_some(()));
        spy
    }

    /// Returns true if that text was in any message so far.
    fn has(&self, text: &str) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// Has the first gate punch with the scan of the city's first person: five times at one gateway, then once more there and, as if the answer
/// had been lost, at another one. Returns the person's code and the place.
fn pass(at: &Member, then: &Member) -> (u64, u32) {
    let (fleet, other) = (at.fleet(), then.fleet());
    let tokens = Tokens::load(&fleet).expect("the city's codes");
    let person = tokens.people()[0];
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    let punch = || {
        let now_ms = clock::now_ms();
        let scanned = tokens.scan(&person, u32::try_from(now_ms / 1000).expect("before 2106"));
        Punch { scanned, direction: Direction::In, place, device_time_ms: now_ms, offline: None }
    };
    block_on(async {
        let endpoint = endpoint(&fleet);
        let connect = |fleet: &device::Fleet, state| {
            let mut gate = Device::new(&endpoint, fleet, &fleet.devices[0], state).expect("certificates");
            gate.come_home_after(Duration::from_secs(3_600));
            gate
        };
        let mut gate = connect(&fleet, DeviceState::new(Epoch(1)));
        for _ in 0..ALONE {
            gate.punch(region, punch(), 0);
        }
        gate.settle().await.expect("acknowledged");
        let state = gate.into_state();
        let last = punch();
        for fleet in [&fleet, &other] {
            let mut gate = connect(fleet, state.clone());
            gate.punch(region, last.clone(), 0);
            gate.settle().await.expect("acknowledged");
            assert_eq!(gate.state().acknowledged().0, ALONE as u64 + 1);
        }
    });
    (person.code.get(), place.0)
}

/// Asks a gateway who passed the place today; returns the exit code, the text and the JSON.
fn who(member: &Member, place: u32) -> (Option<i32>, String, Value) {
    let day = policy::trajectory::day_of(clock::now_s());
    let (place, from) = (place.to_string(), format!("{day}T00:00"));
    let to = format!("{}T00:00", policy::trajectory::days_after(day, 1));
    let words = ["punches", "who", "--place", &place, "--from", &from, "--to", &to, "--case", "C-7"];
    let (status, out, err) = member.order(1, &words);
    let (_, json, _) = member.order(1, &[&words[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}{out}{err}"));
    (status.code(), out, json["passages"].clone())
}

/// Exports at a gateway; returns the exit code, what was said beside, and the holders of each number.
fn exported(member: &Member, rest: &[&str]) -> (Option<i32>, String, BTreeMap<u64, Vec<String>>) {
    let words = ["ledger", "export", "--case", "C-8", "--format", "jsonl"];
    let (status, out, err) = member.order(1, &[&words[..], rest].concat());
    let mut holders = BTreeMap::<u64, Vec<String>>::new();
    for line in out.lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let holder = row["gateway"].as_str().unwrap_or_default().to_owned();
        holders.entry(row["sequence"].as_u64().expect("a number")).or_default().push(holder);
    }
    (status.code(), err, holders)
}

#[test]
fn the_record_of_a_fleet_is_one_wherever_it_is_asked_for_and_names_who_is_away() {
    let mut city = City::start(200, 2);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let [north, mut south, west] = three(&mut city, root.path(), &nats);
    let spy = Spy::on(&nats);
    let (code, place) = pass(&south, &west);
    // At the gateway that leads, which has none of them; and at one that follows.
    for member in [&north, &west] {
        let (status, out, found) = who(member, place);
        assert_eq!(status, Some(0), "{out}");
        assert!(out.contains("1 people") && !out.contains("INCOMPLETE"), "{out}");
        let passages = found["passages"].as_array().expect("a list");
        assert_eq!(passages.len(), ALONE + 1, "{found}");
        assert!(passages.is_sorted_by_key(|passage| passage["at_ms"].as_u64()), "{found}");
    }
    let number = code.to_string();
    let (_, accesses, _) = north.order(1, &["code", "accesses", &number, "--case", "C-9"]);
    let seen = accesses.lines().filter(|line| line.contains("passages") && line.contains("C-7")).count();
    assert_eq!(seen, 4, "twice at each, on record at the leader: {accesses}");

    let (status, err, holders) = exported(&west, &["--fleet"]);
    assert_eq!(status, Some(0), "{err}");
    let expected: BTreeMap<_, _> = (1..=ALONE as u64 + 1).map(|n| (n, vec!["south".to_owned()])).collect();
    assert_eq!(holders, expected);
    assert!(err.contains("west: 0, and 1 that are in another log, too"), "{err}");
    // A gateway's own log, at a gateway that follows.
    let (status, err, holders) = exported(&west, &[]);
    assert_eq!(
        (status, holders),
        (Some(0), BTreeMap::from([(ALONE as u64 + 1, vec![String::new()])])),
        "{err}"
    );
    let (_, accesses, _) = north.order(1, &["code", "accesses", &number, "--case", "C-9"]);
    assert_eq!(accesses.lines().filter(|line| line.contains("export")).count(), 2, "{accesses}");

    let verify = |member: &Member| {
        let (status, out, err) = member.command(&["ledger", "verify", "--fleet"]);
        (status.code(), out + &err)
    };
    let (status, said) = verify(&west);
    let sound = ["north: sound", "south: sound", "west: sound"].iter().all(|line| said.contains(line));
    assert!(status == Some(0) && sound, "{said}");

    south.kill();
    let (status, said) = verify(&north);
    assert!(status == Some(1) && said.contains("south: NOT VERIFIED"), "{said}");
    let (status, out, found) = who(&west, place);
    assert_eq!((status, found["away"][0]["gateway"].as_str()), (Some(1), Some("south")), "{found}");
    assert!(out.contains("INCOMPLETE: south does not answer"), "{out}");
    assert_eq!(found["passages"].as_array().map(Vec::len), Some(1), "{found}");
    let (status, err, holders) = exported(&north, &["--fleet"]);
    assert_eq!(holders, BTreeMap::from([(ALONE as u64 + 1, vec!["west".to_owned()])]));
    assert!(status == Some(1) && err.contains("INCOMPLETE: south does not answer"), "{err}");
    for text in [number.as_str(), "C-7", "C-8", "\"passages\"", "li-na"] {
        assert!(!spy.has(text), "{text} in clear at the broker");
    }
}

#[test]
fn orders_are_given_at_any_gateway_and_are_on_record_once() {
    let mut city = City::start(200, 2);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let [mut north, south, west] = three(&mut city, root.path(), &nats);
    let codes = green(&city);
    redden(&south, &codes[0]).expect("a gateway that follows passes it on");
    let why = ["code", "why", &codes[0], "--case", "C-1"];
    let (status, out, err) = west.order(1, &why);
    assert!(status.success() && out.contains("close-contact"), "{out}{err}");
    // What is one gateway's own is done there, and on record at the leader.
    let (status, out, err) = south.order(1, &["reload"]);
    assert!(status.success() && out.contains("As before"), "{out}{err}");
    let (status, out, err) = south.order(1, &["reload", "--fleet"]);
    let all = ["At north:", "At west:"].iter().all(|line| out.contains(line));
    assert!(status.success() && all, "{out}{err}");
    let (status, out, err) = south.order(1, &["tap", "--seconds", "1", "--case", "C-2"]);
    assert!(status.success(), "{out}{err}");
    let backups = tempfile::tempdir().expect("a directory");
    let backup = backups.path().join("backup");
    let (status, out, err) =
        south.order(1, &["backup", "--out", backup.to_str().expect("plain"), "--case", "C-4"]);
    assert!(status.success() && backup.join("registry.db").exists(), "{out}{err}");
    let (status, out, err) = north.command(&["audit", "verify"]);
    assert!(status.success(), "{out}{err}");
    // A file of its own machine is no matter for the leader.
    let file = root.path().join("holders.csv");
    std::fs::write(&file, "name,document_kind,document,phone,district,colour,basis,until,qr_text\n")
        .expect("written");
    let (status, out, err) = south.order(2, &["holders", "import", file.to_str().expect("plain")]);
    let said = out + &err;
    assert!(!status.success() && said.contains("https://north.example"), "{said}");

    // A policy that is activated at one of them judges at all.
    let code: u64 = codes[2].parse().expect("a number");
    set_cause(&south, &codes[2], "quarantine").expect("taken");
    let colour_at = |member: &Member, colour| (shown_by(&member.fleet(), 0, code) == colour).then_some(());
    wait_for("yellow", || colour_at(&west, Colour::Yellow));
    let text = std::fs::read_to_string(city.data().join("policy.toml")).expect("the city's policy");
    let text = text.replacen("version = \"2020-02-24\"", "version = \"harder\"", 1);
    let policy = root.path().join("harder.toml");
    std::fs::write(&policy, text.replacen("colour = \"yellow\"", "colour = \"red\"", 1)).expect("written");
    let (status, out, err) = west.order(2, &["policy", "activate", policy.to_str().expect("plain")]);
    assert!(status.success() && out.contains("Policy harder is in effect"), "{out}{err}");
    for member in [&north, &south, &west] {
        wait_for("red by the new policy", || colour_at(member, Colour::Red));
        let (_, out, _) = member.command(&["policy", "show"]);
        assert!(out.contains("version = \"harder\""), "{out}");
    }

    north.kill();
    // Until another one leads, an order says that it was not given.
    wait_for("another leader", || {
        redden(&south, &codes[1])
            .map_err(|refused| {
                assert!(refused.contains("does not answer") || refused.contains("not now"), "{refused}");
            })
            .ok()
    });
}

/// Returns the configuration of a carrier, whose key is written to that directory.
fn carrier_at(url: &str, city: &City, directory: &Path) -> String {
    let key = directory.join("carrier.key");
    write_secret(&key, &"07".repeat(32));
    let (key, authority) = (key.display(), city.data().join("authority/ca.pem"));
    let authority = authority.display();
    format!(
        "[[carrier]]\nid = \"china-mobile\"\nname = \"China Mobile\"\nname_zh = \"中国移动\"\nurl = \"{url}\"\nauthority = \"{authority}\"\n\
         key_id = \"k\"\nkey = \"{key}\"\nreserved = \"13400000000\"\ntravel_page = \"https://travel.example\"\n"
    )
}

/// Asks with a receipt from a device of its own.
async fn ask(
    (fleet, gate): (&device::Fleet, usize),
    receipt: [u8; RECEIPT_BYTES],
) -> Result<TrajectoryAnswer, Option<ErrorCode>> {
    let (_, region) = fleet.devices[gate].places().next().expect("a place");
    let mut gate = device(&endpoint(fleet), fleet, gate);
    gate.come_home_after(Duration::from_secs(3_600));
    match gate.ask_trajectory(region, receipt).await {
        Ok(answer) => Ok(answer),
        Err(DeviceError::Refused { code, .. }) => Err(ErrorCode::from_number(code)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_query_at_a_gateway_that_follows_is_answered_by_the_one_that_leads() {
    let mut city = City::start(200, 4);
    let root = tempfile::tempdir().expect("a directory");
    let (mut nats, carrier) = (Nats::start(), StandIn::start());
    assert!(city.terminate().success(), "{}", city.log());
    let given = [(HOME, clock::now_s(), Detail::Stay); 3];
    let all = receipts(&city, &given, |_| false);
    let lines = carrier_at(&carrier.url(), &city, root.path());
    let [mut north, south, west] = three_with(&city, root.path(), &nats, &lines);
    let spy = Spy::on(&nats);
    let (at_south, at_west) = (south.fleet(), west.fleet());
    block_on(async {
        let answer = ask((&at_south, 0), all[0]).await.expect("an answer");
        assert_eq!((answer.reason.name(), answer.stay().name()), ("clean", "no"));
        // The leader has the consent's use, so that it is good once for all of them.
        for fleet in [&at_south, &at_west, &north.fleet()] {
            assert_eq!(ask((fleet, 1), all[0]).await, Err(Some(ErrorCode::ReceiptUsed)));
        }
        let mut forged = all[1];
        forged[3] ^= 1;
        assert_eq!(ask((&at_south, 2), forged).await, Err(Some(ErrorCode::ReceiptBad)));
    });
    assert_eq!(south.metric("changtong_trajectory_queries_total", "clean"), 1.0);
    assert!(carrier.seen().iter().any(|body| body["msisdn"].as_str().is_some_and(|of| of.ends_with(HOME))));
    for text in [HOME, &hex::encode(all[0]), "receipt", "clean"] {
        assert!(!spy.has(text), "{text} in clear at the broker");
    }

    // The receipt stays good while none leads, and the device is told at once to ask again; it does so by itself.
    block_on(async {
        let (_, region) = at_south.devices[3].places().next().expect("a place");
        let mut gate = device(&endpoint(&at_south), &at_south, 3);
        gate.come_home_after(Duration::from_secs(3_600));
        gate.connect().await.expect("a connection");
        rustix::process::kill_process(north.pid(), rustix::process::Signal::KILL).expect("our own process");
        let asked = clock::now();
        let answer = gate.ask_trajectory(region, all[2]).await.expect("an answer");
        assert_eq!(answer.reason.name(), "clean");
        eprintln!("answered {:?} after the leader's death", clock::since(asked));
        nats.kill();
        wait_for("a gateway that follows nobody", || {
            south.standing().filter(|standing| standing["leads"] == false && standing["connected"] == false)
        });
        let asked = gate.start_query(region, all[1]).expect("it fits").expect("it is connected");
        let answer = asked.await.expect("an answer");
        assert!(matches!(&answer, Answer::Busy(busy) if busy.reason == BusyReason::Queries), "{answer:?}");
    });
    north.kill();
}
