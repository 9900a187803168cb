//! `loadtest run`: a scenario against a city of its own or a running one, and the report. The order of a run is here; each
//! part of it has a file of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow, bail, ensure};
use bench::machine;
use device::clock;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::outcome::{REPORT_VERSION, Report, Run, Verdict};
use crate::proof::{self, Proof};
use crate::record::Record;
use crate::record::hlog::INTERVALS_FILE;
use crate::report::html;
use crate::scenario::curve::Curve;
use crate::scenario::plan::Plan;
use crate::scenario::{self, Figure, Kind, SHIPPED, Scenario, Threshold, What};

mod assemble;
mod city;
mod crowd;
mod devices;
mod drive;
mod events;
mod gateways;
pub mod limit;
mod merged;
mod model;
mod post;
mod privacy;
mod probe;
mod session;
mod shared;
mod ticker;
mod view;

use city::{City, Wanted};
use privacy::Searched;
use session::{Measured, Session};

/// The default output directory.
const RUNS: &str = "changtong-runs";

/// The options of a run.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Name of a scenario (see `loadtest list`), or a path with a / in it
    pub scenario: String,
    /// Length in seconds: stages and events are stretched or shortened alike
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Highest rate, people a second: all rates are scaled alike
    #[arg(long)]
    pub rate: Option<f64>,
    /// The city, the seed and the output directory
    #[command(flatten)]
    pub place: Place,
}

/// The city of a run, its seed and its output directory.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(id = "place")]
pub struct Place {
    /// Seed: it decides which person comes where and when, and which packets are lost
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Data directory of a running development city; without it, the run starts a city of its own
    #[arg(long, conflicts_with = "city")]
    pub data: Option<PathBuf>,
    /// Directory of the run's own city, built if it does not exist, and kept: a city of millions takes minutes to build
    #[arg(long)]
    pub city: Option<PathBuf>,
    /// The gateway's program for a city of its own [default: the one beside this program]
    #[arg(long)]
    pub binary: Option<PathBuf>,
    /// Directory for report.json, report.html, intervals.hlog and the gateway's log [default: a new one in ./changtong-runs]
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// The result of a run.
pub struct Finished {
    /// The report.
    pub report: Report,
    /// Its files, those for people first.
    pub files: Vec<PathBuf>,
}

/// Runs a scenario to its end.
///
/// # Errors
/// The run cannot be made as given: it says nothing about the gateway.
pub fn run(options: &Options) -> anyhow::Result<Finished> {
    let mut scenario = scenario::load(&options.scenario)?;
    let mut words = format!("run {}", options.scenario);
    for (flag, given) in [("--seconds", options.seconds), ("--rate", options.rate)] {
        if let Some(given) = given {
            words.push_str(&format!(" {flag} {given}"));
        }
    }
    scenario.resize(options.seconds, options.rate)?;
    of_scenario(&scenario, &options.place, &words)
}

/// Runs a drill that comes with the program.
///
/// # Errors
/// There is no such drill, or it cannot be run.
pub fn drill(name: &str, place: &Place) -> anyhow::Result<Finished> {
    let drills = || SHIPPED.iter().filter(|shipped| shipped.drill).map(|shipped| shipped.name);
    if !drills().any(|drill| drill == name) {
        bail!("there is no drill called {name:?}; there are {}", drills().collect::<Vec<_>>().join(", "));
    }
    of_scenario(&scenario::load(name)?, place, &format!("drill {name}"))
}

/// Runs a scenario; `words` is the command line for the report.
fn of_scenario(scenario: &Scenario, place: &Place, words: &str) -> anyhow::Result<Finished> {
    let mut command = format!("loadtest {words} --seed {}", place.seed);
    for (flag, path) in [("--data", &place.data), ("--city", &place.city), ("--binary", &place.binary)] {
        if let Some(path) = path {
            command.push_str(&format!(" {flag} {}", path.display()));
        }
    }
    let folder = folder(&scenario.name, place)?;
    let city = city(scenario, place, &folder)?;
    in_city(scenario, place.seed, (city, &folder), command).map(|(finished, _)| finished)
}

/// Opens the city that a scenario needs: the running one that was named, or one of its own.
fn city(scenario: &Scenario, place: &Place, folder: &Path) -> anyhow::Result<City> {
    if let Some(data) = &place.data {
        ensure!(scenario.city.gateways == 1, "a run starts its fleet of gateways itself: leave out --data");
        return City::running(data);
    }
    let log = folder.join("gateway.log");
    let has = |what| scenario.events.iter().any(|event| event.what == what);
    let mut size = scenario.city.clone();
    // One device more looks for changed colours.
    size.gates += u32::from(has(What::Colours));
    City::start(&Wanted {
        folder: place.city.as_deref(),
        binary: place.binary.as_deref(),
        log: &log,
        size,
        small_disk: has(What::FillDisk),
    })
}

/// Runs a scenario in a running city, and returns the city.
fn in_city(
    scenario: &Scenario,
    seed: u64,
    (city, folder): (City, &Path),
    command: String,
) -> anyhow::Result<(Finished, City)> {
    let session = Session { scenario, seed, fleets: city.fleets().to_vec(), names: city.names() };
    let city = Arc::new(Mutex::new(city));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            measured = session.all(&city) => measured,
            interrupted = interrupted() => Err(interrupted),
        }
    });
    // What it waits for ends before the city does.
    drop(runtime);
    let mut measured = measured?;
    let city = Arc::into_inner(city).context("an event still uses the city")?;
    let mut city = city.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Of several gateways only one runs after the proof.
    let metrics = privacy::metrics(city.fleets().iter().map(|fleet| fleet.http));
    let metrics = noted(metrics.context("reading the metrics"), &mut measured.unfinished);
    let proof = prove(&mut city, &mut measured);
    let proof =
        noted(proof.context("comparing acknowledgements with the punch log"), &mut measured.unfinished);
    let searched = privacy::search(&measured.needles, &city.logs(), &metrics);
    let searched = searched.context("searching for personal data");
    let searched = noted(searched, &mut measured.unfinished);
    let hlog = measured.hlog();
    let report = report(scenario, seed, measured, (proof, searched), command);
    let files = write(&report, &hlog, folder)?;
    Ok((Finished { report, files }, city))
}

