//! `changtong audit`: checks that decisions are on record as they were made, and match the checkpoints that people outside keep; and that
//! orders are as they were signed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::sunset::{Record, SunsetError};
use anyhow::{Context, bail};
use keys::Keys;
use registry::audit::{Checkpoint, Growth, Receipt};
use registry::{AuditReport, KeptRegistry, OrderReport};
use serde::Deserialize;

use crate::config::Settings;
use crate::config::named::{At, Named};
use crate::operator::{self, Act, Done};
use crate::out::say;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Reads every decision, checkpoint and order again, and names the first that is not as it was signed.
    Verify {
        #[command(flatten)]
        at: At,
        /// The output of `audit key`: decisions are checked with it alone, also when the keys are gone or the gateway is ended.
        #[arg(long)]
        public_key: Option<String>,
        /// A checkpoint, or a receipt, that was kept elsewhere: decisions, and with a checkpoint orders, that were taken out since, or
        /// changed and signed anew, are noticed.
        #[arg(long, requires = "public_key")]
        against: Option<PathBuf>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Signs how far the decisions reach and prints that, with the end of the order log, to be kept where the gateway's owner cannot
    /// change it.
    Checkpoint {
        #[command(flatten)]
        at: At,
        /// The size of an earlier checkpoint: the proof that its decisions are unchanged comes with it.
        #[arg(long)]
        since: Option<u64>,
        /// A new file to write it to.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Prints the public key with which receipts are checked.
    Key {
        #[command(flatten)]
        at: At,
    },
    /// Checks a citizen's receipt, offline; with a later proof, that its decision is still on record.
    Check {
        /// The receipt's file.
        receipt: PathBuf,
        /// The output of `audit key`.
        #[arg(long)]
        public_key: String,
        /// The proof that `/audit?since=SIZE` of the pages, or `audit checkpoint --since SIZE`, gave for the size in the receipt.
        #[arg(long)]
        against: Option<PathBuf>,
        /// The gateway that is asked for that proof, if one is named.
        #[command(flatten)]
        at: At,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Verify { at, public_key, against, json } => {
                let named = at.find()?;
                let (report, orders) = match public_key_of(&named.data, public_key)? {
                    Some(key) => verify_with(&named.data, &key, against.as_deref())?,
                    None => {
                        let done = call(&named, &Act::VerifyDecisions)?;
                        let Done::Audited(report) = done else { bail!("that is no answer to an audit") };
                        let done = call(&named, &Act::VerifyOrders)?;
                        let Done::Orders(orders) = done else { bail!("that is no answer to an audit") };
                        (report, orders)
                    }
                };
                if json {
                    say!("{}", serde_json::to_string(&Report { decisions: report, orders })?);
                    return Ok(ExitCode::SUCCESS);
                }
                say!(
                    "{} decisions are as they were made; {} checkpoints, the last over {} of them.",
                    report.decisions,
                    report.checkpoints,
                    report.covered
                );
                if let Some(against) = against {
                    say!("They begin with those of {}.", against.display());
                }
                show_orders(&orders);
            }
            Self::Checkpoint { at, since, out } => {
                let growth = growth(&at, since)?;
                let text = match since {
                    Some(_) => serde_json::to_string(&growth)?,
                    None => serde_json::to_string(&growth.checkpoint)?,
                };
                match out {
                    Some(out) => write(&out, &text)?,
                    None => say!("{text}"),
                }
            }
            Self::Key { at } => say!("{}", hex::encode(Keys::load(&at.keys()?)?.signing_public())),
            Self::Check { receipt, public_key, against, at } => {
                let asked = at.is_given().then_some(&at);
                check(&receipt, &key_of(&public_key)?, against.as_deref(), asked)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn check(receipt: &Path, key: &[u8], against: Option<&Path>, at: Option<&At>) -> anyhow::Result<()> {
    let receipt: Receipt = read(receipt, "receipt")?;
    receipt.check(key)?;
    let later: Option<Growth> = match (against, at) {
        (Some(file), _) => Some(read(file, "proof from one size to another")?),
        (None, Some(at)) => Some(growth(at, Some(receipt.checkpoint.size))?),
        (None, None) => None,
    };
    say!("The receipt is good: {}", receipt.decision);
    if let Some(growth) = later {
        growth.check(&receipt.checkpoint, key).context("the decision is on record no more")?;
        say!("Its decision is still on record, among {}.", growth.checkpoint.size);
    }
    Ok(())
}

/// A document that names a signed tree, and that a person outside may keep.
#[derive(Deserialize)]
#[serde(untagged)]
enum Held {
    Checkpoint(Checkpoint),
    Receipt(Receipt),
    Growth(Growth),
}

fn call(named: &Named, act: &Act) -> anyhow::Result<Done> {
    operator::call(named, act, &mut |_| true)
}

fn growth(at: &At, since: Option<u64>) -> anyhow::Result<Growth> {
    let done = call(&at.find()?, &Act::Checkpoint { since })?;
    let Done::Checkpoint(growth) = done else { bail!("that is no answer to this") };
    Ok(growth)
}

/// Never over an earlier one.
fn write(out: &Path, text: &str) -> anyhow::Result<()> {
    let written = std::fs::File::create_new(out).and_then(|mut file| {
        writeln!(file, "{text}")?;
        file.sync_all()
    });
    written.with_context(|| format!("writing {}; give a new file's name", out.display()))
}

fn read<T: for<'de> Deserialize<'de>>(file: &Path, what: &str) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no {what}", file.display()))
}

fn key_of(text: &str) -> anyhow::Result<Vec<u8>> {
    hex::decode(text.trim()).context("a public key is 64 hexadecimal digits")
}

/// The report for programs.
#[derive(serde::Serialize)]
struct Report {
    #[serde(flatten)]
    decisions: AuditReport,
    orders: OrderReport,
}

fn show_orders(OrderReport { orders, ended, last, .. }: &OrderReport) {
    say!("{orders} orders are as they were signed, {ended} of them came to an end.");
    if let Some(last) = last {
        say!("The order log ends with entry {}, {}.", last.number, last.head);
    }
}

/// The key that was given; where the measure has ended, the one of its record.
fn public_key_of(data: &Path, given: Option<String>) -> anyhow::Result<Option<String>> {
    match (given, Record::read(data)) {
        (Some(key), _) => Ok(Some(key)),
        (None, Ok(record)) => Ok(Some(record.public_key)),
        (None, Err(SunsetError::NoRecord { .. })) => Ok(None),
        (None, Err(error)) => Err(error.into()),
    }
}

/// Beside a gateway, or where none runs any more: reads the registry itself, without a key.
fn verify_with(
    data: &Path,
    public_key: &str,
    against: Option<&Path>,
) -> anyhow::Result<(AuditReport, OrderReport)> {
    let key = key_of(public_key)?;
    let registry = KeptRegistry::open(&Settings::registry_path(data))?;
    let report = (registry.verify_decisions(&key)?.0, registry.verify_orders(&key)?);
    if let Some(file) = against {
        let held = match read(file, "checkpoint")? {
            Held::Checkpoint(checkpoint)
            | Held::Receipt(Receipt { checkpoint, .. })
            | Held::Growth(Growth { checkpoint, .. }) => checkpoint,
        };
        agrees(&registry, &held, &key).with_context(|| format!("{} does not agree", file.display()))?;
    }
    Ok(report)
}

/// Checks that decisions and orders begin with those that are held, of a registry that is sound by itself.
fn agrees(registry: &KeptRegistry, held: &Checkpoint, key: &[u8]) -> anyhow::Result<()> {
    let growth = registry.growth(held.size)?.context("the registry has no checkpoint, one is held")?;
    growth.check(held, key)?;
    Ok(held.orders.as_ref().map_or(Ok(()), |orders| registry.orders_begin_with(orders))?)
}
