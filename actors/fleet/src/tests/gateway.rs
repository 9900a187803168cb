//! A gateway for tests: a registry with its registrar and its part in a fleet, without devices and pages.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use actors::registrar::{
    ApplySteps, FleetPosition, FollowAll, LoadCodes, Registrar, RegistrarConfig, RegistrarError,
    RegistrarHandle, RegistryChange, TakeOffice,
};
use keys::Keys;
use ledger::Missing;
use policy::{Policy, PolicyInEffect};
use protocol::{Basis, Class, CodeId, Colour, DeviceId, Epoch, Sequence};
use registry::colours::{CodeEntry, Codes};
use registry::replication::{Step, StreamPlace};
use registry::{DocumentKind, DocumentNumber, Person, Phone, Registry, RegistryError};
use runtime::host::HostedThread;
use runtime::lock::lock;

use super::broker::wait_for;
use crate::{
    Answer, Fleet, FleetConfig, Member, Orders, Peers, Pieces, Rhythm, Roster, Running, Standing, Trouble,
    Work,
};

/// A number of codes, added in one change.
pub(super) struct AddCodes(pub(super) std::ops::Range<u64>);

impl RegistryChange for AddCodes {
    type Reply = ();
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<(), RegistrarError> {
        let entry = CodeEntry::new(Colour::Green, Basis::Declared, Class::Person, 0, 1);
        for n in self.0 {
            registrar.registry().insert_code(code(n), entry)?;
        }
        Ok(())
    }
}

/// People with these numbers, added in one change.
pub(super) struct AddPeople(pub(super) std::ops::Range<u64>);

impl RegistryChange for AddPeople {
    type Reply = ();
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<(), RegistrarError> {
        for n in self.0 {
            let entry = CodeEntry::new(Colour::Green, Basis::Declared, Class::Person, 0, 1);
            registrar.registry().add_person(&person(n), code(n), entry)?;
            registrar.codes().put(code(n), entry);
        }
        Ok(())
    }
}

/// The withdrawal of a person.
pub(super) struct Withdraw(pub(super) u64);

impl RegistryChange for Withdraw {
    type Reply = ();
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<(), RegistrarError> {
        registrar.registry().remove_person(code(self.0), &person(self.0), 1)?;
        registrar.codes().remove(code(self.0));
        Ok(())
    }
}

fn person(n: u64) -> Person {
    let document = DocumentNumber::parse(DocumentKind::Passport, &format!("MADEUP{n}")).unwrap();
    let phone = Phone::parse(&format!("163{n:08}")).unwrap();
    let (name, district) = ("Made Up".to_owned(), "360102".to_owned());
    Person { name, document, phone, district, community: String::new() }
}

pub(super) fn code(n: u64) -> CodeId {
    CodeId::issue(1, n).unwrap()
}

struct Followed(RegistrarHandle, Arc<Mutex<Log>>, Arc<Mutex<Registry>>, Arc<AtomicBool>);

impl Member for Followed {
    fn position(&self) -> Answer<StreamPlace> {
        let (registrar, is_behind) = (self.0.clone(), Arc::clone(&self.3));
        Box::pin(async move {
            if is_behind.load(Ordering::SeqCst) {
                registrar.act(FollowAll).await.map_err(trouble)?;
                is_behind.store(false, Ordering::SeqCst);
            }
            registrar.act(FleetPosition).await.map_err(trouble)
        })
    }

    fn copy(&self, to: PathBuf) -> Answer<StreamPlace> {
        let reader = lock(&self.2).reader();
        aside(move || reader?.snapshot_to(&to))
    }

    fn may_join(&self) -> Answer<()> {
        let reader = lock(&self.2).reader();
        aside(move || reader?.may_join())
    }

    fn adopt(&self, from: PathBuf, place: StreamPlace) -> Answer<u64> {
        let reader = lock(&self.2).reader();
        self.3.store(true, Ordering::SeqCst);
        aside(move || reader?.adopt(&from, &place))
    }

