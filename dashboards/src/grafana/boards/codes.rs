//! The dashboard of codes and decisions: colours and their changes, acts and look-ups of operators, appeals.

use protocol::metric;

use crate::grafana::dashboard::Dashboard;
use crate::grafana::panel::{Unit, bars, lines, stack, stat};
use crate::grafana::query::{gauge, grown, of, rate};

/// Causes that an authority sets by hand.
const BY_HAND: &str = "close-contact|diagnosis|quarantine";

pub(super) fn dashboard() -> Dashboard {
    let about = "Changes of people's colours and their authors, acts of operators, and appeals.";
    appeals(operators(colours(Dashboard::new("codes", "Codes and decisions", about).from("now-24h"))))
}

fn colours(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Colours",
        [
            stack("Codes", Unit::Count, "colour-lag")
                .about("Codes in memory, by colour.")
                .in_colours_of_codes()
                .show("{{colour}}", gauge(of(metric::CODES)).sum_by("colour")),
            stack("Changes, by new colour", Unit::PerSecond, "colour-lag")
                .about("Codes that changed their colour.")
                .in_colours_of_codes()
                .show("{{colour}}", rate(of(metric::COLOUR_CHANGES)).sum_by("colour")),
            stack("Changes, by cause", Unit::PerSecond, "colour-lag")
                .about(
                    "Codes that changed their colour, by the cause that was set or cleared; time \
                     ends causes.",
                )
                .show("{{cause}}", rate(of(metric::COLOUR_CHANGES)).sum_by("cause")),
            stack("Decisions, by who made them", Unit::PerSecond, "manual-reds-burst")
                .about("Decisions on codes by author; operators belong to the authorities.")
                .show("{{authority}}", rate(of(metric::DECISIONS)).sum_by("authority")),
            bars("Turned red", Unit::Count, "manual-reds-burst")
                .about("Codes that turned red within the time shown, by cause.")
                .show("{{cause}}", grown(of(metric::COLOUR_CHANGES).only("colour", "red")).sum_by("cause")),
            lines("Colours that are late", Unit::Seconds, "colour-lag")
                .about("Time that the oldest due colour change had waited at the last turn of the registrar.")
                .show("{{instance}}", gauge(of(metric::COLOUR_LAG_SECONDS)).max_by("instance")),
            lines("Causes set", Unit::PerSecond, "manual-reds-burst")
                .about("Causes that were set, by kind.")
                .show("{{kind}}", rate(of(metric::CAUSES)).sum_by("kind")),
        ],
    )
}

fn operators(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Operators",
        [
            stat("Burst of reds", Unit::Flag, "manual-reds-burst")
                .about("Yes if more people were turned red by hand within an hour than a tracing team finds.")
                .ill_from(1.0)
                .show("burst", gauge(of(metric::MANUAL_REDS_BURST)).max()),
            stat("Burst of look-ups", Unit::Flag, "lookups-burst")
                .about("Yes if operators looked at more people within an hour than a tracing team can call.")
                .ill_from(1.0)
                .show("burst", gauge(of(metric::LOOKUPS_BURST)).max()),
            stat("Red by hand", Unit::Count, "manual-reds-burst")
                .about("Codes that operators turned red within the time shown.")
                .show(
                    "people",
                    grown(of(metric::COLOUR_CHANGES).only("cause", BY_HAND).only("colour", "red")).sum(),
                ),
            stat("People looked at", Unit::Count, "lookups-burst")
                .about("People that operators looked at within the time shown.")
                .show("people", grown(of(metric::LOOKUP_PEOPLE)).sum()),
            stat("Refused look-ups", Unit::Count, "lookups-refused")
                .about(
                    "Look-ups refused within the time shown, because an operator had looked at \
                     enough for a day.",
                )
                .limits(1.0, 10.0)
                .show("refused", grown(of(metric::LOOKUPS_REFUSED)).sum()),
            stat("Taps", Unit::Count, "lookups-burst")
                .about("Operators with an open tap: live verdicts, masked and on record.")
                .show("taps", gauge(of(metric::TAPS)).sum()),
            stack("Look-ups", Unit::PerSecond, "lookups-burst")
                .about("Look-ups, lists and exports of operators, by kind.")
                .show("{{lookup}}", rate(of(metric::LOOKUPS)).sum_by("lookup")),
            stack("Causes by hand", Unit::PerSecond, "manual-reds-burst")
                .about("Causes that authorities set by hand, by kind.")
                .show("{{kind}}", rate(of(metric::CAUSES).only("kind", BY_HAND)).sum_by("kind")),
        ],
    )
}

fn appeals(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Appeals",
        [
            stat("Open", Unit::Count, "appeals-overdue")
                .about("Appeals that wait for an answer.")
                .show("open", gauge(of(metric::APPEALS_OPEN)).sum()),
            stat("Overdue", Unit::Count, "appeals-overdue")
                .about(
                    "Appeals that should have been answered by now; somebody may be kept at home \
                     meanwhile.",
                )
                .ill_from(1.0)
                .show("overdue", gauge(of(metric::APPEALS_OVERDUE)).sum()),
            bars("Made and answered", Unit::Count, "appeals-overdue")
                .about("Appeals that were made, granted and refused within the time shown.")
                .show("{{outcome}}", grown(of(metric::APPEALS)).sum_by("outcome")),
        ],
    )
}
