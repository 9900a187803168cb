//! The name, kind, labels and help of every metric. Base units are spelled out in names; labels come from closed sets only.

/// The way in which a metric's value moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only up.
    Counter,
    /// Up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Full name.
    pub name: &'static str,
    /// The way in which its value moves.
    pub kind: Kind,
    /// Label names, each from a closed set.
    pub labels: &'static [&'static str],
    /// The meaning of its count, for `# HELP`.
    pub help: &'static str,
}

/// The word for a region that the process did not start with, and for a page that there is not.
pub const OTHER: &str = "other";

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(#[doc = $help] pub const $constant: &str = $name;)+
        /// Every metric.
        pub const ALL: &[Metric] = &[$(Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help }),+];
    };
}

metrics! {
    BUILD_INFO = Gauge "changtong_build_info" ["version"] "Always 1; the version runs as a label.";
    TEST_GATEWAY = Gauge "changtong_test_gateway" [] "1 if everybody it serves is made up: a development city, or a gateway marked as a test.";
    READY = Gauge "changtong_ready" [] "1 while the gateway answers punches and verifies.";
    PUNCHES = Counter "changtong_punches_total" ["region", "colour"] "Punches acknowledged durably, by region and colour shown.";
    VERIFIES = Counter "changtong_verifies_total" ["region", "colour"] "Scans verified without a record, by region and colour shown.";
    REQUESTS = Counter "changtong_requests_total" ["request", "outcome"] "Frames with scans, by what became of them: answered, busy, failed.";
    VERIFY_SECONDS = Histogram "changtong_verify_seconds" [] "From reading a frame of scans to verify until its answer was written.";
    PUNCH_SECONDS = Histogram "changtong_punch_seconds" [] "From reading a frame of punches until its durable answer was written.";
    REFUSED = Counter "changtong_punches_refused_total" ["region", "reason"] "Punches answered Busy; their device sends them again.";
    NOT_A_PASS_CODE = Counter "changtong_scans_rejected_total" ["reason"] "Scans that were no valid pass code.";
    SHED = Counter "changtong_shed_total" ["reason"] "Batches answered Busy.";
    PERMITS_IN_USE = Gauge "changtong_permits_in_use" ["region"] "Punches inside a region that hold a permit.";
    PERMITS_MAX = Gauge "changtong_permits_max" ["region"] "Punches that may be inside a region.";
    QUEUE_SECONDS = Histogram "changtong_queue_seconds" ["queue"] "Time in a queue: a batch before its region, the oldest act before the registrar, the oldest batch before the log.";
    REGION_PARKED = Gauge "changtong_region_parked" ["region"] "1 while a region is parked after repeated failures.";
    RESTARTS = Counter "changtong_actor_restarts_total" ["actor"] "Actors restarted after a panic or a stop.";
    POISON_BATCHES = Counter "changtong_poison_batches_total" [] "Batches that killed their region again and again and were judged punch by punch.";
    CODES = Gauge "changtong_codes" ["colour"] "Codes in memory, by colour.";
    CONNECTIONS = Gauge "changtong_connections" [] "Device connections open.";
    CONNECTIONS_MAX = Gauge "changtong_connections_max" [] "Device connections that may be open.";
    HANDSHAKES = Counter "changtong_handshakes_total" ["outcome"] "QUIC handshakes by outcome.";
    HANDSHAKE_SECONDS = Histogram "changtong_handshake_seconds" [] "From a connection's first datagram until its handshake was done.";
    HANDSHAKES_UNDER_WAY = Gauge "changtong_handshakes_under_way" [] "Handshakes that have begun and not ended.";
    HANDSHAKES_MAX = Gauge "changtong_handshakes_max" [] "Handshakes that may be under way.";
    CLOCK_DISBELIEVED = Gauge "changtong_clock_disbelieved" [] "1 while the wall clock says what it cannot: nothing ends or is destroyed by it.";
    CLOCK_STEP_SECONDS = Gauge "changtong_clock_step_seconds" [] "How far the wall clock is ahead of the time that it can be, or behind it if negative, while it is not believed; else 0.";
    CLOCK_SKEW_SECONDS = Histogram "changtong_device_clock_skew_seconds" [] "How far devices' clocks are from the gateway's, either way, at each ping.";
    CERTIFICATE_EXPIRES = Gauge "changtong_certificate_expires_timestamp_seconds" ["certificate"] "When a certificate in use ends, seconds since 1970 UTC.";
    CLOSED = Counter "changtong_connections_closed_total" ["reason"] "Connections that the gateway closed, by error name.";
    REQUEST_ERRORS = Counter "changtong_request_errors_total" ["reason"] "Requests refused, by error name.";
    QUERIES = Counter "changtong_trajectory_queries_total" ["outcome"] "Trajectory queries of devices, by what was answered.";
    QUERIES_UNDER_WAY = Gauge "changtong_trajectory_queries_under_way" [] "Trajectory queries of devices that wait for their answer.";
    QUERY_SECONDS = Histogram "changtong_trajectory_query_seconds" [] "Time from a device's trajectory query to its answer.";
    BATCH_PUNCHES = Histogram "changtong_ledger_batch_punches" [] "Punches in one synced batch.";
    SYNC_SECONDS = Histogram "changtong_ledger_sync_seconds" [] "Time of one data sync.";
    LEDGER_BYTES = Counter "changtong_ledger_written_bytes_total" [] "Bytes written to the punch log.";
    LEDGER_LSN = Gauge "changtong_ledger_lsn" [] "Log sequence number of the last durable batch.";
    LEDGER_QUEUED = Gauge "changtong_ledger_queued_punches" [] "Punches that wait for a sync.";
    LEDGER_QUEUE_MAX = Gauge "changtong_ledger_queue_punches_max" [] "Punches that may wait for a sync.";
    LEDGER_POISONED = Gauge "changtong_ledger_poisoned" [] "1 after a failed write or sync; the process exits.";
    LEDGER_FULL = Gauge "changtong_ledger_full" [] "1 while the disk has no room for the next batch.";
    DUPLICATES = Counter "changtong_punches_duplicate_total" [] "Punches sent again and answered as recorded.";
    NUMBERS_USED = Counter "changtong_punch_numbers_used_total" [] "Batches refused because a number in them stands for another punch.";
    GAPS = Counter "changtong_punch_gaps_total" [] "Batches refused because earlier punches are missing.";
    LOST = Counter "changtong_punches_lost_total" [] "Punches that a device holds an acknowledgement for and the log does not have.";
    SCRUB_FAILURES = Counter "changtong_ledger_scrub_failures_total" [] "Sealed segments that failed the background scrub.";
    RECOVERY_SECONDS = Gauge "changtong_ledger_recovery_seconds" [] "How long the last recovery of the punch log took.";
    PUNCHES_OLDEST = Gauge "changtong_punches_oldest_timestamp_seconds" [] "When the oldest punch that can still be read may have been recorded, seconds since 1970 UTC.";
    RETENTION_SECONDS = Gauge "changtong_punches_retention_seconds" [] "How long punches are kept; with the day they end in they may be a day older.";
    CAUSES = Counter "changtong_causes_total" ["kind"] "Causes set, by kind.";
    DECISIONS = Counter "changtong_decisions_total" ["authority", "colour"] "Decisions on codes, by who made them and the colour that they left.";
    COLOUR_CHANGES = Counter "changtong_colour_changes_total" ["cause", "colour"] "Codes that changed their colour, by the kind of cause that was set or cleared, or time, and the new colour.";
    COLOUR_LAG_SECONDS = Gauge "changtong_colour_lag_seconds" [] "How long the oldest colour change that was due had waited when the registrar last looked; 0 if none was due.";
    MANUAL_REDS_BURST = Gauge "changtong_manual_reds_burst" [] "1 while more people were turned red by hand within an hour than a tracing team finds.";
    LOOKUPS = Counter "changtong_lookups_total" ["lookup"] "Look-ups, lists and exports of operators, by kind.";
    LOOKUPS_REFUSED = Counter "changtong_lookups_refused_total" ["lookup"] "Look-ups refused because an operator had looked at enough for a day.";
    LOOKUP_PEOPLE = Counter "changtong_lookup_people_total" [] "People that operators looked at.";
    LOOKUPS_BURST = Gauge "changtong_lookups_burst" [] "1 while more people were looked at within an hour than a tracing team can call.";
    TAPS = Gauge "changtong_taps" [] "Operators who are shown live verdicts now.";
    APPEALS_OPEN = Gauge "changtong_appeals_open" [] "Appeals that wait for an answer.";
    APPEALS_OVERDUE = Gauge "changtong_appeals_overdue" [] "Appeals that should have been answered by now.";
    APPEALS = Counter "changtong_appeals_total" ["outcome"] "Appeals made, granted and refused.";
    REGISTRAR_PARKED = Gauge "changtong_registrar_parked" [] "1 while the registrar is parked after repeated failures.";
    REGISTRAR_ACTS = Counter "changtong_registrar_acts_total" ["outcome"] "Acts on people, consents and colours: done, refused by a rule, failed.";
    REGISTRAR_GROUP_ACTS = Histogram "changtong_registrar_group_acts" [] "Acts made durable by one sync of the registry.";
    REGISTRAR_COMMIT_SECONDS = Histogram "changtong_registrar_commit_seconds" [] "Time of one group of acts: from the first step until it is durable.";
    CARRIER_QUERIES = Counter "changtong_carrier_queries_total" ["carrier", "outcome"] "Citizens' queries of one carrier, by outcome.";
    CARRIER_SECONDS = Histogram "changtong_carrier_seconds" ["carrier", "own"] "Time of a citizen's query on the wire, connecting included, by whether the carrier said its own time: yes, no.";
    CARRIER_OWN_SECONDS = Histogram "changtong_carrier_own_seconds" ["carrier"] "Time of a citizen's query inside the carrier, as the carrier says.";
    CARRIER_WAIT_SECONDS = Histogram "changtong_carrier_wait_seconds" ["carrier"] "Time of a citizen's query inside the gateway, before it is on the wire.";
    CARRIER_RETRIES = Counter "changtong_carrier_retries_total" ["carrier"] "Queries sent a second time.";
    CARRIER_PERMITS_IN_USE = Gauge "changtong_carrier_permits_in_use" ["carrier"] "Queries of a carrier that are under way.";
    CARRIER_PERMITS_MAX = Gauge "changtong_carrier_permits_max" ["carrier"] "Queries of a carrier that may be under way.";
    CARRIER_BREAKER = Gauge "changtong_carrier_breaker" ["carrier"] "0 while a carrier's breaker is closed, 1 half open, 2 open.";
    CARRIER_PARKED = Gauge "changtong_carrier_parked" ["carrier"] "1 while a carrier's actor is parked after repeated failures.";
    CARRIER_PROBE_UP = Gauge "changtong_carrier_probe_up" ["carrier"] "1 if the last probe of a carrier's reserved number was answered.";
    CARRIER_PROBE_SECONDS = Gauge "changtong_carrier_probe_seconds" ["carrier"] "Time of the last probe on the wire.";
    CARRIER_PROBE_OWN_SECONDS = Gauge "changtong_carrier_probe_own_seconds" ["carrier"] "Time of the last probe inside the carrier, as the carrier says.";
    CODES_LOAD_SECONDS = Gauge "changtong_codes_load_seconds" [] "How long loading the codes took.";
    PAGES = Counter "changtong_pages_total" ["page", "outcome"] "Requests for pages, by part of the site and outcome: answered, moved, refused, failed.";
    PAGE_SECONDS = Histogram "changtong_page_seconds" ["page"] "From a request for a page until its answer stood.";
    SMS = Counter "changtong_sms_total" ["outcome"] "Codes by SMS that were asked for, by outcome.";
    SMS_CHECKS = Counter "changtong_sms_checks_total" ["outcome"] "Codes that were typed, by outcome.";
    LIMITED = Counter "changtong_limited_total" ["bound"] "Asked for beyond a bound, by the bound's name in gateway/BOUNDS.md.";
    BOUND_ENTRIES = Gauge "changtong_bound_entries" ["bound"] "Entries of a bounded table, by the bound's name in gateway/BOUNDS.md.";
    REGISTRY_BYTES = Gauge "changtong_registry_bytes" [] "Size of the registry's file with its log.";
    DISK_FREE_BYTES = Gauge "changtong_disk_free_bytes" [] "Room that is left on the disk of the data.";
    RELOADS = Counter "changtong_reloads_total" ["outcome"] "Times that the configuration was read again while the gateway ran: applied, refused.";
    RELOAD_FAILED = Gauge "changtong_reload_failed" [] "1 after a reload was refused, until one is applied: the files are not what is in effect.";
    PROCESS_CPU_CORES = Gauge "changtong_process_cpu_cores" [] "Processor cores that the process has used in the last seconds, on average.";
    PROCESS_RESIDENT_BYTES = Gauge "changtong_process_resident_bytes" [] "Memory of the process that is in use.";
    PROCESS_OPEN_FILES = Gauge "changtong_process_open_files" [] "Files and sockets that the process has open.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        for metric in ALL {
            assert!(metric.name.starts_with("changtong_"), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