    fn apply(&self, steps: Vec<Step>) -> Answer<()> {
        let registrar = self.0.clone();
        Box::pin(async move { registrar.act(ApplySteps(steps)).await.map(drop).map_err(trouble) })
    }

    fn take_office(&self) -> Answer<()> {
        let registrar = self.0.clone();
        Box::pin(async move { registrar.act(TakeOffice).await.map_err(trouble) })
    }

    fn marks(&self, of: Vec<(DeviceId, Epoch)>) -> Answer<Vec<Sequence>> {
        let marks = of.iter().map(|of| lock(&self.1).marks.get(of).copied().unwrap_or(Sequence(0))).collect();
        Box::pin(async move { Ok(marks) })
    }

    fn miss(&self, missing: Missing) -> Answer<()> {
        lock(&self.1).lost.push(missing);
        Box::pin(async { Ok(()) })
    }

    fn answer(&self, from: String, request: Vec<u8>, pieces: Pieces) -> Work {
        Box::pin(super::calls::answer(Arc::clone(&self.1), from, request, pieces))
    }
}

fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static) -> Answer<T> {
    Box::pin(async {
        let done = tokio::task::spawn_blocking(work).await.expect("no panic");
        done.map_err(|error| Trouble::Gateway(error.to_string()))
    })
}

/// A punch log, as far as a fleet sees it.
#[derive(Default)]
pub(super) struct Log {
    pub(super) marks: HashMap<(DeviceId, Epoch), Sequence>,
    pub(super) lost: Vec<Missing>,
    /// The number of requests of other gateways.
    pub(super) asked: usize,
    /// Held by answers that are under way.
    pub(super) under_way: Arc<()>,
}

fn trouble(error: RegistrarError) -> Trouble {
    Trouble::Gateway(error.to_string())
}

pub(super) struct Gateway {
    pub(super) registrar: RegistrarHandle,
    pub(super) codes: Codes,
    reader: Arc<Mutex<Registry>>,
    thread: HostedThread,
    running: Running,
    pub(super) peers: Peers,
    pub(super) roster: Roster,
    pub(super) log: Arc<Mutex<Log>>,
}

/// Makes the keys of a fleet in that directory, unless they are there.
pub(super) fn make_keys(directory: &Path) {
    if !directory.exists() {
        Keys::init(directory).unwrap();
        Keys::make_fleet(directory).unwrap();
    }
}

pub(super) fn config(name: &str, server: String, data: PathBuf) -> FleetConfig {
    FleetConfig {
        name: name.to_owned(),
        address: format!("https://{name}.example"),
        device_address: Some(format!("{name}.example:7443").parse().unwrap()),
        data,
        servers: vec![server],
        replicas: 1,
        snapshots: Rhythm::default(),
        user: None,
        authority: None,
        certificate: None,
    }
}

impl Gateway {
    /// Starts a gateway that stores snapshots at that rhythm when it leads.
    pub(super) fn start_at(directory: &Path, name: &str, server: String, rhythm: Rhythm) -> Self {
        make_keys(&directory.join("keys"));
        let config = |config| FleetConfig { snapshots: rhythm, ..config };
        Self::start_all(directory, &directory.join("keys"), (name, server), |_| {}, config)
    }

    /// Starts a gateway of that name, with the keys and its registry in the directory.
    pub(super) fn start(directory: &Path, name: &str, server: String) -> Self {
        let keys = directory.join("keys");
        make_keys(&keys);
        Self::start_with(directory, &keys, name, server)
    }

    /// Starts a gateway whose punch log has something already.
    pub(super) fn start_knowing(
        directory: &Path,
        name: &str,
        server: String,
        known: impl FnOnce(&mut Log),
    ) -> Self {
        Self::start_all(directory, &directory.join("keys"), (name, server), known, |config| config)
    }

