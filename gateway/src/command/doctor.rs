//! `changtong doctor`: prints what a look at a gateway finds. The looking is in `doctor`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::finding;
use crate::process::Settings;
use crate::{config, dev, doctor};

#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// The gateway's configuration; without it, the development city in `--data` is looked at.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The development city's data.
    #[arg(long, default_value = "./changtong-data", conflicts_with = "config")]
    data: PathBuf,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Exit code 0 when all is well, 1 for warnings, 2 for failures.
    #[allow(clippy::print_stdout, reason = "this is what the command is for")]
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config.as_deref().map(config::read_file).transpose()?;
        let settings: Settings = match &config {
            Some(config) => config.settings.clone(),
            None => dev::settings_of(&self.data)
                .with_context(|| format!("{} is no development city; give --config", self.data.display()))?,
        };
        let findings = doctor::examine(&settings, config.as_ref());
        if self.json {
            println!("{}", serde_json::to_string(&findings)?);
        } else {
            finding::show(&findings);
        }
        Ok(finding::exit_code(&findings))
    }
}
