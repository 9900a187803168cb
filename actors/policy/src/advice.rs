//! The advice to staff by region, kind of place, colour and basis, as a dense table that is built when the policy is read. The judge
//! looks it up once per run of punches at one place. [`read`] refuses advice that no policy may give.

use protocol::{Advice, Basis, Colour, RegionId};
use serde::Deserialize;
use toml::Spanned;

use super::error::Wrong;
use crate::PlaceKind;

/// The maximum number of exceptions: more cannot be reviewed by a person.
const EXCEPTIONS_MAX: usize = 256;
const KINDS: usize = PlaceKind::ALL.len();

/// The advice at one kind of place in one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceAdvice([[Advice; Basis::ALL.len()]; Colour::ALL.len()]);

impl PlaceAdvice {
    /// Returns the advice for a code with that colour and basis.
    pub const fn of(&self, colour: Colour, basis: Basis) -> Advice {
        self.0[colour.index()][basis.index()]
    }
}

/// The advice for all regions and kinds of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AdviceTable {
    /// The regions that exceptions name, in order.
    regions: Vec<RegionId>,
    /// The advice by kind of place: first for all other regions, then for each of `regions`.
    rows: Vec<[PlaceAdvice; KINDS]>,
}

impl AdviceTable {
    pub(super) fn regions(&self) -> &[RegionId] {
        &self.regions
    }

    pub(super) fn here(&self, region: RegionId, kind: PlaceKind) -> &PlaceAdvice {
        let row = self.regions.binary_search(&region).map_or(0, |index| index + 1);
        &self.rows[row][kind.index()]
    }
}

/// The section of the file: the advice for each colour, and exceptions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    green: Spanned<String>,
    yellow: Spanned<String>,
    red: Spanned<String>,
    unknown: Spanned<String>,
    #[serde(default)]
    exception: Vec<Spanned<Exception>>,
}

/// An exception. A missing list means all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    regions: Option<Vec<u16>>,
    places: Option<Vec<Spanned<String>>>,
    colour: Spanned<String>,
    basis: Option<Spanned<String>>,
    advice: Spanned<String>,
}

/// Builds the table. A later exception overrides an earlier one.
pub(super) fn read(section: &Section) -> Result<AdviceTable, Wrong> {
    let mut base = PlaceAdvice([[Advice::AskStaff; Basis::ALL.len()]; Colour::ALL.len()]);
    let texts = [&section.green, &section.yellow, &section.red, &section.unknown];
    for (&colour, text) in Colour::ALL.iter().zip(texts) {
        base.0[colour.index()] = [advice(colour, text)?; Basis::ALL.len()];
    }
    if section.exception.len() > EXCEPTIONS_MAX {
        let what = format!("more than {EXCEPTIONS_MAX} exceptions cannot be reviewed by a person");
        return Err(Wrong(section.exception[EXCEPTIONS_MAX].span(), what));
    }
    let named = section.exception.iter().filter_map(|row| row.get_ref().regions.as_ref()).flatten();
    let mut regions: Vec<RegionId> = named.copied().map(RegionId).collect();
    regions.sort_unstable();
    regions.dedup();
    let rows = vec![[base; KINDS]; regions.len() + 1];
    let mut table = AdviceTable { regions, rows };
    for row in &section.exception {
        apply(&mut table, row)?;
    }
    Ok(table)
}

fn apply(table: &mut AdviceTable, row: &Spanned<Exception>) -> Result<(), Wrong> {
    let Exception { regions, places, colour, basis, advice: text } = row.get_ref();
    let Some(colour) = Colour::from_name(colour.get_ref()) else {
        let what =
            format!("{:?} is no colour; there are {}", colour.get_ref(), names(Colour::ALL, Colour::name));
        return Err(Wrong(colour.span(), what));
    };
    let advice = advice(colour, text)?;
    let bases = basis.as_ref().map_or(Ok(Basis::ALL), one_basis)?;
    let kinds = places.as_deref().map(kinds).transpose()?;
    let (numbers, all) = (&table.regions, regions.is_none());
    let fits = |row: usize| {
        let named = row.checked_sub(1).and_then(|index| numbers.get(index));
        all || named.is_some_and(|region| regions.iter().flatten().any(|&number| number == region.0))
    };
    let chosen: Vec<usize> = (0..table.rows.len()).filter(|&row| fits(row)).collect();
    if chosen.is_empty() || kinds.as_ref().is_some_and(Vec::is_empty) {
        return Err(Wrong(
            row.span(),
            "an empty list means nowhere; leave it out to mean everywhere".to_owned(),
        ));
    }
    for index_of_region in chosen {
        for &kind in
            PlaceKind::ALL.iter().filter(|kind| kinds.as_ref().is_none_or(|kinds| kinds.contains(kind)))
        {
            let here = &mut table.rows[index_of_region][kind.index()];
            for basis in bases {
                here.0[colour.index()][basis.index()] = advice;
            }
            let (verified, declared) = (here.of(colour, Basis::Verified), here.of(colour, Basis::Declared));
            if strictness(declared) > strictness(verified) {
                let what = format!(
                    "{colour}, declared, would get {declared} where verified gets {verified}: consent would not be free"
                );
                return Err(Wrong(row.span(), what));
            }
        }
    }
    Ok(())
}

fn names<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> String {
    all.iter().map(|&one| name(one)).collect::<Vec<_>>().join(", ")
}

fn one_basis(text: &Spanned<String>) -> Result<&'static [Basis], Wrong> {
    match Basis::from_name(text.get_ref()) {
        Some(Basis::Verified) => Ok(&[Basis::Verified]),
        Some(Basis::Declared) => Ok(&[Basis::Declared]),
        Some(Basis::Nothing) | None => {
            Err(Wrong(text.span(), format!("a basis is verified or declared, not {:?}", text.get_ref())))
        }
    }
}

fn kinds(texts: &[Spanned<String>]) -> Result<Vec<PlaceKind>, Wrong> {
    let kind = |text: &Spanned<String>| {
        let known = names(PlaceKind::ALL, PlaceKind::name);
        let what = || format!("{:?} is no kind of place; there are {known}", text.get_ref());
        PlaceKind::from_name(text.get_ref()).ok_or_else(|| Wrong(text.span(), what()))
    };
    texts.iter().map(kind).collect()
}

/// Reads the advice for a colour; refuses advice that the colour may not have.
fn advice(colour: Colour, text: &Spanned<String>) -> Result<Advice, Wrong> {
    let allowed: &[Advice] = match colour {
        // No policy may stop a person without a cause.
        Colour::Green => &[Advice::Pass, Advice::CheckDocument, Advice::AskStaff],
        Colour::Yellow => &[Advice::Pass, Advice::CheckDocument, Advice::AskStaff, Advice::Stop],
        Colour::Red => &[Advice::CheckDocument, Advice::AskStaff, Advice::Stop],
        // Never treated as green or as red.
        Colour::Unknown => &[Advice::CheckDocument, Advice::AskStaff],
    };
    let found = Advice::from_name(text.get_ref()).filter(|advice| allowed.contains(advice));
    let what = || format!("{colour} is advised {}, not {:?}", names(allowed, Advice::name), text.get_ref());
    found.ok_or_else(|| Wrong(text.span(), what()))
}

/// Returns the rank of an advice, from pass as the lowest to stop.
pub const fn strictness(advice: Advice) -> u8 {
    match advice {
        Advice::Pass => 0,
        Advice::CheckDocument => 1,
        Advice::AskStaff | Advice::NotAPassCode => 2,
        Advice::Stop => 3,
    }
}
