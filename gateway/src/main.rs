//! `changtong`: the gateway, its development city, and the commands of its operators.

mod across;
mod alarm;
mod check;
mod cli;
mod command;
mod config;
mod dev;
mod diagnosis;
mod door;
mod ending;
mod enrol;
mod finding;
mod fleet;
mod generate;
mod history;
mod host;
mod http;
mod leading;
mod member;
mod operator;
mod out;
mod overview;
mod policies;
mod portal;
mod process;
mod quic;
mod reload;
mod status;
mod telemetry;
mod tls;
mod trajectory;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nothing installed a provider before main");
    // Set before the rest of the line is parsed, which may fail.
    let json = std::env::args_os().any(|word| word == "--json");
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if json && error.use_stderr() => {
            return refused(&cli::said(&error), ending::EXIT_USAGE, json);
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
