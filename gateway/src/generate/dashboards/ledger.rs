//! The punch log and the registry: what acknowledgements and decisions stand on. Syncs, room, retention, and the proofs that nothing
//! is lost.

use protocol::metric;

use crate::generate::dashboard::Dashboard;
use crate::generate::panel::{Unit, lines, stat};
use crate::generate::query::{gauge, grown, mean, of, quantile, rate, reached, samples};
use crate::generate::runbook;

pub(super) fn dashboard() -> Dashboard {
    let about = "Whether what is acknowledged is on disk, how fast it gets there, and how long it stays.";
    registry(room(syncs(proof(Dashboard::new("ledger", "Ledger and registry", about)))))
}

fn proof(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Nothing is lost",
        [
            stat("Punches lost", Unit::Count, runbook::PUNCHES_LOST)
                .about(
                    "Punches that a device holds an acknowledgement for and the log does not \
                     have: the most that was known of within the time shown.",
                )
                .ill_from(1.0)
                .show("lost", reached(of(metric::LOST)).sum()),
            stat("Failed", Unit::Flag, runbook::LEDGER_POISONED)
                .about("Whether a write or sync has failed; that process ends.")
                .ill_from(1.0)
                .show("failed", gauge(of(metric::LEDGER_POISONED)).max()),
            stat("Scrub", Unit::Count, runbook::SCRUB_FAILED)
                .about(
                    "Sealed segments that were found to be other than they were written, within \
                     the time shown.",
                )
                .ill_from(1.0)
                .show("failures", grown(of(metric::SCRUB_FAILURES)).sum()),
            stat("Recovery", Unit::Seconds, runbook::RESTART_STORM)
                .about("How long the last recovery of a punch log took.")
                .show("longest", gauge(of(metric::RECOVERY_SECONDS)).max()),
            stat("Loading codes", Unit::Seconds, runbook::NOT_READY)
                .about("How long the last loading of the codes took.")
                .show("longest", gauge(of(metric::CODES_LOAD_SECONDS)).max()),
            stat("Older than kept", Unit::Duration, runbook::PUNCHES_TOO_OLD)
                .about(
                    "How much older the oldest readable punch is than punches are kept; a day of \
                     it is the day they end in.",
                )
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
            lines("Time of a sync", Unit::Seconds, runbook::SYNC_SLOW)
                .about("Time of one data sync.")
                .show("p50", quantile(0.5, &of(metric::SYNC_SECONDS)))
                .show("p99", quantile(0.99, &of(metric::SYNC_SECONDS))),
            lines("Syncs", Unit::PerSecond, runbook::SYNC_SLOW)
                .about("Batches that were made durable.")
                .show("syncs", samples(&of(metric::SYNC_SECONDS)).sum()),
            lines("Punches in a sync", Unit::Count, runbook::SYNC_SLOW)
                .about("Punches that one sync made durable: larger when the disk is slower.")
                .show("mean", mean(&of(metric::BATCH_PUNCHES)))
                .show("p99", quantile(0.99, &of(metric::BATCH_PUNCHES))),
            lines("Waiting for a sync", Unit::Ratio, runbook::SHEDS)
                .about("Punches that wait of those that may; beyond it they are answered Busy.")
                .show("full", queued.share_of(gauge(of(metric::LEDGER_QUEUE_MAX)).sum())),
            lines("Written", Unit::BytesPerSecond, runbook::DISK_FILLING)
                .about("Bytes that are written to the punch logs.")
                .show("{{instance}}", rate(of(metric::LEDGER_BYTES)).sum_by("instance")),
            lines("Batches so far", Unit::Count, runbook::SYNC_SLOW)
                .about("Log sequence number of the last durable batch.")
                .show("{{instance}}", gauge(of(metric::LEDGER_LSN)).max_by("instance")),
            lines("Sent again, and gaps", Unit::PerSecond, runbook::PUNCH_AVAILABILITY)
                .about(
                    "Punches that were recorded already, and batches whose forerunners are \
                     missing.",
                )
                .show("sent again", rate(of(metric::DUPLICATES)).sum())
                .show("gaps", rate(of(metric::GAPS)).sum()),
            stat("Used numbers", Unit::Count, runbook::NUMBERS_USED)
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
            stat("Full", Unit::Flag, runbook::LEDGER_FULL)
                .about("Whether a punch log's disk has no room.")
                .ill_from(1.0)
                .show("full", gauge(of(metric::LEDGER_FULL)).max()),
            stat("Kept for", Unit::Duration, runbook::PUNCHES_TOO_OLD)
                .about("How long punches are kept.")
                .show("kept", gauge(of(metric::RETENTION_SECONDS)).max()),
            stat("Oldest punch", Unit::Duration, runbook::PUNCHES_TOO_OLD)
                .about(
                    "How old the oldest punch may be that can still be read: its day began so \
                     long ago.",
                )
                .show("age", gauge(of(metric::PUNCHES_OLDEST)).min().age()),
            lines("Room on the disk", Unit::Bytes, runbook::DISK_FILLING)
                .about("Room that is left on the disk of the data.")
                .show("{{instance}}", gauge(of(metric::DISK_FREE_BYTES)).min_by("instance")),
            lines("Open files", Unit::Count, runbook::RESTART_STORM)
                .about("Files and sockets that each gateway has open.")
                .show("{{instance}}", gauge(of(metric::PROCESS_OPEN_FILES)).max_by("instance")),
        ],
    )
}

fn registry(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Registry",
        [
            lines("Size", Unit::Bytes, runbook::DISK_FILLING)
                .about("Size of the registry's file with its log.")
                .show("{{instance}}", gauge(of(metric::REGISTRY_BYTES)).max_by("instance")),
            lines("Time of a group of acts", Unit::Seconds, runbook::REGISTRAR_FAILING)
                .about("From a group's first step until it is durable.")
                .show("p50", quantile(0.5, &of(metric::REGISTRAR_COMMIT_SECONDS)))
                .show("p99", quantile(0.99, &of(metric::REGISTRAR_COMMIT_SECONDS))),
            lines("Acts", Unit::PerSecond, runbook::REGISTRAR_FAILING)
                .about("Changes of the registry, by outcome.")
                .show("{{outcome}}", rate(of(metric::REGISTRAR_ACTS)).sum_by("outcome")),
        ],
    )
}
