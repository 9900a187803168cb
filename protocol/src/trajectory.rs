//! A device's trajectory query and its answer, reduced to what staff need. An unknown answer is never a "no", and a query changes
//! no colour. Receipts are verified, and carriers asked, by the gateway.

use std::fmt;

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use crate::codec::Bounded;
use crate::ids::RegionId;
use crate::limits::AREAS_MAX;
use crate::receipt::RECEIPT_BYTES;

/// A query whether the phone of this receipt was in an epidemic area (type 5); sent on a stream of its own.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct TrajectoryQuery {
    /// The region that asks.
    pub region: RegionId,
    /// The consent receipt as scanned.
    pub receipt: [u8; RECEIPT_BYTES],
}

/// Hides the receipt: its bytes are enough to use it.
impl fmt::Debug for TrajectoryQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrajectoryQuery {{ region: {}, .. }}", self.region)
    }
}

wire_numbered! {
    /// The carriers' answer about a stay in an epidemic area.
    pub enum StayAnswer {
        /// A stay was found.
        Yes = 1 => "yes",
        /// No stay was found, and the whole window is covered.
        No = 2 => "no",
        /// Not known. Never displayed as "no".
        Unknown = 3 => "unknown",
    }
}

wire_numbered! {
    /// The reason for the answer.
    pub enum TrajectoryReason {
        /// Yes: a stay in an epidemic area was found.
        StayFound = 1 => "stay-found",
        /// No: none was found, and the whole window is covered.
        Clean = 2 => "clean",
        /// Unknown: none was found in the covered days, and days of the window are missing.
        Partial = 3 => "partial",
        /// Unknown: the number is too new.
        NewNumber = 4 => "new-number",
        /// Unknown: the number cannot have an answer.
        Unanswerable = 5 => "unanswerable",
        /// Unknown: the carrier is unreachable, refuses, or sends an invalid answer.
        Unavailable = 6 => "unavailable",
        /// Unknown: the carrier did not answer in time.
        TimedOut = 7 => "timed-out",
        /// Unknown: the citizen withdrew the consent before the carrier was asked.
        NotAsked = 8 => "not-asked",
    }
}

impl TrajectoryReason {
    /// Returns the answer that this reason implies.
    pub const fn stay(self) -> StayAnswer {
        match self {
            Self::StayFound => StayAnswer::Yes,
            Self::Clean => StayAnswer::No,
            Self::Partial
            | Self::NewNumber
            | Self::Unanswerable
            | Self::Unavailable
            | Self::TimedOut
            | Self::NotAsked => StayAnswer::Unknown,
        }
    }
}

/// A calendar day in China as a number, 20200223 for 23 February 2020; 0 for no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(u32);

impl Day {
    /// No day.
    pub const NONE: Self = Self(0);

    /// Checks the number; `None` unless it is a day or 0.
    pub const fn from_number(number: u32) -> Option<Self> {
        let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
        let is_day = year >= 1970 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
        if number == 0 || is_day { Some(Self(number)) } else { None }
    }

    /// Returns the number on the wire.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.write_str("-");
        }
        write!(f, "{}-{:02}-{:02}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

impl Encode for Day {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<C> Decode<C> for Day {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::from_number(u32::decode(decoder)?).ok_or(DecodeError::Other("no calendar day"))
    }
}

/// A visited area, in the resolution that carriers have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VisitedArea {
    /// A prefecture-level city by its division code, four digits (wire number 1).
    City(u16),
    /// A country or area by its two ISO 3166-1 letters, upper case (2).
    Country([u8; 2]),
}

impl VisitedArea {
    /// Reads a division code of four digits, or two upper-case letters.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if let Ok(capitals) = <[u8; 2]>::try_from(bytes)
            && capitals.iter().all(u8::is_ascii_uppercase)
        {
            return Some(Self::Country(capitals));
        }
        let is_city = bytes.len() == 4 && bytes.iter().all(u8::is_ascii_digit) && bytes[0] != b'0';
        if is_city { text.parse().ok().map(Self::City) } else { None }
    }
}

impl fmt::Display for VisitedArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::City(division) => division.fmt(f),
            Self::Country(capitals) => capitals.iter().try_for_each(|&c| write!(f, "{}", char::from(c))),
        }
    }
}

/// Shows the kind only: a person's location is personal data.
impl fmt::Debug for VisitedArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::City(_) => "City(…)",
            Self::Country(_) => "Country(…)",
        })
    }
}

