//! The service level objectives: the share of bad answers that is allowed over 30 days, and the rates of its use at which an alert is
//! raised. Each rate is measured over two windows: the long one shows that it matters, the short one that it still goes on.

use crate::Severity;

/// The number of bad answers in the long window up to which no alert is raised: at night one of ten would be a tenth.
pub const BAD_MIN: u32 = 10;

/// A rate of use at which an alert is raised.
#[derive(Clone, Copy, Debug)]
pub struct Burn {
    /// The urgency.
    pub severity: Severity,
    /// The long window in seconds.
    pub long_s: u32,
    /// The short window in seconds.
    pub short_s: u32,
    /// The multiple, in tenths, of the rate that uses up the budget in 30 days.
    pub tenths: u32,
}

/// The rates at which 30 days' budget is used up in 2, 5 and 30 days.
pub const BURNS: [Burn; 3] = [
    Burn { severity: Severity::Page, long_s: 3_600, short_s: 300, tenths: 144 },
    Burn { severity: Severity::Page, long_s: 21_600, short_s: 1_800, tenths: 60 },
    Burn { severity: Severity::Ticket, long_s: 259_200, short_s: 21_600, tenths: 10 },
];

/// The bad answers among those that are counted.
#[derive(Clone, Copy, Debug)]
pub enum Bad {
    /// Requests of a kind that were answered `Busy`, or failed.
    NotAnswered {
        /// The value of the label `request`.
        request: &'static str,
    },
    /// Answers that took longer than a limit, at which a bucket of the histogram ends.
    SlowerThan {
        /// The histogram.
        answers: &'static str,
        /// The limit.
        limit_ms: u32,
    },
}

/// An objective.
#[derive(Clone, Copy, Debug)]
pub struct Objective {
    /// The bad answers.
    pub bad: Bad,
    /// Bad answers allowed per million.
    pub slack_ppm: u32,
}

impl Objective {
    /// Returns the share that may be bad.
    #[must_use]
    pub fn slack(&self) -> f64 {
        f64::from(self.slack_ppm) / 1e6
    }

    /// Returns the share of bad answers above which the alert of that rate is raised.
    #[must_use]
    pub fn limit(&self, burn: &Burn) -> f64 {
        f64::from(self.slack_ppm * burn.tenths / 10) / 1e6
    }

    /// Returns the promised share of good answers as text.
    #[must_use]
    pub fn promised(&self) -> String {
        format!("{} %", f64::from(1_000_000 - self.slack_ppm) / 1e4)
    }
}

/// Returns the value of the label `le` of the bucket that ends at that limit.
#[must_use]
pub fn bucket(limit_ms: u32) -> String {
    (f64::from(limit_ms) / 1e3).to_string()
}
