//! `changtong doctor`: prints what a look at a gateway finds. The looking is in `doctor`.

use std::process::ExitCode;

use anyhow::Context;

use super::findings;
use crate::config::Config;
use crate::config::Settings;
use crate::config::named::{At, Named};
use crate::diagnosis::doctor;
use crate::finding;
use crate::out::say;
use crate::{config, dev};

#[derive(clap::Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    at: At,
    /// Reads all of the punch log, too, and not only what a start reads: it takes as long as that takes.
    #[arg(long)]
    full: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// The settings of the gateway that is named, and its configuration; a development city has settings alone.
pub(crate) fn configured(at: &At) -> anyhow::Result<(Settings, Option<Config>)> {
    match at.file()? {
        Some(file) => {
            let config = config::read_file(&file)?;
            Ok((config.settings.clone(), Some(config)))
        }
        None => Ok((city(&at.find()?)?, None)),
    }
}

/// Returns the settings of a development city; every other gateway has a configuration.
fn city(named: &Named) -> anyhow::Result<Settings> {
    named.there()?;
    dev::settings_of(&named.data).with_context(|| {
        format!("{} is no development city: name the gateway by its --config", named.display())
    })
}

impl Doctor {
    /// Exit code 0 when all is well, 1 for warnings, 2 for failures.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (settings, config) = configured(&self.at)?;
        let found = doctor::examine(&settings, config.as_ref(), self.full);
        if self.json {
            say!("{}", serde_json::to_string(&findings::with_runbooks(&found))?);
        } else {
            findings::show(&found);
        }
        Ok(finding::exit_code(&found))
    }
}
