//! The order for people who already hold a code.

pub(super) mod import;
