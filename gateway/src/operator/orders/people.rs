//! Orders that show people. Each is on record, for each person concerned, before anything is answered; reading the punch log holds
//! nobody else up.

use std::collections::HashMap;

use actors::registrar::Registrar;
use anyhow::{Context, bail};
use ledger::{self, PASSAGES_MAX, Stretch};
use protocol::CodeId;
use registry::Registry;
use registry::lookups::{self, Lookup, LookupRequest, Subjects};
use registry::operator::Signed;
use runtime::clock;

use super::lines::{self, PassageLine, PassagesReport};
use super::{Ordered, policy};
use crate::operator::OperatorContext;
use crate::operator::alarms;

/// A look-up of passages spans this much at most: a place and an hour is what a case asks for, a day is the longest.
const STRETCH_MS_MAX: u64 = 24 * 3_600_000;

fn asked<'a>(lookup: Lookup, case: &'a str, by: &'a Signed) -> LookupRequest<'a> {
    LookupRequest { lookup, by, case, now_s: clock::now_ms() / 1000 }
}

/// Why a code has its colour.
pub(super) fn why(admin: &OperatorContext, code: CodeId, case: &str, by: &Signed) -> anyhow::Result<Ordered> {
    let (policy, asked) = (policy(admin)?, asked(Lookup::Why, case, by));
    admin.write(|registry| {
        known(registry, code)?;
        asked.record(registry, Subjects::Codes(&[code]))?;
        Ok(registry.checkpoint(admin.keys.signing_pkcs8(), asked.now_s)?)
    })?;
    let mut reader = admin.reader()?;
    let (accesses, receipt) = (reader.accesses(code)?.len(), reader.signed_receipt(code)?);
    let why = Registrar::new(&mut reader, &admin.codes, policy).why(code)?;
    Ok(Ordered::Why(lines::why(
        why.with_context(|| format!("there is no code {}", code.get()))?,
        accesses,
        receipt,
    )))
}

/// Says who looked at a code, this look included.
pub(super) fn accesses(
    admin: &OperatorContext,
    code: CodeId,
    case: &str,
    by: &Signed,
) -> anyhow::Result<Ordered> {
    admin.write(|registry| {
        known(registry, code)?;
        asked(Lookup::Accesses, case, by).record(registry, Subjects::Codes(&[code]))?;
        Ok(Ordered::Accesses(registry.accesses(code)?.into_iter().map(Into::into).collect()))
    })
}

/// Name and phone of the code's holder.
pub(super) fn contact(
    admin: &OperatorContext,
    code: CodeId,
    case: &str,
    by: &Signed,
) -> anyhow::Result<Ordered> {
    admin.write(|registry| {
        let asked = asked(Lookup::Contact, case, by);
        let contact = asked.contact(registry, code)?;
        alarms::tell(registry, asked.now_s)?;
        Ok(Ordered::Contact(contact))
    })
}

/// Says who passed a place. The log is read without the registry; then the look-up is put on record; then names are read.
pub(super) fn passages(
    admin: &OperatorContext,
    stretch: &Stretch,
    case: &str,
    by: &Signed,
) -> anyhow::Result<Ordered> {
    if stretch.from_ms >= stretch.to_ms || stretch.to_ms - stretch.from_ms > STRETCH_MS_MAX {
        bail!("the time ends after it begins, within a day");
    }
    let asked = asked(Lookup::Passages, case, by);
    admin.read(|registry| {
        let place = stretch.place;
        registry.place(place)?.with_context(|| {
            format!("there is no place {place}: `changtong place list` shows their numbers")
        })?;
        Ok(asked.check(registry, 0)?)
    })?;
    let found = ledger::passages(&admin.log.0, &admin.log.1, stretch)?;
    if found.cut {
        bail!("more than {PASSAGES_MAX} passages; ask for a shorter time");
    }
    let mut codes: Vec<CodeId> = found.passages.iter().map(|passage| passage.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let names = admin.write(|registry| {
        by.still_good(registry)?;
        asked.record(registry, Subjects::Codes(&codes))?;
        alarms::tell(registry, asked.now_s)?;
        names(registry, &codes)
    })?;
    let line = |passage: ledger::Passage| PassageLine {
        code: passage.code.get(),
        name: names.get(&passage.code).cloned().unwrap_or_else(|| lookups::masked("")),
        at_ms: passage.at_ms,
        direction: passage.direction.name().to_owned(),
        colour: passage.colour.name().to_owned(),
        offline: passage.offline,
    };
    Ok(Ordered::Passages(PassagesReport {
        people: codes.len(),
        passages: found.passages.into_iter().map(line).collect(),
        without_code: found.without_code,
        forgotten: found.forgotten,
    }))
}

/// Puts on record that everybody's passages are about to be told.
pub(super) fn export(admin: &OperatorContext, case: &str, by: &Signed) -> anyhow::Result<()> {
    admin.write(|registry| Ok(asked(Lookup::Export, case, by).record(registry, Subjects::Everybody)?))
}

fn known(registry: &Registry, code: CodeId) -> anyhow::Result<()> {
    registry.code(code)?.map(drop).with_context(|| format!("there is no code {}", code.get()))
}

fn names(registry: &Registry, codes: &[CodeId]) -> anyhow::Result<HashMap<CodeId, String>> {
    let mut names = HashMap::new();
    for &code in codes {
        if let Some(person) = registry.person(code)? {
            names.insert(code, lookups::masked(&person.name));
        }
    }
    Ok(names)
}
