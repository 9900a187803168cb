//! Periods after which data is not valid any more.

/// The longest time from a consent to the form that uses its answer, seconds: an older answer decides no colour.
pub const FORM_S_MAX: u64 = 30 * 60;
/// The days for which a proof of phone and document is valid. A number is given to another person 90 days after it was given up,
/// or later.
pub const PROVEN_DAYS: u64 = 90;
/// The longest sign-in, seconds. A code is shown every day; a message for each sign-in would teach people to give codes to
/// others. Must be well below [`PROVEN_DAYS`].
pub const PROVEN_S_MAX: u64 = 30 * 24 * 3_600;
