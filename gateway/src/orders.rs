//! Acts that operators sign: who is an operator, causes by hand, and why a code has its colour. An order is one JSON text with a
//! signature for each operator; what it takes stands here, and nothing is done before it is checked.

use std::sync::Arc;

use actors::audit::Receipt;
use actors::clock;
use actors::operators::{self, Operator, Order, Role, Signature, Signed};
use actors::policy::{CauseKind, Policy, PolicyDiff};
use actors::registrar::{Registrar, Why};
use actors::registry::{AccessRow, Registry};
use actors::trajectory::day_of;
use anyhow::{Context, bail};
use protocol::{CodeId, Colour};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::policies;
use crate::process::Admin;

/// Cases are numbers of other registers.
const CASE_CHARS_MAX: usize = 64;

/// What can be ordered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum OrderedAct {
    AddOperator {
        name: String,
        authority: String,
        roles: Vec<Role>,
        public_key: String,
    },
    RevokeOperator {
        name: String,
    },
    ListOperators,
    AddCause {
        code: u64,
        kind: String,
        /// The last day on which it counts.
        until: jiff::civil::Date,
    },
    ClearCause {
        cause: i64,
    },
    Why {
        code: u64,
        case: String,
    },
    ActivatePolicy {
        /// What errors name.
        file: String,
        text: String,
    },
}

/// What became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ordered {
    Operator { name: String },
    Operators(Vec<Operator>),
    Cause { cause: i64, code: u64, colour: String },
    Why(WhyReport),
    Policy { version: String, diff: PolicyDiff },
}

/// Why a code has its colour, for people and programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WhyReport {
    pub(crate) colour: String,
    pub(crate) basis: String,
    /// Seconds since 1970 UTC.
    pub(crate) next_change_s: Option<u64>,
    pub(crate) causes: Vec<CauseLine>,
    pub(crate) decisions: Vec<DecisionLine>,
    pub(crate) accesses: usize,
    /// For the citizen: the last decision, and the proof that it is on record.
    pub(crate) receipt: Option<Receipt>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CauseLine {
    pub(crate) cause: i64,
    pub(crate) kind: String,
    pub(crate) colour: String,
    pub(crate) authority: String,
    pub(crate) policy: String,
    pub(crate) from_s: u64,
    pub(crate) until_s: u64,
    pub(crate) cleared_s: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DecisionLine {
    pub(crate) decision: i64,
    pub(crate) at_s: u64,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) authority: String,
    pub(crate) operators: String,
}

/// Carries out an order, if enough operators signed it that may.
pub(crate) fn perform(order: &Order, signatures: &[Signature], admin: &Admin) -> anyhow::Result<Ordered> {
    let act: OrderedAct = serde_json::from_str(&order.act).context("that is no order")?;
    let ordered = admin.write(|registry| {
        let Some(needed) = needed(&act, registry, admin)? else {
            return carry_out(act, None, registry, admin);
        };
        let now_s = clock::now_ms() / 1000;
        let signed = operators::accept(registry, order, signatures, needed, now_s)?;
        carry_out(act, Some(&signed), registry, admin)
    })?;
    if matches!(ordered, Ordered::Policy { .. }) {
        policies::follow(admin)?;
    }
    Ok(ordered)
}

/// Which role, and how many with it. `None` for the first operator of a registry: whoever may open the admin socket adds them.
fn needed(act: &OrderedAct, registry: &Registry, admin: &Admin) -> anyhow::Result<Option<(Role, usize)>> {
    Ok(Some(match act {
        OrderedAct::AddOperator { .. } if registry.operators()?.is_empty() => return Ok(None),
        OrderedAct::AddOperator { .. } | OrderedAct::RevokeOperator { .. } | OrderedAct::ListOperators => {
            (Role::Admin, 1)
        }
        OrderedAct::AddCause { kind, .. } => {
            let rule = policy(admin)?.rule(kind_of(kind)?);
            // Nobody turns somebody red alone.
            (Role::Health, if rule.is_some_and(|rule| rule.colour == Colour::Red) { 2 } else { 1 })
        }
        OrderedAct::ClearCause { .. } => (Role::Health, 1),
        OrderedAct::Why { .. } => (Role::Records, 1),
        OrderedAct::ActivatePolicy { file, text } => {
            let new = policies::ordered(file, text, registry)?;
            let diff = policies::diff(&new, registry)?;
            (Role::Health, new.operators_needed(&*policy(admin)?, &diff))
        }
    }))
}

fn policy(admin: &Admin) -> anyhow::Result<Arc<Policy>> {
    let in_effect = admin.policy.as_ref();
    let in_effect =
        in_effect.context("colours are changed by a running gateway; start it and order again")?;
    Ok(in_effect.get())
}

