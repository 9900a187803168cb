//! The order that lists who passed a place. It is recorded for each person concerned before it is answered; no other request waits while
//! it reads the punch log.

use std::collections::HashMap;

use anyhow::{Context, bail};
use ledger::{self, TimeRange};
use protocol::{CodeId, PlaceId};
use registry::Registry;
use registry::lookups::{self, Lookup, Subjects};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use crate::across::Away;
use crate::across::passages::{Passed, of_all};
use crate::operator::OperatorContext;
use crate::operator::orders::{CITY, Given, Order, Tell, codes::asked};
use crate::out::say;

/// A look-up of passages spans this much at most: a place and an hour is what a case asks for, a day is the longest.
const STRETCH_MS_MAX: u64 = 24 * 3_600_000;

/// The list of people who passed a place in a stretch of time, milliseconds since 1970 UTC.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Passages {
    pub(crate) place: u32,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    pub(crate) case: String,
}

/// The people who passed a place.
#[derive(Serialize, Deserialize)]
pub(crate) struct PassagesReport {
    people: usize,
    passages: Vec<PassageLine>,
    without_code: u64,
    /// Part of that time is forgotten already.
    forgotten: bool,
    /// Gateways of the fleet whose passages are not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    away: Vec<Away>,
}

/// A passage.
#[derive(Serialize, Deserialize)]
pub(crate) struct PassageLine {
    code: u64,
    /// The first character and a star.
    name: String,
    at_ms: u64,
    direction: String,
    colour: String,
    offline: bool,
}

impl Order for Passages {
    const NAME: &'static str = "passages";
    const REPLY: &'static str = "passages";
    const ROLE: Role = Role::Records;
    type Reply = PassagesReport;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    /// The logs are read without the registry, those of a fleet's other gateways, too; then the look-up is put on record; then names are read.
    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<PassagesReport> {
        let (Self { place, from_ms, to_ms, case }, Given { context, by, .. }) = (self, given);
        let stretch = TimeRange { place: PlaceId(place), from_ms, to_ms };
        if stretch.from_ms >= stretch.to_ms || stretch.to_ms - stretch.from_ms > STRETCH_MS_MAX {
            bail!("the time ends after it begins, within a day");
        }
        context.read(|registry| {
            let place = stretch.place;
            registry.place(place)?.with_context(|| {
                format!("there is no place {place}: `changtong place list` shows their numbers")
            })?;
            Ok(asked(Lookup::Passages, &case, by).check(registry, 0)?)
        })?;
        let others = context.others()?;
        let own = ledger::passages(&context.log.0, &context.log.1, &stretch)?;
        let found = of_all(own, others.as_ref(), &stretch)?;
        let code_of = |passed: &Passed| passed.code.and_then(CodeId::from_u64);
        let mut codes: Vec<CodeId> = found.passages.iter().filter_map(code_of).collect();
        codes.sort_unstable();
        codes.dedup();
        given.record(Lookup::Passages, &case, Subjects::Codes(codes.clone()))?;
        let names = context.read(|registry| names(registry, &codes))?;
        let line = |passed: Passed| {
            let code = code_of(&passed)?;
            let name = names.get(&code).cloned().unwrap_or_else(|| lookups::masked(""));
            let Passed { at_ms, direction, colour, offline, .. } = passed;
            Some(PassageLine { code: code.get(), name, at_ms, direction, colour, offline })
        };
        let all = found.passages.len();
        let passages: Vec<_> = found.passages.into_iter().filter_map(line).collect();
        let without_code = (all - passages.len()) as u64;
        Ok(PassagesReport {
            people: codes.len(),
            passages,
            without_code,
            forgotten: found.forgotten,
            away: found.away,
        })
    }

    fn show(report: &PassagesReport) -> anyhow::Result<()> {
        for line in &report.passages {
            let at = i64::try_from(line.at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
            let at = at.map(|at| CITY.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string());
            let note = if line.offline { "  device's clock" } else { "" };
            say!(
                "  {}  {:<4}{:<9}code {:<20}{}{note}",
                at.unwrap_or_default(),
                line.direction,
                line.colour,
                line.code,
                line.name
            );
        }
        say!("{} people, {} passages without a code", report.people, report.without_code);
        if report.forgotten {
            say!("Part of that time is forgotten already.");
        }
        for away in &report.away {
            say!("{}", away.line("Passages"));
        }
        Ok(())
    }

    fn is_whole(report: &PassagesReport) -> bool {
        report.away.is_empty()
    }
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
