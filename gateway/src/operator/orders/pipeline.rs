//! The way of a signed order: read, checked, on record, carried out, its end on record. What an order does stands in its own file.

use anyhow::Context;
use registry::operator::{self, Accepted, Signature, Takes};
use registry::{OrderEnd, OrderEntry};

use super::order::{Answer, Each, Given, Order};
use super::{AddOperator, AnyOrder, ImportHolders, Progress, Tell};
use crate::operator::OperatorContext;

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
        let takes = Takes { act: import.name(), role: ImportHolders::ROLE, operators: 1 };
        let now_s = import.fresh_at_s();
        context.read(|registry| Ok(operator::check(registry, order, signatures, takes, now_s).map(drop)?))?;
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
        let now_s = act.fresh_at_s();
        let takes = Takes { act: act.name(), role: O::ROLE, operators: act.operators(context)? };
        let on = (now_s, context.keys.signing_pkcs8());
        let Accepted { by, entry } =
            context.write(|registry| Ok(operator::accept(registry, order, signatures, takes, on)?))?;
        tracing::info!(
            operators = by.operators,
            act = takes.act,
            entry = entry.number,
            head = entry.head,
            "order"
        );
        tell(&Progress::OnRecord(entry.clone()));
        let reply = act.perform(Given { context, by: &by, operators: takes.operators }, tell);
        end(context, &entry, reply.is_ok());
        Answer::of::<O>(&reply?)
    }
}

/// Puts on record how it ended. The act has happened by then: a failure to record it is logged as an error.
fn end(context: &OperatorContext, entry: &OrderEntry, done: bool) {
    let end = if done { OrderEnd::Done } else { OrderEnd::Refused };
    let on = (runtime::clock::now_ms() / 1000, context.keys.signing_pkcs8());
    if let Err(error) = context.write(|registry| Ok(registry.record_end(entry, end, on)?)) {
        tracing::error!(
            error = format!("{error:#}"),
            entry = entry.number,
            "an order's end is not on record"
        );
    }
}