    pub(super) fn start_with(directory: &Path, keys: &Path, name: &str, server: String) -> Self {
        Self::start_all(directory, keys, (name, server), |_| {}, |config| config)
    }

    fn start_all(
        directory: &Path,
        keys: &Path,
        (name, server): (&str, String),
        known: impl FnOnce(&mut Log),
        changed: impl FnOnce(FleetConfig) -> FleetConfig,
    ) -> Self {
        let data = directory.join(format!("{name}.data"));
        std::fs::create_dir_all(&data).unwrap();
        let config = changed(config(name, server, data.clone()));
        let loaded = Keys::load(keys).unwrap();
        let mut registry = Registry::open(&directory.join(format!("{name}.db")), &loaded).unwrap();
        let part = Fleet::new(config, Keys::fleet(keys).unwrap(), &loaded).unwrap();
        registry.replicate_by(part.outbox()).unwrap();
        let (reader, codes) = (Arc::new(Mutex::new(registry.reader().unwrap())), Codes::new(0));
        let config =
            RegistrarConfig { signing_pkcs8: loaded.signing_pkcs8().to_vec().into(), ..Default::default() };
        let policy = PolicyInEffect::new(Policy::development());
        let (registrar, thread) = RegistrarHandle::start(registry, codes.clone(), policy, config).unwrap();
        codes.set_loaded();
        // Refused at a first start, which has nothing to load.
        let _ = registrar.act_blocking(LoadCodes {});
        let (peers, log) = (part.peers(), Arc::<Mutex<Log>>::default());
        known(&mut lock(&log));
        let running = part
            .start(Arc::new(Followed(
                registrar.clone(),
                Arc::clone(&log),
                Arc::clone(&reader),
                Arc::default(),
            )))
            .unwrap();
        let roster = peers.roster().clone();
        Self { registrar, codes, reader, thread, running, peers, roster, log }
    }

    pub(super) fn standing(&self) -> Standing {
        self.running.standing()()
    }

    pub(super) fn orders(&self) -> Orders {
        self.peers.orders()
    }

    pub(super) fn has_person(&self, n: u64) -> bool {
        lock(&self.reader).person(code(n)).unwrap().is_some()
    }

    pub(super) fn digest(&self) -> String {
        lock(&self.reader).shared_digest().unwrap()
    }

    pub(super) fn has(&self, n: u64) -> bool {
        lock(&self.reader).code(code(n)).unwrap().is_some()
    }

    /// Returns the error with which a change is refused here.
    pub(super) fn refusal(&self, n: u64) -> Option<RegistrarError> {
        self.registrar.act_blocking(AddCodes(n..n + 1)).err()
    }

    pub(super) fn add(&self, n: u64) {
        self.registrar.act_blocking(AddCodes(n..n + 1)).expect("the leader takes changes");
    }

    pub(super) fn wait_to_lead(&self) {
        let mut trouble = None;
        wait_for("a leader", || {
            let standing = self.standing();
            if standing.trouble != trouble {
                eprintln!("{standing:?}");
                trouble.clone_from(&standing.trouble);
            }
            standing.leads.then_some(())
        });
        // Its first change is the one that shuts an earlier leader out.
        wait_for("its first change", || (self.standing().position > 0).then_some(()));
    }

    pub(super) fn stop(self) {
        self.thread.stop().unwrap();
        self.running.stop().unwrap();
    }
}

/// Returns the addresses that a gateway tells devices.
pub(super) fn addresses(gateway: &Gateway) -> Vec<String> {
    gateway.peers.clone().addresses().iter().map(ToString::to_string).collect()
}

/// Waits until both have the same.
pub(super) fn wait_for_equality(one: &Gateway, other: &Gateway) {
    wait_for("equal registries", || {
        let (one_at, other_at) = (one.standing(), other.standing());
        (one_at.position == other_at.position && one_at.lag() == 0).then_some(())
    });
    assert_eq!(one.digest(), other.digest());
}