fn kind_of(name: &str) -> anyhow::Result<CauseKind> {
    let manual: Vec<&str> =
        CauseKind::ALL.iter().filter(|kind| kind.is_manual()).map(|kind| kind.name()).collect();
    CauseKind::from_name(name)
        .filter(|kind| kind.is_manual())
        .with_context(|| format!("a cause by hand is one of {}", manual.join(", ")))
}

fn code_of(number: u64) -> anyhow::Result<CodeId> {
    CodeId::from_u64(number).context("that is no code's number")
}

fn carry_out(
    act: OrderedAct,
    signed: Option<&Signed>,
    registry: &mut Registry,
    admin: &Admin,
) -> anyhow::Result<Ordered> {
    let now_s = clock::now_ms() / 1000;
    let by = || signed.context("this order takes an operator");
    match act {
        OrderedAct::AddOperator { name, authority, roles, public_key } => {
            let operator = Operator { name: name.clone(), authority, roles, public_key, revoked: false };
            operators::add(registry, &operator)?;
            Ok(Ordered::Operator { name })
        }
        OrderedAct::RevokeOperator { name } => {
            registry.revoke_operator(&name)?;
            Ok(Ordered::Operator { name })
        }
        OrderedAct::ListOperators => Ok(Ordered::Operators(registry.operators()?)),
        OrderedAct::AddCause { code, kind, until } => {
            let (code, kind) = (code_of(code)?, kind_of(&kind)?);
            let mut registrar = Registrar::new(registry, &admin.codes, policy(admin)?);
            let cause = registrar.add_cause(code, kind, by()?, until, now_s)?;
            settled(cause, code, admin)
        }
        OrderedAct::ClearCause { cause } => {
            let mut registrar = Registrar::new(registry, &admin.codes, policy(admin)?);
            let code = registrar.clear_cause(cause, by()?, now_s)?;
            settled(cause, code, admin)
        }
        OrderedAct::Why { code, case } => {
            let code = code_of(code)?;
            if case.trim().is_empty() || case.chars().count() > CASE_CHARS_MAX {
                bail!("a look-up names its case, 1 to {CASE_CHARS_MAX} characters");
            }
            let operators = by()?.operators.clone();
            registry
                .record_access(code, &AccessRow { at_s: now_s, operators, act: "why".to_owned(), case })?;
            let accesses = registry.accesses(code)?.len();
            let receipt = registry.receipt(code, admin.keys.signing_pkcs8(), now_s)?;
            let registrar = Registrar::new(registry, &admin.codes, policy(admin)?);
            let why = registrar.why(code)?.context("there is no such code")?;
            Ok(Ordered::Why(report(why, accesses, receipt)))
        }
        OrderedAct::ActivatePolicy { file, text } => {
            let policy = policies::ordered(&file, &text, registry)?;
            let (version, diff) = (policy.version().to_owned(), policies::diff(&policy, registry)?);
            policies::activate(policy, &text, by()?, registry, admin)?;
            Ok(Ordered::Policy { version, diff })
        }
    }
}

fn settled(cause: i64, code: CodeId, admin: &Admin) -> anyhow::Result<Ordered> {
    let entry = admin.codes.get(code).context("the code is not in memory")?;
    Ok(Ordered::Cause { cause, code: code.get(), colour: entry.colour().name().to_owned() })
}

fn report(why: Why, accesses: usize, receipt: Option<Receipt>) -> WhyReport {
    let Why { entry, causes, decisions } = why;
    let cause = |row: actors::registry::CauseRow| CauseLine {
        cause: row.id,
        kind: row.cause.kind.name().to_owned(),
        colour: row.cause.colour.name().to_owned(),
        authority: row.authority,
        policy: row.policy,
        from_s: row.cause.from_s,
        until_s: row.cause.until_s,
        cleared_s: row.cleared_s,
    };
    let decision = |row: actors::registry::DecisionRow| DecisionLine {
        decision: row.id,
        at_s: row.at_s,
        from: row.from.name().to_owned(),
        to: row.to.name().to_owned(),
        authority: row.authority,
        operators: row.operators,
    };
    WhyReport {
        colour: entry.colour().name().to_owned(),
        basis: entry.basis().name().to_owned(),
        next_change_s: Some(u64::from(entry.next_change_s())).filter(|&at_s| at_s > 0),
        causes: causes.into_iter().map(cause).collect(),
        decisions: decisions.into_iter().map(decision).collect(),
        accesses,
        receipt,
    }
}

/// An order given now.
pub(crate) fn order(act: &OrderedAct) -> anyhow::Result<Order> {
    let mut nonce = [0; 8];
    SystemRandom::new().fill(&mut nonce).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    let (act, at_s) = (serde_json::to_string(act)?, clock::now_ms() / 1000);
    Ok(Order { act, at_s, nonce: u64::from_le_bytes(nonce) })
}

/// A day, for people.
pub(crate) fn day(at_s: u64) -> String {
    if at_s >= i64::MAX as u64 { "–".to_owned() } else { day_of(at_s).to_string() }
}
