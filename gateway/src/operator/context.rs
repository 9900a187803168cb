//! The context in which operators' acts are done: what a running gateway shares with them, or, when none runs, the registry alone.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use actors::judge::{PlaceKinds, Scanners};
use actors::registrar::RegistrarHandle;
use actors::tap::Taps;
use anyhow::Context;
use keys::Keys;
use policy::{Policy, PolicyInEffect};
use protocol::DeviceId;
use registry::colours::Codes;
use registry::{PlaceRow, Registry};

use super::counter::Counter;
use super::orders::EnrolsAt;
use super::orders::place::{self, Home};
use super::vitals::Vitals;
use crate::config::Settings;
use crate::fleet::Fleet;
use crate::reload::Reload;

/// The context of operators' acts: the registry and what follows it, and the gateway around it if one runs.
#[derive(Clone)]
pub(crate) struct OperatorContext {
    pub(crate) registry: Arc<Mutex<Registry>>,
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
    /// The handle of the registry's writer.
    pub(crate) registrar: RegistrarHandle,
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
}

impl OperatorContext {
    /// The context on which no gateway runs: the registry itself, under the directory's lock. Starts no thread.
    pub(crate) fn offline(data: &Path, keys_directory: &Path, registry: Registry, keys: Keys) -> Self {
        Self {
            registry: Arc::new(Mutex::new(registry)),
            fleet: Fleet::default(),
            keys: Arc::new(keys),
            codes: Codes::new(0),
            place_kinds: PlaceKinds::default(),
            scanners: Scanners::default(),
            log: (Settings::ledger_path(data), Keys::days(keys_directory)),
            homes: place::homes(data, &[keys_directory]),
            running: None,
        }
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

    /// A reader beside the registry's writer, for what reads long.
    pub(crate) fn reader(&self) -> anyhow::Result<Registry> {
        self.read(|registry| Ok(registry.reader()?))
    }

    /// Reads the registry.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&Registry) -> anyhow::Result<T>) -> anyhow::Result<T> {
        f(&self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works on the registry where the fleet has nothing to follow.
    pub(crate) fn write<T>(&self, f: impl FnOnce(&mut Registry) -> anyhow::Result<T>) -> anyhow::Result<T> {
        f(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a device or changes it, then has the fleet follow: that device is read again, no other.
    pub(crate) fn change_device(
        &self,
        f: impl FnOnce(&mut Registry) -> anyhow::Result<DeviceId>,
    ) -> anyhow::Result<DeviceId> {
        self.write(|registry| {
            let device = f(registry)?;
            self.fleet.put(registry.device(device)?.with_context(|| format!("there is no device {device}"))?);
            Ok(device)
        })
    }

    /// Adds a place, if one comes of it, then has the fleet and the judge follow: the others are not read again.
    pub(crate) fn change_place(
        &self,
        f: impl FnOnce(&mut Registry) -> anyhow::Result<Option<PlaceRow>>,
    ) -> anyhow::Result<Option<PlaceRow>> {
        self.write(|registry| {
            let place = f(registry)?;
            if let Some(row) = &place {
                self.fleet.add_place(row.id, row.region);
                self.place_kinds.add(row.id, row.kind);
            }
            Ok(place)
        })
    }
}
