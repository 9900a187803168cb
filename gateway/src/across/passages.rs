//! The passages at a place in the logs of all gateways of a fleet. A device that changed its gateway may have sent a punch to both: each
//! (device, epoch, number) is one passage, in the order of time.

use std::collections::HashSet;

use anyhow::bail;
use ledger::{PASSAGES_MAX, Passage, Passages, TimeRange};
use serde::{Deserialize, Serialize};

use super::{Away, Others, Request, wait};

/// A passage as it crosses between gateways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Passed {
    device: u64,
    epoch: u32,
    sequence: u64,
    pub(crate) code: Option<u64>,
    pub(crate) at_ms: u64,
    pub(crate) direction: String,
    pub(crate) colour: String,
    pub(crate) offline: bool,
}

/// The passages in one log, or in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) passages: Vec<Passed>,
    /// Part of that time is forgotten already.
    pub(crate) forgotten: bool,
    truncated: bool,
    /// Gateways whose passages are not in it.
    #[serde(default)]
    pub(crate) away: Vec<Away>,
}

impl From<Passage> for Passed {
    fn from(passage: Passage) -> Self {
        let Passage { punch: (device, epoch, sequence), code, at_ms, direction, colour, offline } = passage;
        Self {
            device: device.0,
            epoch: epoch.0,
            sequence: sequence.0,
            code: code.map(protocol::CodeId::get),
            at_ms,
            direction: direction.name().to_owned(),
            colour: colour.name().to_owned(),
            offline,
        }
    }
}

impl From<Passages> for Found {
    fn from(found: Passages) -> Self {
        let Passages { passages, forgotten, truncated, .. } = found;
        let passages = passages.into_iter().map(Into::into).collect();
        Self { passages, forgotten, truncated, away: Vec::new() }
    }
}

/// Adds what other gateways have to this one's passages at a place.
///
/// # Errors
/// The fleet's gateways are not known, or there are more passages than one answer has.
pub(crate) fn of_all(own: Passages, others: Option<&Others<'_>>, range: &TimeRange) -> anyhow::Result<Found> {
    let found = match others {
        None => Found::from(own),
        Some(others) => {
            let (from_ms, to_ms) = (range.from_ms, range.to_ms);
            let request = Request::Passages { place: range.place.0, from_ms, to_ms };
            let answers = wait(others.ask_each(&request))?;
            merge(answers.into_iter().chain([(others.own.clone(), Ok(own.into()))]))
        }
    };
    if found.truncated || found.passages.len() > PASSAGES_MAX {
        bail!("more than {PASSAGES_MAX} passages; ask for a shorter time");
    }
    Ok(found)
}

/// Combines what gateways have. Of a passage that several have, the record of the first by name counts, wherever it is asked for.
fn merge(answers: impl Iterator<Item = (String, anyhow::Result<Found>)>) -> Found {
    let (mut all, mut known) = (Found::default(), HashSet::new());
    let mut answers: Vec<_> = answers.collect();
    answers.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (gateway, answer) in answers {
        match answer {
            Ok(found) => {
                all.forgotten |= found.forgotten;
                all.truncated |= found.truncated;
                let new = |one: &Passed| known.insert((one.device, one.epoch, one.sequence));
                all.passages.extend(found.passages.into_iter().filter(new));
            }
            Err(error) => all.away.push(Away { gateway, why: format!("{error:#}") }),
        }
    }
    all.passages.sort_by_key(|passed| (passed.at_ms, passed.device, passed.epoch, passed.sequence));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(device: u64, sequence: u64, at_ms: u64) -> Passed {
        let (direction, colour) = ("in".to_owned(), "green".to_owned());
        Passed { device, epoch: 1, sequence, code: Some(7), at_ms, direction, colour, offline: false }
    }

    #[test]
    fn a_punch_in_two_logs_is_one_passage_and_a_gateway_that_is_away_is_named() {
        let found = |passages: &[Passed], forgotten| {
            Ok(Found { passages: passages.to_vec(), forgotten, ..Found::default() })
        };
        let away = "south does not answer";
        let all = merge(
            [
                ("west".to_owned(), found(&[passed(1, 5, 90), passed(2, 1, 40)], true)),
                ("south".to_owned(), Err(anyhow::anyhow!(away))),
                ("north".to_owned(), found(&[passed(1, 4, 50), passed(1, 5, 60), passed(3, 1, 40)], false)),
            ]
            .into_iter(),
        );
        let expected = [passed(2, 1, 40), passed(3, 1, 40), passed(1, 4, 50), passed(1, 5, 60)];
        assert_eq!(all.passages, expected);
        let south = Away { gateway: "south".to_owned(), why: away.to_owned() };
        assert_eq!((all.forgotten, all.truncated, all.away), (true, false, vec![south]));
    }
}
