//! The contract of an order: its name, its reply, who signs it, what it does and how its reply is printed. Each order stands in a file of
//! its own; which there are is the list in `orders`, and how a signed one is carried out is in `pipeline`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use actors::registrar::{Registrar, RegistryChange};
use anyhow::Context;
use registry::lookups::{Lookup, LookupRequest, Subjects};
use registry::operator::{Role, Signers};
use runtime::clock;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AnyOrder, Tell, forward};
use crate::operator::OperatorContext;
use crate::out::say;

/// An order: its fields are what operators sign.
pub(crate) trait Order: Into<AnyOrder> {
    /// The name in the order log, which tells neither codes nor cases.
    const NAME: &'static str;
    /// The key under which the reply stands in JSON.
    const REPLY: &'static str;
    /// The role that signs it.
    const ROLE: Role;
    /// The reply.
    type Reply: Serialize + DeserializeOwned;

    /// Names it in the order log, where a flag makes another act of it.
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// Counts the operators who have to sign it. It is asked before the order is accepted.
    fn operators(&self, context: &OperatorContext) -> anyhow::Result<usize>;

    /// Returns the time at which the order has to be fresh, seconds since 1970 UTC.
    fn fresh_at_s(&self) -> u64 {
        clock::now_s()
    }

    /// Carries it out; it is on record by then. `tell` takes progress, and returns false once the client no longer listens.
    fn perform(self, given: Given<'_>, tell: &mut Tell<'_>) -> anyhow::Result<Self::Reply>;

    /// Returns the gateway of a fleet that carries it out.
    fn at(&self) -> At {
        At::Leader
    }

    /// True for an act on what is one gateway's alone: a member of a fleet takes it while it does not run or lead, when the order log, which is
    /// the fleet's, takes nothing. The act itself puts on record who ordered it.
    fn is_local() -> bool {
        false
    }

    /// Prints the reply for people; as JSON unless the order says otherwise.
    fn show(reply: &Self::Reply) -> anyhow::Result<()> {
        show_json::<Self>(reply)
    }

    /// False if a part was rejected, for the exit code.
    fn is_whole(_reply: &Self::Reply) -> bool {
        true
    }
}

/// The gateway of a fleet that carries an order out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The one that leads, wherever the order is given.
    Leader,
    /// The one where it is given; the one that leads puts it on record.
    Here,
    /// The one where it is given, which has to lead: the order is on its files or its registry.
    HereIfItLeads,
}

/// The circumstances of an accepted order.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(super) context: &'a OperatorContext,
    /// The operators who signed.
    pub(super) by: &'a Signers,
    /// The number of operators that was asked for when the signatures were checked.
    pub(super) operators: usize,
}

/// An accepted order, or a part of one, as a change of the registry. Orders implement [`RegistryChange`] for it beside what they do.
pub(super) struct Ordered<O> {
    pub(super) order: O,
    pub(super) by: Signers,
    /// The number of operators that was asked for when the signatures were checked.
    pub(super) operators: usize,
    pub(super) now_s: u64,
}

impl Given<'_> {
    /// Makes the change of the registry that the order is. Returns when it is durable.
    pub(super) fn change<O>(&self, order: O) -> anyhow::Result<<Ordered<O> as RegistryChange>::Reply>
    where
        Ordered<O>: RegistryChange<Error = anyhow::Error>,
    {
        let (by, operators, now_s) = (self.by.clone(), self.operators, clock::now_s());
        self.context.write(Ordered { order, by, operators, now_s })
    }

    /// Puts a look-up on record, for each person concerned. Returns when it is durable: data may be shown afterwards.
    pub(super) fn record(&self, lookup: Lookup, case: &str, subjects: Subjects) -> anyhow::Result<()> {
        if let (Some(leader), Subjects::Everybody) = (self.context.leader_elsewhere(), &subjects) {
            return forward::look(&leader, self.by, (lookup, case));
        }
        self.change(Looked { lookup, case: case.to_owned(), subjects })
    }
}

/// A look-up to be put on record, if the operators who ordered it may still do so.
struct Looked {
    lookup: Lookup,
    case: String,
    subjects: Subjects,
}

impl RegistryChange for Ordered<Looked> {
    type Reply = ();
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<()> {
        let Self { order: Looked { lookup, case, subjects }, by, now_s, .. } = self;
        by.still_good(registrar.registry())?;
        let request = LookupRequest { lookup, by: &by, case: &case, now_s };
        Ok(request.record(registrar.registry(), &subjects)?)
    }
}

/// A function of an order, whichever it is.
pub(crate) trait Each {
    /// Its result.
    type Out;

    /// Applies it.
    fn order<O: Order>(self, order: O) -> Self::Out;
}

/// The reply to an order as it crosses the socket: an object with the reply's key. It may name people: not shown by `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Answer(Value);

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(…)")
    }
}

impl Answer {
    /// Encodes the reply to an order.
    pub(super) fn of<O: Order>(reply: &O::Reply) -> anyhow::Result<Self> {
        Ok(Self(serde_json::to_value(keyed::<O>(reply))?))
    }

    /// Decodes the reply to an order. Fails on the reply to another one.
    pub(crate) fn reply<O: Order>(mut self) -> anyhow::Result<O::Reply> {
        let reply = self.0.get_mut(O::REPLY).map(Value::take);
        Ok(serde_json::from_value(reply.context("that is no answer to this order")?)?)
    }
}

/// Prints the reply, for people or for programs. Exit code 1 if a part was rejected.
pub(crate) fn print<O: Order>(reply: &O::Reply, json: bool) -> anyhow::Result<ExitCode> {
    if json { show_json::<O>(reply) } else { O::show(reply) }?;
    Ok(exit_code::<O>(reply))
}

/// Prints the answer to an order that is known by its text alone.
pub(crate) fn print_answer(act: &str, answer: Answer, json: bool) -> anyhow::Result<ExitCode> {
    let act: AnyOrder = serde_json::from_str(act).context("that is no order")?;
    act.each(Printing { answer, json })
}

/// Prints the reply for programs.
pub(crate) fn show_json<O: Order>(reply: &O::Reply) -> anyhow::Result<()> {
    say!("{}", serde_json::to_string(&keyed::<O>(reply))?);
    Ok(())
}

/// Returns 1 if a part was rejected.
pub(crate) fn exit_code<O: Order>(reply: &O::Reply) -> ExitCode {
    if O::is_whole(reply) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn keyed<O: Order>(reply: &O::Reply) -> BTreeMap<&'static str, &O::Reply> {
    BTreeMap::from([(O::REPLY, reply)])
}

struct Printing {
    answer: Answer,
    json: bool,
}

impl Each for Printing {
    type Out = anyhow::Result<ExitCode>;

    fn order<O: Order>(self, _: O) -> Self::Out {
        print::<O>(&self.answer.reply::<O>()?, self.json)
    }
}
