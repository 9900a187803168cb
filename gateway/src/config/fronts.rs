//! The number of fronts: the threads that serve devices, each with a socket of its own on the one port. The sockets and the threads are
//! made elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// The most fronts: more cores than a machine for gates has. A front draws connection ids until one is its own, which costs a draw for each
/// front.
pub(crate) const FRONTS_MAX: usize = 64;
/// The connections of devices by default: one for each device of a city.
pub(crate) const CONNECTIONS: usize = actors::bounds::DEVICES.entries();
/// The most that can be set: a connection that waits takes about 35 KiB (measured with 4,000), so that these take 35 GB.
pub(crate) const CONNECTIONS_MAX: usize = 1_000_000;
/// The word for as many as the machine has use for.
const AUTO: &str = "auto";
/// The cores that `auto` leaves to others. Each punch waits for a sync by the one ledger thread: with a front on every core that thread
/// would wait for a core, and all fronts for it. Kernel, registrar and pages need the rest of that core.
const CORES_LEFT: usize = 1;

/// The number of fronts, as it is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fronts {
    /// One for each core but one.
    #[default]
    Auto,
    /// This many, 1 to [`FRONTS_MAX`].
    Number(usize),
}

/// The text about a number of fronts that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("fronts is \"{AUTO}\" or a number from 1 to {FRONTS_MAX}")]
pub(crate) struct NoFronts;

impl Fronts {
    /// Returns the number of fronts on this machine.
    pub(crate) fn here(self) -> usize {
        self.of(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// Returns the number of fronts on a machine with so many cores.
    fn of(self, cores: usize) -> usize {
        match self {
            Self::Auto => cores.saturating_sub(CORES_LEFT).clamp(1, FRONTS_MAX),
            Self::Number(number) => number,
        }
    }

    /// Checks that so many sockets of the devices' port that were handed over are as many as the fronts are to be. `auto` takes any number.
    pub(crate) fn check_handed(self, sockets: usize) -> Result<(), String> {
        match self {
            Self::Auto => Ok(()),
            Self::Number(number) if number == sockets => Ok(()),
            Self::Number(number) => Err(format!(
                "{number} fronts are to serve, and the sockets handed over are {sockets}: change this to {sockets} or \"{AUTO}\", or give \
                 changtong.socket {number} lines ListenDatagram= with the same address, and ReusePort=yes"
            )),
        }
    }

    fn number(number: u64) -> Result<Self, NoFronts> {
        let number = usize::try_from(number).map_err(|_| NoFronts)?;
        if (1..=FRONTS_MAX).contains(&number) { Ok(Self::Number(number)) } else { Err(NoFronts) }
    }
}

impl fmt::Display for Fronts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str(AUTO),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl FromStr for Fronts {
    type Err = NoFronts;

    fn from_str(text: &str) -> Result<Self, NoFronts> {
        if text == AUTO { Ok(Self::Auto) } else { Self::number(text.parse().map_err(|_| NoFronts)?) }
    }
}

impl<'de> serde::Deserialize<'de> for Fronts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = Fronts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "\"{AUTO}\" or a number from 1 to {FRONTS_MAX}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Fronts, E> {
                let auto = (text == AUTO).then_some(Fronts::Auto);
                auto.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Fronts, E> {
                let read = u64::try_from(number).ok().and_then(|number| Fronts::number(number).ok());
                read.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Fronts, E> {
                Fronts::number(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }
        }

        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_leaves_a_core_to_the_log_and_is_never_none_and_never_too_many() {
        for (cores, expected) in [(1, 1), (2, 1), (3, 2), (16, 15), (1_000, FRONTS_MAX)] {
            assert_eq!(Fronts::Auto.of(cores), expected, "{cores} cores");
            assert_eq!(Fronts::Number(3).of(cores), 3);
        }
    }

    #[test]
    fn a_flag_is_auto_or_a_number_within_the_limits() {
        for (text, expected) in
            [("auto", Some(Fronts::Auto)), ("1", Some(Fronts::Number(1))), ("64", Some(Fronts::Number(64)))]
        {
            assert_eq!(text.parse::<Fronts>().ok(), expected);
            assert_eq!(expected.map(|fronts| fronts.to_string()).as_deref(), Some(text));
        }
        for text in ["", "0", "65", "-1", "many", "1.5"] {
            assert!(text.parse::<Fronts>().is_err(), "{text}");
        }
    }

    #[test]
    fn auto_takes_as_many_sockets_as_are_handed_over_and_a_number_only_that_many() {
        assert_eq!(Fronts::Auto.check_handed(5), Ok(()));
        assert_eq!(Fronts::Number(5).check_handed(5), Ok(()));
        let refused = Fronts::Number(3).check_handed(1).expect_err("another number");
        assert!(
            refused.contains("change this to 1") && refused.contains("3 lines ListenDatagram="),
            "{refused}"
        );
    }
}
