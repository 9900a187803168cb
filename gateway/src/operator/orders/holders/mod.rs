//! The order for people who already hold a code.

mod between;
pub(super) mod import;
