//! Alerts about the punch log and its disk.

use protocol::metric;

use crate::{Alert, Condition, Over, page, ticket};

pub(crate) const ALERTS: &[Alert] = &[
    page("punches-lost", Condition::Above { metric: metric::LOST, limit: 0.0, over: Over::Max(3_600), by: None })
        .says(
            "{instance} does not have {value} punches that devices hold acknowledgements for",
            "Nobody is held up. Acknowledged passages are not on record: contact tracing misses them.",
        )
        .doctor_fails("the punch log has all punches that devices hold acknowledgements for", "keep the data as it is, run `changtong ledger verify`, and check whether an old copy was put back"),
    ticket("punches-unconfirmed", Condition::above(metric::UNCONFIRMED, 0.0))
        // A gateway that is restarted is back before that.
        .held(1_800)
        .says(
            "{value} acknowledged punches of devices that came to {instance} can only be at a gateway that is away",
            "Nobody is held up. Whether these passages are on record is not known until that gateway is back.",
        )
        .overview("bring the gateway back that does not run; `changtong fleet status` on each shows which"),
    // The process ends soon after: the window outlives it.
    page("ledger-poisoned", Condition::Above {
            metric: metric::LEDGER_POISONED,
            limit: 0.0,
            over: Over::Max(600),
            by: None,
        })
        .says(
            "A write or sync of the punch log failed on {instance}; the process ends with code 75",
            "The gates are cut off until it is started again; acknowledged punches are on disk. The disk may be failing.",
        )
        .doctor_fails("no write of the punch log has failed", "read the kernel's log for errors of the disk before the gateway is started again"),
    page("ledger-full", Condition::above(metric::LEDGER_FULL, 0.0))
        .says(
            "The disk of {instance} has no room for punches",
            "Colours are still shown. Punches wait in the devices, and people may wait with them, until there is room.",
        )
        .doctor_fails("the punch log has room for its next batch", "make room on the disk; the gateway goes on by itself"),
    // A day each: within it logs and copies come and go, and of less data a peak would be the whole.
    ticket("disk-filling", Condition::Query(&[
            "predict_linear(",
            metric::DISK_FREE_BYTES,
            "[1d], 345600) < 0\nand ",
            metric::DISK_FREE_BYTES,
            " offset 1d",
        ]))
        .held(3_600)
        .says(
            "The disk of {instance} is full within four days if it goes on like this",
            "Nothing yet. Once it is full no punch is acknowledged.",
        )
        .nowhere("a forecast needs a day of data; the overview shows the room that is left"),
    page("scrub-failed", Condition::never(metric::SCRUB_FAILURES, 7_200))
        .says(
            "A closed segment of the punch log on {instance} has changed since it was written",
            "Nobody is held up. Passages of that hour may be unreadable, and the gateway may not start on this log again.",
        )
        .doctor_fails("closed segments are as they were written", "run `changtong ledger verify`, which names the segment, and restore it from a backup"),
    ticket("sync-slow", Condition::Quantile {
            histogram: metric::SYNC_SECONDS,
            quantile: 0.99,
            // A healthy disk needs less for 99 of 100 syncs.
            limit: 0.2,
            within_s: 300,
        })
        .held(300)
        .says(
            "One sync in a hundred takes {value:time} on {instance}",
            "Each punch waits for a sync: the gates answer late.",
        )
        .overview("look for other programs that write to that disk, and for errors of the disk"),
    ticket("sheds", Condition::Rate {
            counter: metric::SHED,
            by: "reason",
            // Less is not noticed at the gates.
            limit: 1.0,
            within_s: 300,
        })
        .held(300)
        .says(
            "{instance} answers Busy ({reason}) {value:number} times a second",
            "Devices send again by themselves; people at these gates wait a little longer.",
        )
        .overview("look at the panels for what is full; devices send again by themselves"),
    ticket("numbers-used", Condition::never(metric::NUMBERS_USED, 3_600))
        .says(
            "A device of {instance} sent different punches under numbers that it had used",
            "One gate was answered late: its device has to number anew. Nobody was shown another person's colour.",
        )
        .overview("the log names the device: it was restored from an image, or another one uses its key"),
    ticket("punches-too-old", Condition::Older {
            metric: metric::PUNCHES_OLDEST,
            allowed: metric::RETENTION_SECONDS,
            // Punches end with their last day, and their keys within the hour after it.
            late_s: 86_400 + 3_600,
        })
        .held(3_600)
        .says(
            "{instance} still has punches that are {value:time} old",
            "People were promised that passages are deleted after 14 days. Nobody is held up.",
        )
        .overview("run `changtong doctor`, which reports why their key is still there"),
];
