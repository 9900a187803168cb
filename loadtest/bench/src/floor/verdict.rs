//! The verdict of a run: a figure of the gateway is above or below another one, unless the machine moved by more than that. Pure.

use std::fmt;

use serde::Serialize;

use crate::spread::Spread;

/// The least rounds of a verdict: of fewer, two bad ones move the median.
pub const ROUNDS_MIN: usize = 7;

/// A verdict on a ratio. `effect` is its distance from the reference, as a share of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The ratio's median is at the reference or above it.
    Above {
        /// The distance.
        effect: f64,
    },
    /// It is below the reference.
    Below {
        /// The distance.
        effect: f64,
    },
    /// The echo, which no change of the gateway reaches, moved by more than the distance.
    TooNoisy {
        /// The spread of the echo alone.
        noise: f64,
        /// The distance.
        effect: f64,
    },
    /// There are fewer than [`ROUNDS_MIN`] rounds.
    TooFew {
        /// The number of rounds.
        rounds: usize,
    },
}

impl Verdict {
    /// Compares the median of each round's ratio with `reference`. `echo` is the same figure of the echo in each round.
    pub fn of(ratios: &[f64], reference: f64, echo: &[f64]) -> Option<Self> {
        let ratio = Spread::of(ratios.iter().copied())?;
        if ratios.len() < ROUNDS_MIN {
            return Some(Self::TooFew { rounds: ratios.len() });
        }
        let (noise, effect) = (noise(echo)?, ratio.median / reference - 1.0);
        Some(match effect {
            effect if noise > effect.abs() => Self::TooNoisy { noise, effect: effect.abs() },
            effect if effect >= 0.0 => Self::Above { effect },
            effect => Self::Below { effect: -effect },
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        match *self {
            Self::Above { effect } => write!(f, "above by {}", percent(effect)),
            Self::Below { effect } => write!(f, "below by {}", percent(effect)),
            Self::TooNoisy { noise, effect } => write!(
                f,
                "too noisy: the echo alone moved by {}, the effect is {}; use a quieter machine, or longer rounds (--seconds)",
                percent(noise),
                percent(effect)
            ),
            Self::TooFew { rounds } => {
                write!(f, "no verdict over {rounds} rounds: it takes {ROUNDS_MIN} (--rounds)")
            }
        }
    }
}

/// Returns the spread of a figure over the rounds: (highest - lowest) / median; `None` if there are not two of them.
pub fn noise(each: &[f64]) -> Option<f64> {
    let spread = Spread::of(each.iter().copied()).filter(|_| each.len() > 1)?;
    Some((spread.high - spread.low) / spread.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_given_only_where_the_echo_moved_less_than_the_effect() {
        let (quiet, loud) = ([1.0, 1.0, 1.02, 1.0, 0.99, 1.0, 1.0], [1.0, 1.2, 0.9, 1.0, 1.0, 1.0, 1.0]);
        for (ratio, echo, expected) in [
            (0.9, quiet, Verdict::Above { effect: 0.125 }),
            (0.8, [1.0; 7], Verdict::Above { effect: 0.0 }),
            (0.6, quiet, Verdict::Below { effect: 0.25 }),
            (0.6, loud, Verdict::TooNoisy { noise: 0.3, effect: 0.25 }),
            (0.4, loud, Verdict::Below { effect: 0.5 }),
        ] {
            let verdict = Verdict::of(&[ratio; 7], 0.8, &echo).unwrap();
            let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
            let same = match (verdict, expected) {
                (Verdict::Above { effect }, Verdict::Above { effect: other })
                | (Verdict::Below { effect }, Verdict::Below { effect: other }) => near(effect, other),
                (
                    Verdict::TooNoisy { noise, effect },
                    Verdict::TooNoisy { noise: loudness, effect: other },
                ) => near(noise, loudness) && near(effect, other),
                (one, other) => one == other,
            };
            assert!(same, "{ratio}, {echo:?}: {verdict:?} and not {expected:?}");
        }
    }

    #[test]
    fn few_rounds_say_nothing_and_neither_does_none() {
        assert_eq!(Verdict::of(&[2.0; 6], 1.0, &[1.0; 6]), Some(Verdict::TooFew { rounds: 6 }));
        assert_eq!(Verdict::of(&[], 1.0, &[]), None);
        assert_eq!((noise(&[1.0]), noise(&[1.0, 1.0])), (None, Some(0.0)), "one round cannot move");
        let text = Verdict::TooNoisy { noise: 0.31, effect: 0.12 }.to_string();
        assert!(text.starts_with("too noisy: the echo alone moved by 31 %, the effect is 12 %"), "{text}");
    }
}
