//! The command line of the load test.

use std::process::ExitCode;

use clap::Parser;
use loadtest::command::Command;
use loadtest::out;

/// The exit code of a command that cannot be run: it says nothing about the gateway.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match Command::parse().run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            out::beside(format_args!("loadtest: {}", out::words_of(&error)));
            ExitCode::from(USAGE)
        }
    }
}
