//! Orders about one code: what is known of it, and what an office does for its holder, who stands there with their document. A look
//! is on record before it is shown; an act and its record are one transaction. The person sees either on their page.

pub(super) mod accesses;
pub(super) mod contact;
pub(super) mod document_seen;
pub(super) mod find;
pub(super) mod move_phone;
pub(super) mod why;

use actors::registrar::{Registrar, RegistryChange};
use anyhow::Context;
use protocol::CodeId;
use registry::lookups::{Lookup, LookupRequest, Subjects};
use registry::operator::Signers;
use registry::{DocumentKind, DocumentNumber, Registry};
use runtime::clock;
use serde::{Deserialize, Serialize};

use super::Ordered;

/// The error of a search that found no holder.
const NOBODY: &str = "nobody is registered so";

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
pub(super) fn asked<'a>(lookup: Lookup, case: &'a str, by: &'a Signers) -> LookupRequest<'a> {
    LookupRequest { lookup, by, case, now_s: clock::now_s() }
}

/// Fails for a code that is not there.
fn known(registry: &Registry, code: CodeId) -> anyhow::Result<()> {
    registry.code(code)?.map(drop).with_context(|| format!("there is no code {}", code.get()))
}

/// The search for these people's codes. Each search is recorded, also one without a result: an operator cannot try documents unseen.
pub(super) struct FindCodes {
    pub(super) whose: Vec<Whose>,
    pub(super) case: String,
}

/// The reply has each code, or the reason why none was found.
impl RegistryChange for Ordered<FindCodes> {
    type Reply = Vec<Result<CodeId, String>>;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<Self::Reply> {
        let Self { order: FindCodes { whose, case }, by, now_s, .. } = self;
        let (registry, asked) =
            (registrar.registry(), LookupRequest { lookup: Lookup::Find, by: &by, case: &case, now_s });
        let mut found = Vec::with_capacity(whose.len());
        for whose in whose {
            found.push(match whose.code(registry) {
                Ok(code) => {
                    asked.record(registry, &Subjects::Codes(Vec::from_iter(code)))?;
                    code.ok_or_else(|| NOBODY.to_owned())
                }
                Err(error) => Err(format!("{error:#}")),
            });
        }
        Ok(found)
    }
}

/// Runs `act` on the code that is named; `act` puts itself on record. If it fails, the search for the code is on record instead.
fn change<T>(
    registrar: &mut Registrar<'_>,
    whose: &Whose,
    asked: &LookupRequest<'_>,
    act: impl FnOnce(&mut Registrar<'_>, CodeId) -> anyhow::Result<T>,
) -> anyhow::Result<anyhow::Result<T>> {
    asked.check(registrar.registry(), 1)?;
    let code = whose.code(registrar.registry())?;
    let done = code.context(NOBODY).and_then(|code| act(registrar, code));
    if done.is_err() {
        let search = LookupRequest { lookup: Lookup::Find, ..*asked };
        search.record(registrar.registry(), &Subjects::Codes(Vec::from_iter(code)))?;
    }
    Ok(done)
}
