//! `changtong policy`: what the dated rules say, what another version would change, and how it is put into effect.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use keys::Keys;
use policy::trajectory::day_of;
use policy::{CauseKind, Policy};
use registry::Registry;
use runtime::clock;

use crate::command::desk::Desk;
use crate::config::Settings;
use crate::config::named::At;
use crate::operator::orders::{ActivatePolicy, show_policy_diff};
use crate::operator::{self, Act, Done};
use crate::out::{self, say};
use crate::policies::{self, PolicyLine};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Reads a policy and says what it means today. What is wrong is named with its line.
    Check {
        /// The policy's file.
        file: PathBuf,
    },
    /// Counts the codes that would change if NEW were in effect instead of OLD. Reads the registry only, also beside a gateway.
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

/// The place where the registry lies.
#[derive(clap::Args)]
pub(crate) struct Place {
    #[command(flatten)]
    at: At,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Place {
    fn policies(&self) -> anyhow::Result<Vec<PolicyLine>> {
        let done = operator::call(&self.at.find()?, &Act::Policies, &mut |_| true)?;
        let Done::Policies(policies) = done else { bail!("that is no answer about policies") };
        Ok(policies)
    }
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check { file } => show(&parse(&file)?),
            Self::Diff { old, new, place } => diff(&parse(&old)?, &parse(&new)?, &place)?,
            Self::Activate { file, desk } => {
                let text = policies::read(&file)?;
                Policy::parse(&text, &file)?;
                return desk.give(ActivatePolicy { file: file.display().to_string(), text });
            }
            Self::Show { version, place } => {
                let mut policies = place.policies()?.into_iter();
                let found = match &version {
                    Some(version) => policies.find(|line| line.version == *version).with_context(|| {
                        format!("no policy {version} was ever in effect: `changtong policy list` names those that were")
                    })?,
                    None => policies.next_back().context("no policy was in effect yet: the first start takes the file's")?,
                };
                if place.json {
                    say!("{}", serde_json::to_string(&found)?);
                } else {
                    out::text(&found.text);
                }
            }
            Self::List { place } => {
                let policies = place.policies()?;
                if place.json {
                    say!("{}", serde_json::to_string(&policies)?);
                } else {
                    for line in &policies {
                        say!("  {:<24}{}", line.version, policies::since(line));
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

fn diff(old: &Policy, new: &Policy, place: &Place) -> anyhow::Result<()> {
    let named = place.at.find()?;
    named.there()?;
    let keys = Keys::load(&named.keys()?)?;
    let registry = Registry::open_to_read(&Settings::registry_path(&named.data), &keys)?;
    let diff = registry.diff_policies(Some(old), new, clock::now_s())?;
    if place.json {
        say!("{}", serde_json::to_string(&diff)?);
        return Ok(());
    }
    say!("Policy {} instead of {}:", new.version(), old.version());
    show_policy_diff(&diff);
    if !new.advises_like(old) {
        say!("  what staff are told changes");
    }
    say!("Activating it takes {} operator(s).", new.operators_needed(old));
    Ok(())
}

fn show(policy: &Policy) {
    let today = day_of(clock::now_s());
    let window = policy.window(today);
    let areas: Vec<&str> = policy.areas_in_effect(today).collect();
    say!("Policy {} is valid.", policy.version());
    say!("  {:<24}{} to {}", "window, asked today", window.first, window.last);
    say!(
        "  {:<24}{}",
        "areas in effect today",
        if areas.is_empty() { "none".into() } else { areas.join(", ") }
    );
    for &kind in CauseKind::ALL {
        if let Some(rule) = policy.rule(kind) {
            say!("  {:<24}{}, {} days", kind.name(), rule.colour, rule.days);
        }
    }
    let wait =
        policy.correction_wait_hours().map_or("by appeal".to_owned(), |hours| format!("after {hours} hours"));
    say!("  {:<24}{wait}", "a declared yes ends");
    say!("  {:<24}{}", "people call", policy.help_phone().unwrap_or("nobody: no number is shown"));
}
