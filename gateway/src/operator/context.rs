//! The context in which operators' acts are done: what a running gateway shares with them, or, when none runs, the registry alone.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use actors::judge::{PlaceKinds, Scanners};
use actors::query::Queries;
use actors::registrar::{Registrar, RegistrarError, RegistrarHandle, RegistryChange};
use actors::tap::Taps;
use anyhow::Context;
use fleet::Peers;
use keys::Keys;
use policy::{Policy, PolicyInEffect};
use protocol::DeviceId;
use registry::audit::Checkpoint;
use registry::colours::Codes;
use registry::{PlaceRow, Registry};
use runtime::clock;
use runtime::lock::lock;
use serde::{Deserialize, Serialize};

use super::counter::Counter;
use super::homes::{self, Home};
use super::vitals::Vitals;
use crate::across::{Leader, Others};
use crate::config::Settings;
use crate::fleet::Fleet;
use crate::reload::Reload;

/// The context of operators' acts: the registry and what follows it, and the gateway around it if one runs.
#[derive(Clone)]
pub(crate) struct OperatorContext {
    /// A connection that reads the registry. It stands before the writer's, and so is closed before it: the last connection that is closed
    /// moves the changes into the file, which a reader cannot.
    pub(crate) reader: Arc<Mutex<Registry>>,
    /// The registry's one writer.
    pub(crate) registrar: RegistrarHandle,
    pub(crate) fleet: Fleet,
    pub(crate) keys: Arc<Keys>,
    pub(crate) codes: Codes,
    /// The kinds of the places, for the judge.
    pub(crate) place_kinds: PlaceKinds,
    /// Devices whose scanners are set wrong.
    pub(crate) scanners: Scanners,
    /// The punch log's directory and that of its day keys, for reading.
    pub(crate) log: (PathBuf, PathBuf),
    pub(crate) homes: Vec<Home>,
    /// `None` when no gateway runs.
    pub(crate) running: Option<Running>,
}

/// The parts of a running gateway that operators' acts use.
#[derive(Clone)]
pub(crate) struct Running {
    /// The policy in effect.
    pub(crate) policy: PolicyInEffect,
    /// For devices at gateways of the fleet that do not lead.
    pub(crate) queries: Queries,
    /// For citizens at an office; `None` without a message service.
    pub(crate) counter: Option<Counter>,
    /// The place where devices take their tokens.
    pub(crate) enrols_at: EnrolsAt,
    /// The beginning of links to the pages; `None` when there are none.
    pub(crate) pages: Option<String>,
    /// The taps that show verdicts while they are given.
    pub(crate) taps: Taps,
    /// Reads the files again.
    pub(crate) reload: Arc<Reload>,
    /// The process's knowledge of itself.
    pub(crate) vitals: Vitals,
    /// The other gateways of the fleet; `None` without one.
    pub(crate) peers: Option<Peers>,
}

/// The place where a device takes its token: the gateway's address, and the file with the authority that vouches for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EnrolsAt {
    pub(crate) url: String,
    pub(crate) authority: PathBuf,
}

impl OperatorContext {
    /// The context on which no gateway runs: the registry itself, under the directory's lock. Starts no thread.
    pub(crate) fn offline(
        data: &Path,
        keys_directory: &Path,
        mut registry: Registry,
        keys: Keys,
    ) -> anyhow::Result<Self> {
        registry.rest()?;
        let (reader, codes) = (registry.reader()?, Codes::new(0));
        Ok(Self {
            registrar: RegistrarHandle::without_gateway(registry, codes.clone()),
            reader: Arc::new(Mutex::new(reader)),
            fleet: Fleet::default(),
            keys: Arc::new(keys),
            codes,
            place_kinds: PlaceKinds::default(),
            scanners: Scanners::default(),
            log: (Settings::ledger_path(data), Keys::days(keys_directory)),
            homes: homes::homes(data, &[keys_directory]),
            running: None,
        })
    }

    /// The running gateway. An error that says to start it when none runs.
    pub(crate) fn running(&self) -> anyhow::Result<&Running> {
        self.running.as_ref().context("this takes a running gateway; start it and order again")
    }

