//! The simulated carriers, the made-up ranges of numbers that they are given, and how a number can be held. Who holds which number is
//! `subscriber`'s.

use jiff::civil::Date;
use registry::Phone;

/// The carriers of the notice, simulated.
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
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Mobile, Self::Unicom, Self::Telecom];

    /// The name in configuration and metrics.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Mobile => "china-mobile",
            Self::Unicom => "china-unicom",
            Self::Telecom => "china-telecom",
        }
    }

    /// Its names, English and Chinese.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Mobile => ("China Mobile", "中国移动"),
            Self::Unicom => ("China Unicom", "中国联通"),
            Self::Telecom => ("China Telecom", "中国电信"),
        }
    }

    /// The one with that id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|carrier| carrier.id() == id)
    }

    /// The made-up ranges that it is given in development.
    pub const fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Mobile => &["163", "169"],
            Self::Unicom => &["164"],
            Self::Telecom => &["168"],
        }
    }

    /// The number that only probes ask for.
    pub const fn reserved(self) -> &'static str {
        match self {
            Self::Mobile => "16399999999",
            Self::Unicom => "16499999999",
            Self::Telecom => "16899999999",
        }
    }

    /// [`Self::reserved`], read.
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

/// Eleven digits of a range that nobody has been given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct MadeUpNumber {
    pub(super) digits: u64,
    /// By its range.
    pub(super) plan: SimulatedCarrier,
}

impl MadeUpNumber {
    /// `None` for anything that could be a real number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != 11 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let gave =
            |carrier: &SimulatedCarrier| carrier.prefixes().iter().any(|prefix| text.starts_with(prefix));
        let plan = SimulatedCarrier::ALL.into_iter().find(gave)?;
        Some(Self { digits: text.parse().ok()?, plan })
    }

    /// Says whether it is of a range for things.
    pub(super) fn is_of_things(self) -> bool {
        self.digits / 100_000_000 == 169
    }
}

/// The holder of a number on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// Nobody.
    Nobody,
    /// A thing, or a resale: the carrier has it and cannot say where it was.
    Unanswerable(SimulatedCarrier),
    /// A subscriber of this carrier, whose history there begins on that day.
    Held(SimulatedCarrier, Date),
}

/// The carrier so many places further.
pub(super) const fn other(carrier: SimulatedCarrier, places: usize) -> SimulatedCarrier {
    SimulatedCarrier::ALL[(carrier.index() + places) % SimulatedCarrier::ALL.len()]
}
