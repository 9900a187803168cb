//! The conditions of alerts, each with its metric, thresholds and window. Windows and times are in seconds.

use crate::Objective;

/// The value of a series that is compared.
#[derive(Clone, Copy, Debug)]
pub enum Over {
    /// The value now.
    Now,
    /// The mean within a window. The gateway compares the value now.
    Mean(u32),
    /// The maximum within a window, which outlives the process. The gateway compares the value now.
    Max(u32),
    /// The minimum within a window. The gateway compares the value now.
    Min(u32),
    /// A counter's growth within a window.
    Growth(u32),
    /// A counter's growth within a window, of a counter that must stay at 0: the gateway shows it until the process ends.
    Never(u32),
}

/// The number of events below which a share is not significant.
#[derive(Clone, Copy, Debug)]
pub enum Least {
    /// One is enough.
    One,
    /// So many within the window.
    Count(u32),
    /// More than so many a second.
    PerSecond(f64),
}

/// A condition on the metrics of one gateway. `by` is a label: each of its values is judged separately.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    /// A gauge or counter above a limit. Without `by` each series is judged separately.
    Above { metric: &'static str, limit: f64, over: Over, by: Option<&'static str> },
    /// A counter that grows faster than a limit.
    Rate {
        counter: &'static str,
        by: &'static str,
        /// Growth per second.
        limit: f64,
        within_s: u32,
    },
    /// Too large a share of a counter's growth has one of these outcomes.
    Share {
        counter: &'static str,
        by: Option<&'static str>,
        /// Values of the label `outcome`.
        outcomes: &'static [&'static str],
        /// The share, from 0 to 1.
        limit: f64,
        /// The number of such outcomes below which the share does not count.
        least: Least,
        within_s: u32,
    },
    /// A quantile of a histogram above a limit.
    Quantile {
        histogram: &'static str,
        /// The quantile, from 0 to 1.
        quantile: f64,
        limit: f64,
        within_s: u32,
    },
    /// A moment, in seconds since 1970 UTC, that is less than `before_s` and at least `from_s` ahead; without `from_s` it may be past.
    Ends {
        /// The gauge that holds the moment.
        metric: &'static str,
        /// The upper bound.
        before_s: u32,
        /// The lower bound.
        from_s: Option<u32>,
    },
    /// A moment, in seconds since 1970 UTC, that is longer ago than another gauge allows, plus `late_s`. A moment of 0 is none.
    Older {
        /// The gauge that holds the moment.
        metric: &'static str,
        /// The gauge that holds the allowed age.
        allowed: &'static str,
        /// The tolerance.
        late_s: u32,
    },
    /// An objective whose error budget is used up too fast.
    Burns(Objective),
    /// The gateway is not ready. The gateway itself asks its own state for the reason.
    NotReady(&'static str),
    /// One of two, judged for each value of the label.
    Either { by: &'static str, of: &'static [Condition; 2] },
    /// PromQL in pieces, for what only Prometheus can judge.
    Query(&'static [&'static str]),
}

impl Condition {
    /// Returns the condition that a gauge is above a limit now.
    pub(crate) const fn above(metric: &'static str, limit: f64) -> Self {
        Self::Above { metric, limit, over: Over::Now, by: None }
    }

    /// Returns the condition that a counter that must stay at 0 grew within a window.
    pub(crate) const fn never(metric: &'static str, within_s: u32) -> Self {
        Self::Above { metric, limit: 0.0, over: Over::Never(within_s), by: None }
    }

    /// Returns the condition that an actor was parked for more than half of two minutes. Most actors recover within the 30 seconds of
    /// one parking; one that is parked again and again, a few seconds in between, is one alert.
    pub(crate) const fn parked(metric: &'static str) -> Self {
        Self::Above { metric, limit: 0.5, over: Over::Mean(120), by: None }
    }

    /// Returns the condition that more than one in twenty fails, and not only a few at night.
    pub(crate) const fn failing(counter: &'static str) -> Self {
        let (outcomes, least) = (&["failed"], Least::Count(10));
        Self::Share { counter, by: None, outcomes, limit: 0.05, least, within_s: 300 }
    }
}
