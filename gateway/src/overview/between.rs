//! Two readings of the metrics and what happened between them: how much counters grew, how long most waited. Pure; which metrics
//! matter is known to those who ask.

use std::collections::HashMap;

use crate::exposition::{self, Series};

/// An earlier reading and a later one.
pub(super) struct Between<'a> {
    before: HashMap<&'a str, f64>,
    after: HashMap<&'a str, Vec<Series<'a>>>,
    seconds: f64,
}

impl<'a> Between<'a> {
    /// Of two texts that were taken so many seconds apart.
    pub(super) fn new(before: &'a str, after: &'a str, seconds: f64) -> Self {
        let before = exposition::read(before).map(|series| (series.key, series.value)).collect();
        let mut grouped: HashMap<&str, Vec<Series<'_>>> = HashMap::new();
        for series in exposition::read(after) {
            grouped.entry(series.name).or_default().push(series);
        }
        Self { before, after: grouped, seconds: seconds.max(f64::MIN_POSITIVE) }
    }

    /// A metric's series, as they stand now.
    pub(super) fn series(&self, name: &str) -> &[Series<'a>] {
        self.after.get(name).map_or(&[], Vec::as_slice)
    }

    /// A gauge's series added up; 0 if there is none.
    pub(super) fn sum(&self, name: &str) -> f64 {
        // Nothing adds up to -0, which people would see.
        self.series(name).iter().map(|series| series.value).sum::<f64>() + 0.0
    }

    /// The value of the series with that label; 0 if there is none.
    pub(super) fn value(&self, name: &str, label: &str, value: &str) -> f64 {
        let found = self.series(name).iter().find(|series| series.label(label) == Some(value));
        found.map_or(0.0, |series| series.value)
    }

    /// A gauge's share of another, district by district or all in one; `None` where nothing may be in use.
    pub(super) fn share(&self, in_use: &str, max: &str) -> Option<f64> {
        let max = self.sum(max);
        (max > 0.0).then(|| self.sum(in_use) / max)
    }

    /// Says how much the counter grew. One that is lower than before began anew, and one that was not there began at nothing.
    pub(super) fn growth(&self, series: &Series<'_>) -> f64 {
        match self.before.get(series.key) {
            Some(before) if *before <= series.value => series.value - before,
            Some(_) | None => series.value,
        }
    }

    /// Says how much all series of a counter that are meant grew.
    pub(super) fn grown(&self, name: &str, meant: impl Fn(&Series<'_>) -> bool) -> f64 {
        self.series(name).iter().filter(|series| meant(series)).map(|series| self.growth(series)).sum::<f64>()
            + 0.0
    }

    /// The same, a second.
    pub(super) fn rate(&self, name: &str, meant: impl Fn(&Series<'_>) -> bool) -> f64 {
        self.grown(name, meant) / self.seconds
    }

    /// The mean of what a histogram took in; `None` if it took in nothing.
    pub(super) fn mean(&self, name: &str, meant: impl Fn(&Series<'_>) -> bool) -> Option<f64> {
        let count = self.grown(&format!("{name}_count"), &meant);
        (count > 0.0).then(|| self.grown(&format!("{name}_sum"), &meant) / count)
    }

    /// Below which of a histogram's new values that share of them lies, as Prometheus reckons it: evenly spread within a bucket.
    /// `None` if it took in nothing.
    pub(super) fn quantile(&self, share: f64, name: &str) -> Option<f64> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for series in self.series(&format!("{name}_bucket")) {
            let bound = series.label("le")?.parse().ok()?;
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, count)) => *count += self.growth(series),
                None => buckets.push((bound, self.growth(series))),
            }
        }
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (_, all) = *buckets.last()?;
        if all <= 0.0 {
            return None;
        }
        let rank = share * all;
        let at = buckets.iter().position(|(_, count)| *count >= rank)?;
        let (low, below) = at.checked_sub(1).map_or((0.0, 0.0), |at| buckets[at]);
        let (high, count) = buckets[at];
        if high.is_infinite() {
            return Some(low);
        }
        Some(low + (high - low) * (rank - below) / (count - below).max(f64::MIN_POSITIVE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: [u32; 4]) -> String {
        let bounds = ["0.001", "0.01", "0.1", "+Inf"];
        // Not in order, as the exporter may have them.
        let line = |at: usize| format!("h_bucket{{le=\"{}\"}} {}\n", bounds[at], counts[at]);
        [2, 0, 3, 1].map(line).concat() + &format!("h_sum 9\nh_count {}\n", counts[3])
    }

    #[test]
    fn counters_grow_and_begin_anew() {
        let before = "c{a=\"1\"} 10\nc{a=\"2\"} 7\n";
        let after = "c{a=\"1\"} 14\nc{a=\"2\"} 3\nc{a=\"3\"} 5\ng 8\nm 16\n";
        let between = Between::new(before, after, 2.0);
        assert_eq!(between.grown("c", |_| true), 4.0 + 3.0 + 5.0, "grown, begun anew, new");
        assert_eq!(between.rate("c", |series| series.label("a") == Some("1")), 2.0);
        assert_eq!(between.rate("none", |_| true), 0.0);
        assert_eq!((between.share("g", "m"), between.share("g", "none")), (Some(0.5), None));
        assert_eq!((between.value("c", "a", "3"), between.value("c", "a", "9")), (5.0, 0.0));
    }

    #[test]
    fn quantiles_are_those_of_what_is_new() {
        let cases = [
            ("nothing new", [5, 5, 5, 5], 0.5, None),
            ("all in the first bucket", [15, 15, 15, 15], 0.5, Some(0.0005)),
            ("half of the second bucket", [5, 15, 15, 15], 0.5, Some(0.0055)),
            ("over two buckets", [10, 15, 15, 15], 0.5, Some(0.001)),
            ("beyond the last bound", [5, 5, 5, 15], 0.99, Some(0.1)),
        ];
        for (what, counts, share, expected) in cases {
            let (before, after) = (histogram([5; 4]), histogram(counts));
            let found = Between::new(&before, &after, 2.0).quantile(share, "h");
            let near = match (found, expected) {
                (Some(found), Some(expected)) => f64::abs(found - expected) < 1e-9,
                (found, expected) => found == expected,
            };
            assert!(near, "{what}: {found:?}");
        }
        let (before, after) = (histogram([5; 4]), histogram([1, 2, 2, 2]));
        let found = Between::new(&before, &after, 2.0).quantile(0.5, "h");
        assert_eq!(found, Some(0.001), "a process that began anew");
        assert_eq!(Between::new("", "", 2.0).quantile(0.5, "h"), None);
    }

    #[test]
    fn a_mean_is_that_of_what_is_new() {
        let between = Between::new("h_sum 1\nh_count 4\n", "h_sum 3\nh_count 8\n", 2.0);
        assert_eq!((between.mean("h", |_| true), between.mean("none", |_| true)), (Some(0.5), None));
    }
}
