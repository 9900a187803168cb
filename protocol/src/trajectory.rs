//! A trajectory query of a device and its answer: the least that staff need. An answer that is unknown is never a "no", and a
//! query changes no colour. Whether a receipt is genuine and what carriers say is the gateway's business.

use std::fmt;

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use crate::codec::Bounded;
use crate::ids::RegionId;
use crate::limits::AREAS_MAX;
use crate::receipt::RECEIPT_BYTES;

/// Was the person who shows this receipt in an epidemic area (type 5); on a stream of its own.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct TrajectoryQuery {
    /// The region that asks.
    pub region: RegionId,
    /// The consent receipt as scanned.
    pub receipt: [u8; RECEIPT_BYTES],
}

/// Whoever has a receipt can use it: not shown.
impl fmt::Debug for TrajectoryQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrajectoryQuery {{ region: {}, .. }}", self.region)
    }
}

numbered! {
    /// The answer to whether there was a stay in an epidemic area, as far as carriers know.
    pub enum StayAnswer {
        /// There was.
        Yes = 1 => "yes",
        /// There was none, and the whole window is covered.
        No = 2 => "no",
        /// Nobody knows. Never drawn as "no".
        Unknown = 3 => "unknown",
    }
}

numbered! {
    /// Why the answer is what it is.
    pub enum TrajectoryReason {
        /// Yes: a stay in an epidemic area was found.
        StayFound = 1 => "stay-found",
        /// No: none was found, and the whole window is covered.
        Clean = 2 => "clean",
        /// Unknown: none was found in what is covered, and days are missing.
        Partial = 3 => "partial",
        /// Unknown: the number is too new.
        NewNumber = 4 => "new-number",
        /// Unknown: the number cannot have an answer.
        Unanswerable = 5 => "unanswerable",
        /// Unknown: the carrier cannot be reached, refuses, or says what cannot be right.
        Unavailable = 6 => "unavailable",
        /// Unknown: the carrier did not answer in time.
        TimedOut = 7 => "timed-out",
        /// Unknown: the citizen took the consent back while the carrier was asked.
        NotAsked = 8 => "not-asked",
    }
}

impl TrajectoryReason {
    /// The answer that goes with it: each reason has one.
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

/// A calendar day of China as a number, 20200223 for the 23rd of February 2020; 0 where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(u32);

impl Day {
    /// No day.
    pub const NONE: Self = Self(0);

    /// Reads the number; `None` if it is no day and not 0.
    pub const fn from_number(number: u32) -> Option<Self> {
        let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
        let is_day = year >= 1970 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
        if number == 0 || is_day { Some(Self(number)) } else { None }
    }

    /// The number on the wire.
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

/// The place where somebody was, as coarsely as carriers can tell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VisitedArea {
    /// A prefecture-level city by its division code, four digits (wire number 1).
    City(u16),
    /// A country or area of ISO 3166-1 by its two capitals (2).
    Country([u8; 2]),
}

impl VisitedArea {
    /// Reads a division code of four digits, or two capitals.
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

/// Shows the kind only: where somebody was is personal.
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

/// The answer to `TrajectoryQuery` (type 136). It is preliminary: what carriers know of a phone, not what is true of a person.
#[derive(Clone, PartialEq, Eq)]
pub struct TrajectoryAnswer {
    /// Why; the answer itself follows from it.
    pub reason: TrajectoryReason,
    /// The first day that is covered, [`Day::NONE`] if none is.
    pub first_day: Day,
    /// The last day that is covered.
    pub last_day: Day,
    /// The last day of a stay that was found.
    pub last_stay_day: Day,
    /// The place where the person was, if the receipt says that staff may see it; the latest if there are more.
    pub areas: Bounded<VisitedArea, AREAS_MAX>,
}

/// An answer about a person: not shown but for its reason.
impl fmt::Debug for TrajectoryAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrajectoryAnswer {{ reason: {}, .. }}", self.reason)
    }
}

impl TrajectoryAnswer {
    /// An answer without days and areas.
    pub const fn without_days(reason: TrajectoryReason) -> Self {
        let (first_day, last_day, last_stay_day) = (Day::NONE, Day::NONE, Day::NONE);
        Self { reason, first_day, last_day, last_stay_day, areas: Bounded(Vec::new()) }
    }

    /// Yes, no or unknown.
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
            return Err(DecodeError::Other("an answer that its reason does not give"));
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
