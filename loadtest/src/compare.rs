//! The comparison of two runs, or of two sets of runs: ratios of latencies and rates, each with the interval in which it
//! lies with 95 % confidence. `compare/runs.rs` reads runs, `compare/bootstrap.rs` makes the intervals, `command/print/compare.rs` prints.

use std::path::PathBuf;

use serde::Serialize;

use crate::outcome::Exit;
use crate::scenario::Kind;

mod bootstrap;
mod runs;

use bootstrap::{Range, Sample, Times};
pub use runs::CompareError;
use runs::Finished;

/// The options of `compare`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Two directories that `run` wrote: the run before and the run after
    #[arg(num_args = 2, value_names = ["A", "B"], required_unless_present_all = ["a", "b"], conflicts_with_all = ["a", "b"])]
    pub runs: Vec<PathBuf>,
    /// A directory of the side before; give several, from runs made in turns with those of the other side
    #[arg(long, requires = "b", value_name = "FOLDER")]
    pub a: Vec<PathBuf>,
    /// A directory of the side after
    #[arg(long, requires = "a", value_name = "FOLDER")]
    pub b: Vec<PathBuf>,
    /// Differences up to this many per cent count as none
    #[arg(long, default_value_t = 5.0, value_parser = margin, value_name = "PERCENT")]
    pub margin: f64,
    /// Seed of the bootstrap; the same runs and seed give the same result
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn margin(text: &str) -> Result<f64, String> {
    let percent: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if (0.0..=1000.0).contains(&percent) { Ok(percent) } else { Err("must be 0 to 1000".to_owned()) }
}

/// A figure that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// Median latency from the intended time, milliseconds.
    LatencyP50Ms,
    /// Its 99th percentile, milliseconds.
    LatencyP99Ms,
    /// Median service time, milliseconds.
    ServiceP50Ms,
    /// Its 99th percentile, milliseconds.
    ServiceP99Ms,
    /// People answered a second.
    AnsweredRate,
}

/// The change from the side before to the side after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Better, and by more than the margin.
    Better,
    /// Worse, and by more than the margin.
    Worse,
    /// Neither better nor worse beyond the margin.
    NoDifference,
}

/// One figure of both sides.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// The kind of visit.
    pub kind: Kind,
    /// The figure.
    pub figure: Compared,
    /// The side before, milliseconds or people a second.
    pub a: f64,
    /// The side after.
    pub b: f64,
    /// The side after divided by the side before.
    pub ratio: f64,
    /// The ratio is above this with 97.5 % confidence.
    pub low: f64,
    /// The ratio is below this with 97.5 % confidence.
    pub high: f64,
    /// The conclusion.
    pub change: Change,
}

/// The result of the comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The conclusion over all figures: worse if one is worse, better if one is better and none worse. Absent if the runs cannot be compared.
    pub verdict: Option<Change>,
    /// The process's exit code.
    pub code: u8,
    /// The margin, per cent: smaller differences count as none.
    pub margin: f64,
    /// The number of runs of each side.
    pub runs: [usize; 2],
    /// The reasons for which the runs are hard or impossible to compare.
    pub warnings: Vec<String>,
    /// Every figure.
    pub figures: Vec<Pair>,
}

/// Compares the runs that the options name.
///
/// # Errors
/// A directory holds no run.
pub fn run(options: &Options) -> Result<Comparison, CompareError> {
    let (before, after) = match options.runs.as_slice() {
        [a, b] => (std::slice::from_ref(a), std::slice::from_ref(b)),
        _ => (options.a.as_slice(), options.b.as_slice()),
    };
    let read = |side: &[PathBuf]| side.iter().map(|folder| Finished::read(folder)).collect();
    let (before, after): (Result<Vec<_>, _>, Result<Vec<_>, _>) = (read(before), read(after));
    Ok(compare([&before?, &after?], options.margin, options.seed))
}

fn compare(sides: [&[Finished]; 2], margin: f64, seed: u64) -> Comparison {
    let all: Vec<_> = sides.into_iter().flatten().collect();
    let mut warnings = runs::differences(&all);
    let unfit = all.iter().filter_map(|run| runs::unfit(run)).collect::<Vec<_>>();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut figures = Vec::new();
    for kind in Kind::ALL {
        match sides.map(|side| side.iter().any(|run| run.asked(kind))) {
            [false, false] => {}
            [true, true] => figures.extend(of_kind(kind, sides, margin, &mut random)),
            [true, false] | [false, true] => {
                warnings.push(format!("{} is answered on one side only and is left out", kind.name()));
            }
        }
    }
    let verdict = (unfit.is_empty() && !figures.is_empty()).then(|| overall(&figures));
    if figures.is_empty() {
        warnings.push("nothing was answered on both sides".to_owned());
    }
    if sides.iter().any(|side| side.len() == 1) {
        let text =
            "a side of one run shows chance within that run only; give several runs a side, taken in turns";
        warnings.push(text.to_owned());
    }
    warnings.splice(0..0, unfit);
    let code = match verdict {
        Some(Change::Better | Change::NoDifference) => Exit::Pass.code(),
        Some(Change::Worse) => Exit::Threshold.code(),
        None => Exit::Invalid.code(),
    };
    Comparison { verdict, code, margin, runs: sides.map(<[_]>::len), warnings, figures }
}

fn overall(figures: &[Pair]) -> Change {
    let any = |change| figures.iter().any(|one| one.change == change);
    match (any(Change::Worse), any(Change::Better)) {
        (true, _) => Change::Worse,
        (false, true) => Change::Better,
        (false, false) => Change::NoDifference,
    }
}

fn of_kind(kind: Kind, sides: [&[Finished]; 2], margin: f64, random: &mut fastrand::Rng) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (service, p50, p99) in [
        (false, Compared::LatencyP50Ms, Compared::LatencyP99Ms),
        (true, Compared::ServiceP50Ms, Compared::ServiceP99Ms),
    ] {
        let samples = sides.map(|side| Times::new(side.iter().map(|run| run.times(kind, service))));
        let figures =
            |sample: &Sample<'_, Times>| [0.5, 0.99].map(|quantile| sample.quantile_us(quantile) / 1e3);
        let ranges = bootstrap::ratios(&samples, figures, random);
        pairs.extend(
            [p50, p99].into_iter().zip(ranges).map(|(figure, range)| pair(kind, figure, range, margin)),
        );
    }
    let samples = sides.map(|side| bootstrap::Rates::new(side.iter().map(|run| run.rates(kind))));
    let [range] = bootstrap::ratios(&samples, |sample| [sample.rate()], random);
    pairs.push(pair(kind, Compared::AnsweredRate, range, margin));
    pairs
}

fn pair(kind: Kind, figure: Compared, range: Range, margin: f64) -> Pair {
    let Range { a, b, low, high } = range;
    let beyond = 1.0 + margin / 100.0;
    // Symmetric: what is worse one way round is better the other way round.
    let (more, less) = (low > beyond, high < 1.0 / beyond);
    let change = match (figure, more, less) {
        (_, false, false) => Change::NoDifference,
        (Compared::AnsweredRate, true, _) => Change::Better,
        (Compared::AnsweredRate, false, true) => Change::Worse,
        (
            Compared::LatencyP50Ms | Compared::LatencyP99Ms | Compared::ServiceP50Ms | Compared::ServiceP99Ms,
            more,
            _,
        ) => {
            if more {
                Change::Worse
            } else {
                Change::Better
            }
        }
    };
    Pair { kind, figure, a, b, ratio: b / a, low, high, change }
}

#[cfg(test)]
mod tests;
