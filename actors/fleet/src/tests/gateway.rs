//! A gateway for tests: a registry with its registrar and its part in a fleet, without devices and pages.

use std::path::Path;
use std::sync::{Arc, Mutex};

use actors::registrar::{
    ApplySteps, FleetPosition, LoadCodes, Registrar, RegistrarConfig, RegistrarError, RegistrarHandle,
    RegistryChange, TakeOffice,
};
use keys::Keys;
use policy::{Policy, PolicyInEffect};
use protocol::{Basis, Class, CodeId, Colour};
use registry::Registry;
use registry::colours::{CodeEntry, Codes};
use registry::replication::{Step, StreamPlace};
use runtime::host::HostedThread;
use runtime::lock::lock;

use super::broker::wait_for;
use crate::{Answer, Fleet, FleetConfig, Member, Running, Standing, Trouble};

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

pub(super) fn code(n: u64) -> CodeId {
    CodeId::issue(1, n).unwrap()
}

struct Followed(RegistrarHandle);

impl Member for Followed {
    fn position(&self) -> Answer<StreamPlace> {
        let registrar = self.0.clone();
        Box::pin(async move { registrar.act(FleetPosition).await.map_err(trouble) })
    }

    fn apply(&self, steps: Vec<Step>) -> Answer<()> {
        let registrar = self.0.clone();
        Box::pin(async move { registrar.act(ApplySteps(steps)).await.map(drop).map_err(trouble) })
    }

    fn take_office(&self) -> Answer<()> {
        let registrar = self.0.clone();
        Box::pin(async move { registrar.act(TakeOffice).await.map_err(trouble) })
    }
}

fn trouble(error: RegistrarError) -> Trouble {
    Trouble::Gateway(error.to_string())
}

pub(super) struct Gateway {
    pub(super) registrar: RegistrarHandle,
    pub(super) codes: Codes,
    reader: Mutex<Registry>,
    thread: HostedThread,
    running: Running,
}

/// Makes the keys of a fleet in that directory, unless they are there.
pub(super) fn make_keys(directory: &Path) {
    if !directory.exists() {
        Keys::init(directory).unwrap();
        Keys::make_fleet(directory).unwrap();
    }
}

impl Gateway {
    /// Starts a gateway of that name, with the keys and its registry in the directory.
    pub(super) fn start(directory: &Path, name: &str, server: String) -> Self {
        let keys = directory.join("keys");
        make_keys(&keys);
        Self::start_with(directory, &keys, name, server)
    }

    pub(super) fn start_with(directory: &Path, keys: &Path, name: &str, server: String) -> Self {
        let config = FleetConfig {
            name: name.to_owned(),
            address: format!("https://{name}.example"),
            servers: vec![server],
            replicas: 1,
            user: None,
            authority: None,
            certificate: None,
        };
        let loaded = Keys::load(keys).unwrap();
        let mut registry = Registry::open(&directory.join(format!("{name}.db")), &loaded).unwrap();
        let part = Fleet::new(config, Keys::fleet(keys).unwrap(), loaded.ids());
        registry.replicate_by(part.outbox()).unwrap();
        let (reader, codes) = (Mutex::new(registry.reader().unwrap()), Codes::new(0));
        let config =
            RegistrarConfig { signing_pkcs8: loaded.signing_pkcs8().to_vec().into(), ..Default::default() };
        let policy = PolicyInEffect::new(Policy::development());
        let (registrar, thread) = RegistrarHandle::start(registry, codes.clone(), policy, config).unwrap();
        codes.set_loaded();
        // Refused at a first start, which has nothing to load.
        let _ = registrar.act_blocking(LoadCodes {});
        let running = part.start(Arc::new(Followed(registrar.clone()))).unwrap();
        Self { registrar, codes, reader, thread, running }
    }

    pub(super) fn standing(&self) -> Standing {
        self.running.standing()()
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

/// Waits until both have the same.
pub(super) fn wait_for_equality(one: &Gateway, other: &Gateway) {
    wait_for("equal registries", || {
        let (one_at, other_at) = (one.standing(), other.standing());
        (one_at.position == other_at.position && one_at.lag() == 0).then_some(())
    });
    assert_eq!(one.digest(), other.digest());
}