/// Compares the acknowledgements with the punch log, or with those of all gateways.
fn prove(city: &mut City, measured: &mut Measured) -> anyhow::Result<Proof> {
    if let Some(several) = &mut measured.several {
        return merged::prove(city, &measured.claims, several);
    }
    city.bring_ledger_home()?;
    Ok(proof::prove(city.fleet(), &measured.claims)?)
}

/// Waits for a signal to end: the run's own city ends with it.
async fn interrupted() -> anyhow::Error {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    anyhow!("interrupted: nothing was proven")
}

/// Records a failure after people had come: it makes the run invalid, and the figures are still reported.
fn noted<T: Default>(result: anyhow::Result<T>, unfinished: &mut Option<String>) -> T {
    result.unwrap_or_else(|error| {
        let before = unfinished.take().map(|before| format!("{before}; ")).unwrap_or_default();
        *unfinished = Some(format!("{before}{error:#}"));
        T::default()
    })
}

fn write(report: &Report, hlog: &[u8], folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let intervals = folder.join(INTERVALS_FILE);
    html::write(report, folder).context("writing the page")?;
    let json = report.write(folder)?;
    std::fs::write(&intervals, hlog).with_context(|| format!("writing {}", intervals.display()))?;
    Ok(vec![folder.join(html::PAGE_FILE), json, intervals])
}

/// Returns true if less than half of all people were answered and no threshold sets how many have to be.
fn few_answered(scenario: &Scenario, record: &Record) -> bool {
    let asked = |one: &Threshold| matches!(one.figure, Figure::AnsweredShare | Figure::AnsweredRate);
    if scenario.thresholds.iter().any(asked) {
        return false;
    }
    let counts = Kind::ALL.map(|kind| record.total(kind).counts);
    let answered: u64 = counts.iter().map(|counts| counts.answered).sum();
    let offered: u64 = counts.iter().map(|counts| counts.offered).sum();
    answered * 2 < offered
}

fn report(
    scenario: &Scenario,
    seed: u64,
    measured: Measured,
    (proof, searched): (Proof, Searched),
    command: String,
) -> Report {
    let record = &measured.record;
    let thresholds = assemble::thresholds(scenario, record);
    let proof = assemble::proof(&measured, proof, searched);
    let mut unfinished = measured.unfinished.clone();
    if unfinished.is_none() && thresholds.iter().all(|one| one.holds) && few_answered(scenario, record) {
        let few = "most people were not answered, and no threshold asked for it: such a run proves nothing";
        unfinished = Some(few.to_owned());
    }
    let fleet = measured.several;
    let verdict = Verdict::of(
        (&proof, fleet.as_ref()),
        (&scenario.generator, &measured.generator),
        unfinished,
        &thresholds,
    );
    let run = Run {
        started: jiff::Timestamp::from_millisecond(measured.started_ms.cast_signed())
            .map(|moment| moment.to_string())
            .unwrap_or_default(),
        seconds: Curve::of(&scenario.stages).seconds(),
        seed,
        plan_sha256: hex::encode(Plan::new(scenario, seed).digest()),
        command,
        commit: machine::commit(),
        loadtest: env!("CARGO_PKG_VERSION").to_owned(),
        gateway: measured.gateway,
        fronts: measured.fronts,
        machine: machine::here(),
    };
    Report {
        version: REPORT_VERSION,
        verdict,
        run,
        scenario: scenario.clone(),
        generator: measured.generator,
        total: assemble::total(scenario, record),
        stages: assemble::stages(scenario, record),
        series: assemble::series(scenario, record),
        proof,
        thresholds,
        events: measured.events,
        network: measured.network,
        server: measured.server,
        fleet,
    }
}

/// Makes a new directory for a run's files, or the one that was named.
fn folder(name: &str, place: &Place) -> anyhow::Result<PathBuf> {
    let folder = match &place.out {
        Some(out) => out.clone(),
        None => Path::new(RUNS).join(format!("{name}-{}", clock::now_s())),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    folder.canonicalize().with_context(|| format!("finding {}", folder.display()))
}
