//! The effect of a stay, a declaration or an authority's word on a code. Pure: evidence, policy and day go in, causes and colour
//! come out; nobody is asked and nothing is stored here. The policy is dated data, read by [`Policy::parse`].

mod advice;
mod cause;
mod correction;
mod error;
mod file;
mod in_effect;
mod outcome;
mod place_kind;
pub mod place_names;
mod revision;
pub mod trajectory;

use advice::AdviceTable;
use jiff::civil::Date;
use protocol::{Advice, Colour, RegionId};

use crate::trajectory::{Area, Country, Days, Division, days_after};

pub use advice::AdviceHere;
pub use advice::harshness;
pub use cause::severity;
pub use cause::{Cause, CauseKind, Standing, Turn, standing, turn};
pub use correction::Correction;
pub use error::PolicyError;
pub use in_effect::PolicyInEffect;
pub use outcome::{Field, Outcome, Stay, SubmitError, Submitted, Whose};
pub use place_kind::PlaceKind;
pub use revision::PolicyDiff;
pub use revision::stand;

/// The policy of a new development city.
pub const DEVELOPMENT: &str = include_str!("../../data/policy.toml");

/// One version of the policy, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    version: String,
    window_days: u16,
    lag_days: u16,
    stay_s_min: u64,
    areas: Vec<EpidemicArea>,
    rules: [Rule; CauseKind::ALL.len()],
    advice: AdviceTable,
    correction_wait_hours: Option<u16>,
    help_phone: Option<String>,
    document_shown: DocumentShown,
}

/// When staff with a phone see the end of the holder's document, to compare the document with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentShown {
    /// Never: the first character of the name has to do.
    Never,
    /// When they are told anything but to let the person pass.
    WhenAsked,
    /// With every pass code.
    Always,
}

impl DocumentShown {
    const ALL: [Self; 3] = [Self::Never, Self::WhenAsked, Self::Always];

    const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::WhenAsked => "when-asked",
            Self::Always => "always",
        }
    }

    /// True if it is shown to staff who are told this.
    pub fn goes_with(self, advice: Advice) -> bool {
        match self {
            Self::Never => false,
            Self::WhenAsked => advice != Advice::Pass,
            Self::Always => true,
        }
    }
}

/// The place where a stay counts, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EpidemicArea {
    name: String,
    divisions: Vec<Division>,
    countries: Vec<Country>,
    from: Date,
    until: Option<Date>,
}

impl EpidemicArea {
    fn contains(&self, area: Area) -> bool {
        match area {
            Area::City(city) => self.divisions.iter().any(|division| division.contains(city)),
            Area::Country(country) => self.countries.contains(&country),
        }
    }

    fn is_in_effect(&self, day: Date) -> bool {
        self.from <= day && self.until.is_none_or(|until| day <= until)
    }
}

/// The effect of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Never green, never unknown.
    pub colour: Colour,
    /// The time, in days.
    pub days: u16,
}

impl Policy {
    /// The policy of a new development city.
    pub fn development() -> Self {
        Self::parse(DEVELOPMENT, std::path::Path::new("policy.toml")).expect("the shipped policy is valid")
    }

    /// Its name, which every decision carries.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Says what a cause of that kind gives; `None` for a kind that no policy sets.
    pub fn rule(&self, kind: CauseKind) -> Option<Rule> {
        // A guardian's word that a ward was along gives what the stay gives.
        let kind = if kind == CauseKind::Accompanied { CauseKind::Trajectory } else { kind };
        self.rules.get(usize::from(kind.number()) - 1).copied()
    }

    /// After how many hours a declared stay ends that its declarer takes back; `None` if that takes an appeal.
    pub const fn correction_wait_hours(&self) -> Option<u16> {
        self.correction_wait_hours
    }

    /// The telephone number for people who are stopped.
    pub fn help_phone(&self) -> Option<&str> {
        self.help_phone.as_deref()
    }

    /// Says what the staff of that kind of place in that region are told.
    pub fn advice(&self, region: RegionId, kind: PlaceKind) -> &AdviceHere {
        self.advice.here(region, kind)
    }

    /// When staff see the end of a document's number.
    pub const fn document_shown(&self) -> DocumentShown {
        self.document_shown
    }

    /// The regions for which an exception is made.
    pub fn advised_regions(&self) -> &[RegionId] {
        self.advice.regions()
    }

    /// The days that carriers are asked for on that day.
    pub fn window(&self, today: Date) -> Days {
        let last = days_after(today, -i32::from(self.lag_days));
        Days { first: days_after(last, 1 - i32::from(self.window_days)), last }
    }

    /// The areas that count on that day, by name.
    pub fn areas_in_effect(&self, day: Date) -> impl Iterator<Item = &str> {
        self.areas.iter().filter(move |area| area.is_in_effect(day)).map(|area| area.name.as_str())
    }
}

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod revision_tests;
#[cfg(test)]
mod tests;
