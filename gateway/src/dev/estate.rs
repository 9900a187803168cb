//! The paths of a development city, for commands that look at it from outside, and the files that a sunset of it destroys. Nothing is made
//! or removed here.

use std::path::Path;

use actors::sunset::Estate;

use super::{CODES, Dev, FLEET, POLICY, carriers};
use crate::config::Settings;

/// The files that are destroyed with a city's people: who they are, tokens' keys, devices, operators, carriers, the authority.
const MADE_UP: [&str; 8] =
    [FLEET, CODES, "devices", "operators", carriers::DIRECTORY, "authority", "server.key", "server.pem"];

/// Returns the settings of the development city in that directory, with the default addresses.
pub(crate) fn settings_of(data: &Path) -> Option<Settings> {
    data.join(FLEET).exists().then(|| Dev::default().settings(data))
}

/// Returns the estate that a sunset of the development city in that directory ends.
pub(crate) fn estate_of(data: &Path) -> Option<Estate> {
    let settings = settings_of(data)?;
    Some(Estate {
        data: settings.data,
        keys: settings.keys,
        made_up: MADE_UP.to_vec(),
        plain: vec![POLICY],
        carriers: Vec::new(),
        yours: Vec::new(),
    })
}
