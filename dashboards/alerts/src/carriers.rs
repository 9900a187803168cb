//! Alerts about trajectory queries. `(them)` and `(us)` in a summary name the side that has to act.

use protocol::metric;

use crate::{Alert, Condition, Least, Over, ticket};

pub(crate) const ALERTS: &[Alert] = &[
    ticket("carrier-failing", Condition::Either {
            by: "carrier",
            of: &[
                // Not closed: the carrier is not asked, or with one query at a time.
                Condition::Above {
                    metric: metric::CARRIER_BREAKER,
                    limit: 0.0,
                    over: Over::Min(120),
                    by: Some("carrier"),
                },
                // More than half: it refuses this gateway, not some people. The breaker stays closed, because it answers.
                Condition::Share {
                    counter: metric::CARRIER_QUERIES,
                    by: Some("carrier"),
                    outcomes: &["refused"],
                    limit: 0.5,
                    least: Least::One,
                    within_s: 300,
                },
            ],
        })
        .held(60)
        .says(
            "{carrier} does not answer {instance}, or refuses its queries (them)",
            "Its subscribers get no answer: they declare for themselves, or show the carrier's own travel page. Gates are as fast as ever.",
        )
        .doctor_warns("every carrier answers, or was not asked", "call the carrier; citizens are shown its own page meanwhile. If it refuses, it may not accept our certificate or key"),
    // Sums have no label `job`, gauges do: without `max by` one carrier would be two alerts.
    ticket("carrier-waiting", Condition::Query(&[
            "(\n  histogram_quantile(0.9, sum by (instance, carrier, le) (rate(",
            metric::CARRIER_WAIT_SECONDS,
            "_bucket[5m]))) > 0.5\n  or on (instance, carrier)\n  max by (instance, carrier) (",
            metric::CARRIER_PERMITS_IN_USE,
            ") / (max by (instance, carrier) (",
            metric::CARRIER_PERMITS_MAX,
            ") > 0) > 0.9\n)\nunless on (instance, carrier) max by (instance, carrier) (",
            metric::CARRIER_BREAKER,
            ") > 0",
        ]))
        .held(300)
        .says(
            "Queries of {carrier} wait on {instance} before they are sent (us)",
            "Citizens wait for an answer that the carrier would give, or are told to ask again. Gates are as fast as ever.",
        )
        .nowhere("the overview's table of carriers shows how long each one's queries wait here"),
    ticket("carrier-parked", Condition::parked(metric::CARRIER_PARKED))
        .held(60)
        .says(
            "The actor of {carrier} on {instance} is parked after repeated failures (us)",
            "Its subscribers get no answer and declare for themselves. Other carriers and the gates are well.",
        )
        .doctor_fails("no carrier is parked", "the log names the source line of the panic; the gateway tries again when it is started anew"),
];
