//! The command line: what there is to say, and who does it. Nothing is done here.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use crate::config::named;
use crate::config::{Config, Fault, Refused};
use crate::dev::Dev;
use crate::host::service::Service;
use crate::process::{self, Sockets};
use crate::reload::{Behind, Source};
use crate::telemetry::{LogFormat, LogLevel};
use crate::{check, command, generate, telemetry};

/// The version with the build that it is of.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("CHANGTONG_PROFILE"),
    ", commit ",
    env!("CHANGTONG_COMMIT"),
    ")"
);

/// Changtong Gateway: checkpoint devices stream punches over QUIC, each gets a durable verdict.
///
/// Without a command it runs the development city.
#[derive(clap::Parser)]
#[command(name = "changtong", version, long_version = VERSION, about)]
pub(crate) struct Cli {
    /// The level of the log: error, warn, info, debug, or a filter such as gateway=debug; instead of what a configuration says.
    #[arg(long, global = true)]
    log: Option<String>,
    /// The format of a line of the log.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Runs a development city on loopback, with nothing to prepare.
    Dev(Dev),
    /// Runs a gateway.
    Serve {
        /// The configuration file; changtong.example.toml explains it. Without it the one that CHANGTONG_CONFIG in the environment names.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Writes the smallest configuration that a gateway starts with: the first command on a new machine.
    NewConfig(command::NewConfig),
    /// Lists everything that `serve` would refuse in a configuration and the files that it names, with the line.
    CheckConfig(command::CheckConfig),
    #[command(flatten)]
    Operator(command::Command),
    /// Writes shell completions and manual pages.
    #[command(subcommand)]
    Generate(generate::Generate),
}

/// Returns the error of a command line, without the usage.
pub(crate) fn said(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    first.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let log = telemetry::log(self.log, self.log_format)?;
        match self.command {
            None => develop(Dev::default(), log),
            Some(Command::Dev(dev)) => develop(dev, log),
            Some(Command::Serve { config }) => serve(&named::config_file(config.as_deref())?, log),
            Some(Command::NewConfig(new)) => new.run(),
            Some(Command::CheckConfig(check)) => check.run(),
            Some(Command::Operator(command)) => command.run(),
            Some(Command::Generate(generate)) => generate.run(Self::command()),
        }
    }
}

fn develop(dev: Dev, log: LogLevel) -> anyhow::Result<ExitCode> {
    dev.run(Service::from_environment()?, Behind { source: Source::Made, log })
}

fn serve(file: &Path, log: LogLevel) -> anyhow::Result<ExitCode> {
    let Service { inherited, notify } = Service::from_environment()?;
    let file = std::path::absolute(file).with_context(|| format!("{} is no path", file.display()))?;
    let Config { path, settings, lines } = check::load(&file)?;
    log.follow(&settings.log)?;
    if let Err(what) = inherited.check_fronts(settings.fronts) {
        let faults = vec![Fault { line: lines.of("quic.fronts"), what: format!("`quic.fronts`: {what}") }];
        return Err(Refused { path, faults }.into());
    }
    let sockets = Sockets::bind(&settings, inherited)?;
    process::run(&settings, sockets, notify, Behind { source: Source::File(file), log }, |_| Ok(()))
}
