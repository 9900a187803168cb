//! The plane that operators act on when no gateway runs: the registry itself, under the directory's lock. Nothing here starts a thread.

use std::path::Path;
use std::sync::{Arc, Mutex};

use actors::judge::PlaceKinds;
use actors::scanners::Scanners;
use keys::Keys;
use registry::Registry;
use registry::colours::Codes;

use super::{Admin, Settings};
use crate::fleet::Fleet;
use crate::orders::place;

impl Admin {
    /// For a registry on which no gateway runs.
    pub(crate) fn offline(data: &Path, keys_directory: &Path, registry: Registry, keys: Keys) -> Self {
        let (registry, keys) = (Arc::new(Mutex::new(registry)), Arc::new(keys));
        let (fleet, place_kinds) = (Fleet::default(), PlaceKinds::default());
        let log = (Settings::ledger_path(data), Keys::days(keys_directory));
        Self {
            registry,
            fleet,
            keys,
            codes: Codes::new(0),
            place_kinds,
            scanners: Scanners::default(),
            policy: None,
            registrar: None,
            counter: None,
            enrols_at: None,
            pages: None,
            log,
            homes: place::homes(data, &[keys_directory]),
            taps: None,
            reload: None,
            vitals: None,
        }
    }
}
