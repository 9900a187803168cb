//! The order that answers an appeal.

use actors::registrar::Registrar;
use actors::registrar::appeals::Verdict;
use registry::operator::Role;
use runtime::clock;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::alarms;
use crate::operator::orders::{Given, Order, Tell, causes::colour};
use crate::out::say;

/// The answer to an appeal that went to the operators' authority. Granting clears the cause.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerAppeal {
    pub(crate) appeal: i64,
    pub(crate) granted: bool,
    /// The answer to the citizen.
    pub(crate) text: String,
}

/// An appeal that is answered, and the colour of its code since.
#[derive(Serialize, Deserialize)]
pub(crate) struct Answered {
    appeal: i64,
    code: u64,
    colour: String,
}

impl Order for AnswerAppeal {
    const NAME: &'static str = "answer-appeal";
    const REPLY: &'static str = "answered";
    const ROLE: Role = Role::Health;
    type Reply = Answered;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, Given { context, by, .. }: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Answered> {
        let Self { appeal, granted, text } = self;
        let (policy, now_s) = (context.policy()?, clock::now_ms() / 1000);
        let code = context.write(|registry| {
            let verdict = Verdict { granted, text: &text };
            let mut registrar = Registrar::new(registry, &context.codes, policy);
            let code = registrar.answer_appeal(appeal, verdict, by, now_s)?;
            alarms::tell(registry, now_s)?;
            Ok(code)
        })?;
        Ok(Answered { appeal, code: code.get(), colour: colour(context, code) })
    }

    fn show(Answered { appeal, code, colour }: &Answered) -> anyhow::Result<()> {
        say!("Appeal {appeal} is answered: code {code} is now {colour}.");
        Ok(())
    }
}
