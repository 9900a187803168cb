//! The desk at which orders are given: where they go, and who signs them. Each operator signs with the file of an own key,
//! `--sign`; what takes two takes two files, or `--save`, after which the others sign at desks of their own.

use std::path::{Path, PathBuf};

use actors::operators::ORDER_S_MAX;
use actors::registry::OrderEntry;
use anyhow::bail;

use super::saved::Saved;
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
    /// Gives no order yet: writes it, with the signatures so far, to a file that is not there yet, for others to sign.
    #[arg(long, global = true, value_name = "FILE")]
    save: Option<PathBuf>,
    /// For programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Desk {
    /// The directory of the gateway's keys.
    pub(crate) fn keys(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.data.join("keys"))
    }

    /// Has an order carried out. `None` if it is saved instead.
    pub(crate) fn call(&self, act: &OrderedAct) -> anyhow::Result<Option<Ordered>> {
        self.call_telling(act, &mut |_| true)
    }

    /// Has an order carried out; `tell` hears how far a long one is, and says whether to go on listening.
    pub(crate) fn call_telling(
        &self,
        act: &OrderedAct,
        tell: &mut Tell<'_>,
    ) -> anyhow::Result<Option<Ordered>> {
        let done = admin::call(&self.data, &self.keys(), &Act::Gateway, &mut |_| true)?;
        let Done::Gateway(gateway) = done else { bail!("that is no answer about a gateway") };
        let mut saved = Saved::new(orders::order(act, gateway)?);
        for path in self.signers() {
            saved.sign(&path)?;
        }
        if let Some(file) = &self.save {
            saved.write_new(file)?;
            let file = file.display();
            eprintln!("{file} holds the order; it is good for {} h", ORDER_S_MAX / 3_600);
            eprintln!(
                "sign it with `changtong order sign {file} --sign KEY`, give it with `changtong order send {file}`"
            );
            return Ok(None);
        }
        self.send(saved, tell).map(Some)
    }

    /// Gives an order that is signed.
    pub(crate) fn send(&self, saved: Saved, tell: &mut Tell<'_>) -> anyhow::Result<Ordered> {
        let Saved { order, signatures } = saved;
        let act = Act::Order { order, signatures };
        let mut hear = |done: &Done| {
            let Done::OnRecord(OrderEntry { number, head }) = done else { return tell(done) };
            if !self.json {
                eprintln!("on record as entry {number} of the order log, {head}");
            }
            true
        };
        let done = admin::call(&self.data, &self.keys(), &act, &mut hear)?;
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
