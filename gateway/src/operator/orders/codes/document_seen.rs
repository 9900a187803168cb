//! The order that notes that an office has seen a document.

use actors::registrar::Registrar;
use registry::lookups::Lookup;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{Whose, change};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};
use crate::out::say;

/// The note that the document of a code's holder was seen.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentSeen {
    pub(crate) whose: Whose,
    pub(crate) case: String,
}

/// The code whose holder's document was seen.
#[derive(Serialize, Deserialize)]
pub(crate) struct Seen {
    code: u64,
}

impl Order for DocumentSeen {
    const NAME: &'static str = "document-seen";
    const REPLY: &'static str = "seen";
    const ROLE: Role = Role::Health;
    type Reply = Seen;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, Given { context, by, .. }: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Seen> {
        let (Self { whose, case }, policy) = (self, context.policy()?);
        change(context, &whose, (Lookup::DocumentSeen, &case), by, |registry, code, asked| {
            let mut registrar = Registrar::new(registry, &context.codes, policy);
            registrar.see_document::<anyhow::Error>(code, asked)?;
            Ok(Seen { code: code.get() })
        })
    }

    fn show(Seen { code }: &Seen) -> anyhow::Result<()> {
        say!("The document of code {code} is noted as seen.");
        Ok(())
    }
}
