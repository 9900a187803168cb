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
mod orders;
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
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            telemetry::tell(&error);
            ExitCode::from(ending::code_of(&error))
        }
    }
}
