//! Periods after which rows no longer count.

/// The longest time from a consent to the form that rests on it, seconds: an older answer is too old to rest a colour on.
pub const FORM_S_MAX: u64 = 30 * 60;
/// Days for which a proof of a phone with the document counts. A number is given to somebody else 90 days after it was given up at
/// the earliest.
pub const PROVEN_DAYS: u64 = 90;
/// The longest sign-in, seconds: a code is shown every day, and a message for each would teach people to give codes away. Well below
/// [`PROVEN_DAYS`].
pub const PROVEN_S_MAX: u64 = 30 * 24 * 3_600;
