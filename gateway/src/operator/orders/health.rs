//! Orders of the authorities: causes by hand, and answers to appeals. The registrar decides; here it is called, and the alarms
//! follow at once.

use actors::registrar::appeals::Verdict;
use actors::registrar::{CLEARED_MAX, Registrar};
use anyhow::{Context, bail};
use policy::{CauseKind, Policy};
use protocol::{CodeId, Colour};
use registry::Registry;
use registry::lookups::{Lookup, LookupRequest, Subjects};
use registry::operator::Signed;
use runtime::clock;

use super::{Ordered, policy};
use crate::operator::OperatorContext;
use crate::operator::alarms;
use crate::policies;

/// Says how many operators a cause by hand takes: nobody turns somebody red alone.
pub(super) fn by_policy(policy: &Policy, kind: CauseKind) -> usize {
    if policy.rule(kind).is_some_and(|rule| rule.colour == Colour::Red) { 2 } else { 1 }
}

/// Sets a cause until the end of a day.
pub(super) fn add_cause(
    admin: &OperatorContext,
    code: CodeId,
    (kind, until): (CauseKind, jiff::civil::Date),
    operators: usize,
    by: &Signed,
) -> anyhow::Result<Ordered> {
    let (policy, now_s) = (policy(admin)?, clock::now_ms() / 1000);
    // Another policy may have come into effect since the signatures were counted.
    if by_policy(&policy, kind) > operators {
        bail!("the policy has changed meanwhile; order again");
    }
    let cause = admin.write(|registry| {
        let cause = Registrar::new(registry, &admin.codes, policy).add_cause(code, kind, by, until, now_s)?;
        alarms::tell(registry, now_s)?;
        Ok(cause)
    })?;
    Ok(Ordered::Cause { cause, code: code.get(), colour: colour(admin, code) })
}

/// Clears a cause of the operators' own authority.
pub(super) fn clear_cause(admin: &OperatorContext, cause: i64, by: &Signed) -> anyhow::Result<Ordered> {
    let (policy, now_s) = (policy(admin)?, clock::now_ms() / 1000);
    let code = admin.write(|registry| {
        Ok(Registrar::new(registry, &admin.codes, policy).clear_cause(cause, by, now_s)?)
    })?;
    Ok(Ordered::Cause { cause, code: code.get(), colour: colour(admin, code) })
}

/// Clears what the operators' own authority set in that time. Shows nobody; every person sees it as a decision.
pub(super) fn clear_causes(admin: &OperatorContext, set: (u64, u64), by: &Signed) -> anyhow::Result<Ordered> {
    let (policy, now_s) = (policy(admin)?, clock::now_ms() / 1000);
    let causes = admin.write(|registry| {
        let cleared = Registrar::new(registry, &admin.codes, policy).clear_causes(set, by, now_s)?;
        alarms::tell(registry, now_s)?;
        Ok(cleared)
    })?;
    Ok(Ordered::Cleared { causes, more: causes == CLEARED_MAX })
}

/// Puts a policy into effect. It is compared again with the registry held: meanwhile another one may be in effect.
pub(super) fn activate_policy(
    admin: &OperatorContext,
    file: &str,
    text: &str,
    operators: usize,
    by: &Signed,
) -> anyhow::Result<Ordered> {
    let new = admin.read(|registry| policies::ordered(file, text, registry))?;
    let (version, diff) = (new.version().to_owned(), policies::diff(&new, &admin.reader()?)?);
    admin.write(|registry| {
        if new.operators_needed(&*policy(admin)?) > operators {
            bail!("another policy is in effect by now, and this takes more operators; order again");
        }
        activate(new, text, by, registry, admin)
    })?;
    follow(admin)?;
    Ok(Ordered::Policy { version, diff })
}

/// Puts a policy into effect: durable first, then for everybody who goes by it. Codes follow with [`follow`].
fn activate(
    policy: Policy,
    text: &str,
    by: &Signed,
    registry: &mut Registry,
    admin: &OperatorContext,
) -> anyhow::Result<()> {
    let in_effect = &admin.running()?.policy;
    let mut registrar = Registrar::new(registry, &admin.codes, in_effect.get());
    registrar.activate(&policy, text, &by.operators, clock::now_ms() / 1000)?;
    tracing::info!(version = policy.version(), operators = by.operators, "another policy is in effect");
    in_effect.set(policy);
    Ok(())
}

/// Waits until all codes follow the policy in effect, and has it done without a pause. Others have their turn between two parts.
fn follow(admin: &OperatorContext) -> anyhow::Result<()> {
    let registrar = &admin.running()?.registrar;
    let part = || registrar.act_blocking(|registrar| registrar.revise_some(clock::now_ms() / 1000));
    while part().context("the policy is in effect, the codes follow within minutes")? {}
    Ok(())
}

/// Says what the authority has to answer; reading people's words is an access.
pub(super) fn appeals(admin: &OperatorContext, by: &Signed) -> anyhow::Result<Ordered> {
    admin.write(|registry| {
        let open = registry.open_appeals(&by.authority)?;
        let ids: Vec<i64> = open.iter().map(|appeal| appeal.id).collect();
        let asked =
            LookupRequest { lookup: Lookup::Appeals, by, case: "appeals", now_s: clock::now_ms() / 1000 };
        asked.record(registry, Subjects::Appeals(&ids))?;
        Ok(Ordered::Appeals(open.into_iter().map(Into::into).collect()))
    })
}

/// Answers an appeal that went to the operators' authority.
pub(super) fn answer(
    admin: &OperatorContext,
    appeal: i64,
    granted: bool,
    text: &str,
    by: &Signed,
) -> anyhow::Result<Ordered> {
    let (policy, now_s) = (policy(admin)?, clock::now_ms() / 1000);
    let code = admin.write(|registry| {
        let verdict = Verdict { granted, text };
        let mut registrar = Registrar::new(registry, &admin.codes, policy);
        let code = registrar.answer_appeal(appeal, verdict, by, now_s)?;
        alarms::tell(registry, now_s)?;
        Ok(code)
    })?;
    Ok(Ordered::Answered { appeal, code: code.get(), colour: colour(admin, code) })
}

/// Says how the code stands afterwards; its holder may have withdrawn, which makes the act no less done.
fn colour(admin: &OperatorContext, code: CodeId) -> String {
    admin.codes.get(code).map_or("withdrawn", |entry| entry.colour().name()).to_owned()
}