impl Encode for VisitedArea {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        match self {
            Self::City(division) => {
                1u8.encode(encoder)?;
                division.encode(encoder)
            }
            Self::Country(capitals) => {
                2u8.encode(encoder)?;
                capitals.encode(encoder)
            }
        }
    }
}

impl<C> Decode<C> for VisitedArea {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        match u8::decode(decoder)? {
            1 => match u16::decode(decoder)? {
                division @ 1000..=9999 => Ok(Self::City(division)),
                0..1000 | 10_000.. => Err(DecodeError::Other("no division of four digits")),
            },
            2 => match <[u8; 2]>::decode(decoder)? {
                capitals if capitals.iter().all(u8::is_ascii_uppercase) => Ok(Self::Country(capitals)),
                _ => Err(DecodeError::Other("no country of two capitals")),
            },
            _ => Err(DecodeError::Other("unknown VisitedArea")),
        }
    }
}

/// The answer to `TrajectoryQuery` (type 136). It is preliminary: it describes a phone, not a person.
#[derive(Clone, PartialEq, Eq)]
pub struct TrajectoryAnswer {
    /// The reason, which implies the answer.
    pub reason: TrajectoryReason,
    /// The first covered day; [`Day::NONE`] if none is covered.
    pub first_day: Day,
    /// The last covered day.
    pub last_day: Day,
    /// The last day of the stay that was found.
    pub last_stay_day: Day,
    /// The visited areas, if the receipt lets staff see them; the latest ones if there are more.
    pub areas: Bounded<VisitedArea, AREAS_MAX>,
}

/// Shows the reason only: the rest is personal data.
impl fmt::Debug for TrajectoryAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrajectoryAnswer {{ reason: {}, .. }}", self.reason)
    }
}

impl TrajectoryAnswer {
    /// Builds an answer without days and areas.
    pub const fn without_days(reason: TrajectoryReason) -> Self {
        let (first_day, last_day, last_stay_day) = (Day::NONE, Day::NONE, Day::NONE);
        Self { reason, first_day, last_day, last_stay_day, areas: Bounded(Vec::new()) }
    }

    /// Returns yes, no or unknown.
    pub const fn stay(&self) -> StayAnswer {
        self.reason.stay()
    }
}

impl Encode for TrajectoryAnswer {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.stay().encode(encoder)?;
        self.reason.encode(encoder)?;
        for day in [self.first_day, self.last_day, self.last_stay_day] {
            day.encode(encoder)?;
        }
        self.areas.encode(encoder)
    }
}

impl<C> Decode<C> for TrajectoryAnswer {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (stay, reason) = (StayAnswer::decode(decoder)?, TrajectoryReason::decode(decoder)?);
        if stay != reason.stay() {
            return Err(DecodeError::Other("the answer does not match its reason"));
        }
        let (first_day, last_day, last_stay_day) =
            (Day::decode(decoder)?, Day::decode(decoder)?, Day::decode(decoder)?);
        Ok(Self { reason, first_day, last_day, last_stay_day, areas: Bounded::decode(decoder)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clean_answer_says_no() {
        let no = |reason: &&TrajectoryReason| reason.stay() == StayAnswer::No;
        let said: Vec<_> = TrajectoryReason::ALL.iter().filter(no).collect();
        assert_eq!(said, [&TrajectoryReason::Clean]);
    }

    #[test]
    fn days_and_areas_read_or_do_not() {
        for (number, expected) in [
            (0, Some("-")),
            (20_200_229, Some("2020-02-29")),
            (1, None),
            (20_201_301, None),
            (20_200_200, None),
            (20_200_132, None),
            (u32::MAX, None),
        ] {
            assert_eq!(Day::from_number(number).map(|day| day.to_string()).as_deref(), expected, "{number}");
        }
        for text in ["4201", "IT", "HK"] {
            assert_eq!(VisitedArea::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "42", "420", "0420", "420102", "it", "I1", "４２０１", "ITA"] {
            assert_eq!(VisitedArea::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_of_a_person_or_a_receipt_shows() {
        let area = VisitedArea::parse("4201").unwrap();
        let mut answer = TrajectoryAnswer::without_days(TrajectoryReason::StayFound);
        answer.areas = Bounded(vec![area]);
        answer.last_stay_day = Day::from_number(20_200_220).unwrap();
        let query = TrajectoryQuery { region: RegionId(3), receipt: [77; RECEIPT_BYTES] };
        for shown in [format!("{answer:?}"), format!("{query:?}"), format!("{area:?}")] {
            assert!(!shown.contains("4201") && !shown.contains("2020") && !shown.contains("77"), "{shown}");
        }
    }
}
