//! The metrics of a gateway as values: now, and their growth over the last quarter of an hour. The exporter gives its values as text only;
//! this is the one place that parses it, once for each reading.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The time between two marks: the resolution of every window but the newest.
const MARK_EVERY: Duration = Duration::from_secs(10);
/// A quarter of an hour of marks.
const MARKS_MAX: usize = 90;

/// A series of a metric.
#[derive(Debug)]
pub(crate) struct Series {
    /// The labels as the exporter writes them.
    labels: String,
    /// The value now.
    pub(crate) value: f64,
    /// The value at the reading before.
    before: f64,
    /// The values at the marks, the newest last; fewer than the history's if the series is younger.
    marks: VecDeque<f64>,
}

impl Series {
    /// Returns names and values of the labels. The labels of our metrics contain no quotes.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut parts = self.labels.split('"');
        std::iter::from_fn(move || {
            let name = parts.next()?.trim_matches(['{', ',', '=']);
            Some((name, parts.next()?))
        })
    }

    /// Returns the value of that label.
    pub(crate) fn label(&self, wanted: &str) -> Option<&str> {
        self.labels().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }

    /// Reports whether the label has that value.
    pub(crate) fn is(&self, label: &str, value: &str) -> bool {
        self.label(label) == Some(value)
    }
}

/// The readings of one process, up to a quarter of an hour.
#[derive(Debug, Default)]
pub(crate) struct History {
    series: HashMap<String, Vec<Series>>,
    marks: VecDeque<Instant>,
    before: Option<Instant>,
    now: Option<Instant>,
}

impl History {
    /// Returns the history of one reading: values, and no growth.
    pub(crate) fn of(text: &str) -> Self {
        let mut history = Self::default();
        history.parse(text);
        history
    }

    /// Reports whether there is no reading yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.now.is_none()
    }

    /// Takes in the exporter's text of that moment.
    pub(crate) fn read(&mut self, text: &str, at: Instant) {
        if let Some(now) = self.now {
            let is_due = self.marks.back().is_none_or(|mark| now.duration_since(*mark) >= MARK_EVERY);
            if is_due {
                push(&mut self.marks, now);
            }
            for series in self.series.values_mut().flatten() {
                series.before = series.value;
                if is_due {
                    push(&mut series.marks, series.value);
                }
            }
        }
        self.parse(text);
        (self.before, self.now) = (self.now, Some(at));
    }

    fn parse(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((key, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse() else { continue };
            let (name, labels) = key.split_at(key.find('{').unwrap_or(key.len()));
            let all = self.series.entry(name.to_owned()).or_default();
            match all.iter_mut().find(|series| series.labels == labels) {
                Some(series) => series.value = value,
                None => {
                    // A series that comes later began at nothing.
                    let before = if self.now.is_none() { value } else { 0.0 };
                    all.push(Series { labels: labels.to_owned(), value, before, marks: VecDeque::new() });
                }
            }
        }
    }

    /// Returns the series of a metric; of a histogram by `_bucket`, `_sum` or `_count`.
    pub(crate) fn series(&self, name: &str) -> &[Series] {
        self.series.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the sum of a metric's series; 0 if there are none.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        // The empty sum of floats is -0.
        self.series(name).iter().map(|series| series.value).sum::<f64>() + 0.0
    }

    /// Returns the value of the series with that label; 0 if there is none.
    pub(crate) fn value(&self, name: &str, label: &str, value: &str) -> f64 {
        self.series(name).iter().find(|series| series.is(label, value)).map_or(0.0, |series| series.value)
    }

    /// Returns the quotient of two gauges' sums; `None` if the maximum is 0.
    pub(crate) fn share(&self, in_use: &str, max: &str) -> Option<f64> {
        let max = self.sum(max);
        (max > 0.0).then(|| self.sum(in_use) / max)
    }

    /// Returns the window since the reading before.
    pub(crate) fn since_last(&self) -> Window<'_> {
        Window { now: self, back: None, seconds: self.seconds_since(self.before) }
    }

    /// Returns the window of the last so many seconds, a quarter of an hour at most, as far as there are readings.
    pub(crate) fn within(&self, seconds: u32) -> Window<'_> {
        let limit = Duration::from_secs(seconds.into()).min(MARK_EVERY * MARKS_MAX as u32);
        let is_within = |mark: &&Instant| self.now.is_some_and(|now| now.duration_since(**mark) <= limit);
        let back = self.marks.iter().rev().take_while(is_within).count().max(1).min(self.marks.len());
        let begin = self.marks.len().checked_sub(back).and_then(|at| self.marks.get(at)).copied();
        Window { now: self, back: Some(back), seconds: self.seconds_since(begin) }
    }

    fn seconds_since(&self, begin: Option<Instant>) -> f64 {
        let apart = self.now.zip(begin).map(|(now, begin)| now.saturating_duration_since(begin));
        apart.unwrap_or_default().as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

fn push<T>(marks: &mut VecDeque<T>, mark: T) {
    if marks.len() == MARKS_MAX {
        marks.pop_front();
    }
    marks.push_back(mark);
}

/// The growth of counters and histograms within a window.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    /// The values now.
    pub(crate) now: &'a History,
    /// The window's beginning, in marks before the end; `None` is the reading before.
    back: Option<usize>,
    /// The window's length.
    pub(crate) seconds: f64,
}

impl<'a> Window<'a> {
    /// Returns the growth of a counter's series; 0 if it did not grow.
    pub(crate) fn growth(&self, series: &Series) -> f64 {
        let begin = match self.back {
            None => series.before,
            Some(0) => series.value,
            // A series that is younger than the window began at nothing.
            Some(back) => series.marks.len().checked_sub(back).map_or(0.0, |at| series.marks[at]),
        };
        (series.value - begin).max(0.0)
    }

    /// Returns the growth of all series of a counter that are meant.
    pub(crate) fn grown(&self, name: &str, meant: impl Fn(&Series) -> bool) -> f64 {
        let series = self.now.series(name).iter().filter(|series| meant(series));
        series.map(|series| self.growth(series)).sum::<f64>() + 0.0
    }

    /// Returns the same per second.
    pub(crate) fn rate(&self, name: &str, meant: impl Fn(&Series) -> bool) -> f64 {
        self.grown(name, meant) / self.seconds
    }

    /// Returns the mean of a histogram's new values; `None` if there are none.
    pub(crate) fn mean(&self, name: &str, meant: impl Fn(&Series) -> bool) -> Option<f64> {
        let count = self.grown(&format!("{name}_count"), &meant);
        (count > 0.0).then(|| self.grown(&format!("{name}_sum"), &meant) / count)
    }

    /// Returns a quantile of a histogram's new values as Prometheus computes it, evenly spread within a bucket. `None` if there are none.
    pub(crate) fn quantile(&self, share: f64, name: &str) -> Option<f64> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for series in self.now.series(&format!("{name}_bucket")) {
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

    /// Returns the values of a label among a metric's series, in order.
    pub(crate) fn values_of(&self, name: &str, label: &str) -> std::collections::BTreeSet<&'a str> {
        self.now.series(name).iter().filter_map(|series| series.label(label)).collect()
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
pub(crate) mod tests;
