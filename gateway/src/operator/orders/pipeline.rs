//! The way of a signed order: read, checked, on record, carried out, its end on record. What an order does stands in its own file.

use std::sync::Arc;

use actors::registrar::{Registrar, RegistrarError, RegistryChange};
use anyhow::Context;
use keys::Keys;
use registry::operator::{self, AcceptedOrder, Requirement, Signature, Signers};
use registry::{OrderEnd, OrderEntry};
use runtime::clock;

use super::order::{Answer, At, Each, Given, Order};
use super::{AddOperator, AnyOrder, ImportHolders, Progress, Tell, forward};
use crate::across::{Request, wait};
use crate::operator::{OperatorContext, alarms};

/// Carries out an order, if enough operators signed it that may. `tell` takes progress: how far an import is, what a tap shows.
pub(crate) fn perform(
    order: &operator::Order,
    signatures: &[Signature],
    context: &OperatorContext,
    tell: &mut Tell<'_>,
) -> anyhow::Result<Answer> {
    let act: AnyOrder = serde_json::from_str(&order.act).context("that is no order")?;
    if signatures.is_empty()
        && let AnyOrder::AddOperator(add) = act
    {
        return Answer::of::<AddOperator>(&add.first(context)?);
    }
    if let AnyOrder::ImportHolders(import) = &act {
        // What it takes stands in the file, and who may not order it learns nothing of a file.
        let requirement = Requirement { act: import.name(), role: ImportHolders::ROLE, operators: 1 };
        let now_s = import.fresh_at_s();
        context.read(|registry| {
            Ok(operator::check(registry, order, signatures, requirement, now_s).map(drop)?)
        })?;
    }
    act.each(Performing { order, signatures, context, tell })
}

struct Performing<'a, 'b> {
    order: &'a operator::Order,
    signatures: &'a [Signature],
    context: &'a OperatorContext,
    tell: &'a mut Tell<'b>,
}

impl Each for Performing<'_, '_> {
    type Out = anyhow::Result<Answer>;

    fn order<O: Order>(self, act: O) -> Self::Out {
        let Self { order, signatures, context, tell } = self;
        let operators = act.operators(context)?;
        if O::is_local() && context.follows()? {
            let requirement = Requirement { act: act.name(), role: O::ROLE, operators };
            let now_s = act.fresh_at_s();
            let by = context
                .read(|registry| Ok(operator::signers(registry, order, signatures, requirement, now_s)?))?;
            tracing::info!(
                operators = by.operators,
                act = act.name(),
                "order at a fleet's gateway that does not lead"
            );
            context.write(NoteOwnOrder { by: by.clone(), order: order.clone(), now_s: clock::now_s() })?;
            return Answer::of::<O>(&act.perform(Given { context, by: &by, operators }, tell)?);
        }
        let requirement = Requirement { act: act.name(), role: O::ROLE, operators };
        let AcceptedOrder { by, entry } = match context.leader_elsewhere() {
            Some(leader) if act.at() == At::Here => forward::accept(&leader, order, signatures)?,
            Some(_) | None => {
                Accepting { order, signatures, requirement }.accept(context, act.fresh_at_s())?
            }
        };
        tracing::info!(
            operators = by.operators,
            act = act.name(),
            entry = entry.number,
            head = entry.head,
            "order"
        );
        tell(&Progress::OnRecord(entry.clone()));
        let reply = act.perform(Given { context, by: &by, operators }, tell);
        end(context, entry, reply.is_ok());
        if let Err(error) = context.read(|registry| Ok(alarms::tell(registry, clock::now_s())?)) {
            tracing::error!(error = format!("{error:#}"), "the alarms cannot be set");
        }
        Answer::of::<O>(&reply?)
    }
}

/// An order that has to be checked and put on record here.
pub(super) struct Accepting<'a> {
    pub(super) order: &'a operator::Order,
    pub(super) signatures: &'a [Signature],
    pub(super) requirement: Requirement<'static>,
}

impl Accepting<'_> {
    /// Puts it on record. `now_s` is the time at which it has to be fresh.
    pub(super) fn accept(self, context: &OperatorContext, now_s: u64) -> anyhow::Result<AcceptedOrder> {
        let (order, signatures) = (self.order.clone(), self.signatures.to_vec());
        let (requirement, keys) = (self.requirement, Arc::clone(&context.keys));
        context.write(AcceptOrder { order, signatures, requirement, now_s, keys })
    }
}

/// Puts on record how it ended. The act has happened by then: a failure to record it is logged as an error.
fn end(context: &OperatorContext, entry: OrderEntry, done: bool) {
    let number = entry.number;
    let ended = match context.leader_elsewhere() {
        Some(leader) => wait(leader.ask(&Request::End { entry, done })).flatten(),
        None => end_here(context, entry, done),
    };
    if let Err(error) = ended {
        tracing::error!(error = format!("{error:#}"), entry = number, "an order's end is not on record");
    }
}

/// Puts on record in this gateway's registry how an order ended.
pub(crate) fn end_here(context: &OperatorContext, entry: OrderEntry, done: bool) -> anyhow::Result<()> {
    let end = if done { OrderEnd::Done } else { OrderEnd::Refused };
    let (now_s, keys) = (clock::now_s(), Arc::clone(&context.keys));
    context.write(EndOrder { entry, end, now_s, keys }).map(drop)
}

/// An order that concerns this gateway alone, to be put on record in the rows of the registry that are its own.
struct NoteOwnOrder {
    by: Signers,
    order: operator::Order,
    now_s: u64,
}

impl RegistryChange for NoteOwnOrder {
    type Reply = ();
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<()> {
        Ok(registrar.registry().note_own_order(&self.by, &self.order, self.now_s)?)
    }

    fn is_local() -> bool {
        true
    }
}

/// An order to be checked and put on record, before anything of it is done.
struct AcceptOrder {
    order: operator::Order,
    signatures: Vec<Signature>,
    requirement: Requirement<'static>,
    now_s: u64,
    keys: Arc<Keys>,
}

impl RegistryChange for AcceptOrder {
    type Reply = AcceptedOrder;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<AcceptedOrder> {
        let Self { order, signatures, requirement, now_s, keys } = self;
        let on = (now_s, keys.signing_pkcs8());
        Ok(operator::accept(registrar.registry(), &order, &signatures, requirement, on)?)
    }
}

/// The end of an order to be put on record.
struct EndOrder {
    entry: OrderEntry,
    end: OrderEnd,
    now_s: u64,
    keys: Arc<Keys>,
}

impl RegistryChange for EndOrder {
    type Reply = OrderEntry;
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<OrderEntry, RegistrarError> {
        let on = (self.now_s, self.keys.signing_pkcs8());
        Ok(registrar.registry().record_end(&self.entry, self.end, on)?)
    }
}
