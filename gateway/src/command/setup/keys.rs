//! `changtong keys`: the gateway's secrets, each in a file that only its owner may read.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use keys::{Keys, Rotation};

use crate::config::Settings;
use crate::config::named::{self, At};
use crate::out::{note, say};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Makes a directory with fresh keys, for a gateway that has no data yet.
    Init {
        #[command(flatten)]
        at: At,
    },
    /// Adds a token key under which new tokens are issued. The one before it stays good until the next rotation, all others go. The
    /// gateway takes it at its next start.
    Rotate {
        #[command(flatten)]
        at: At,
    },
    /// Lists the keys, never their content.
    Status {
        #[command(flatten)]
        at: At,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Init { at } => {
                let keys = at.keys()?;
                let data = if at.names_data() { Some(at.find()?.data) } else { None };
                refuse_beside_data(&keys, data.as_deref())?;
                Keys::init(&keys)?;
                say!(
                    "Keys are in {}. Keep a copy in a safe; without them the data cannot be read.",
                    keys.display()
                );
                note!("next: changtong authority init, unless there is one");
            }
            Self::Rotate { at } => {
                show_rotated(&Keys::rotate_token(&at.keys()?)?);
            }
            Self::Status { at, json } => {
                let status = Keys::status(&at.keys()?)?;
                if json {
                    say!("{}", serde_json::to_string(&status)?);
                } else {
                    for key in status {
                        let made = key
                            .made_s
                            .and_then(|seconds| jiff::Timestamp::from_second(seconds.try_into().ok()?).ok());
                        let made = made.map_or("-".to_owned(), |made| made.strftime("%Y-%m-%d").to_string());
                        let state = key.problem.as_deref().unwrap_or("good");
                        say!("  {:<20}{made:<12}{:<40}{state}", key.file, key.purpose);
                    }
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The directories of a gateway's data if the command names none: a development city's, and the package's.
const USUAL: [&str; 2] = [named::DATA, "/var/lib/changtong"];

/// Refuses to make keys beside data that other keys have sealed: with the new keys, the gateway could not read these data.
fn refuse_beside_data(keys: &Path, data: Option<&Path>) -> anyhow::Result<()> {
    let parent = keys.parent().filter(|parent| !parent.as_os_str().is_empty());
    let usual = USUAL.iter().map(Path::new).filter(|usual| data.is_none() && lacks_keys(usual, keys));
    for data in parent.into_iter().chain(data).chain(usual) {
        if Settings::registry_path(data).exists() || Settings::ledger_path(data).exists() {
            bail!(
                "{} holds a gateway's data, which new keys do not open: restore its keys from the safe; to make keys for another \
                 gateway, name its own data with --data",
                data.display()
            );
        }
    }
    Ok(())
}

/// Reports whether the data directory has no keys of its own besides `keys`, the ones to be made.
fn lacks_keys(data: &Path, keys: &Path) -> bool {
    let own = data.join("keys");
    own == keys || Keys::files(&own).map_or(true, |files| files.is_empty())
}

fn show_rotated(Rotation { made, kept, dropped }: &Rotation) {
    say!("Token key {made} is made; restart the gateway to issue tokens under it.");
    say!("Token key {kept} opens what it sealed until the next rotation.");
    for id in dropped {
        say!("Token key {id} is gone: from the next start on, what it sealed is no token.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_keys_are_made_where_data_are_that_they_would_not_open() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["city", "log/ledger", "empty"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::fs::write(at("city/registry.db"), "people").unwrap();
        for (keys, data) in [("keys", "city"), ("keys", "log"), ("city/keys", "empty"), ("log/keys", "empty")]
        {
            let refused = refuse_beside_data(&at(keys), Some(&at(data))).expect_err(keys).to_string();
            assert!(refused.contains("from the safe"), "{refused}");
        }
        for data in ["empty", "none"] {
            refuse_beside_data(&at("keys"), Some(&at(data))).unwrap();
        }
    }
}
