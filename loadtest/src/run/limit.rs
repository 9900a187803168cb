//! `loadtest find-limit`: the same city under one rate after another until a threshold breaks, then closer and closer between the last rate
//! that held and the first that did not. The result is the rate up to which the gateway, or the generator, keeps up.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::{City, Place};
use crate::outcome::{Exit, Report};
use crate::run;
use crate::scenario::{self, Kind, Scenario, Stage, StageKind};

/// The warm-up of a step, seconds: connections, caches, the allocator.
const WARM_UP_S: f64 = 3.0;
/// The limit of steps: enough to double from a hundredth of any limit and to come within a twentieth.
const STEPS_MAX: usize = 24;
/// The longest step, seconds.
const SECONDS_MAX: f64 = 3600.0;
/// The highest rate, people a second: one machine offers no more.
const RATE_MAX: f64 = 10_000_000.0;
/// The factor of the next rate while all hold.
const GROWTH: f64 = 1.5;
/// The search ends when the rates that hold and break are this close.
const CLOSE: f64 = 1.05;

/// The options of the search.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Name of a scenario, or path of a file: its city, people, mix, network and thresholds
    pub scenario: String,
    /// First rate, people a second [default: the scenario's highest rate]
    #[arg(long)]
    pub from: Option<f64>,
    /// Length of a step in seconds, after its warm-up
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// The city, the seed and the output directory
    #[command(flatten)]
    pub place: Place,
}

/// One rate that was tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// People a second.
    pub rate: f64,
    /// The class of the verdict.
    pub exit: Exit,
    /// The reasons why it did not hold.
    pub reasons: Vec<String>,
    /// People a second who were answered.
    pub answered: f64,
    /// Latency of verifies and punches at the 99th percentile, milliseconds.
    pub p99_ms: [f64; 2],
    /// The load of the generator's thread, 0 to 1.
    pub generator_busy: Option<f64>,
    /// Processor time of the gateway for each person, microseconds.
    pub gateway_us_each: Option<f64>,
}

/// The result of the search.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Limit {
    /// The highest rate that held, people a second.
    pub holds: Option<f64>,
    /// The lowest rate that did not hold, people a second.
    pub breaks: Option<f64>,
    /// The reasons of that.
    pub why: Vec<String>,
    /// True if the generator was the bottleneck: then the gateway's own limit is higher.
    pub generator: bool,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

impl Limit {
    /// Returns the exit code: a lost or changed punch decides it at any rate.
    pub fn exit(&self) -> Exit {
        let broken = self.steps.iter().any(|step| step.exit == Exit::Correctness);
        match (broken, self.holds) {
            (true, _) => Exit::Correctness,
            (false, Some(_)) => Exit::Pass,
            (false, None) => Exit::Threshold,
        }
    }

    /// Returns the next rate to try; `None` at the end of the search.
    fn next(&self, from: f64) -> Option<f64> {
        if self.steps.len() >= STEPS_MAX || self.exit() == Exit::Correctness {
            return None;
        }
        match (self.holds, self.breaks) {
            (None, None) => Some(from),
            (Some(holds), None) => Some(holds * GROWTH),
            (None, Some(breaks)) => Some(breaks / 2.0),
            (Some(holds), Some(breaks)) => (breaks / holds > CLOSE).then(|| (holds * breaks).sqrt()),
        }
    }

    fn take(&mut self, step: Step) {
        if step.exit == Exit::Pass {
            self.holds = Some(self.holds.unwrap_or(0.0).max(step.rate));
        } else if self.breaks.is_none_or(|breaks| step.rate < breaks) {
            self.breaks = Some(step.rate);
            self.why.clone_from(&step.reasons);
            self.generator = step.exit == Exit::Invalid;
        }
        self.steps.push(step);
    }
}

