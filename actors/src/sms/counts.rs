//! Counters of codes by SMS, registered once. They hold nothing of a phone or a code.

use metrics::Counter;
use protocol::metric;

use super::SmsError;

/// The outcome of a code that was asked for or typed; the names are labels.
#[derive(Clone, Copy)]
enum SmsOutcome {
    Done,
    TooMany,
    Wrong,
    Incomplete,
    Gone,
    Refused,
    Busy,
    Unavailable,
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

const ASKED: [&str; 8] =
    ["sent", "too-many", "wrong", "incomplete", "gone", "refused", "busy", "unavailable"];
const TYPED: [&str; 8] =
    ["right", "too-many", "wrong", "incomplete", "gone", "refused", "busy", "unavailable"];

pub(super) struct SmsMetrics {
    asked: [Counter; 8],
    typed: [Counter; 8],
}

impl SmsMetrics {
    pub(super) fn new() -> Self {
        Self {
            asked: ASKED.map(|outcome| metrics::counter!(metric::SMS, "outcome" => outcome)),
            typed: TYPED.map(|outcome| metrics::counter!(metric::SMS_CHECKS, "outcome" => outcome)),
        }
    }

    /// Counts a code that was asked for.
    pub(super) fn asked(&self, result: &Result<(), SmsError>) {
        self.asked[SmsOutcome::of(result) as usize].increment(1);
    }

    /// Counts a code that was typed.
    pub(super) fn typed<T>(&self, result: &Result<T, SmsError>) {
        self.typed[SmsOutcome::of(result) as usize].increment(1);
    }
}
