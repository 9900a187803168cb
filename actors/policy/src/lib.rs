//! The policy: the effect of stays, declarations and authorities' decisions on codes. Pure: evidence, policy and day are the input,
//! causes and a colour the output; nothing is queried or stored. A policy is dated data, read by [`Policy::parse`].

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

pub use advice::PlaceAdvice;
pub use advice::strictness;
pub use cause::severity;
pub use cause::{Cause, CauseKind, ColourChange, Standing, next_colour_change, standing};
pub use correction::Correction;
pub use error::PolicyError;
pub use in_effect::PolicyInEffect;
pub use outcome::{Applicant, QueryOutcome, Stay, StayField, SubmitError, Submitted};
pub use place_kind::PlaceKind;
pub use revision::PolicyDiff;
pub use revision::standing_or_unknown;

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

protocol::numbered! {
    /// The rule for displaying the last characters of the holder's document number to staff, for comparison with the document.
    pub enum DocumentShown {
        /// Never: staff see the first character of the name only.
        Never = 1 => "never",
        /// With any advice except pass.
        WhenAsked = 2 => "when-asked",
        /// With every pass code.
        Always = 3 => "always",
    }
}

impl DocumentShown {
    /// Reports whether the characters are displayed with this advice.
    pub fn goes_with(self, advice: Advice) -> bool {
        match self {
            Self::Never => false,
            Self::WhenAsked => advice != Advice::Pass,
            Self::Always => true,
        }
    }
}

/// An epidemic area with the days on which a stay in it counts.
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

/// The effect of a kind of cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The colour, yellow or red.
    pub colour: Colour,
    /// The duration, in days after the day of the evidence.
    pub days: u16,
}

impl Policy {
    /// Returns the policy of a new development city.
    pub fn development() -> Self {
        Self::parse(DEVELOPMENT, std::path::Path::new("policy.toml")).expect("the shipped policy is valid")
    }

    /// Returns the version's name, which every decision records.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the rule for a kind of cause; `None` for a kind that policies have no rule for.
    pub fn rule(&self, kind: CauseKind) -> Option<Rule> {
        // A guardian's statement that a ward was along has the effect of the stay.
        let kind = if kind == CauseKind::Accompanied { CauseKind::Trajectory } else { kind };
        self.rules.get(kind.index()).copied()
    }

    /// Returns the hours after which a declared stay ends that its declarer corrects; `None` if only an appeal ends it.
    pub const fn correction_wait_hours(&self) -> Option<u16> {
        self.correction_wait_hours
    }

    /// Returns the telephone number for people who are stopped.
    pub fn help_phone(&self) -> Option<&str> {
        self.help_phone.as_deref()
    }

    /// Returns the advice to staff at a kind of place in a region.
    pub fn advice(&self, region: RegionId, kind: PlaceKind) -> &PlaceAdvice {
        self.advice.here(region, kind)
    }

    /// Returns the rule for displaying the end of a document number.
    pub const fn document_shown(&self) -> DocumentShown {
        self.document_shown
    }

    /// Returns the regions that exceptions name.
    pub fn advised_regions(&self) -> &[RegionId] {
        self.advice.regions()
    }

    /// Returns the days for which carriers are queried on the day `today`.
    pub fn window(&self, today: Date) -> Days {
        let last = days_after(today, -i32::from(self.lag_days));
        Days { first: days_after(last, 1 - i32::from(self.window_days)), last }
    }

    /// Returns the names of the areas in effect on that day.
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