/// Searches; `say` is called with each step.
///
/// # Errors
/// The run cannot be made as given.
pub fn find(options: &Options, say: impl Fn(&Step)) -> anyhow::Result<(Limit, PathBuf)> {
    let sound = |value: f64, most: f64| value > 0.0 && value <= most;
    ensure!(sound(options.seconds, SECONDS_MAX), "--seconds must be above 0, and at most {SECONDS_MAX}");
    ensure!(
        options.from.is_none_or(|from| sound(from, RATE_MAX)),
        "--from must be above 0, and at most {RATE_MAX}"
    );
    let scenario = scenario::load(&options.scenario)?;
    ensure!(scenario.city.gateways == 1, "a limit is of one gateway: name a scenario without a fleet");
    let folder = run::folder(&format!("limit-{}", scenario.name), &options.place)?;
    let highest = scenario.stages.iter().filter_map(|stage| stage.rate).fold(1.0, f64::max);
    let mut city = run::city(&scenario, &options.place, &folder)?;
    let mut limit = Limit::default();
    while let Some(rate) = limit.next(options.from.unwrap_or(highest)) {
        let number = limit.steps.len() + 1;
        let (step, back) =
            try_rate(&at_rate(&scenario, rate, options.seconds), options.place.seed, city, &folder, number)?;
        city = back;
        say(&step);
        limit.take(step);
    }
    let file = folder.join("limit.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&limit)?)
        .with_context(|| format!("writing {}", file.display()))?;
    Ok((limit, folder))
}

fn try_rate(
    scenario: &Scenario,
    seed: u64,
    city: City,
    folder: &Path,
    number: usize,
) -> anyhow::Result<(Step, City)> {
    let folder = folder.join(format!("step-{number}"));
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let rate = scenario.stages[0].rate.unwrap_or(0.0);
    let command = format!("loadtest find-limit {} (step {number}, {rate:.0} a second)", scenario.name);
    let (finished, city) = run::in_city(scenario, seed, (city, &folder), command)?;
    Ok((step(rate, &finished.report), city))
}

/// Returns the scenario with one even rate and without events.
fn at_rate(scenario: &Scenario, rate: f64, seconds: f64) -> Scenario {
    let stage = |name: &str, kind, seconds, rate, warm_up| Stage {
        name: name.to_owned(),
        kind,
        seconds,
        rate,
        warm_up,
    };
    let mut even = scenario.clone();
    even.stages = vec![
        stage("warm-up", StageKind::Step, WARM_UP_S, Some(rate), true),
        stage("step", StageKind::Hold, seconds, None, false),
    ];
    even.events.clear();
    // Each query takes a receipt that is made before; at any rate they would run out first.
    even.mix.query = 0.0;
    even.thresholds.retain(|threshold| threshold.of != Kind::Query);
    even.thresholds.iter_mut().for_each(|threshold| threshold.stage = None);
    even
}

fn step(rate: f64, report: &Report) -> Step {
    let seconds = report.stages.iter().filter(|stage| !stage.warm_up).map(|stage| stage.to_s - stage.from_s);
    let answered: u64 = report.total.values().map(|kind| kind.answered).sum();
    let p99_ms = [Kind::Verify, Kind::Punch]
        .map(|kind| report.total.get(&kind).map_or(0.0, |kind| kind.latency.p99_ms));
    Step {
        rate,
        exit: report.verdict.exit,
        reasons: report.verdict.reasons.clone(),
        answered: answered as f64 / seconds.sum::<f64>(),
        p99_ms,
        generator_busy: report.generator.busy_share,
        gateway_us_each: report.generator.gateway_us_each,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches with a gateway that holds up to `limit` people a second.
    fn search(limit: f64, from: f64, beyond: Exit) -> Limit {
        let mut found = Limit::default();
        while let Some(rate) = found.next(from) {
            let exit = if rate <= limit { Exit::Pass } else { beyond };
            let reasons = vec![format!("at {rate}")];
            found.take(Step {
                rate,
                exit,
                reasons,
                answered: rate,
                p99_ms: [1.0; 2],
                generator_busy: None,
                gateway_us_each: None,
            });
        }
        found
    }

    #[test]
    fn the_knee_is_found_from_either_side() {
        for from in [100.0, 12_345.0, 400_000.0] {
            let found = search(12_345.0, from, Exit::Threshold);
            let (holds, breaks) = (found.holds.unwrap(), found.breaks.unwrap());
            assert!(holds <= 12_345.0 && breaks > 12_345.0, "{holds} {breaks}");
            assert!(breaks / holds <= CLOSE, "from {from}: {holds} {breaks}");
            assert_eq!((found.exit(), found.generator), (Exit::Pass, false));
        }
        assert!(search(5000.0, 100.0, Exit::Invalid).generator);
    }

    #[test]
    fn a_broken_promise_ends_the_search() {
        let found = search(1000.0, 800.0, Exit::Correctness);
        assert_eq!((found.exit(), found.steps.len()), (Exit::Correctness, 2));
    }

    #[test]
    fn a_gateway_that_never_holds_is_given_up() {
        let found = search(0.0, 1000.0, Exit::Threshold);
        assert_eq!((found.exit(), found.steps.len(), found.holds), (Exit::Threshold, STEPS_MAX, None));
    }
}
