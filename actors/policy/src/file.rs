//! The policy file (TOML). Unknown keys, wrong types and values that no policy may have are refused with their line.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;
use protocol::Colour;
use serde::Deserialize;
use toml::Spanned;

use super::error::{PolicyError, Wrong};
use super::{CauseKind, DocumentShown, EpidemicArea, Policy, Rule, advice};
use crate::trajectory::{Country, Division};

/// The maximum window, limited by what carriers store.
const WINDOW_DAYS_MAX: u16 = 90;
/// The maximum of the shortest stay that counts. A presence caused by a border cell is shorter.
const STAY_HOURS_MAX: u16 = 24;
/// The maximum duration of a cause: a year.
const CAUSE_DAYS_MAX: u16 = 366;
/// The maximum lag. Carriers need a day; with more than a week the window would mean something else.
const LAG_DAYS_MAX: u16 = 7;
/// The maximum wait of a correction: the usual duration of a stay's cause.
const CORRECTION_HOURS_MAX: u16 = 14 * 24;
/// The maximum length of the names of versions and areas, which are displayed and logged.
const NAME_CHARS_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<String>,
    window: Window,
    #[serde(default)]
    area: Vec<Spanned<AreaRow>>,
    cause: BTreeMap<Spanned<String>, Spanned<CauseRow>>,
    advice: advice::Section,
    correction: Option<Correction>,
    help: Option<Help>,
    #[serde(default)]
    staff: Staff,
}

