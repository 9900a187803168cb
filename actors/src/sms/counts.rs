//! The counts of codes by SMS: handles made once. Nothing of a phone or a code is in it.

use metrics::Counter;
use protocol::metric;

use super::SmsError;

/// The outcome of a message, or of what was typed of it; the names are labels.
#[derive(Clone, Copy)]
enum Outcome {
    Done,
    TooMany,
    Wrong,
    Incomplete,
    Gone,
    Refused,
    Busy,
    Unavailable,
}

impl Outcome {
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

    /// A code was asked for.
    pub(super) fn asked(&self, result: &Result<(), SmsError>) {
        self.asked[Outcome::of(result) as usize].increment(1);
    }

    /// A code was typed.
    pub(super) fn typed<T>(&self, result: &Result<T, SmsError>) {
        self.typed[Outcome::of(result) as usize].increment(1);
    }
}
