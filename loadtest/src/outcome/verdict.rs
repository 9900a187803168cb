//! The verdict and exit code of a run: correctness before validity, validity before thresholds. A run that lost a punch is never called
//! slow, and an invalid run is never called good.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FleetReport, GeneratorReport, ProofReport, ThresholdReport};
use crate::scenario::Generator;

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// Everything holds.
    Pass,
    /// A threshold is broken.
    Threshold,
    /// The run is invalid: it says nothing about the gateway.
    Invalid,
    /// The gateway lost, doubled or changed something.
    Correctness,
}

impl Exit {
    /// Returns the process's exit code. 2 is for wrong usage.
    pub fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Threshold => 99,
            Self::Invalid => 98,
            Self::Correctness => 97,
        }
    }
}

/// The verdict over a run, with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The class of the verdict.
    pub exit: Exit,
    /// The process's exit code.
    pub code: u8,
    /// Everything that is wrong, the worst first.
    pub reasons: Vec<String>,
}

impl Verdict {
    /// Judges a run's figures. `unfinished` is the reason why the run did not offer its whole plan, if so.
    pub fn of(
        (proof, fleet): (&ProofReport, Option<&FleetReport>),
        (limits, generator): (&Generator, &GeneratorReport),
        unfinished: Option<String>,
        thresholds: &[ThresholdReport],
    ) -> Self {
        let mut broken = broken_promises(proof);
        broken.extend(fleet.into_iter().flat_map(FleetReport::broken));
        let mut invalid: Vec<_> = unfinished.into_iter().collect();
        invalid.extend(bottleneck(limits, generator));
        invalid.extend(thresholds.iter().filter(|one| one.holds).filter_map(too_few));
        let mut slow: Vec<_> = thresholds.iter().filter(|one| !one.holds).map(said).collect();
        slow.extend(fleet.into_iter().flat_map(FleetReport::late));
        if proof.unacknowledged > 0 {
            slow.push(format!("{} punches were never acknowledged", proof.unacknowledged));
        }
        let exit = match (broken.is_empty(), invalid.is_empty(), slow.is_empty()) {
            (false, _, _) => Exit::Correctness,
            (true, false, _) => Exit::Invalid,
            (true, true, false) => Exit::Threshold,
            (true, true, true) => Exit::Pass,
        };
        Self { exit, code: exit.code(), reasons: [broken, invalid, slow].concat() }
    }
}

fn broken_promises(proof: &ProofReport) -> Vec<String> {
    let mut broken = Vec::new();
    for (count, what) in [
        (proof.lost, "acknowledged punches are lost"),
        (proof.doubled, "punches are recorded twice"),
        (proof.disordered, "punches are out of order"),
        (proof.altered, "punches are recorded otherwise than acknowledged"),
        (proof.invented, "punches are recorded and were never sent"),
        (proof.wrong_verdicts, "verdicts show a wrong colour or advice"),
        (proof.stale_verdicts, "verdicts show a colour that had changed before"),
    ] {
        if count > 0 {
            broken.push(format!("{count} {what}"));
        }
    }
    broken.extend(proof.leaked.iter().map(|place| format!("personal data in {place}")));
    broken.extend(proof.stopped.iter().cloned());
    broken
}

fn bottleneck(limits: &Generator, generator: &GeneratorReport) -> Option<String> {
    let late = generator.late.p99_ms;
    if late > limits.late_p99_ms_max {
        return Some(format!(
            "the generator was the bottleneck: {late:.1} ms late at the 99th percentile, {} allowed",
            limits.late_p99_ms_max
        ));
    }
    if let Some(dropped) = generator.dropped_packets.filter(|dropped| *dropped > 0) {
        return Some(format!(
            "the generator was the bottleneck: {dropped} packets were dropped before it read them (net.core.rmem_max is the limit of its buffer)"
        ));
    }
    let busy = generator.busy_share.filter(|busy| *busy > limits.busy_share_max)?;
    Some(format!(
        "the generator was the bottleneck: its thread was {:.0} % busy, {:.0} % allowed",
        busy * 100.0,
        limits.busy_share_max * 100.0
    ))
}

/// Returns the reason why a threshold that holds proves nothing: too few people came.
fn too_few(held: &ThresholdReport) -> Option<String> {
    let wanted = held.threshold.figure.people_min();
    let few = held.people < wanted;
    few.then(|| format!("{} rests on {} people, at least {wanted} wanted", named(held), held.people))
}

