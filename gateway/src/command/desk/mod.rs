//! The desk at which orders are given: where they go, and who signs them. Each operator signs with the file of an own key,
//! `--sign`; what takes two takes two files, or `--save`, after which the others sign at desks of their own.

pub(super) mod operator;
pub(super) mod order;
pub(super) mod saved;
pub(super) mod template;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use registry::OrderEntry;
use registry::operator::ORDER_S_MAX;

use self::saved::Saved;
use crate::config::named::{At, Named};
use crate::dev;
use crate::operator::orders::{self, Answer, AnyOrder, Order, Progress, Tell};
use crate::operator::{Act, Done, call};
use crate::out::note;

/// The place where an order goes, and who signs it.
#[derive(clap::Args)]
pub(crate) struct Desk {
    #[command(flatten)]
    pub(crate) at: At,
    /// An operator's key file; once for each operator who signs. In a development city its first operator signs if none is named.
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
    /// Has an order carried out and prints its reply, unless it is saved instead.
    pub(crate) fn give<O: Order>(&self, order: O) -> anyhow::Result<ExitCode> {
        match self.call(order)? {
            Some(reply) => orders::print::<O>(&reply, self.json),
            None => Ok(ExitCode::SUCCESS),
        }
    }

    /// Has an order carried out. `None` if it is saved instead.
    pub(crate) fn call<O: Order>(&self, order: O) -> anyhow::Result<Option<O::Reply>> {
        self.call_telling(order, &mut |_| true)
    }

    /// Has an order carried out; `tell` takes the progress of a long one, and says whether to go on listening.
    pub(crate) fn call_telling<O: Order>(
        &self,
        order: O,
        tell: &mut Tell<'_>,
    ) -> anyhow::Result<Option<O::Reply>> {
        let answer = self.answer(&order.into(), tell)?;
        answer.map(Answer::reply::<O>).transpose()
    }

    fn answer(&self, act: &AnyOrder, tell: &mut Tell<'_>) -> anyhow::Result<Option<Answer>> {
        let named = self.at.find()?;
        // The first operator of a registry is added without a signature.
        let adds_operator = matches!(act, AnyOrder::AddOperator(_));
        let asks = if adds_operator { Act::Begin } else { Act::Gateway };
        let done = call(&named, &asks, &mut |_| true)?;
        let Done::Gateway(gateway) = done else { bail!("that is no answer about a gateway") };
        let mut saved = Saved::new(orders::order(act, gateway)?);
        for path in self.signers(&named) {
            saved.sign(&path)?;
        }
        if saved.signatures.is_empty() && self.save.is_none() && !adds_operator {
            bail!(
                "nobody signs this: name your key file with --sign; `changtong operator key` makes one, and `changtong operator add` has \
                 the gateway know it"
            );
        }
        if let Some(file) = &self.save {
            saved.write_new(file)?;
            let file = file.display();
            note!("{file} holds the order; it is good for {} h", ORDER_S_MAX / 3_600);
            note!(
                "sign it with `changtong order sign {file} --sign KEY`, give it with `changtong order send {file}`"
            );
            return Ok(None);
        }
        self.send(saved, tell).map(Some)
    }

    /// True if orders are saved here and not given.
    pub(crate) const fn saves(&self) -> bool {
        self.save.is_some()
    }

    /// True if the outcome of an order is shown to people here.
    pub(crate) const fn shows(&self) -> bool {
        !self.json && self.save.is_none()
    }

    /// Gives an order that is signed.
    pub(crate) fn send(&self, saved: Saved, tell: &mut Tell<'_>) -> anyhow::Result<Answer> {
        let Saved { order, signatures } = saved;
        let act = Act::Order { order, signatures };
        let mut hear = |progress: &Progress| {
            let Progress::OnRecord(OrderEntry { number, head }) = progress else { return tell(progress) };
            if !self.json {
                note!("on record as entry {number} of the order log, {head}");
            }
            true
        };
        let done = call(&self.at.find()?, &act, &mut hear)?;
        let Done::Ordered(answer) = done else { bail!("that is no answer to an order") };
        Ok(answer)
    }

    /// Returns the key files that were named; if none was, that of a development city's first operator. An order of two names both.
    fn signers(&self, named: &Named) -> Vec<PathBuf> {
        if !self.sign.is_empty() {
            return self.sign.clone();
        }
        let first = dev::first_operator(&named.data);
        if let Some(path) = first.as_ref().filter(|_| !self.json) {
            note!("signed by {}, this development city's first operator", name(path));
        }
        first.into_iter().collect()
    }
}

fn name(path: &Path) -> String {
    path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
