//! `changtong policy`: what the dated rules say, what another version would change, and how it is put into effect.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::clock;
use actors::keys::Keys;
use actors::policy::{CauseKind, Policy, PolicyDiff};
use actors::registry::Registry;
use actors::trajectory::day_of;
use anyhow::{Context, bail};
use protocol::Colour;

use super::desk::Desk;
use crate::admin::{self, Act, Done};
use crate::orders::OrderedAct;
use crate::policies::{self, PolicyLine};
use crate::process::Settings;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Reads a policy and says what it means today. What is wrong is named with its line.
    Check {
        /// The policy's file.
        file: PathBuf,
    },
    /// How many codes would change if NEW were in effect instead of OLD. Reads the registry only, also beside a gateway.
    Diff {
        /// The file of the policy to compare with.
        old: PathBuf,
        /// The file of the other one.
        new: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Puts a policy into effect, without a restart. Two operators sign, unless nothing but its version is another.
    Activate {
        /// The policy's file.
        file: PathBuf,
        #[command(flatten)]
        desk: Desk,
    },
    /// The policy in effect, or another one that was, as it was activated.
    Show {
        /// Its version; left out, the one in effect.
        version: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Every policy that is or was in effect, the newest last.
    List {
        #[command(flatten)]
        place: Place,
    },
}

/// Where the registry lies.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// The gateway's data.
    #[arg(long, default_value = "./changtong-data")]
    data: PathBuf,
    /// The gateway's keys; of a development city, those in its data.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Place {
    fn keys(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.data.join("keys"))
    }

    fn policies(&self) -> anyhow::Result<Vec<PolicyLine>> {
        let done = admin::call(&self.data, &self.keys(), &Act::Policies, &mut |_| true)?;
        let Done::Policies(policies) = done else { bail!("that is no answer about policies") };
        Ok(policies)
    }
}

impl Command {
    #[allow(clippy::print_stdout, reason = "this is what the command is for")]
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check { file } => show(&parse(&file)?),
            Self::Diff { old, new, place } => diff(&parse(&old)?, &parse(&new)?, &place)?,
            Self::Activate { file, desk } => {
                let text = policies::read(&file)?;
                Policy::parse(&text, &file)?;
                return desk.give(&OrderedAct::ActivatePolicy { file: file.display().to_string(), text });
            }
            Self::Show { version, place } => {
                let mut policies = place.policies()?.into_iter();
                let found = match version {
                    Some(version) => policies.find(|line| line.version == version),
                    None => policies.next_back(),
                };
                print!("{}", found.context("no such policy was ever in effect")?.text);
            }
            Self::List { place } => {
                let policies = place.policies()?;
                if place.json {
                    println!("{}", serde_json::to_string(&policies)?);
                } else {
                    for line in &policies {
                        println!("  {:<24}{}", line.version, policies::since(line));
                    }
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn parse(file: &Path) -> anyhow::Result<Policy> {
    Ok(Policy::parse(&policies::read(file)?, file)?)
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
fn diff(old: &Policy, new: &Policy, place: &Place) -> anyhow::Result<()> {
    let keys = Keys::load(&place.keys())?;
    let registry = Registry::open_to_read(&Settings::registry_path(&place.data), &keys)?;
    let diff = registry.diff_policies(Some(old), new, clock::now_ms() / 1000)?;
    if place.json {
        println!("{}", serde_json::to_string(&diff)?);
        return Ok(());
    }
    println!("Policy {} instead of {}:", new.version(), old.version());
    show_diff(&diff);
    if !new.advises_like(old) {
        println!("  what staff are told changes");
    }
    println!("Activating it takes {} operator(s).", new.operators_needed(old));
    Ok(())
}

/// How many codes change, and how.
#[allow(clippy::print_stdout, reason = "this is what the command is for")]
pub(super) fn show_diff(diff: &PolicyDiff) {
    println!("  {:<32}{:>10}", "codes with open causes", diff.codes);
    for (from, row) in Colour::ALL.iter().zip(&diff.recoloured) {
        for (to, &codes) in Colour::ALL.iter().zip(row).filter(|(_, codes)| **codes > 0) {
            println!("  {:<32}{codes:>10}", format!("{from} to {to}"));
        }
    }
    println!("  {:<32}{:>10}", "same colour, another end", diff.moved);
    println!("  {:<32}{:>10}", "in all", diff.changed());
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
    let wait =
        policy.correction_wait_hours().map_or("by appeal".to_owned(), |hours| format!("after {hours} hours"));
    println!("  {:<24}{wait}", "a declared yes ends");
    println!("  {:<24}{}", "people call", policy.help_phone().unwrap_or("nobody: no number is shown"));
}
