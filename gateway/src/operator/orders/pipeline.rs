//! The way of a signed order: read, checked, on record, carried out, its end on record. What an order does stands in its own file.

use std::sync::Arc;

use actors::registrar::{Registrar, RegistrarError, RegistryChange};
use anyhow::Context;
use keys::Keys;
use registry::operator::{self, AcceptedOrder, Requirement, Signature};
use registry::{OrderEnd, OrderEntry};
use runtime::clock;

use super::order::{Answer, Each, Given, Order};
use super::{AddOperator, AnyOrder, ImportHolders, Progress, Tell};
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
        let AcceptedOrder { by, entry } = context.write(AcceptOrder {
            order: order.clone(),
            signatures: signatures.to_vec(),
            requirement: Requirement { act: act.name(), role: O::ROLE, operators },
            now_s: act.fresh_at_s(),
            keys: Arc::clone(&context.keys),
        })?;
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

/// Puts on record how it ended. The act has happened by then: a failure to record it is logged as an error.
fn end(context: &OperatorContext, entry: OrderEntry, done: bool) {
    let (number, end) = (entry.number, if done { OrderEnd::Done } else { OrderEnd::Refused });
    let (now_s, keys) = (clock::now_s(), Arc::clone(&context.keys));
    if let Err(error) = context.write(EndOrder { entry, end, now_s, keys }) {
        tracing::error!(error = format!("{error:#}"), entry = number, "an order's end is not on record");
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
