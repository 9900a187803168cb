//! The order that answers an appeal.

use actors::registrar::appeals::Verdict;
use actors::registrar::{Registrar, RegistryChange};
use protocol::CodeId;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell, causes::colour};
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

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Answered> {
        let appeal = self.appeal;
        let code = given.change(self)?;
        Ok(Answered { appeal, code: code.get(), colour: colour(given.context, code) })
    }

    fn show(Answered { appeal, code, colour }: &Answered) -> anyhow::Result<()> {
        say!("Appeal {appeal} is answered: code {code} is now {colour}.");
        Ok(())
    }
}

impl RegistryChange for Ordered<AnswerAppeal> {
    type Reply = CodeId;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<CodeId> {
        let Self { order: AnswerAppeal { appeal, granted, text }, by, now_s, .. } = self;
        Ok(registrar.answer_appeal(appeal, Verdict { granted, text: &text }, &by, now_s)?)
    }
}
