//! A scenario scaled to another length or rate; it keeps its shape, and is checked again.

use anyhow::{anyhow, ensure};

use super::check;
use super::curve::Curve;
use super::{Figure, Scenario};

impl Scenario {
    /// Scales the scenario to that length and to that highest rate.
    ///
    /// # Errors
    /// The result breaks a rule of scenarios.
    pub fn resize(&mut self, seconds: Option<f64>, rate: Option<f64>) -> anyhow::Result<()> {
        for (flag, given) in [("--seconds", seconds), ("--rate", rate)] {
            ensure!(given.is_none_or(|given| given.is_finite() && given > 0.0), "{flag} must be above 0");
        }
        if let Some(seconds) = seconds {
            let times = seconds / Curve::of(&self.stages).seconds();
            self.stages.iter_mut().for_each(|stage| stage.seconds *= times);
            for event in &mut self.events {
                event.at_s *= times;
                event.for_s = event.for_s.map(|for_s| for_s * times);
            }
        }
        if let Some(rate) = rate {
            let highest = self.stages.iter().filter_map(|stage| stage.rate).fold(0.0, f64::max);
            let times = rate / highest;
            for stage in &mut self.stages {
                stage.rate = stage.rate.map(|rate| rate * times);
            }
            let rates = self.thresholds.iter_mut().filter(|one| one.figure == Figure::AnsweredRate);
            rates.for_each(|one| {
                [&mut one.max, &mut one.min].into_iter().flatten().for_each(|value| *value *= times)
            });
        }
        check::check(self).map_err(|fault| anyhow!("{} does not go at that size: {}", self.name, fault.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load;

    #[test]
    fn a_scenario_of_another_size_keeps_its_shape_and_its_limits() {
        let whole = load("morning-rush").unwrap();
        let shape = |scenario: &Scenario| {
            let curve = Curve::of(&scenario.stages);
            let rates: Vec<f64> = scenario.stages.iter().filter_map(|stage| stage.rate).collect();
            (curve.seconds(), rates.iter().copied().fold(0.0, f64::max), rates)
        };
        let (seconds, highest, rates) = shape(&whole);
        let mut half = whole.clone();
        half.resize(Some(seconds / 2.0), Some(highest / 2.0)).unwrap();
        let (shorter, lower, fewer) = shape(&half);
        assert!((shorter - seconds / 2.0).abs() < 1e-6 && (lower - highest / 2.0).abs() < 1e-6);
        assert!(rates.iter().zip(&fewer).all(|(rate, half)| (rate / 2.0 - half).abs() < 1e-6));
        for (seconds, rate) in [(Some(0.0), None), (None, Some(-1.0)), (Some(1e12), None)] {
            whole.clone().resize(seconds, rate).unwrap_err();
        }
    }
}
