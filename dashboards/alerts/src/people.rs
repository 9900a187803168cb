//! Alerts about acts of operators, and about citizens who wait.

use protocol::metric;

use crate::{Alert, Condition, Over, page, ticket};

pub(crate) const ALERTS: &[Alert] = &[
    page("manual-reds-burst", Condition::above(metric::MANUAL_REDS_BURST, 0.0))
        .says(
            "More people were turned red by hand within an hour on {instance} than a tracing team finds",
            "If it is a mistake, or abuse, more than a hundred people are being held at the gates now.",
        )
        .overview("ask the operators now: people are held at the gates"),
    page("lookups-burst", Condition::above(metric::LOOKUPS_BURST, 0.0))
        .says(
            "Operators looked at more people within an hour on {instance} than a tracing team can call",
            "Nobody is held up. An operator may be reading where people were, without a reason.",
        )
        .overview("the lines `order` of the log name the operators; the runbook explains them"),
    ticket("lookups-refused", Condition::Above {
            metric: metric::LOOKUPS_REFUSED,
            limit: 0.0,
            over: Over::Growth(3_600),
            by: None,
        })
        .says(
            "An operator of {instance} has used up a day's look-ups and was refused more ({lookup})",
            "Nobody is held up. Either the work needs a second operator, or an operator looks without a reason.",
        )
        .overview("ask whether the work needs a second operator; the lines `order` of the log name the first"),
    // The bounds of all strangers together: no single network can use them up.
    page("sign-in-flood", Condition::Query(&[
            "sum by (instance) (increase(",
            metric::LIMITED,
            "{bound=~\"sms-all|wrong-all\"}[5m])) > 0",
        ]))
        .says(
            "Many networks together ask {instance} for codes by SMS, or guess at them, beyond what a city does",
            "People whose browser has never signed in wait for their code, or have one try for it. Everybody else signs in as ever.",
        )
        .nowhere("the pages' dashboard shows the bound that is used up"),
    ticket("appeals-overdue", Condition::above(metric::APPEALS_OVERDUE, 0.0))
        .held(300)
        .says(
            "{value} appeals on {instance} should have been answered by now",
            "Each is by a person who says that they are held for no reason, and has waited for three days.",
        )
        .overview("answer them: `changtong appeal list`"),
];
