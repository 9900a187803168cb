//! The dashboards, the alerts and the faults that make them fire, and the live overview.

mod alerts;
mod dashboards;
mod faults;
mod overview;
mod overview_of_fleet;
