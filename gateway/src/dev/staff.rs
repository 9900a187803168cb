//! The development city's operators: made when they are missing, with keys in its data, so that every command can be tried. A real
//! city's keys are made by `operator add` and kept by their owners.

use std::path::{Path, PathBuf};

use keys::Keys;
use registry::operator::{self, Operator, OperatorKey, Role};
use registry::{DirectoryLock, Registry};
use serde::Deserialize;

use super::FLEET;
use crate::config::Settings;
use crate::tls::pki::write_new;

/// Two, because an order that turns a person red takes two.
const NAMES: [&str; 2] = ["li-na", "wang-wei"];
const AUTHORITY: &str = "cdc";

#[derive(Deserialize)]
struct Operators {
    #[serde(default)]
    operators: Vec<PathBuf>,
}

/// Returns the key file of the first operator, if there is a development city in that directory.
pub(crate) fn first_operator(data: &Path) -> Option<PathBuf> {
    let fleet = std::fs::read(data.join(FLEET)).ok()?;
    serde_json::from_slice::<Operators>(&fleet).ok()?.operators.into_iter().next()
}

/// Makes the operators of a city that was built before there were any; returns the paths of their keys.
pub(super) fn employ_late(data: &Path, settings: &Settings) -> anyhow::Result<Vec<PathBuf>> {
    let _lock = DirectoryLock::take(data)?;
    let keys = Keys::load(&settings.keys)?;
    employ(&mut Registry::open(&Settings::registry_path(data), &keys)?, data, data)
}

/// Makes the missing operators, with keys in `fresh`; returns the paths of their keys once that directory is `target`.
pub(super) fn employ(registry: &mut Registry, fresh: &Path, target: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let directory = fresh.join("operators");
    std::fs::create_dir_all(&directory)?;
    let mut employed = Vec::new();
    for name in NAMES {
        let path = directory.join(format!("{name}.key"));
        let key = if path.exists() {
            OperatorKey::load(&path)?
        } else {
            let (key, text) = OperatorKey::generate(name)?;
            write_new(&path, &text, 0o600)?;
            key
        };
        match registry.operator(name)? {
            Some(known) if known.public_key == key.public_key() => {}
            // An operator of that name was added with `operator add`, and keeps the key elsewhere.
            Some(_) => {
                std::fs::remove_file(&path)?;
                continue;
            }
            None => {
                let (authority, roles) = (AUTHORITY.to_owned(), Role::ALL.to_vec());
                let (name, public_key) = (name.to_owned(), key.public_key());
                operator::add(registry, &Operator { name, authority, roles, public_key, revoked: false })?;
            }
        }
        employed.push(target.join(format!("operators/{name}.key")));
    }
    Ok(employed)
}
