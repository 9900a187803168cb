//! Codes and decisions: which colours there are, what changes them and who; what operators do by hand, whom they look at, and what
//! citizens say against it.

use protocol::metric;

use crate::generate::dashboard::Dashboard;
use crate::generate::panel::{Unit, bars, lines, stack, stat};
use crate::generate::query::{gauge, grown, of, rate};
use crate::generate::runbook;

/// Causes that an authority sets by hand.
const BY_HAND: &str = "close-contact|diagnosis|quarantine";

pub(super) fn dashboard() -> Dashboard {
    let about = "What happens to people's colours, by what and by whom, and who is kept waiting with theirs.";
    appeals(operators(colours(Dashboard::new("codes", "Codes and decisions", about).from("now-24h"))))
}

fn colours(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Colours",
        [
            stack("Codes", Unit::Count, runbook::COLOUR_LAG)
                .about("Codes in memory, by colour.")
                .in_colours_of_codes()
                .show("{{colour}}", gauge(of(metric::CODES)).sum_by("colour")),
            stack("Changes, by new colour", Unit::PerSecond, runbook::COLOUR_LAG)
                .about("Codes that changed their colour.")
                .in_colours_of_codes()
                .show("{{colour}}", rate(of(metric::COLOUR_CHANGES)).sum_by("colour")),
            stack("Changes, by cause", Unit::PerSecond, runbook::COLOUR_LAG)
                .about(
                    "Codes that changed their colour, by the cause that was set or cleared; time \
                     ends causes.",
                )
                .show("{{cause}}", rate(of(metric::COLOUR_CHANGES)).sum_by("cause")),
            stack("Decisions, by who made them", Unit::PerSecond, runbook::MANUAL_REDS)
                .about("Decisions on codes, by who made them; operators are the authorities' own.")
                .show("{{authority}}", rate(of(metric::DECISIONS)).sum_by("authority")),
            bars("Turned red", Unit::Count, runbook::MANUAL_REDS)
                .about("Codes that turned red within the time shown, by cause.")
                .show("{{cause}}", grown(of(metric::COLOUR_CHANGES).only("colour", "red")).sum_by("cause")),
            lines("Colours that are late", Unit::Seconds, runbook::COLOUR_LAG)
                .about(
                    "How long the oldest colour change that was due had waited when the registrar \
                     last looked.",
                )
                .show("{{instance}}", gauge(of(metric::COLOUR_LAG_SECONDS)).max_by("instance")),
            lines("Causes set", Unit::PerSecond, runbook::MANUAL_REDS)
                .about("Causes that were set, by kind.")
                .show("{{kind}}", rate(of(metric::CAUSES)).sum_by("kind")),
        ],
    )
}

fn operators(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Operators",
        [
            stat("Burst of reds", Unit::Flag, runbook::MANUAL_REDS)
                .about(
                    "Whether more people were turned red by hand within an hour than a tracing \
                     team finds.",
                )
                .ill_from(1.0)
                .show("burst", gauge(of(metric::MANUAL_REDS_BURST)).max()),
            stat("Burst of look-ups", Unit::Flag, runbook::LOOKUPS_BURST)
                .about(
                    "Whether more people were looked at within an hour than a tracing team can \
                     call.",
                )
                .ill_from(1.0)
                .show("burst", gauge(of(metric::LOOKUPS_BURST)).max()),
            stat("Red by hand", Unit::Count, runbook::MANUAL_REDS)
                .about("Codes that operators turned red within the time shown.")
                .show(
                    "people",
                    grown(of(metric::COLOUR_CHANGES).only("cause", BY_HAND).only("colour", "red")).sum(),
                ),
            stat("People looked at", Unit::Count, runbook::LOOKUPS_BURST)
                .about("People that operators looked at within the time shown.")
                .show("people", grown(of(metric::LOOKUP_PEOPLE)).sum()),
            stat("Refused look-ups", Unit::Count, runbook::LOOKUPS_REFUSED)
                .about(
                    "Look-ups refused within the time shown, because an operator had looked at \
                     enough for a day.",
                )
                .limits(1.0, 10.0)
                .show("refused", grown(of(metric::LOOKUPS_REFUSED)).sum()),
            stat("Taps", Unit::Count, runbook::LOOKUPS_BURST)
                .about("Operators who are shown live verdicts now, masked and on record.")
                .show("taps", gauge(of(metric::TAPS)).sum()),
            stack("Look-ups", Unit::PerSecond, runbook::LOOKUPS_BURST)
                .about("Look-ups, lists and exports of operators, by kind.")
                .show("{{lookup}}", rate(of(metric::LOOKUPS)).sum_by("lookup")),
            stack("Causes by hand", Unit::PerSecond, runbook::MANUAL_REDS)
                .about("Causes that authorities set by hand, by kind.")
                .show("{{kind}}", rate(of(metric::CAUSES).only("kind", BY_HAND)).sum_by("kind")),
        ],
    )
}

fn appeals(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Appeals",
        [
            stat("Open", Unit::Count, runbook::APPEALS_OVERDUE)
                .about("Appeals that wait for an answer.")
                .show("open", gauge(of(metric::APPEALS_OPEN)).sum()),
            stat("Overdue", Unit::Count, runbook::APPEALS_OVERDUE)
                .about(
                    "Appeals that should have been answered by now; somebody may be kept at home \
                     meanwhile.",
                )
                .ill_from(1.0)
                .show("overdue", gauge(of(metric::APPEALS_OVERDUE)).sum()),
            bars("Made and answered", Unit::Count, runbook::APPEALS_OVERDUE)
                .about("Appeals that were made, granted and refused within the time shown.")
                .show("{{outcome}}", grown(of(metric::APPEALS)).sum_by("outcome")),
        ],
    )
}
