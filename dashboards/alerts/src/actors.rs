//! Alerts about the supervised actors: regions and the registrar.

use protocol::metric;

use crate::{Alert, Condition, Over, page, ticket};

const RESTART: &str =
    "the log names the source line of the panic; the gateway tries again when it is started anew";

/// The age of a gateway's colours that wakes a person. Another leader needs about four seconds, and a broker's server that is started again some
/// more; behind that nothing heals by itself, and people who are due to turn green are held up.
pub const COLOURS_AGE_PAGE_S: f64 = 60.0;

pub(crate) const ALERTS: &[Alert] = &[
    page("region-parked", Condition::parked(metric::REGION_PARKED))
        .held(60)
        .says(
            "Region {region} on {instance} is parked after repeated failures",
            "Gates of this region show colours and record nothing: their devices keep the punches. Other regions are well.",
        )
        .doctor_fails("no region is parked", RESTART),
    page("registrar-parked", Condition::parked(metric::REGISTRAR_PARKED))
        .held(60)
        .says(
            "The registrar of {instance} is parked after repeated failures",
            "Nobody can apply or modify, and no colour changes: people who are due to turn green stay red. Gates go on as before.",
        )
        .doctor_fails("the registrar is not parked", RESTART),
    page("fleet-adrift", Condition::above(metric::FLEET_COLOURS_AGE_SECONDS, COLOURS_AGE_PAGE_S))
        .says(
            "{instance} shows the colours of its fleet from {value:time} ago",
            "It does not follow a leader, or is far behind: its gates show the colours as they were, and forms and orders may be refused there. Punches and verifies go on.",
        )
        .overview("`changtong fleet status` names the cause"),
    ticket("fleet-lag", Condition::above(metric::FLEET_LAG, 1_000.0))
        .held(120)
        .says(
            "{instance} is {value:number} messages behind its fleet",
            "Its gates show colours that have changed elsewhere as they were.",
        )
        .overview("check whether its disk is slow; a gateway that has just joined catches up by itself"),
    ticket("fleet-copy", Condition::above(metric::FLEET_COPY_AGE_SECONDS, 60.0))
        .held(60)
        .says(
            "The second copy of the punches of {instance} is {value:time} behind",
            "If its machine is lost now, so are those passages. With `acknowledge = \"replicated\"` its gates are answered Busy meanwhile.",
        )
        .overview("`changtong fleet status` names the cause"),
    page("registrar-failing", Condition::failing(metric::REGISTRAR_ACTS))
        .held(120)
        .says(
            "{value:share} of acts on people and colours fail on {instance}",
            "Citizens' forms and operators' orders are not taken. Gates show the colours as they were.",
        )
        .overview("read the log, and check whether the disk of the registry is full or failing"),
    // A colour that is due changes within a second.
    page("colour-lag", Condition::above(metric::COLOUR_LAG_SECONDS, 30.0))
        .held(120)
        .says(
            "Colours on {instance} change {value:time} late",
            "People whose cause has ended are still shown red, and are held up at the gates without reason.",
        )
        .overview("check whether the registrar is parked, and whether the registry's disk is slow"),
    ticket("actor-restarts", Condition::Above {
            metric: metric::RESTARTS,
            limit: 0.0,
            over: Over::Growth(900),
            by: Some("actor"),
        })
        .says(
            "{actor} panicked on {instance} and was restarted",
            "No acknowledged punch was lost; a few people waited for a second. It is a fault of the program.",
        )
        .overview("report the line `panic` of the log, which names the source line"),
    ticket("poison-batches", Condition::never(metric::POISON_BATCHES, 3_600))
        .says(
            "{instance} recorded punches that it could not judge",
            "At one gate the staff were told to decide by themselves. The passages are on record.",
        )
        .overview("report the line `panic` of the log; the passages are on record"),
];
