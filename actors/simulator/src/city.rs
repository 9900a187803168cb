//! A city of made-up people for development and load tests, the same for the same seed. Divisions of documents and ranges of
//! phones are unassigned, so that no made-up person can be a real one.

mod made_up;

use keys::Keys;
use made_up::MadeUp;
use protocol::legacy::LegacyKey;
use protocol::{Basis, Class, CodeId, Colour};
use registry::colours::CodeEntry;
use registry::people::Added;
use registry::{Registry, RegistryError};

/// The most texts of imported holders in a report, for trying them out.
const LEGACY_SAMPLES_MAX: usize = 20;
/// The most people: beyond this, phone numbers and dates of birth would repeat.
const PEOPLE_MAX: u32 = 30_000_000;

/// Errors of [`build`].
#[derive(Debug, thiserror::Error)]
pub enum CityError {
    /// The registry has codes already; made-up people are not added to real ones.
    #[error("the registry already holds {codes} codes; a made-up city needs an empty one")]
    NotEmpty {
        /// The number of codes.
        codes: u64,
    },
    /// More people than can be made up.
    #[error("{people} people are more than the {PEOPLE_MAX} that can be made up")]
    TooMany {
        /// The requested number.
        people: u32,
    },
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// The result of [`build`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CityReport {
    /// People, each with a code.
    pub people: u32,
    /// The seed of the city.
    pub seed: u64,
    /// The number of codes of each colour, in the order of [`Colour::ALL`].
    pub by_colour: [u64; Colour::ALL.len()],
    /// QR texts of a few imported holders, with the names of their colours.
    pub legacy_samples: Vec<(String, String)>,
}

/// Builds the city in one transaction.
pub fn build(registry: &mut Registry, keys: &Keys, people: u32, seed: u64) -> Result<CityReport, CityError> {
    if people > PEOPLE_MAX {
        return Err(CityError::TooMany { people });
    }
    let codes = registry.count_codes()?;
    if codes > 0 {
        return Err(CityError::NotEmpty { codes });
    }
    let gateway = registry.gateway()?;
    let legacy = keys.legacy();
    registry.filling(|registry| {
        registry.transaction(|registry| {
            let made_up = MadeUp::new(registry.regions()?);
            let mut builder = Builder { random: fastrand::Rng::with_seed(seed), made_up, gateway, legacy };
            let mut report = CityReport { people, seed, by_colour: [0; 4], legacy_samples: Vec::new() };
            for n in 0..people {
                builder.add(registry, n, &mut report)?;
            }
            let text = serde_json::to_string(&report).expect("a report is plain text and numbers");
            registry.set_meta("city", &text)?;
            Ok(report)
        })
    })
}

/// Returns the report of the city in this registry; `None` if its people are not made up.
pub fn report(registry: &Registry) -> Result<Option<CityReport>, RegistryError> {
    let text = registry.meta("city")?;
    text.map(|text| serde_json::from_str(&text).map_err(|_| RegistryError::Damaged { what: "city" }))
        .transpose()
}

struct Builder {
    random: fastrand::Rng,
    made_up: MadeUp,
    gateway: u16,
    legacy: LegacyKey,
}

impl Builder {
    fn add(&mut self, registry: &Registry, n: u32, report: &mut CityReport) -> Result<(), RegistryError> {
        let person = self.made_up.person(n, &mut self.random);
        let entry = self.entry();
        loop {
            let (code, text) = self.code(n, entry.class());
            match registry.add_person(&person, code, entry)? {
                Added::New => {
                    report.by_colour[entry.colour().index()] += 1;
                    if let Some(text) = text.filter(|_| report.legacy_samples.len() < LEGACY_SAMPLES_MAX) {
                        report.legacy_samples.push((text, entry.colour().name().to_owned()));
                    }
                    return Ok(());
                }
                Added::SameCode => {}
                Added::SameDocument => return Err(RegistryError::Exists { what: "made-up person" }),
            }
        }
    }

    /// Returns a new code: an imported holder's follows from a QR text, all others are random.
    fn code(&mut self, n: u32, class: Class) -> (CodeId, Option<String>) {
        loop {
            let random = self.random.u64(..);
            let (code, text) = match class {
                Class::Imported => {
                    let text = format!("MADE-UP-{n:08}-{:08X}", random as u32);
                    (self.legacy.code(self.gateway, &text), Some(text))
                }
                Class::Person | Class::Paper | Class::Ward => (CodeId::issue(self.gateway, random), None),
            };
            if let Some(code) = code {
                return (code, text);
            }
        }
    }

    /// Draws a code's state: a third of the people are children or over 60, and nearly all are green.
    fn entry(&mut self) -> CodeEntry {
        let class = match self.random.u8(0..100) {
            0..70 => Class::Person,
            70..80 => Class::Imported,
            80..92 => Class::Ward,
            _ => Class::Paper,
        };
        let colour = match self.random.u16(0..1000) {
            0..960 => Colour::Green,
            960..980 => Colour::Yellow,
            980..995 => Colour::Red,
            _ => Colour::Unknown,
        };
        let basis = match colour {
            Colour::Unknown => Basis::Nothing,
            Colour::Green | Colour::Yellow | Colour::Red if self.random.u8(0..10) < 7 => Basis::Verified,
            Colour::Green | Colour::Yellow | Colour::Red => Basis::Declared,
        };
        CodeEntry::new(colour, basis, class, 0, 1)
    }
}

#[cfg(test)]
mod tests;
