//! The floor: raw QUIC under the same shape of load, so that a figure of the gateway is a ratio from one run.

pub mod server;
