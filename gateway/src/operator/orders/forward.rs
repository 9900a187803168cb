//! The way of an order that is given at a gateway of a fleet which does not lead. The gateway that leads checks it, puts it on record and
//! carries it out, and its answer comes back. An order on what is one gateway's alone is carried out where it is given, and is on record at
//! the one that leads before anything is done.

use anyhow::{Context, bail};
use registry::lookups::{Lookup, Subjects};
use registry::operator::{self, AcceptedOrder, Requirement, Signature, Signers};
use serde::{Deserialize, Serialize};

use super::order::{Answer, At, Each, Given, Order};
use super::pipeline::{self, Accepting};
use super::{AnyOrder, Progress, Tell};
use crate::across::{Leader, OnRecord, Request, wait};
use crate::operator::OperatorContext;

/// A line of the answer of the gateway that leads.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    Ordered(Answer),
    #[serde(untagged)]
    Progress(Progress),
}

/// Has the gateway that leads carry out an order, if that is another one and the order is one for it; otherwise this one does it.
pub(crate) fn give(
    order: &operator::Order,
    signatures: &[Signature],
    context: &OperatorContext,
    tell: &mut Tell<'_>,
) -> anyhow::Result<Answer> {
    let act: AnyOrder = serde_json::from_str(&order.act).context("that is no order")?;
    match context.leader_elsewhere().filter(|_| act.each(Where) == At::Leader) {
        Some(leader) => forward(&leader, order, signatures, tell),
        None => pipeline::perform(order, signatures, context, tell),
    }
}

fn forward(
    leader: &Leader<'_>,
    order: &operator::Order,
    signatures: &[Signature],
    tell: &mut Tell<'_>,
) -> anyhow::Result<Answer> {
    tracing::info!(leader = leader.name, "an order goes to the gateway that leads");
    let request = Request::Order { order: order.clone(), signatures: signatures.to_vec() };
    let mut answer = None;
    let mut take = |line: Line| match line {
        Line::Progress(progress) => tell(&progress),
        Line::Ordered(ordered) => {
            answer = Some(ordered);
            true
        }
    };
    wait(leader.order(&request, &mut take))??;
    answer.with_context(|| {
        format!("{} gave no answer: look what is on record before you order it again", leader.name)
    })
}

/// Carries out an order that another gateway was given.
///
/// # Errors
/// It is one for that gateway itself; or those of the order.
pub(crate) fn perform_for(
    (order, signatures): (&operator::Order, &[Signature]),
    context: &OperatorContext,
    tell: &mut Tell<'_>,
) -> anyhow::Result<Answer> {
    let act: AnyOrder = serde_json::from_str(&order.act).context("that is no order")?;
    if act.each(Where) != At::Leader {
        bail!("that order is for the gateway where it is given");
    }
    pipeline::perform(order, signatures, context, tell)
}

/// Puts an order on record that another gateway carries out.
///
/// # Errors
/// It is not one that a gateway carries out for itself; or it is refused.
pub(crate) fn record_for(
    order: operator::Order,
    signatures: Vec<Signature>,
    context: &OperatorContext,
) -> anyhow::Result<OnRecord> {
    let act: AnyOrder = serde_json::from_str(&order.act).context("that is no order")?;
    let AcceptedOrder { by, entry } = act.each(Recording { order, signatures, context })?;
    Ok(OnRecord { authority: by.authority, operators: by.operators, entry })
}

/// Puts a look at everybody's passages on record, for another gateway.
///
/// # Errors
/// The look-up is unknown, an operator was revoked, or the registry does not take it.
pub(crate) fn look_for(
    by: Signers,
    (lookup, case): (&str, &str),
    context: &OperatorContext,
) -> anyhow::Result<()> {
    let lookup = Lookup::ALL.iter().find(|known| known.name() == lookup);
    let lookup = *lookup.context("this release knows no such look-up: run the same one on all gateways")?;
    Given { context, by: &by, operators: by.names().count() }.record(lookup, case, Subjects::Everybody)
}

/// Has the gateway that leads put an order on record that is carried out here.
pub(super) fn accept(
    leader: &Leader<'_>,
    order: &operator::Order,
    signatures: &[Signature],
) -> anyhow::Result<AcceptedOrder> {
    let request = Request::Record { order: order.clone(), signatures: signatures.to_vec() };
    let OnRecord { authority, operators, entry } = wait(leader.ask(&request))??;
    Ok(AcceptedOrder { by: Signers { authority, operators }, entry })
}

/// Has the gateway that leads put a look at everybody's passages on record.
pub(super) fn look(leader: &Leader<'_>, by: &Signers, (lookup, case): (Lookup, &str)) -> anyhow::Result<()> {
    let Signers { authority, operators } = by.clone();
    let (lookup, case) = (lookup.name().to_owned(), case.to_owned());
    wait(leader.ask(&Request::Look { authority, operators, lookup, case }))?
}

struct Where;

impl Each for Where {
    type Out = At;

    fn order<O: Order>(self, order: O) -> At {
        if O::is_local() { At::Here } else { order.at() }
    }
}

struct Recording<'a> {
    order: operator::Order,
    signatures: Vec<Signature>,
    context: &'a OperatorContext,
}

impl Each for Recording<'_> {
    type Out = anyhow::Result<AcceptedOrder>;

    fn order<O: Order>(self, act: O) -> Self::Out {
        let Self { order, signatures, context } = self;
        if act.at() != At::Here {
            bail!("that order is for the gateway that leads");
        }
        let operators = act.operators(context)?;
        let requirement = Requirement { act: act.name(), role: O::ROLE, operators };
        Accepting { order: &order, signatures: &signatures, requirement }.accept(context, act.fresh_at_s())
    }
}
