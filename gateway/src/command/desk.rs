//! The desk at which orders are given: where they go, and who signs them. Each operator signs with the file of an own key,
//! `--sign`; what takes two takes two files.

use std::path::{Path, PathBuf};

use actors::operators::OperatorKey;
use anyhow::bail;

use crate::admin::{self, Act, Done, Tell};
use crate::dev;
use crate::orders::{self, Ordered, OrderedAct};

/// Where an order goes, and who signs it.
#[derive(clap::Args)]
pub(crate) struct Desk {
    /// The gateway's data.
    #[arg(long, default_value = "./changtong-data", global = true)]
    pub(crate) data: PathBuf,
    /// The gateway's keys; of a development city, those in its data. Needed only when no gateway runs.
    #[arg(long, global = true)]
    keys: Option<PathBuf>,
    /// An operator's key file; once for each operator who signs. In a development city its first operator signs if nobody does.
    #[arg(long, global = true)]
    sign: Vec<PathBuf>,
    /// For programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Desk {
    /// The directory of the gateway's keys.
    pub(crate) fn keys(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.data.join("keys"))
    }

    /// Has an order carried out.
    pub(crate) fn call(&self, act: &OrderedAct) -> anyhow::Result<Ordered> {
        self.call_telling(act, &mut |_| true)
    }

    /// Has an order carried out; `tell` hears how far a long one is, and says whether to go on listening.
    pub(crate) fn call_telling(&self, act: &OrderedAct, tell: &mut Tell<'_>) -> anyhow::Result<Ordered> {
        let order = orders::order(act)?;
        let mut signatures = Vec::new();
        for path in self.signers() {
            signatures.push(OperatorKey::load(&path)?.sign(&order));
        }
        let done = admin::call(&self.data, &self.keys(), &Act::Order { order, signatures }, tell)?;
        let Done::Ordered(ordered) = done else { bail!("that is no answer to an order") };
        Ok(ordered)
    }

    /// Those who were named; in a development city its first operator, if nobody was. What takes two takes two that are named.
    fn signers(&self) -> Vec<PathBuf> {
        if !self.sign.is_empty() {
            return self.sign.clone();
        }
        let first = dev::first_operator(&self.data);
        if let Some(path) = &first {
            eprintln!("signed by {}, this development city's first operator", name(path));
        }
        first.into_iter().collect()
    }
}

fn name(path: &Path) -> String {
    path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Prints what an order came to, for programs.
#[allow(clippy::print_stdout, reason = "this is what the command is for")]
pub(crate) fn show_json(ordered: &Ordered) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(ordered)?);
    Ok(())
}
