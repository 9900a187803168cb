//! Applications a second that are durable with a fleet's stream and without one, changes a second that a follower applies, and the time of
//! a snapshot of so many people and of joining by it: `cargo run --release -p fleet --example fleet_rate -- SERVER APPLICATIONS CALLERS PEOPLE`,
//! where SERVER is a `nats-server` with an empty JetStream, such as nats://127.0.0.1:4222, or the three servers of one, with commas.

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::registrar::{
    ApplySteps, FleetPosition, Form, RegistrarConfig, RegistrarHandle, SubmitForm, TakeOffice,
};
use actors::sms::{Asker, ProvenPhone, SessionId, SmsCodes, SmsLimits};
use fleet::{Answer, Fleet, FleetConfig, Member, Pieces, Rhythm, Running, Trouble, Work};
use keys::Keys;
use ledger::Missing;
use policy::{Policy, PolicyInEffect};
use protocol::{Basis, Class, CodeId, Colour, DeviceId, Epoch, Sequence};
use registry::colours::{CodeEntry, Codes};
use registry::replication::{Step, StreamPlace};
use registry::{DocumentKind, DocumentNumber, Person, Phone, Registry, RegistryError};
use runtime::clock;
use runtime::host::HostedThread;

/// The applications of one caller: each is a group of its own.
const ONE_BY_ONE: u32 = 500;
/// The number of the first person that a registry is filled with, beyond those who apply.
const FIRST_FILLED: u32 = 50_000_000;
/// The people that are added in one transaction.
const PEOPLE_AT_ONCE: usize = 10_000;
/// Rounds in which both take turns: the disk and the other processes change between them.
const ROUNDS: u32 = 3;

/// The gateway's registrar, and the number of rows that it has applied.
struct Followed(RegistrarHandle, Arc<AtomicU64>, Mutex<Registry>);

impl Member for Followed {
    fn position(&self) -> Answer<StreamPlace> {
        let registrar = self.0.clone();
        Box::pin(async move { registrar.act(FleetPosition).await.map_err(trouble) })
    }

    fn apply(&self, steps: Vec<Step>) -> Answer<()> {
        let (registrar, rows) = (self.0.clone(), Arc::clone(&self.1));
        Box::pin(async move {
            let applied = registrar.act(ApplySteps(steps)).await.map_err(trouble)?;
            rows.fetch_add(applied.rows, Ordering::Relaxed);
            Ok(())
        })
    }

    fn copy(&self, to: PathBuf) -> Answer<StreamPlace> {
        let reader = self.2.lock().expect("no panic").reader();
        Box::pin(async move { reader.and_then(|reader| reader.snapshot_to(&to)).map_err(trouble) })
    }

    fn may_join(&self) -> Answer<()> {
        let reader = self.2.lock().expect("no panic").reader();
        Box::pin(async move { reader.and_then(|reader| reader.may_join()).map_err(trouble) })
    }

    fn adopt(&self, from: PathBuf, place: StreamPlace) -> Answer<u64> {
        let reader = self.2.lock().expect("no panic").reader();
        Box::pin(async move { reader.and_then(|reader| reader.adopt(&from, &place)).map_err(trouble) })
    }

    fn take_office(&self) -> Answer<()> {
        let registrar = self.0.clone();
        Box::pin(async move { registrar.act(TakeOffice).await.map_err(trouble) })
    }

    fn marks(&self, of: Vec<(DeviceId, Epoch)>) -> Answer<Vec<Sequence>> {
        Box::pin(async move { Ok(vec![Sequence(0); of.len()]) })
    }

    fn miss(&self, _: Missing) -> Answer<()> {
        Box::pin(async { Ok(()) })
    }

    fn answer(&self, _: String, _: Vec<u8>, pieces: Pieces) -> Work {
        Box::pin(pieces.end(Ok(Vec::new())))
    }
}

fn trouble(error: impl std::fmt::Display) -> Trouble {
    Trouble::Gateway(error.to_string())
}

