//! The simulated carriers, their ranges of made-up numbers, and the kinds of holders. `subscriber` decides who holds a number.

use jiff::civil::Date;
use registry::Phone;

/// The three simulated carriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SimulatedCarrier {
    /// China Mobile.
    Mobile,
    /// China Unicom.
    Unicom,
    /// China Telecom.
    Telecom,
}

impl SimulatedCarrier {
    pub const ALL: [Self; 3] = [Self::Mobile, Self::Unicom, Self::Telecom];

    /// Returns the id in configuration and metrics.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Mobile => "china-mobile",
            Self::Unicom => "china-unicom",
            Self::Telecom => "china-telecom",
        }
    }

    /// Returns the names, English and Chinese.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Mobile => ("China Mobile", "中国移动"),
            Self::Unicom => ("China Unicom", "中国联通"),
            Self::Telecom => ("China Telecom", "中国电信"),
        }
    }

    /// Returns the carrier with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|carrier| carrier.id() == id)
    }

    /// Returns its ranges of made-up numbers.
    pub const fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Mobile => &["163", "169"],
            Self::Unicom => &["164"],
            Self::Telecom => &["168"],
        }
    }

    /// Returns the number that only probes ask for.
    pub const fn reserved(self) -> &'static str {
        match self {
            Self::Mobile => "16399999999",
            Self::Unicom => "16499999999",
            Self::Telecom => "16899999999",
        }
    }

    /// Returns [`Self::reserved`], parsed.
    pub fn reserved_phone(self) -> Phone {
        Phone::parse(self.reserved()).expect("a constant number")
    }

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Mobile => 0,
            Self::Unicom => 1,
            Self::Telecom => 2,
        }
    }
}

/// A number of eleven digits in an unassigned range.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct MadeUpNumber {
    pub(super) digits: u64,
    /// The carrier that the range belongs to.
    pub(super) plan: SimulatedCarrier,
}

impl MadeUpNumber {
    /// Parses a number; `None` if it could be a real one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != 11 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let gave =
            |carrier: &SimulatedCarrier| carrier.prefixes().iter().any(|prefix| text.starts_with(prefix));
        let plan = SimulatedCarrier::ALL.into_iter().find(gave)?;
        Some(Self { digits: text.parse().ok()?, plan })
    }

    /// Returns whether the number is in the range for IoT devices.
    pub(super) fn is_of_things(self) -> bool {
        self.digits / 100_000_000 == 169
    }
}

/// The holder of a number on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// No subscriber.
    Nobody,
    /// An IoT device or a resold number: the carrier has it, but no location.
    Unanswerable(SimulatedCarrier),
    /// A subscriber of this carrier, whose history there begins on this day.
    Held(SimulatedCarrier, Date),
}

/// Returns the carrier this many places further.
pub(super) const fn other(carrier: SimulatedCarrier, places: usize) -> SimulatedCarrier {
    SimulatedCarrier::ALL[(carrier.index() + places) % SimulatedCarrier::ALL.len()]
}
