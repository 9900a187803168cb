//! The samples of the charts for the last quarter of an hour, numbered: a new page asks for all of them, an open one for those after its last.
//! The sampler writes it, requests read it; after a restart it is empty.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::sample::Sample;

/// The time between two samples: short enough to look like motion.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// The time that is kept.
const KEPT: Duration = Duration::from_secs(15 * 60);
const ROWS_MAX: usize = (KEPT.as_secs() / EVERY.as_secs()) as usize;
/// Some thirty, and one for each district: more than a large city has. Columns beyond it are not drawn.
const COLUMNS_MAX: usize = 120;
/// Digits that a chart can show; more would only be sent.
const DIGITS: i32 = 4;

/// One sample: its number, when it was taken in milliseconds since 1970 UTC, and its values in the order of the columns. Columns
/// that came later are missing at its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row(pub(super) u64, pub(super) u64, pub(super) Vec<Option<f32>>);

/// The samples in order.
#[derive(Default)]
pub(super) struct Ring {
    columns: Vec<String>,
    rows: VecDeque<Row>,
    last: u64,
}

impl Ring {
    /// Adds a sample, and drops the oldest of a full ring.
    pub(super) fn push(&mut self, at_ms: u64, sample: Sample) {
        let mut values = vec![None; self.columns.len()];
        for (name, value) in sample {
            let value = value.map(rounded);
            if let Some(at) = self.columns.iter().position(|column| *column == name) {
                values[at] = value;
            } else if self.columns.len() < COLUMNS_MAX {
                self.columns.push(name);
                values.push(value);
            }
        }
        if self.rows.len() == ROWS_MAX {
            self.rows.pop_front();
        }
        self.last += 1;
        self.rows.push_back(Row(self.last, at_ms, values));
    }

    /// Returns the names of the values.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the samples after that number; none if it is from before a restart and beyond all.
    pub(super) fn since(&self, number: u64) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.0 > number)
    }
}

fn rounded(value: f64) -> f32 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10_f64.powi(DIGITS - 1 - value.abs().log10().floor() as i32);
    ((value * scale).round() / scale) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: f64) -> Sample {
        vec![(name.to_owned(), Some(value))]
    }

    #[test]
    fn it_keeps_a_quarter_of_an_hour_and_numbers_go_on() {
        let mut ring = Ring::default();
        for at in 0..ROWS_MAX as u64 + 10 {
            ring.push(at * 2_000, one("busy", 1.0));
        }
        let rows: Vec<_> = ring.since(0).collect();
        assert_eq!((rows.len(), rows[0].0, rows[0].1), (ROWS_MAX, 11, 20_000));
        let last = rows[ROWS_MAX - 1].0;
        assert_eq!(
            (ring.since(last - 2).count(), ring.since(last).count(), ring.since(last + 9).count()),
            (2, 0, 0)
        );
    }

    #[test]
    fn columns_that_come_later_stand_behind_the_others_and_are_limited() {
        let mut ring = Ring::default();
        ring.push(0, one("busy", 1.0));
        ring.push(0, one("district.99", 2.0));
        assert_eq!(ring.columns(), ["busy", "district.99"]);
        let values: Vec<_> = ring.since(0).map(|row| row.2.clone()).collect();
        assert_eq!(values, [vec![Some(1.0)], vec![None, Some(2.0)]]);
        (0..2 * COLUMNS_MAX).for_each(|number| ring.push(0, one(&number.to_string(), 1.0)));
        assert_eq!(ring.columns().len(), COLUMNS_MAX);
    }

    #[test]
    fn values_have_as_many_digits_as_a_chart_shows() {
        for (value, shown) in [
            (0.0, 0.0),
            (1.23456, 1.235),
            (123_456.0, 123_500.0),
            (0.000_123_456, 0.000_123_5),
            (f64::NAN, 0.0),
        ] {
            assert_eq!(rounded(value), shown, "{value}");
        }
    }
}
