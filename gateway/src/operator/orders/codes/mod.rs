//! Orders about one code: what is known of it, and what an office does for its holder, who stands there with their document. A look
//! is on record before it is shown; an act and its record are one transaction. The person sees either on their page.

pub(super) mod accesses;
pub(super) mod contact;
pub(super) mod document_seen;
pub(super) mod find;
pub(super) mod move_phone;
pub(super) mod why;

use anyhow::Context;
use protocol::CodeId;
use registry::lookups::{Lookup, LookupRequest, Subjects};
use registry::operator::Signed;
use registry::{DocumentKind, DocumentNumber, Registry};
use runtime::clock;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::alarms;

/// The way to name a code: its number, or its holder's document.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Whose {
    Code(u64),
    Document { kind: String, number: String },
}

/// Hides its value: it names a person.
impl std::fmt::Debug for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Whose(…)")
    }
}

impl Whose {
    /// Finds the code; `None` for a document with which no holder is registered.
    pub(in crate::operator::orders) fn code(&self, registry: &Registry) -> anyhow::Result<Option<CodeId>> {
        match self {
            Self::Code(number) => {
                let code = code_of(*number)?;
                Ok(registry.code(code)?.map(|_| code))
            }
            Self::Document { kind, number } => {
                let kinds = || DocumentKind::ALL.map(DocumentKind::name).join(", ");
                let kind = DocumentKind::from_name(kind)
                    .with_context(|| format!("a document is one of {}", kinds()))?;
                let number = DocumentNumber::parse(kind, number)
                    .context("the document's number is invalid or its checksum is wrong")?;
                Ok(registry.code_of_document(&number)?)
            }
        }
    }
}

/// Reads a code's number.
pub(super) fn code_of(number: u64) -> anyhow::Result<CodeId> {
    CodeId::from_u64(number).with_context(|| format!("{number} is no code's number: those are 1 to 2^63 − 1"))
}

/// Makes a look-up of now.
pub(super) fn asked<'a>(lookup: Lookup, case: &'a str, by: &'a Signed) -> LookupRequest<'a> {
    LookupRequest { lookup, by, case, now_s: clock::now_ms() / 1000 }
}

/// Fails for a code that is not there.
fn known(registry: &Registry, code: CodeId) -> anyhow::Result<()> {
    registry.code(code)?.map(drop).with_context(|| format!("there is no code {}", code.get()))
}

/// Runs `act` on the code that is named; `act` puts itself on record. If it fails, the search for the code is on record instead.
fn change<T>(
    context: &OperatorContext,
    whose: &Whose,
    (lookup, case): (Lookup, &str),
    by: &Signed,
    act: impl FnOnce(&mut Registry, CodeId, &LookupRequest<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let asked = LookupRequest { lookup, by, case, now_s: clock::now_ms() / 1000 };
    context.write(|registry| {
        asked.check(registry, 1)?;
        let code = whose.code(registry)?;
        let done = code.context("nobody is registered so").and_then(|code| act(registry, code, &asked));
        if done.is_err() {
            LookupRequest { lookup: Lookup::Find, ..asked }
                .record(registry, Subjects::Codes(code.as_slice()))?;
        }
        alarms::tell(registry, asked.now_s)?;
        done
    })
}
