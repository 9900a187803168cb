//! Alerts about the service level objectives: answers at the gates, and the time that they take.

use protocol::metric;

use crate::{Alert, Bad, Condition, Objective, page};

const fn objective(id: &'static str, bad: Bad, slack_ppm: u32) -> Alert {
    page(id, Condition::Burns(Objective { bad, slack_ppm }))
}

const AVAILABILITY: &str =
    "look at the panels for what is full, failed or parked; devices send again by themselves";
const LATENCY: &str =
    "look at the processor, the sync time of the punch log, and other programs on this machine";

pub(crate) const ALERTS: &[Alert] = &[
    objective("verify-availability", Bad::NotAnswered { request: "verify" }, 500)
        .says(
            "Too many verifies on {instance} are not answered",
            "Promised are 99.95 % of verifies. Staff at some gates see no colour and have to decide by looking at a document.",
        )
        .overview(AVAILABILITY),
    objective("punch-availability", Bad::NotAnswered { request: "punch" }, 1_000)
        .says(
            "Too many punches on {instance} are answered Busy or not at all",
            "Promised are 99.9 % of punches. Devices keep their punches and send them again, so nothing is lost, but people wait at the gates.",
        )
        .overview(AVAILABILITY),
    objective("verify-latency", Bad::SlowerThan { answers: metric::VERIFY_SECONDS, limit_ms: 50 }, 10_000)
        .says(
            "Too many verifies on {instance} take more than 50 ms",
            "Promised are 50 ms for 99 % of verifies. The gates answer late; queues grow at the busiest ones first.",
        )
        .overview(LATENCY),
    objective("punch-latency", Bad::SlowerThan { answers: metric::PUNCH_SECONDS, limit_ms: 250 }, 10_000)
        .says(
            "Too many punches on {instance} take more than 250 ms",
            "Promised are 250 ms for 99 % of punches. Each person stands at the gate a moment longer; in the morning these moments add up.",
        )
        .overview(LATENCY),
];
