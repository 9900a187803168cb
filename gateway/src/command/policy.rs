//! `changtong policy`: what the dated rules say, before they are put into effect.

use std::path::PathBuf;
use std::process::ExitCode;

use actors::clock;
use actors::policy::{CauseKind, Policy};
use actors::trajectory::day_of;
use anyhow::Context;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Reads a policy and says what it means today. What is wrong is named with its line.
    Check { file: PathBuf },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check { file } => {
                let text =
                    std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
                show(&Policy::parse(&text, &file)?);
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
fn show(policy: &Policy) {
    let today = day_of(clock::now_ms() / 1000);
    let window = policy.window(today);
    let areas: Vec<&str> = policy.areas_in_effect(today).collect();
    println!("Policy {} is valid.", policy.version());
    println!("  {:<24}{} to {}", "window, asked today", window.first, window.last);
    println!(
        "  {:<24}{}",
        "areas in effect today",
        if areas.is_empty() { "none".into() } else { areas.join(", ") }
    );
    for &kind in CauseKind::ALL {
        if let Some(rule) = policy.rule(kind) {
            println!("  {:<24}{}, {} days", kind.name(), rule.colour, rule.days);
        }
    }
}
