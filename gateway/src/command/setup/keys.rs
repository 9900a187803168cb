//! `changtong keys`: the gateway's secrets, each in a file that only its owner may read.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use keys::{Keys, Rotation};
use runtime::clock;

use crate::command::moment::moment;
use crate::config::Settings;
use crate::config::named::{self, At};
use crate::operator::orders::time;
use crate::out::{note, say};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Makes a directory with fresh keys, for a gateway that has no data yet.
    Init {
        #[command(flatten)]
        at: At,
    },
    /// Adds a token key under which new tokens are issued. The one before it stays good until the next rotation, older ones go. The
    /// gateway takes it at its next start. In a fleet it has a moment from which it is used: until then every gateway gets a copy of it,
    /// and is restarted.
    Rotate {
        #[command(flatten)]
        at: At,
        /// The moment from which tokens are issued under it, within 90 days: 2020-02-20T08:00, of the city, or with an offset; from the
        /// gateway's next start on if not given.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        good_from: Option<u64>,
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
            Self::Rotate { at, good_from } => rotate(&at.keys()?, good_from.map(|ms| ms / 1000))?,
            Self::Status { at, json } => {
                let (status, now_s) = (Keys::status(&at.keys()?)?, clock::now_s());
                if json {
                    say!("{}", serde_json::to_string(&status)?);
                } else {
                    for key in status {
                        let made = key
                            .made_s
                            .and_then(|seconds| jiff::Timestamp::from_second(seconds.try_into().ok()?).ok());
                        let made = made.map_or("-".to_owned(), |made| made.strftime("%Y-%m-%d").to_string());
                        let waits =
                            key.waits_until_s(now_s).map(|until_s| format!("good from {}", time(until_s)));
                        let state = key.problem.or(waits).unwrap_or_else(|| "good".to_owned());
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

/// The most days by which a key may be made before it is used: no other one is made meanwhile.
const DAYS_AHEAD_MAX: u64 = 90;

fn rotate(keys: &Path, good_from_s: Option<u64>) -> anyhow::Result<()> {
    let now_s = clock::now_s();
    match good_from_s {
        None if Keys::has_fleet(keys) => bail!(
            "these are keys of a fleet, and a gateway without the new one could not read its codes: give a moment by --good-from that \
             leaves time to copy the new key file to all gateways, and to restart them one after another"
        ),
        Some(good_from_s) if good_from_s <= now_s => bail!("--good-from is over"),
        Some(good_from_s) if good_from_s > now_s + DAYS_AHEAD_MAX * 86_400 => {
            bail!("--good-from is more than {DAYS_AHEAD_MAX} days away")
        }
        Some(_) | None => {}
    }
    let Rotation { made, kept, dropped } = Keys::rotate_token(keys, good_from_s, now_s)?;
    match good_from_s {
        None => say!("Token key {made} is made; restart the gateway to issue tokens under it."),
        Some(good_from_s) => say!(
            "Token key {made} is made; a gateway that has it issues tokens under it from {} on. Restart the gateway before.",
            time(good_from_s)
        ),
    }
    say!("Token key {kept} opens what it sealed until the next rotation.");
    for id in dropped {
        say!("Token key {id} is gone: from the next start on, what it sealed is no token.");
    }
    if Keys::has_fleet(keys) {
        note!(
            "next: copy token-{made}.key to the keys of all gateways, and restart them one after another, the one that leads last"
        );
    }
    Ok(())
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

    #[test]
    fn a_key_of_a_fleet_is_made_with_a_moment_that_leaves_time_and_no_other_one_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let (alone, fleet) = (directory.path().join("alone"), directory.path().join("fleet"));
        for keys in [&alone, &fleet] {
            Keys::init(keys).unwrap();
        }
        Keys::make_fleet(&fleet).unwrap();
        rotate(&alone, None).unwrap();
        let now_s = clock::now_s();
        for (good_from_s, said) in
            [(None, "by --good-from"), (Some(now_s), "is over"), (Some(now_s + 91 * 86_400), "90 days")]
        {
            let refused = rotate(&fleet, good_from_s).unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
        assert!(!fleet.join("token-2.key").exists());
        rotate(&fleet, Some(now_s + 86_400)).unwrap();
        let refused = rotate(&fleet, Some(now_s + 2 * 86_400)).unwrap_err().to_string();
        assert!(refused.contains("token-2.key is not good yet"), "{refused}");
        let status = serde_json::to_value(Keys::status(&fleet).unwrap()).unwrap();
        let made = status.as_array().unwrap().iter().find(|key| key["file"] == "token-2.key").unwrap();
        assert_eq!(made["good_from_s"], now_s + 86_400);
    }
}