    /// The policy in effect. Fails when no gateway runs.
    pub(crate) fn policy(&self) -> anyhow::Result<Arc<Policy>> {
        Ok(self.running()?.policy.get())
    }

    /// The place where devices take their tokens; `None` when no gateway runs.
    pub(crate) fn enrols_at(&self) -> Option<EnrolsAt> {
        self.running.as_ref().map(|running| running.enrols_at.clone())
    }

    /// True for a fleet's registry whose gateway does not run or does not lead.
    pub(crate) fn follows(&self) -> anyhow::Result<bool> {
        let peers = self.running.as_ref().map(|running| running.peers.as_ref());
        let leads = peers.is_some_and(|peers| peers.is_none_or(|peers| peers.standing().leads));
        self.read(|registry| Ok(!leads && registry.position()? > 0))
    }

    /// Returns the gateway that leads the fleet, if that is another one.
    pub(crate) fn leader_elsewhere(&self) -> Option<Leader<'_>> {
        Leader::elsewhere(self.running.as_ref()?.peers.as_ref())
    }

    /// Returns the other gateways of the fleet; `None` without one. An error if they are not known.
    pub(crate) fn others(&self) -> anyhow::Result<Option<Others<'_>>> {
        self.running.as_ref().and_then(|running| running.peers.as_ref()).map(Others::of).transpose()
    }

    /// Opens a reader of its own, for acts that read for long.
    pub(crate) fn reader(&self) -> anyhow::Result<Registry> {
        self.read(|registry| Ok(registry.reader()?))
    }

    /// Reads the registry; every change that was answered before is in it.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&Registry) -> anyhow::Result<T>) -> anyhow::Result<T> {
        f(&lock(&self.reader))
    }

    /// Changes the registry. Blocks its thread until the change is durable.
    pub(crate) fn write<C: RegistryChange>(&self, change: C) -> anyhow::Result<C::Reply>
    where
        C::Error: Into<anyhow::Error>,
    {
        self.registrar.act_blocking(change).map_err(Into::into)
    }

    /// Has the fleet follow the registry in a device that may have changed. Devices are read and put one at a time, so that the fleet is
    /// never left with an older row than the registry's.
    pub(crate) fn follow_device(&self, device: DeviceId) -> anyhow::Result<()> {
        self.read(|registry| {
            registry.device(device)?.into_iter().for_each(|row| self.fleet.put(row));
            Ok(())
        })
    }

    /// Has the fleet and the judge follow the registry in a new place.
    pub(crate) fn follow_place(&self, place: &PlaceRow) {
        self.fleet.add_place(place.id, place.region);
        self.place_kinds.add(place.id, place.kind);
    }

    /// Signs the decisions, unless all of them are signed; returns the last checkpoint.
    pub(crate) fn sign_decisions(&self) -> anyhow::Result<Checkpoint> {
        self.write(SignDecisions { keys: Arc::clone(&self.keys), now_s: clock::now_s() })
    }
}

/// A signed checkpoint of the decisions, unless all of them are signed.
struct SignDecisions {
    keys: Arc<Keys>,
    now_s: u64,
}

impl RegistryChange for SignDecisions {
    type Reply = Checkpoint;
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<Checkpoint, RegistrarError> {
        Ok(registrar.registry().checkpoint(self.keys.signing_pkcs8(), self.now_s)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_without_a_gateway_leaves_the_registry_in_one_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let keys_directory = directory.path().join("keys");
        Keys::init(&keys_directory).expect("new keys");
        let keys = Keys::load(&keys_directory).expect("its keys");
        let file = directory.path().join("registry.db");
        let registry = Registry::open(&file, &keys).expect("a new registry");
        let context = OperatorContext::offline(directory.path(), &keys_directory, registry, keys);
        let context = context.expect("no gateway runs");
        context.sign_decisions().expect("a checkpoint");
        drop(context);
        let names = std::fs::read_dir(directory.path()).expect("it is there").flatten();
        let left: Vec<_> = names.map(|entry| entry.file_name()).filter(|name| name != "keys").collect();
        assert_eq!(left, ["registry.db"]);
    }
}
