//! The report of a run, drawn from its [`crate::outcome::Report`]: as text for a terminal, and as one HTML file.

pub mod html;
pub mod scenario;
pub(crate) mod words;
