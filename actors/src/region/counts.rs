//! Counters of one region on one front, registered once at its start. The fronts of a process add to the same metrics.

use std::sync::atomic::{AtomicUsize, Ordering};

use ledger::{AppendOutcome, RecordedRun};
use metrics::{Counter, Gauge, Histogram};
use protocol::message::BusyReason;
use protocol::{Colour, RegionId, metric};

use super::RegionOutcome;

pub(super) struct RegionMetrics {
    punches: [Counter; Colour::ALL.len()],
    /// Punches that were answered `Busy`, by reason.
    refused: Vec<Counter>,
    permits: Gauge,
    /// The part of that gauge which is this front's.
    permits_shown: AtomicUsize,
    /// Runs that were judged punch by punch.
    pub(super) poison: Counter,
    /// The time that runs waited in the mailbox.
    pub(super) waited: Histogram,
}

impl RegionMetrics {
    pub(super) fn new(id: RegionId, permits_max: usize) -> Self {
        let region = id.to_string();
        metrics::gauge!(metric::PERMITS_MAX, "region" => region.clone()).increment(permits_max as f64);
        let refused = |reason: &BusyReason| metrics::counter!(metric::REFUSED, "region" => region.clone(), "reason" => reason.name());
        let colour = |at: usize| metrics::counter!(metric::PUNCHES, "region" => region.clone(), "colour" => Colour::ALL[at].name());
        Self {
            punches: std::array::from_fn(colour),
            refused: BusyReason::ALL.iter().map(refused).collect(),
            permits: metrics::gauge!(metric::PERMITS_IN_USE, "region" => region.clone()),
            permits_shown: AtomicUsize::new(0),
            poison: metrics::counter!(metric::POISON_BATCHES),
            waited: metrics::histogram!(metric::QUEUE_SECONDS, "queue" => "region"),
        }
    }

    /// Shows how many of the permits are in use.
    pub(super) fn permits(&self, in_use: usize) {
        let shown = self.permits_shown.swap(in_use, Ordering::Relaxed);
        if in_use != shown {
            self.permits.increment(in_use as f64 - shown as f64);
        }
    }

    /// Counts punches that were answered `Busy`.
    pub(super) fn refused(&self, outcome: &RegionOutcome, punches: usize) {
        let reason = match outcome {
            RegionOutcome::Busy(reason) => *reason,
            RegionOutcome::Ledger(AppendOutcome::Busy | AppendOutcome::NotCopied) => BusyReason::Ledger,
            RegionOutcome::Ledger(
                AppendOutcome::Recorded(_)
                | AppendOutcome::NumberUsed { .. }
                | AppendOutcome::Gap { .. }
                | AppendOutcome::EpochBehind { .. }
                | AppendOutcome::Down,
            ) => return,
        };
        self.refused[reason.index()].increment(punches as u64);
    }

    /// Counts recorded verdicts by colour.
    pub(super) fn recorded(&self, runs: &[RecordedRun]) {
        let mut by_colour = [0u64; Colour::ALL.len()];
        for verdict in runs.iter().flat_map(|run| &run.verdicts) {
            by_colour[verdict.colour.index()] += 1;
        }
        for (counter, count) in self.punches.iter().zip(by_colour) {
            if count > 0 {
                counter.increment(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_of_a_region_are_the_sum_of_its_actors_on_all_fronts() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let fronts =
            metrics::with_local_recorder(&recorder, || [(); 2].map(|()| RegionMetrics::new(RegionId(7), 10)));
        for (first, second) in [(3, 0), (3, 4), (1, 4), (1, 4), (0, 0)] {
            fronts[0].permits(first);
            fronts[1].permits(second);
            let text = handle.render();
            for (name, expected) in [(metric::PERMITS_IN_USE, first + second), (metric::PERMITS_MAX, 20)] {
                let line = format!("{name}{{region=\"7\"}} {expected}");
                assert!(text.lines().any(|shown| shown == line), "{line} in {text}");
            }
        }
    }
}
