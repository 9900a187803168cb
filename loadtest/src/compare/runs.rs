//! A finished run for a comparison: its report and its intervals by stage, without the warm-up; and the reasons that make runs hard
//! or impossible to compare.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;

use super::bootstrap::ByStage;
use crate::outcome::{Exit, REPORT_FILE, Report, ReportError};
use crate::record::hlog::{self, HlogError, INTERVALS_FILE, Interval};
use crate::scenario::Kind;

/// The fewest intervals from which variation can be estimated.
const INTERVALS_MIN: usize = 10;

/// The reason why a directory cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// Its report cannot be read.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Its interval log cannot be read.
    #[error("reading {path}: {source}; name a folder that `loadtest run` wrote")]
    Read {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Its interval log is malformed.
    #[error("{path}: {source}")]
    Wrong {
        /// The path.
        path: PathBuf,
        /// The fault.
        source: HlogError,
    },
}

/// A finished run.
pub(super) struct Finished {
    pub(super) name: String,
    pub(super) report: Report,
    pub(super) intervals: Vec<Interval>,
}

impl Finished {
    pub(super) fn read(folder: &Path) -> Result<Self, CompareError> {
        let report = Report::read(&folder.join(REPORT_FILE))?;
        let path = folder.join(INTERVALS_FILE);
        let log = fs::read(&path).map_err(|source| CompareError::Read { path: path.clone(), source })?;
        let intervals = hlog::read(&log).map_err(|source| CompareError::Wrong { path, source })?;
        Ok(Self { name: folder.display().to_string(), report, intervals })
    }

    /// Returns true if any person was answered.
    pub(super) fn asked(&self, kind: Kind) -> bool {
        !self.times(kind, false).concat().is_empty()
    }

    /// Returns the histograms by stage. Answers after the last stage count to it: the slowest are among them.
    pub(super) fn times(&self, kind: Kind, service: bool) -> ByStage<Histogram<u64>> {
        let tag = format!("{}{}", kind.name(), if service { "-service" } else { "" });
        let mut stages: ByStage<_> = vec![Vec::new(); self.report.stages.len()];
        for interval in self.intervals.iter().filter(|interval| interval.tag == tag) {
            let middle_s = (interval.start + interval.length / 2).as_secs_f64();
            if let Some(stage) = self.stage(middle_s) {
                stages[stage].push(interval.histogram());
            }
        }
        stages
    }

    /// Returns answers and seconds by stage, as long as people came.
    pub(super) fn rates(&self, kind: Kind) -> ByStage<(u64, f64)> {
        let end_s = self.report.stages.last().map_or(0.0, |stage| stage.to_s);
        let mut stages: ByStage<_> = vec![Vec::new(); self.report.stages.len()];
        for point in &self.report.series {
            let middle_s = point.at_s - point.seconds / 2.0;
            let answered = point.kinds.get(&kind).map_or(0, |one| one.answered);
            if let Some(stage) = self.stage(middle_s).filter(|_| middle_s < end_s) {
                stages[stage].push((answered, point.seconds));
            }
        }
        stages
    }

    /// Returns the stage at that moment, the last one afterwards, `None` in the warm-up.
    fn stage(&self, at_s: f64) -> Option<usize> {
        let stages = &self.report.stages;
        let at = stages.iter().position(|stage| at_s < stage.to_s).or(stages.len().checked_sub(1))?;
        (!stages[at].warm_up).then_some(at)
    }
}

/// Returns the reason why the run cannot be compared, if there is one.
pub(super) fn unfit(run: &Finished) -> Option<String> {
    let name = &run.name;
    let because = run.report.verdict.reasons.first().map(|first| format!(": {first}")).unwrap_or_default();
    match run.report.verdict.exit {
        Exit::Invalid => return Some(format!("{name} was invalid{because}")),
        Exit::Correctness => {
            return Some(format!("{name} broke a promise, its speed does not matter{because}"));
        }
        Exit::Pass | Exit::Threshold => {}
    }
    let measured = run.report.series.iter().filter(|point| run.stage(point.at_s).is_some()).count();
    let text = || format!("{name} has {measured} intervals after the warm-up, {INTERVALS_MIN} are needed");
    (measured < INTERVALS_MIN).then(text)
}

/// Returns the differences between the runs beside their figures.
pub(super) fn differences(runs: &[&Finished]) -> Vec<String> {
    let scenario = |run: &Finished| serde_json::to_string(&run.report.scenario).unwrap_or_default();
    let commit = |run: &Finished| run.report.run.commit.clone().unwrap_or_else(|| "unknown".to_owned());
    let machine = |run: &Finished| {
        let machine = &run.report.run.machine;
        format!("{}, {} cores, {}", machine.processor, machine.cores, machine.kernel)
    };
    let plan = |run: &Finished| run.report.run.plan_sha256.clone();
    let mut found = Vec::new();
    if distinct(runs, scenario).len() > 1 {
        let names = distinct(runs, |run| run.report.scenario.name.clone()).join(", ");
        found.push(format!("the scenarios differ: {names}"));
    }
    for (what, values) in [
        ("the plans differ, so other people came at other times", distinct(runs, plan)),
        ("the machines differ", distinct(runs, machine)),
        ("the commits differ", distinct(runs, commit)),
    ] {
        if values.len() > 1 {
            let values = values.iter().map(|value| value.chars().take(60).collect::<String>());
            found.push(format!("{what}: {}", values.collect::<Vec<_>>().join(" / ")));
        }
    }
    found
}

fn distinct(runs: &[&Finished], value: impl Fn(&Finished) -> String) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for run in runs {
        let value = value(run);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}
