//! The command line: what there is to say, and who does it. Nothing is done here.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::dev::Dev;
use crate::service::Service;
use crate::{command, config, generate, process, telemetry};

/// Something that was given is wrong: a flag, a file, a key. The same as clap's own.
pub(crate) const EXIT_USAGE: u8 = 2;

/// Changtong Gateway: checkpoint devices stream punches over QUIC, each gets a durable verdict.
///
/// Without a command it runs the development city.
#[derive(clap::Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    /// What is logged: error, warn, info, debug, or a filter such as gateway=debug.
    #[arg(long, global = true, default_value = "info,actix_server=warn")]
    log: String,
    /// How a line of the log looks.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: telemetry::LogFormat,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Runs a development city on loopback, with nothing to prepare.
    Dev(Dev),
    /// Runs a gateway.
    Serve {
        /// The configuration file; changtong.example.toml explains it.
        #[arg(long)]
        config: PathBuf,
    },
    /// Says everything that `serve` would refuse in a configuration and the files that it names, with the line.
    CheckConfig(command::CheckConfig),
    #[command(flatten)]
    Operator(command::Command),
    /// Writes dashboards, rules and alerts from the names of metrics; completions and manual pages from the commands.
    #[command(subcommand)]
    Generate(generate::Generate),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        telemetry::log(&self.log, self.log_format)?;
        match self.command {
            None => Dev::default().run(Service::from_environment()?),
            Some(Command::Dev(dev)) => dev.run(Service::from_environment()?),
            Some(Command::Serve { config }) => serve(&config::load(&config)?.settings),
            Some(Command::CheckConfig(check)) => check.run(),
            Some(Command::Operator(command)) => command.run(),
            Some(Command::Generate(generate)) => generate.run(),
        }
    }
}

fn serve(settings: &process::Settings) -> anyhow::Result<ExitCode> {
    let Service { inherited, notify } = Service::from_environment()?;
    process::run(settings, process::Sockets::bind(settings, inherited)?, notify, |_| Ok(()))
}
