//! Orders about what citizens appeal against: they go to the authority that set the cause.

pub(super) mod answer;
pub(super) mod list;
