//! The report from the record of a run: sums, quantiles and thresholds. Pure but for the machine's description.

use std::collections::BTreeMap;
use std::time::Duration;

use super::privacy::Searched;
use super::session::Measured;
use crate::outcome::{
    IntervalReport, KindReport, PointReport, ProofReport, Quantiles, StageReport, ThresholdReport,
};
use crate::proof::Proof;
use crate::record::{Both, Cell, Latencies, Point, Record};
use crate::scenario::curve::Curve;
use crate::scenario::{Figure, Kind, Scenario, Threshold};

/// Points of a percentile curve; each step halves the distance to 1.
const CURVE_STEPS: i32 = 40;

/// Returns the kinds that a scenario asks for.
fn asked(scenario: &Scenario) -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| scenario.mix.share(*kind) > 0.0)
}

pub(super) fn total(scenario: &Scenario, record: &Record) -> BTreeMap<Kind, KindReport> {
    asked(scenario).map(|kind| (kind, of_cell(&record.total(kind)))).collect()
}

pub(super) fn stages(scenario: &Scenario, record: &Record) -> Vec<StageReport> {
    let curve = Curve::of(&scenario.stages);
    let report = |(index, stage): (usize, &crate::scenario::Stage)| {
        let (from_s, to_s) = curve.span(index);
        let kinds = asked(scenario).map(|kind| (kind, of_cell(record.cell(index, kind)))).collect();
        StageReport { name: stage.name.clone(), from_s, to_s, warm_up: stage.warm_up, kinds }
    };
    scenario.stages.iter().enumerate().map(report).collect()
}

pub(super) fn series(scenario: &Scenario, record: &Record) -> Vec<PointReport> {
    let mut before = Duration::ZERO;
    let report = |(at, points): &(Duration, [Point; Kind::ALL.len()])| {
        let seconds = at.saturating_sub(std::mem::replace(&mut before, *at)).as_secs_f64();
        let kinds = asked(scenario).map(|kind| (kind, of_point(&points[kind as usize]))).collect();
        PointReport { at_s: at.as_secs_f64(), seconds, kinds }
    };
    record.points().iter().map(report).collect()
}

fn of_point(point: &Point) -> IntervalReport {
    let counts = point.counts;
    IntervalReport {
        offered: counts.offered,
        tries: counts.tries,
        answered: counts.answered,
        failed: counts.failed,
        p50_ms: point.p50_ms,
        p99_ms: point.p99_ms,
    }
}

fn of_cell(cell: &Cell) -> KindReport {
    KindReport {
        offered: cell.counts.offered,
        tries: cell.counts.tries,
        answered: cell.counts.answered,
        failed: cell.reasons.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
        latency: Quantiles::of(&cell.times.latency_us),
        service: Quantiles::of(&cell.times.service_us),
        curve: curve(&cell.times.latency_us),
    }
}

/// Returns quantiles that come closer and closer to 1, as far as there are values.
fn curve(histogram: &Latencies) -> Vec<(f64, f64)> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let steps = (0..CURVE_STEPS).map(|step| 1.0 - 0.5f64.powf(f64::from(step) / 2.0));
    let enough = steps.take_while(|quantile| (1.0 - quantile) * histogram.len() as f64 >= 1.0);
    enough.map(|quantile| (quantile, histogram.value_at_quantile(quantile) as f64 / 1000.0)).collect()
}

/// Compares the acknowledgements with the punch log.
pub(super) fn proof(measured: &Measured, proof: Proof, searched: Searched) -> ProofReport {
    let mut lags = Both::default().latency_us;
    measured.lags.iter().for_each(|lag| lags += u64::try_from(lag.as_micros()).unwrap_or(u64::MAX));
    let mut stopped = measured.stopped.clone();
    if measured.unseen > 0 {
        stopped.push(format!("{} changed colours were never seen", measured.unseen));
    }
    ProofReport {
        acknowledged: proof.acknowledged,
        recorded: proof.recorded,
        lost: proof.lost,
        doubled: proof.doubled,
        disordered: proof.disordered,
        altered: proof.altered,
        invented: proof.invented,
        unacknowledged: measured.unacknowledged,
        wrong_verdicts: measured.wrong,
        colours_changed: measured.lags.len() as u64 + measured.unseen,
        colour_lag: Quantiles::of(&lags),
        stale_verdicts: measured.stale,
        searched_for: measured.needles.len() as u64,
        searched: searched.places,
        leaked: searched.leaked,
        stopped,
    }
}

pub(super) fn thresholds(scenario: &Scenario, record: &Record) -> Vec<ThresholdReport> {
    let curve = Curve::of(&scenario.stages);
    let report = |threshold: &Threshold| {
        let named = threshold.stage.as_ref();
        let stage = named.and_then(|name| scenario.stages.iter().position(|stage| stage.name == *name));
        let of_stage = |index: usize| curve.span(index).1 - curve.span(index).0;
        let (cell, seconds) = match stage {
            Some(index) => (record.cell(index, threshold.of).clone(), of_stage(index)),
            None => {
                let measured = (0..scenario.stages.len()).filter(|index| !scenario.stages[*index].warm_up);
                (record.total(threshold.of), measured.map(of_stage).sum())
            }
        };
        let measured = measure(&cell, threshold.figure, seconds);
        let holds = measured.is_some_and(|value| {
            threshold.max.is_none_or(|max| value <= max) && threshold.min.is_none_or(|min| value >= min)
        });
        let people = cell.counts.answered + cell.counts.failed;
        ThresholdReport { threshold: threshold.clone(), measured, people, holds }
    };
    scenario.thresholds.iter().map(report).collect()
}

/// Computes a figure of one kind of visits. People who left without an answer count as later than all who were answered: without them,
/// a gateway that answers only a few would look fast.
fn measure(cell: &Cell, figure: Figure, seconds: f64) -> Option<f64> {
    let (latency, service) = (&cell.times.latency_us, &cell.times.service_us);
    let at = |histogram: &Latencies, quantile: f64| {
        let everybody = (cell.counts.answered + cell.counts.failed) as f64;
        let among_answered = quantile * everybody / cell.counts.answered as f64;
        (among_answered <= 1.0).then(|| histogram.value_at_quantile(among_answered) as f64 / 1000.0)
    };
    let (offered, answered) = (cell.counts.offered as f64, cell.counts.answered as f64);
    match figure {
        Figure::P50Ms => at(latency, 0.5),
        Figure::P99Ms => at(latency, 0.99),
        Figure::P999Ms => at(latency, 0.999),
        Figure::ServiceP50Ms => at(service, 0.5),
        Figure::ServiceP99Ms => at(service, 0.99),
        Figure::AnsweredShare => (offered > 0.0).then(|| answered / offered),
        Figure::AnsweredRate => Some(answered / seconds),
    }
}