fn named(report: &ThresholdReport) -> String {
    let one = &report.threshold;
    let figure = serde_json::to_value(one.figure).ok();
    let figure = figure.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    let place = one.stage.as_ref().map(|stage| format!(" in {stage}")).unwrap_or_default();
    format!("{} {figure}{place}", one.of.name())
}

fn said(broken: &ThresholdReport) -> String {
    let one = &broken.threshold;
    let bound = match (one.max, one.min) {
        (Some(max), Some(min)) => format!("{min} to {max}"),
        (Some(max), None) => format!("at most {max}"),
        (None, Some(min)) => format!("at least {min}"),
        (None, None) => String::new(),
    };
    let measured = broken.measured.map_or_else(|| "nothing".to_owned(), |value| format!("{value:.3}"));
    format!("{} is {measured}, {bound} wanted", named(broken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{PromiseReport, Quantiles};
    use crate::scenario::{Figure, Kind, Threshold};

    fn threshold(holds: bool) -> ThresholdReport {
        let threshold =
            Threshold { of: Kind::Punch, figure: Figure::P99Ms, stage: None, max: Some(5.0), min: None };
        ThresholdReport { threshold, measured: Some(7.25), people: 100, holds }
    }

    fn generator(late_ms: f64, busy: f64) -> GeneratorReport {
        let late = Quantiles { p99_ms: late_ms, ..Quantiles::default() };
        GeneratorReport { late, busy_share: Some(busy), ..GeneratorReport::default() }
    }

    #[test]
    fn the_worst_decides() {
        let (kept, lost) = (ProofReport::default(), ProofReport { lost: 1, ..ProofReport::default() });
        let (fit, late, busy) = (generator(1.0, 0.5), generator(500.0, 0.5), generator(1.0, 0.99));
        for (proof, generator, unfinished, holds, exit, reasons) in [
            (&kept, &fit, None, true, Exit::Pass, 0),
            (&kept, &fit, None, false, Exit::Threshold, 1),
            (&kept, &late, None, true, Exit::Invalid, 1),
            (&kept, &busy, None, false, Exit::Invalid, 2),
            (&kept, &fit, Some("it was cut".to_owned()), true, Exit::Invalid, 1),
            (&lost, &late, None, false, Exit::Correctness, 3),
        ] {
            let limits = Generator::default();
            let verdict = Verdict::of((proof, None), (&limits, generator), unfinished, &[threshold(holds)]);
            assert_eq!((verdict.exit, verdict.reasons.len()), (exit, reasons), "{verdict:?}");
            assert_eq!(verdict.code, exit.code());
        }
    }

    #[test]
    fn a_broken_promise_of_a_fleet_is_a_threshold_and_a_lost_form_is_worse() {
        let well = FleetReport { registries_equal: true, ..FleetReport::default() };
        let late = FleetReport { promises: vec![PromiseReport::new("it leads", 5.0, 5.1)], ..well.clone() };
        let lost = FleetReport { forms_lost: 1, ..late.clone() };
        let apart = FleetReport { registries_equal: false, ..well.clone() };
        for (fleet, exit, reasons) in [
            (well, Exit::Pass, vec![]),
            (late, Exit::Threshold, vec!["it leads: 5.1 s, 5 s promised"]),
            (
                lost,
                Exit::Correctness,
                vec!["1 acknowledged applications are lost", "it leads: 5.1 s, 5 s promised"],
            ),
            (apart, Exit::Correctness, vec!["the registries of the gateways differ"]),
        ] {
            let limits = (&Generator::default(), &generator(1.0, 0.5));
            let verdict = Verdict::of((&ProofReport::default(), Some(&fleet)), limits, None, &[]);
            assert_eq!(
                (verdict.exit, verdict.reasons),
                (exit, reasons.into_iter().map(str::to_owned).collect())
            );
        }
    }

    #[test]
    fn a_threshold_that_rests_on_too_few_people_does_not_hold() {
        let few = ThresholdReport { people: 99, ..threshold(true) };
        let limits = Generator::default();
        let verdict =
            Verdict::of((&ProofReport::default(), None), (&limits, &generator(1.0, 0.5)), None, &[few]);
        assert_eq!(verdict.exit, Exit::Invalid);
        assert_eq!(verdict.reasons, ["punch p99_ms rests on 99 people, at least 100 wanted"]);
    }

    #[test]
    fn a_broken_threshold_says_what_was_wanted() {
        assert_eq!(said(&threshold(false)), "punch p99_ms is 7.250, at most 5 wanted");
    }
}
