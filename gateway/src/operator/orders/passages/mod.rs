//! Orders that show passages: those of a place, all of the punch log or of a lost gateway's copy, and verdicts while they are given.

pub(super) mod at_place;
pub(super) mod export;
pub(super) mod recover;
pub(super) mod tap;
