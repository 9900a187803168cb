//! Counters of codes by SMS, registered once. They hold nothing of a phone or a code.

use metrics::Counter;
use protocol::metric;

use super::SmsError;

protocol::numbered! {
    /// The outcome of a code that was asked for or typed; the names are labels.
    enum SmsOutcome {
        Done = 1 => "sent",
        TooMany = 2 => "too-many",
        Wrong = 3 => "wrong",
        Incomplete = 4 => "incomplete",
        Gone = 5 => "gone",
        Refused = 6 => "refused",
        Busy = 7 => "busy",
        Unavailable = 8 => "unavailable",
    }
}

impl SmsOutcome {
    const fn of<T>(result: &Result<T, SmsError>) -> Self {
        match result {
            Ok(_) => Self::Done,
            Err(SmsError::TooMany { .. }) => Self::TooMany,
            Err(SmsError::Wrong { .. }) => Self::Wrong,
            Err(SmsError::Incomplete) => Self::Incomplete,
            Err(SmsError::Gone) => Self::Gone,
            Err(SmsError::Refused) => Self::Refused,
            Err(SmsError::Busy) => Self::Busy,
            Err(SmsError::Unavailable) => Self::Unavailable,
        }
    }
}

/// The label of [`SmsOutcome::Done`] for a code that was typed.
const RIGHT: &str = "right";

pub(super) struct SmsMetrics {
    asked: Vec<Counter>,
    typed: Vec<Counter>,
}

impl SmsMetrics {
    pub(super) fn new() -> Self {
        let asked = |outcome: &SmsOutcome| metrics::counter!(metric::SMS, "outcome" => outcome.name());
        let typed = |outcome: &SmsOutcome| {
            let name = if *outcome == SmsOutcome::Done { RIGHT } else { outcome.name() };
            metrics::counter!(metric::SMS_CHECKS, "outcome" => name)
        };
        Self {
            asked: SmsOutcome::ALL.iter().map(asked).collect(),
            typed: SmsOutcome::ALL.iter().map(typed).collect(),
        }
    }

    /// Counts a code that was asked for.
    pub(super) fn asked(&self, result: &Result<(), SmsError>) {
        self.asked[SmsOutcome::of(result).index()].increment(1);
    }

    /// Counts a code that was typed.
    pub(super) fn typed<T>(&self, result: &Result<T, SmsError>) {
        self.typed[SmsOutcome::of(result).index()].increment(1);
    }
}
