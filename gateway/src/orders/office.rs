//! Orders of an office where somebody stands with their document: which code is theirs, another phone for it, and that the document was
//! seen. Each is on record for the person before anything is done, and they see it on their page.

use actors::clock;
use actors::lookups::{self, Asked, Lookup, Whom};
use actors::operators::Signed;
use actors::registrar::Registrar;
use actors::registry::{DocumentKind, DocumentNumber, Phone, Registry};
use anyhow::{Context, bail};
use protocol::CodeId;
use serde::{Deserialize, Serialize};

use super::{Ordered, code_of, policy};
use crate::alarms;
use crate::process::Admin;

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

/// Puts on record what is done with whose code, and gives the code.
fn record(
    registry: &mut Registry,
    whose: &Whose,
    (lookup, case): (Lookup, &str),
    by: &Signed,
) -> anyhow::Result<CodeId> {
    let code = whose.code(registry)?;
    let now_s = clock::now_ms() / 1000;
    // One that finds nobody counts, too: nobody tries documents.
    Asked { lookup, by, case, now_s }.record(registry, Whom::Codes(code.as_slice()))?;
    alarms::tell(registry, now_s)?;
    code.context("nobody is registered so")
}

/// The code of whoever has that document.
pub(super) fn find(admin: &Admin, whose: &Whose, case: &str, by: &Signed) -> anyhow::Result<Ordered> {
    admin.write(|registry| {
        let code = record(registry, whose, (Lookup::Find, case), by)?;
        let person = registry.person(code)?.context("nobody is registered so")?;
        let colour = registry.code(code)?.map_or("unknown", |entry| entry.colour().name()).to_owned();
        Ok(Ordered::Found(FoundLine { code: code.get(), name: lookups::masked(&person.name), colour }))
    })
}

/// Another phone for the code of somebody who has lost the old one.
pub(super) fn move_phone(
    admin: &Admin,
    whose: &Whose,
    (phone, case): (&str, &str),
    by: &Signed,
) -> anyhow::Result<Ordered> {
    let (policy, now_s) = (policy(admin)?, clock::now_ms() / 1000);
    let phone = Phone::parse(phone).context("that is no mobile number of the mainland")?;
    admin.write(|registry| {
        if let Some(code) = whose.code(registry)?
            && registry.guardian_of(code)?.is_some()
        {
            bail!("the code is a ward's: it goes where its guardian's goes");
        }
        let code = record(registry, whose, (Lookup::MovePhone, case), by)?;
        let wards = registry.wards_of(code)?;
        if !wards.is_empty() {
            Asked { lookup: Lookup::MovePhone, by, case, now_s }.record(registry, Whom::Codes(&wards))?;
        }
        Registrar::new(registry, &admin.codes, policy).move_phone(code, &phone, now_s)?;
        Ok(Ordered::Moved { code: code.get(), phone: phone.masked() })
    })
}

/// Notes that the document of a code's holder was seen.
pub(super) fn document_seen(
    admin: &Admin,
    whose: &Whose,
    case: &str,
    by: &Signed,
) -> anyhow::Result<Ordered> {
    let policy = policy(admin)?;
    admin.write(|registry| {
        let code = record(registry, whose, (Lookup::DocumentSeen, case), by)?;
        Registrar::new(registry, &admin.codes, policy).see_document(code)?;
        Ok(Ordered::Seen { code: code.get() })
    })
}
