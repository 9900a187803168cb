//! `changtong`: the gateway, its development city, and the commands of its operators.

mod admin;
mod alarms;
mod certificates;
mod cli;
mod command;
mod config;
mod counter;
mod dev;
mod doctor;
mod door;
mod ending;
mod enrol;
mod exposition;
mod finding;
mod fleet;
mod generate;
mod http;
mod identities;
mod named;
mod orders;
mod out;
mod overview;
mod owner;
mod pki;
mod poison;
mod policies;
mod portal;
mod probes;
mod process;
mod quic;
mod reload;
mod running;
mod service;
mod status;
mod telemetry;
mod trajectory;
mod usage;
mod vouching;
mod wall_clock;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nothing installed a provider before main");
    // Asked for before it is known whether the rest of the line can be read.
    let json = std::env::args_os().any(|word| word == "--json");
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if json && error.use_stderr() => {
            return refused(&cli::said(&error), cli::EXIT_USAGE, json);
        }
        Err(error) => error.exit(),
    };
    match cli.run() {
        Ok(code) => code,
        Err(error) => refused(&ending::words_of(&error), ending::code_of(&error), json),
    }
}

fn refused(text: &str, code: u8, json: bool) -> ExitCode {
    telemetry::tell(text, code, json);
    ExitCode::from(code)
}
