//! The operators' plane: what they order, who signs it, and the socket through which a running gateway is asked.

mod act;
pub(crate) mod alarms;
mod client;
mod context;
pub(crate) mod counter;
pub(crate) mod homes;
pub(crate) mod orders;
#[cfg(test)]
mod root_tests;
pub(crate) mod socket;
mod vitals;

pub(crate) use act::{Act, Done};
pub(crate) use client::{ask_running, call, runs};
pub(crate) use context::{EnrolsAt, OperatorContext, Running};
pub(crate) use vitals::Vitals;
