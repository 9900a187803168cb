//! The load test itself against a running city: its citizens, drills, scenarios and comparisons. No speed is judged.

mod citizens;
mod connections;
mod drills;
mod fleets;
mod floor;
mod pages;
mod peers;
mod scenario;