struct Gateway {
    registrar: RegistrarHandle,
    thread: HostedThread,
    running: Option<Running>,
    keys: Keys,
}

/// Starts a registrar, in a fleet or not.
fn start(directory: &Path, name: &str, server: Option<&str>) -> (Gateway, Arc<AtomicU64>) {
    let applied = Arc::default();
    let path = directory.join("keys");
    let keys = Keys::load(&path).expect("keys");
    let mut registry = Registry::open(&directory.join(format!("{name}.db")), &keys).expect("a registry");
    std::fs::create_dir_all(directory.join(format!("{name}.data"))).expect("a directory");
    let part = server.map(|server| {
        let servers: Vec<String> = server.split(',').map(str::to_owned).collect();
        let config = FleetConfig {
            name: name.to_owned(),
            address: name.to_owned(),
            device_address: None,
            data: directory.join(format!("{name}.data")),
            replicas: servers.len(),
            servers,
            snapshots: Rhythm::default(),
            user: None,
            authority: None,
            certificate: None,
        };
        let key = Keys::fleet(&path).expect("the fleet's key");
        Fleet::new(config, key, &keys).expect("nothing waits")
    });
    if let Some(part) = &part {
        registry.replicate_by(part.outbox()).expect("a member");
    }
    let reader = Mutex::new(registry.reader().expect("a reader"));
    let (codes, policy) = (Codes::new(0), PolicyInEffect::new(Policy::development()));
    codes.set_loaded();
    let config =
        RegistrarConfig { signing_pkcs8: keys.signing_pkcs8().to_vec().into(), ..Default::default() };
    let (registrar, thread) = RegistrarHandle::start(registry, codes, policy, config).expect("a thread");
    let running = part.map(|part| {
        part.start(Arc::new(Followed(registrar.clone(), Arc::clone(&applied), reader))).expect("a thread")
    });
    (Gateway { registrar, thread, running, keys }, applied)
}

