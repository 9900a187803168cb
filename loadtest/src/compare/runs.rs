//! A finished run as a comparison needs it: its report and its intervals by stage, the warm-up left out; and what makes runs hard
//! or impossible to compare. No chance here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;

use super::bootstrap::ByStage;
use crate::outcome::{Exit, REPORT_FILE, Report, ReportError};
use crate::record::hlog::{self, HlogError, INTERVALS_FILE, Interval};
use crate::scenario::Kind;

/// Fewer intervals say nothing about chance.
const INTERVALS_MIN: usize = 10;

/// Why a folder can't be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// Its report can't be read.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Its interval log can't be read.
    #[error("reading {path}: {source}; name a folder that `loadtest run` wrote")]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its interval log is none.
    #[error("{path}: {source}")]
    Wrong {
        /// Where.
        path: PathBuf,
        /// The fault.
        source: HlogError,
    },
}

/// One run.
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

    /// Says whether anybody was answered.
    pub(super) fn asked(&self, kind: Kind) -> bool {
        !self.times(kind, false).concat().is_empty()
    }

    /// The histograms, by stage. What is answered after the last stage counts to it: the slowest are among them.
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

    /// Answers and seconds, by stage, as long as people came.
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

    /// The stage of that moment, the last one afterwards, none in the warm-up.
    fn stage(&self, at_s: f64) -> Option<usize> {
        let stages = &self.report.stages;
        let at = stages.iter().position(|stage| at_s < stage.to_s).or(stages.len().checked_sub(1))?;
        (!stages[at].warm_up).then_some(at)
    }
}

/// Why the run says nothing, if so.
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

/// In what the runs differ beside their figures.
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