/// The rule for correcting a declared stay without a query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Correction {
    wait_hours: Spanned<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Help {
    phone: Spanned<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Staff {
    document: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    days: Spanned<u16>,
    lag_days: Spanned<u16>,
    stay_hours_min: Spanned<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AreaRow {
    name: String,
    #[serde(default)]
    divisions: Vec<Spanned<String>>,
    #[serde(default)]
    countries: Vec<Spanned<String>>,
    from: toml::value::Datetime,
    until: Option<toml::value::Datetime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CauseRow {
    colour: String,
    days: u16,
}

impl Policy {
    /// Reads and validates a policy. `path` is used in errors only.
    pub fn parse(text: &str, path: &Path) -> Result<Self, PolicyError> {
        let error = |wrong: Wrong| wrong.in_file(text, path);
        let file: File = toml::from_str(text)
            .map_err(|wrong| error(Wrong(wrong.span().unwrap_or_default(), wrong.message().to_owned())))?;
        read(file).map_err(error)
    }
}

fn read(file: File) -> Result<Policy, Wrong> {
    if !is_name(file.version.get_ref()) {
        return Err(Wrong(file.version.span(), format!("a version has 1 to {NAME_CHARS_MAX} characters")));
    }
    let Window { days, lag_days, stay_hours_min } = &file.window;
    let mut areas = Vec::new();
    for row in &file.area {
        areas.push(area(row)?);
    }
    Ok(Policy {
        window_days: within(days, 1..=WINDOW_DAYS_MAX, "days of the window")?,
        // A window that includes today would count an unfinished day as clean.
        lag_days: within(lag_days, 1..=LAG_DAYS_MAX, "days of lag")?,
        stay_s_min: u64::from(within(stay_hours_min, 1..=STAY_HOURS_MAX, "hours of a stay")?) * 3600,
        areas,
        rules: rules(&file.cause)?,
        advice: advice::read(&file.advice)?,
        correction_wait_hours: file
            .correction
            .as_ref()
            .map(|row| within(&row.wait_hours, 1..=CORRECTION_HOURS_MAX, "hours of a correction's wait"))
            .transpose()?,
        help_phone: file.help.map(|help| help_phone(help.phone)).transpose()?,
        document_shown: document_shown(&file.staff)?,
        version: file.version.into_inner(),
    })
}

fn document_shown(Staff { document }: &Staff) -> Result<DocumentShown, Wrong> {
    let Some(text) = document else { return Ok(DocumentShown::WhenAsked) };
    let found = DocumentShown::from_name(text.get_ref());
    let known: Vec<&str> = DocumentShown::ALL.iter().map(|shown| shown.name()).collect();
    let known = known.join(", ");
    let what = || format!("`document` is one of {known}, not {:?}", text.get_ref());
    found.ok_or_else(|| Wrong(text.span(), what()))
}

fn is_name(name: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

fn help_phone(phone: Spanned<String>) -> Result<String, Wrong> {
    let text = phone.get_ref();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if (3..=15).contains(&digits) && text.bytes().all(|byte| byte.is_ascii_digit() || b"+- ".contains(&byte))
    {
        return Ok(phone.into_inner());
    }
    Err(Wrong(
        phone.span(),
        format!("{text:?} is no telephone number: 3 to 15 digits, with +, - and spaces between"),
    ))
}

fn within(value: &Spanned<u16>, range: std::ops::RangeInclusive<u16>, what: &str) -> Result<u16, Wrong> {
    let (number, low, high) = (*value.get_ref(), range.start(), range.end());
    if range.contains(&number) {
        Ok(number)
    } else {
        Err(Wrong(value.span(), format!("{number} {what} are not {low} to {high}")))
    }
}

fn area(row: &Spanned<AreaRow>) -> Result<EpidemicArea, Wrong> {
    let AreaRow { name, divisions, countries, from, until } = row.get_ref();
    let wrong = |what: &str| Wrong(row.span(), format!("area {name:?}: {what}"));
    if !is_name(name) {
        return Err(wrong("a name has 1 to 64 characters"));
    }
    if divisions.is_empty() && countries.is_empty() {
        return Err(wrong("it has neither divisions nor countries"));
    }
    let from = date(*from).ok_or_else(|| wrong("`from` is no day"))?;
    let until = until.map(|until| date(until).ok_or_else(|| wrong("`until` is no day"))).transpose()?;
    if until.is_some_and(|until| until < from) {
        return Err(wrong("it ends before it begins"));
    }
    let division = |text: &Spanned<String>| {
        let what = || format!("{:?} is not the first two or four digits of a division code", text.get_ref());
        Division::parse(text.get_ref()).ok_or_else(|| Wrong(text.span(), what()))
    };
    let country = |text: &Spanned<String>| {
        let what = || format!("{:?} is not two capitals of ISO 3166-1", text.get_ref());
        match Country::parse(text.get_ref()) {
            // The mainland is named by its divisions.
            Some(country) if text.get_ref() != "CN" => Ok(country),
            Some(_) | None => Err(Wrong(text.span(), what())),
        }
    };
    Ok(EpidemicArea {
        name: name.clone(),
        divisions: divisions.iter().map(division).collect::<Result<_, _>>()?,
        countries: countries.iter().map(country).collect::<Result<_, _>>()?,
        from,
        until,
    })
}

fn date(value: toml::value::Datetime) -> Option<Date> {
    match (value.date, value.time) {
        (Some(date), None) => {
            Date::new(i16::try_from(date.year).ok()?, date.month as i8, date.day as i8).ok()
        }
        _ => None,
    }
}

type CauseRows = BTreeMap<Spanned<String>, Spanned<CauseRow>>;

fn rules(rows: &CauseRows) -> Result<[Rule; CauseKind::ALL.len()], Wrong> {
    for name in rows.keys() {
        if CauseKind::from_name(name.get_ref()).is_none() {
            let known: Vec<&str> = CauseKind::ALL.iter().map(|kind| kind.name()).collect();
            let what = format!("unknown cause {:?}; known are {}", name.get_ref(), known.join(", "));
            return Err(Wrong(name.span(), what));
        }
    }
    let mut rules = Vec::new();
    for &kind in CauseKind::ALL {
        let row = rows.iter().find(|(name, _)| name.get_ref() == kind.name());
        let Some((_, row)) = row else {
            return Err(Wrong(0..0, format!("[cause.{}] is missing", kind.name())));
        };
        rules.push((rule(row)?, row.span()));
    }
    let of = |kind: CauseKind| &rules[kind.index()];
    let ((found, _), (declared, span)) = (of(CauseKind::Trajectory), of(CauseKind::Declaration));
    if declared != found {
        let what = "the rules for a declared and for a found stay must be the same: consent would not be free otherwise";
        return Err(Wrong(span.clone(), what.to_owned()));
    }
    Ok(std::array::from_fn(|index| rules[index].0))
}

fn rule(row: &Spanned<CauseRow>) -> Result<Rule, Wrong> {
    let CauseRow { colour, days } = row.get_ref();
    let wrong = |what: String| Wrong(row.span(), what);
    let colour = match Colour::from_name(colour) {
        Some(colour @ (Colour::Red | Colour::Yellow)) => colour,
        Some(Colour::Green | Colour::Unknown) | None => {
            return Err(wrong(format!("a cause gives red or yellow, not {colour:?}")));
        }
    };
    if !(1..=CAUSE_DAYS_MAX).contains(days) {
        return Err(wrong(format!("{days} days are not 1 to {CAUSE_DAYS_MAX}: every cause ends")));
    }
    Ok(Rule { colour, days: *days })
}
