//! Orders of an office where somebody stands with their document: which code is theirs, another phone for it, and that the document was
//! seen. Each is on record for the person before anything is done, and they see it on their page.

use actors::registrar::Registrar;
use anyhow::{Context, bail};
use protocol::CodeId;
use registry::lookups::{self, Lookup, LookupRequest, Subjects};
use registry::operator::Signed;
use registry::{DocumentKind, DocumentNumber, Phone, Registry};
use runtime::clock;
use serde::{Deserialize, Serialize};

use super::{Ordered, code_of, policy};
use crate::operator::OperatorContext;
use crate::operator::alarms;

/// Whose code an order is about: its number, or the document that an authority holds.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Whose {
    Code(u64),
    Document { kind: String, number: String },
}

/// It names a person: not shown.
impl std::fmt::Debug for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Whose(…)")
    }
}

/// The code of a document's holder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FoundLine {
    pub(crate) code: u64,
    /// The first character and a star.
    pub(crate) name: String,
    pub(crate) colour: String,
}

impl Whose {
    /// The code; `None` for a document that nobody is registered with.
    pub(super) fn code(&self, registry: &Registry) -> anyhow::Result<Option<CodeId>> {
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

/// The code of whoever has that document.
pub(super) fn find(
    admin: &OperatorContext,
    whose: &Whose,
    case: &str,
    by: &Signed,
) -> anyhow::Result<Ordered> {
    let now_s = clock::now_ms() / 1000;
    admin.write(|registry| {
        let code = whose.code(registry)?;
        // One that finds nobody counts, too: nobody tries documents.
        LookupRequest { lookup: Lookup::Find, by, case, now_s }
            .record(registry, Subjects::Codes(code.as_slice()))?;
        alarms::tell(registry, now_s)?;
        let code = code.context("nobody is registered so")?;
        let person = registry.person(code)?.context("nobody is registered so")?;
        let colour = registry.code(code)?.map_or("unknown", |entry| entry.colour().name()).to_owned();
        Ok(Ordered::Found(FoundLine { code: code.get(), name: lookups::masked(&person.name), colour }))
    })
}

/// Another phone for the code of somebody who has lost the old one.
pub(super) fn move_phone(
    admin: &OperatorContext,
    whose: &Whose,
    (phone, case): (&str, &str),
    by: &Signed,
) -> anyhow::Result<Ordered> {
    let policy = policy(admin)?;
    let phone = Phone::parse(phone).context("that is no mobile number of the mainland")?;
    change(admin, whose, (Lookup::MovePhone, case), by, |registry, code, asked| {
        if registry.guardian_of(code)?.is_some() {
            bail!("the code is a ward's: it goes where its guardian's goes");
        }
        Registrar::new(registry, &admin.codes, policy).move_phone::<anyhow::Error>(code, &phone, asked)?;
        Ok(Ordered::Moved { code: code.get(), phone: phone.masked() })
    })
}

/// Notes that the document of a code's holder was seen.
pub(super) fn document_seen(
    admin: &OperatorContext,
    whose: &Whose,
    case: &str,
    by: &Signed,
) -> anyhow::Result<Ordered> {
    let policy = policy(admin)?;
    change(admin, whose, (Lookup::DocumentSeen, case), by, |registry, code, asked| {
        Registrar::new(registry, &admin.codes, policy).see_document::<anyhow::Error>(code, asked)?;
        Ok(Ordered::Seen { code: code.get() })
    })
}

/// Has `act` do something for whoever that is and put it on record. When it comes to nothing, all that has happened is that somebody was
/// looked for, and that is on record instead.
fn change(
    admin: &OperatorContext,
    whose: &Whose,
    (lookup, case): (Lookup, &str),
    by: &Signed,
    act: impl FnOnce(&mut Registry, CodeId, &LookupRequest<'_>) -> anyhow::Result<Ordered>,
) -> anyhow::Result<Ordered> {
    let asked = LookupRequest { lookup, by, case, now_s: clock::now_ms() / 1000 };
    admin.write(|registry| {
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
