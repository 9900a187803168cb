//! The order that asks why a code has its colour.

use actors::registrar::{self, Registrar};
use anyhow::Context;
use registry::audit::Receipt;
use registry::lookups::{Lookup, Subjects};
use registry::operator::Role;
use registry::{CauseRow, DecisionRow};
use serde::{Deserialize, Serialize};

use super::{code_of, known};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell, day, time};
use crate::out::say;

/// The question why a code has its colour.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    pub(crate) code: u64,
    pub(crate) case: String,
}

/// The reasons of a code's colour.
#[derive(Serialize, Deserialize)]
pub(crate) struct WhyReport {
    colour: String,
    basis: String,
    /// Seconds since 1970 UTC.
    next_change_s: Option<u64>,
    causes: Vec<CauseLine>,
    decisions: Vec<DecisionLine>,
    accesses: usize,
    /// For the citizen: the last decision, and the proof that it is on record.
    pub(crate) receipt: Option<Receipt>,
}

/// A cause of a code.
#[derive(Serialize, Deserialize)]
pub(crate) struct CauseLine {
    cause: i64,
    kind: String,
    colour: String,
    authority: String,
    policy: String,
    from_s: u64,
    until_s: u64,
    cleared_s: Option<u64>,
}

/// A decision about a code.
#[derive(Serialize, Deserialize)]
pub(crate) struct DecisionLine {
    decision: i64,
    at_s: u64,
    from: String,
    to: String,
    authority: String,
    operators: String,
}

impl Order for Why {
    const NAME: &'static str = "why";
    const REPLY: &'static str = "why";
    const ROLE: Role = Role::Records;
    type Reply = WhyReport;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<WhyReport> {
        let (code, context) = (code_of(self.code)?, given.context);
        let policy = context.policy()?;
        context.read(|registry| known(registry, code))?;
        given.record(Lookup::Why, &self.case, Subjects::Codes(vec![code]))?;
        context.sign_decisions()?;
        let mut reader = context.reader()?;
        let (accesses, receipt) = (reader.accesses(code)?.len(), reader.signed_receipt(code)?);
        let why = Registrar::new(&mut reader, &context.codes, policy).why(code)?;
        Ok(report(why.with_context(|| format!("there is no code {}", code.get()))?, accesses, receipt))
    }

    fn show(why: &WhyReport) -> anyhow::Result<()> {
        let next = why.next_change_s.map_or("never by the clock".to_owned(), time);
        say!(
            "{}, {}; changes {next}; looked at {} time(s), this one included",
            why.colour,
            why.basis,
            why.accesses
        );
        for cause in &why.causes {
            let state = match cause.cleared_s {
                Some(at_s) => format!("cleared {}", time(at_s)),
                None => format!("until {}", day(cause.until_s.saturating_sub(1))),
            };
            say!(
                "  cause {:<6}{:<15}{:<8}by {:<16}from {}, {state}; policy {}",
                cause.cause,
                cause.kind,
                cause.colour,
                cause.authority,
                time(cause.from_s),
                cause.policy
            );
        }
        for decision in &why.decisions {
            let by = match decision.operators.as_str() {
                "" => decision.authority.clone(),
                operators => format!("{} ({operators})", decision.authority),
            };
            let on = time(decision.at_s);
            say!("  decision {:<6}{on}  {} to {} by {by}", decision.decision, decision.from, decision.to);
        }
        say!("An appeal names the decision and goes to its authority.");
        Ok(())
    }
}

/// Makes the report.
fn report(why: registrar::Why, accesses: usize, receipt: Option<Receipt>) -> WhyReport {
    let registrar::Why { entry, causes, decisions } = why;
    let cause = |row: CauseRow| CauseLine {
        cause: row.id,
        kind: row.cause.kind.name().to_owned(),
        colour: row.cause.colour.name().to_owned(),
        authority: row.authority,
        policy: row.policy,
        from_s: row.cause.from_s,
        until_s: row.cause.until_s,
        cleared_s: row.cleared_s,
    };
    let decision = |row: DecisionRow| DecisionLine {
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
