//! Checks that run when an operator asks for them: `doctor`, and the probes of `check-config --online`.

pub(crate) mod doctor;
pub(crate) mod fleet;
pub(crate) mod probes;
