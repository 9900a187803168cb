//! The visits of a run in order, made from a scenario and a seed alone. The same seed gives the same
//! visits, whatever the gateway answers and however fast the machine is. Pure.

use std::time::Duration;

use ring::digest::{Context, SHA256};

use super::curve::Curve;
use super::{Kind, Scenario};

/// A visit of a person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visit {
    /// The time from the start of the run.
    pub at: Duration,
    /// The stage.
    pub stage: u16,
    /// The kind.
    pub kind: Kind,
    /// The index of the scenario's device, in the order of its fleet.
    pub post: u32,
    /// The person, as a rank by how often people come, from 0.
    pub person: u32,
    /// A random number for all other choices: direction, place, and so on.
    pub luck: u64,
}

/// The visits of a run, in order.
#[derive(Clone, Debug)]
pub struct Plan {
    curve: Curve,
    random: fastrand::Rng,
    /// The mean number of people who have come by the next visit's time.
    come: f64,
    kinds: Shares,
    posts: Shares,
    people: Ranks,
}

impl Plan {
    /// Makes the plan of a checked scenario.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let weights = scenario.fleet.iter().flat_map(|posts| (0..posts.count).map(|_| posts.weight));
        let mut plan = Self {
            curve: Curve::of(&scenario.stages),
            random: fastrand::Rng::with_seed(seed),
            come: 0.0,
            kinds: Shares::new(Kind::ALL.iter().map(|kind| scenario.mix.share(*kind))),
            posts: Shares::new(weights),
            people: Ranks { people: f64::from(scenario.city.people), skew: scenario.population.skew },
        };
        plan.wait();
        plan
    }

    /// Advances to the next visit. People come independently of each other: the gaps are exponential with the mean one over the rate.
    fn wait(&mut self) {
        self.come -= (1.0 - self.random.f64()).ln();
    }

    /// Returns SHA-256 over all visits: plans with the same digest are the same.
    pub fn digest(self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        for visit in self {
            context.update(&visit.to_bytes());
        }
        context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

impl Iterator for Plan {
    type Item = Visit;

    fn next(&mut self) -> Option<Visit> {
        let (at_s, stage) = self.curve.moment(self.come)?;
        self.wait();
        let random = &mut self.random;
        Some(Visit {
            at: Duration::from_secs_f64(at_s),
            stage: stage as u16,
            kind: Kind::ALL[self.kinds.choose(random.f64())],
            post: self.posts.choose(random.f64()) as u32,
            person: self.people.rank(random.f64()),
            luck: random.u64(..),
        })
    }
}

impl Visit {
    /// Encodes the visit in a fixed layout.
    fn to_bytes(self) -> [u8; 27] {
        let mut bytes = [0; 27];
        bytes[..8].copy_from_slice(&(self.at.as_nanos() as u64).to_le_bytes());
        bytes[8..10].copy_from_slice(&self.stage.to_le_bytes());
        bytes[10] = self.kind as u8;
        bytes[11..15].copy_from_slice(&self.post.to_le_bytes());
        bytes[15..19].copy_from_slice(&self.person.to_le_bytes());
        bytes[19..].copy_from_slice(&self.luck.to_le_bytes());
        bytes
    }
}

/// A weighted choice.
#[derive(Clone, Debug)]
struct Shares(Vec<f64>);

impl Shares {
    /// Makes the cumulative weights, the last one 1.
    fn new(weights: impl Iterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let sums: Vec<_> = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Self(sums.into_iter().map(|so_far| so_far / sum).collect())
    }

    fn choose(&self, luck: f64) -> usize {
        let at = self.0.partition_point(|so_far| *so_far <= luck);
        at.min(self.0.len().saturating_sub(1))
    }
}

/// People by frequency: the n-th comes as often as n to the power of minus `skew`.
#[derive(Clone, Copy, Debug)]
struct Ranks {
    people: f64,
    skew: f64,
}

impl Ranks {
    /// Returns the rank at that share of all visits. The sum over ranks is approximated by its integral, which is a few per cent off for the
    /// first ranks only and needs no table of millions.
    fn rank(self, luck: f64) -> u32 {
        let (power, top) = (1.0 - self.skew, self.people + 1.0);
        let at = if power.abs() < 1e-9 {
            top.powf(luck)
        } else {
            ((top.powf(power) - 1.0) * luck + 1.0).powf(1.0 / power)
        };
        (at - 1.0).clamp(0.0, self.people - 1.0) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    fn steady() -> Scenario {
        scenario::load("steady").unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
        let scenario = steady();
        let digest = |seed| Plan::new(&scenario, seed).digest();
        assert_eq!(digest(7), digest(7));
        assert_ne!(digest(7), digest(8));
    }

    #[test]
    fn what_comes_follows_the_scenario() {
        let scenario = steady();
        let visits: Vec<_> = Plan::new(&scenario, 1).collect();
        let expected = Curve::of(&scenario.stages).people();
        let count = visits.len() as f64;
        assert!((count - expected).abs() < 5.0 * expected.sqrt(), "{count} of {expected}");
        assert!(visits.is_sorted_by_key(|visit| visit.at));
        let share = |kind| visits.iter().filter(|visit| visit.kind == kind).count() as f64 / count;
        assert!((share(Kind::Verify) - 10.0 / 11.0).abs() < 0.01 && share(Kind::Query) == 0.0);
        // Ten concentrators of weight three among 200 devices.
        let bus = visits.iter().filter(|visit| visit.post >= 190).count() as f64 / count;
        assert!((bus - 30.0 / 220.0).abs() < 0.01, "{bus}");
        assert!(visits.iter().all(|visit| visit.post < 200 && visit.person < 50_000));
    }

    #[test]
    fn gaps_are_those_of_people_who_do_not_know_each_other() {
        let visits: Vec<_> = Plan::new(&steady(), 3).filter(|visit| visit.stage == 1).collect();
        let gaps: Vec<_> =
            visits.windows(2).map(|two| (two[1].at - two[0].at).as_secs_f64() * 900.0).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let longer = gaps.iter().filter(|gap| **gap > 2.0).count() as f64 / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
        assert!((longer - (-2.0f64).exp()).abs() < 0.01, "{longer}");
    }

    #[test]
    fn skew_makes_few_come_often() {
        let first_tenth = |skew| {
            let ranks = Ranks { people: 1000.0, skew };
            (0..10_000).filter(|n| ranks.rank(f64::from(*n) / 1e4) < 100).count()
        };
        assert_eq!(first_tenth(0.0), 1000);
        assert!((2900..3000).contains(&first_tenth(0.5)), "{}", first_tenth(0.5));
        assert!(first_tenth(1.0) > 6500);
    }
}
