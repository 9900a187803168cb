//! The order that notes that an office has seen a document.

use actors::registrar::{Registrar, RegistryChange};
use registry::lookups::{Lookup, LookupRequest};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{Whose, change};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell};
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

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Seen> {
        given.context.running()?;
        given.change(self)?
    }

    fn show(Seen { code }: &Seen) -> anyhow::Result<()> {
        say!("The document of code {code} is noted as seen.");
        Ok(())
    }
}

/// The reply is an error if only the search for the code is on record.
impl RegistryChange for Ordered<DocumentSeen> {
    type Reply = anyhow::Result<Seen>;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<Self::Reply> {
        let Self { order: DocumentSeen { whose, case }, by, now_s, .. } = self;
        let asked = LookupRequest { lookup: Lookup::DocumentSeen, by: &by, case: &case, now_s };
        change(registrar, &whose, &asked, |registrar, code| {
            registrar.see_document::<anyhow::Error>(code, &asked)?;
            Ok(Seen { code: code.get() })
        })
    }
}