impl Gateway {
    fn wait(&self, until: impl Fn(&fleet::Standing) -> bool) {
        let standing = self.running.as_ref().expect("in a fleet").standing();
        while !until(&standing()) {
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    fn stop(self) {
        self.thread.stop().expect("ends well");
        if let Some(running) = self.running {
            running.stop().expect("ends well");
        }
    }
}

/// Proves a phone as a citizen does: a code is sent to the made-up number, and typed.
fn prove(codes: &mut SmsCodes, phone: &Phone, n: u32, now_s: u64) -> ProvenPhone {
    let asker = Asker { session: SessionId([7; 16]), client: n.to_be_bytes().into(), known: true };
    let sent = codes.request(asker, phone, u64::from(n), now_s).expect("sent");
    codes.check(asker, phone, sent.digits(), now_s).expect("the right code")
}

fn person(n: u32) -> Person {
    let document = DocumentNumber::parse(DocumentKind::Passport, &format!("MADEUP{n}")).expect("a passport");
    let phone = Phone::parse(&format!("163{n:08}")).expect("a made-up number");
    let (name, district) = ("Made Up".to_owned(), "360102".to_owned());
    Person { name, document, phone, district, community: String::new() }
}

fn form(n: u32, codes: &mut SmsCodes, now_s: u64) -> Form {
    let person = person(n);
    let proven = prove(codes, &person.phone, n, now_s);
    let declared = Some(n.is_multiple_of(100));
    Form { person, declared, consent: None, proven, guardian: None, along: false }
}

/// Has callers apply; returns applications a second.
fn apply(gateway: &Gateway, people: Range<u32>, callers: u32) -> f64 {
    let number = people.len() as f64;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sms = Arc::new(Mutex::new(SmsCodes::new(&gateway.keys, SmsLimits::default())));
    let begun = clock::now();
    runtime.block_on(async {
        let caller = |caller: u32| {
            let (registrar, sms, mine) =
                (gateway.registrar.clone(), Arc::clone(&sms), people.clone().skip(caller as usize));
            tokio::spawn(async move {
                for n in mine.step_by(callers as usize) {
                    let now_s = clock::now_s();
                    let form = form(n, &mut sms.lock().expect("no panic"), now_s);
                    registrar.act(SubmitForm { form, now_s }).await.expect("taken");
                }
            })
        };
        let tasks: Vec<_> = (0..callers).map(caller).collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    number / clock::since(begun).as_secs_f64()
}

/// Makes the leader's registry with people.
fn fill(directory: &Path, people: u32) {
    let keys = Keys::load(&directory.join("keys")).expect("keys");
    let path = directory.join("leader.db");
    let mut registry = Registry::open(&path, &keys).expect("a registry");
    let entry = CodeEntry::new(Colour::Green, Basis::Declared, Class::Person, 0, 1);
    registry.set_filling(true).expect("a larger cache");
    for from in (0..people).step_by(PEOPLE_AT_ONCE) {
        let added = registry.group(|registry| {
            for n in from..people.min(from + PEOPLE_AT_ONCE as u32) {
                let code = CodeId::issue(1, u64::from(n) + 1).expect("a code");
                registry.add_person(&person(FIRST_FILLED + n), code, entry)?;
            }
            Ok::<_, RegistryError>(())
        });
        added.expect("a transaction").expect("new people");
    }
    drop(registry);
    let bytes = std::fs::metadata(&path).expect("it is there").len();
    println!("registry of {people} people: {} MB", bytes / 1_000_000);
}

fn main() {
    let argument = |at| std::env::args().nth(at);
    let server = argument(1).expect("the address of a nats-server with an empty JetStream");
    let number = |at, otherwise| argument(at).map_or(otherwise, |text| text.parse().expect("a number"));
    let (applications, callers) = (number(2, 20_000), number(3, 256));
    // Beside the program: a temporary directory may be in memory, where a sync costs nothing.
    let beside = std::env::current_exe().expect("a program has a place");
    let directory = tempfile::tempdir_in(beside.parent().expect("in a directory")).expect("a directory");
    let keys = directory.path().join("keys");
    Keys::init(&keys).expect("keys");
    Keys::make_fleet(&keys).expect("a key");

    fill(directory.path(), number(4, 0));
    let (alone, _) = start(directory.path(), "alone", None);
    let begun = clock::now();
    let (leader, _) = start(directory.path(), "leader", Some(&server));
    leader.wait(|standing| standing.leads && standing.position > 0);
    println!("first snapshot: {:.1} s until the leader takes changes", clock::since(begun).as_secs_f64());
    let begun = clock::now();
    let (follower, _) = start(directory.path(), "follower", Some(&server));
    follower.wait(|standing| standing.connected && standing.position > 0 && standing.lag() == 0);
    println!("join: {:.1} s", clock::since(begun).as_secs_f64());
    follower.stop();
    let mut from = 0;
    for round in 1..=ROUNDS {
        for (name, gateway) in [("alone ", &alone), ("leader", &leader)] {
            let grouped = apply(gateway, from..from + applications, callers);
            let single = apply(gateway, from + applications..from + applications + ONE_BY_ONE, 1);
            println!(
                "{round} {name}: {grouped:.0} applications/s by {callers} callers, {single:.0} groups/s by one"
            );
        }
        from += applications + ONE_BY_ONE;
    }
    alone.stop();

    let begun = clock::now();
    let (follower, applied) = start(directory.path(), "follower", Some(&server));
    follower.wait(|standing| standing.connected && standing.position > 1 && standing.lag() == 0);
    let seconds = clock::since(begun).as_secs_f64();
    let rows = applied.load(Ordering::Relaxed);
    println!("follower: {rows} changed rows in {seconds:.1} s, {:.0}/s", rows as f64 / seconds);
    let digest = |name: &str, keys: &Keys| {
        let registry = Registry::open_to_read(&directory.path().join(name), keys).expect("a registry");
        registry.shared_digest().expect("read")
    };
    assert_eq!(digest("leader.db", &leader.keys), digest("follower.db", &follower.keys));
    follower.stop();
    leader.stop();
}
