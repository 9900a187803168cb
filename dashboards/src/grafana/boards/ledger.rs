//! The dashboard of the punch log and the registry: losses, syncs, room, retention.

use protocol::metric;

use crate::grafana::dashboard::Dashboard;
use crate::grafana::panel::{Unit, lines, stat};
use crate::grafana::query::{gauge, grown, mean, of, quantile, rate, reached, samples};

pub(super) fn dashboard() -> Dashboard {
    let about = "Durability, sync time and retention of punches and decisions.";
    registry(room(syncs(proof(Dashboard::new("ledger", "Ledger and registry", about)))))
}

fn proof(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Nothing is lost",
        [
            stat("Punches lost", Unit::Count, "punches-lost")
                .about(
                    "Punches that a device holds an acknowledgement for and the log does not \
                     have: the most that was known of within the time shown.",
                )
                .ill_from(1.0)
                .show("lost", reached(of(metric::LOST)).sum()),
            stat("Unconfirmed", Unit::Count, "punches-unconfirmed")
                .about(
                    "Punches that a device holds an acknowledgement for and that only a gateway \
                     of the fleet that is away can have.",
                )
                .ill_from(1.0)
                .show("unconfirmed", gauge(of(metric::UNCONFIRMED)).sum()),
            lines("Held elsewhere", Unit::PerSecond, "punches-unconfirmed")
                .about("Punches that devices which came from another gateway were acknowledged there.")
                .show("{{instance}}", rate(of(metric::HELD_ELSEWHERE)).sum_by("instance")),
            stat("Failed", Unit::Flag, "ledger-poisoned")
                .about("Yes if a write or sync has failed; that process ends.")
                .ill_from(1.0)
                .show("failed", gauge(of(metric::LEDGER_POISONED)).max()),
            stat("Scrub", Unit::Count, "scrub-failed")
                .about(
                    "Sealed segments that were found to be other than they were written, within \
                     the time shown.",
                )
                .ill_from(1.0)
                .show("failures", grown(of(metric::SCRUB_FAILURES)).sum()),
            stat("Recovery", Unit::Seconds, "restart-storm")
                .about("Time of the last recovery of a punch log.")
                .show("longest", gauge(of(metric::RECOVERY_SECONDS)).max()),
            stat("Loading codes", Unit::Seconds, "not-ready")
                .about("Time of the last loading of the codes.")
                .show("longest", gauge(of(metric::CODES_LOAD_SECONDS)).max()),
            stat("Older than kept", Unit::Duration, "punches-too-old")
                .about("Age of the oldest readable punch beyond the retention; up to a day is normal.")
                .limits(86_400.0, 2.0 * 86_400.0)
                .show(
                    "too old",
                    gauge(of(metric::PUNCHES_OLDEST))
                        .min()
                        .age()
                        .minus(&gauge(of(metric::RETENTION_SECONDS)).max()),
                ),
        ],
    )
}

fn syncs(dashboard: Dashboard) -> Dashboard {
    let queued = gauge(of(metric::LEDGER_QUEUED)).sum();
    dashboard.row(
        "Syncs",
        [
            lines("Time of a sync", Unit::Seconds, "sync-slow")
                .about("Time of one data sync.")
                .show("p50", quantile(0.5, &of(metric::SYNC_SECONDS)))
                .show("p99", quantile(0.99, &of(metric::SYNC_SECONDS))),
            lines("Syncs", Unit::PerSecond, "sync-slow")
                .about("Batches that were made durable.")
                .show("syncs", samples(&of(metric::SYNC_SECONDS)).sum()),
            lines("Punches in a sync", Unit::Count, "sync-slow")
                .about("Punches that one sync made durable: larger when the disk is slower.")
                .show("mean", mean(&of(metric::BATCH_PUNCHES)))
                .show("p99", quantile(0.99, &of(metric::BATCH_PUNCHES))),
            lines("Waiting for a sync", Unit::Ratio, "sheds")
                .about("Waiting punches as a share of the maximum; beyond it punches are answered Busy.")
                .show("full", queued.share_of(gauge(of(metric::LEDGER_QUEUE_MAX)).sum())),
            lines("Written", Unit::BytesPerSecond, "disk-filling")
                .about("Bytes that are written to the punch logs.")
                .show("{{instance}}", rate(of(metric::LEDGER_BYTES)).sum_by("instance")),
            lines("Batches so far", Unit::Count, "sync-slow")
                .about("Log sequence number of the last durable batch.")
                .show("{{instance}}", gauge(of(metric::LEDGER_LSN)).max_by("instance")),
            lines("Sent again, and gaps", Unit::PerSecond, "punch-availability")
                .about(
                    "Punches that were recorded already, and batches whose forerunners are \
                     missing.",
                )
                .show("sent again", rate(of(metric::DUPLICATES)).sum())
                .show("gaps", rate(of(metric::GAPS)).sum()),
            stat("Used numbers", Unit::Count, "numbers-used")
                .about(
                    "Batches refused within the time shown, because a number in them stands for \
                     another punch.",
                )
                .limits(1.0, 10.0)
                .show("batches", grown(of(metric::NUMBERS_USED)).sum()),
        ],
    )
}

fn room(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Room and retention",
        [
            stat("Full", Unit::Flag, "ledger-full")
                .about("Yes if a punch log's disk has no room.")
                .ill_from(1.0)
                .show("full", gauge(of(metric::LEDGER_FULL)).max()),
            stat("Kept for", Unit::Duration, "punches-too-old")
                .about("Retention of punches.")
                .show("kept", gauge(of(metric::RETENTION_SECONDS)).max()),
            stat("Oldest punch", Unit::Duration, "punches-too-old")
                .about("Time since the beginning of the day of the oldest readable punch.")
                .show("age", gauge(of(metric::PUNCHES_OLDEST)).min().age()),
            lines("Room on the disk", Unit::Bytes, "disk-filling")
                .about("Room that is left on the disk of the data.")
                .show("{{instance}}", gauge(of(metric::DISK_FREE_BYTES)).min_by("instance")),
            lines("Open files", Unit::Count, "restart-storm")
                .about("Files and sockets that each gateway has open.")
                .show("{{instance}}", gauge(of(metric::PROCESS_OPEN_FILES)).max_by("instance")),
        ],
    )
}

fn registry(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Registry",
        [
            lines("Size", Unit::Bytes, "disk-filling")
                .about("Size of the registry's file with its log.")
                .show("{{instance}}", gauge(of(metric::REGISTRY_BYTES)).max_by("instance")),
            lines("Time of a group of acts", Unit::Seconds, "registrar-failing")
                .about("From a group's first step until it is durable.")
                .show("p50", quantile(0.5, &of(metric::REGISTRAR_COMMIT_SECONDS)))
                .show("p99", quantile(0.99, &of(metric::REGISTRAR_COMMIT_SECONDS))),
            lines("Acts", Unit::PerSecond, "registrar-failing")
                .about("Changes of the registry, by outcome.")
                .show("{{outcome}}", rate(of(metric::REGISTRAR_ACTS)).sum_by("outcome")),
        ],
    )
}
