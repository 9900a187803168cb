//! The name, type, labels and help of every metric. Names contain the base unit; label values come from closed sets only.
//!
//! One more metric is a line here, the place that counts it (a counter is registered at zero), a panel in `dashboards/src/grafana/boards/`,
//! and for a histogram its buckets in `gateway/src/telemetry/mod.rs`. Tests look for each of these.

/// The Prometheus type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value that only increases.
    Counter,
    /// A value that increases and decreases.
    Gauge,
    /// A distribution.
    Histogram,
}

/// A metric's definition.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The full name.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// The label names, each with a closed set of values.
    pub labels: &'static [&'static str],
    /// The text for `# HELP`.
    pub help: &'static str,
}

/// The label value of a region that the process did not start with, and of an unknown page.
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
    TEST_GATEWAY = Gauge "changtong_test_gateway" [] "1 if all people in it are synthetic: a development city, or a gateway marked as a test.";
    READY = Gauge "changtong_ready" [] "1 while the gateway answers punches and verifies.";
    PUNCHES = Counter "changtong_punches_total" ["region", "colour"] "Punches acknowledged durably, by region and colour shown.";
    VERIFIES = Counter "changtong_verifies_total" ["region", "colour"] "Scans verified without a record, by region and colour shown.";
    REQUESTS = Counter "changtong_requests_total" ["request", "outcome"] "Frames with scans, by outcome: answered, busy, failed.";
    VERIFY_SECONDS = Histogram "changtong_verify_seconds" [] "Time from reading a frame of scans to verify to writing its answer.";
    PUNCH_SECONDS = Histogram "changtong_punch_seconds" [] "Time from reading a frame of punches to writing its durable answer.";
    REFUSED = Counter "changtong_punches_refused_total" ["region", "reason"] "Punches answered Busy; their device sends them again.";
    NOT_A_PASS_CODE = Counter "changtong_scans_rejected_total" ["reason"] "Scans that were no valid pass code.";
    SHED = Counter "changtong_shed_total" ["reason"] "Batches answered Busy.";
    PERMITS_IN_USE = Gauge "changtong_permits_in_use" ["region"] "Punches inside a region that hold a permit.";
    PERMITS_MAX = Gauge "changtong_permits_max" ["region"] "Maximum of punches inside a region, on all fronts together.";
    QUEUE_SECONDS = Histogram "changtong_queue_seconds" ["queue"] "Time in a queue: of a batch before its region, of the oldest act before the registrar, of the oldest batch before the log.";
    REGION_PARKED = Gauge "changtong_region_parked" ["region"] "1 while a region is parked on a front after repeated failures.";
    RESTARTS = Counter "changtong_actor_restarts_total" ["actor"] "Actors restarted after a panic or a stop, and chores of the registrar's clock that panicked and are tried again.";
    POISON_BATCHES = Counter "changtong_poison_batches_total" [] "Batches that made their region's actor fail repeatedly and were then judged punch by punch.";
    CODES = Gauge "changtong_codes" ["colour"] "Codes in memory, by colour.";
    FRONTS = Gauge "changtong_fronts" [] "Threads that serve devices, each with a socket of its own on the devices' port.";
    FRONTS_WANTED = Gauge "changtong_fronts_wanted" [] "Fronts that the setting asks for; there are fewer if the service manager hands over fewer sockets.";
    CONNECTIONS = Gauge "changtong_connections" ["front"] "Device connections open.";
    CONNECTIONS_MAX = Gauge "changtong_connections_max" [] "Maximum of open device connections.";
    HANDSHAKES = Counter "changtong_handshakes_total" ["outcome"] "QUIC handshakes by outcome.";
    HANDSHAKE_SECONDS = Histogram "changtong_handshake_seconds" [] "Time from a connection's first datagram to the end of its handshake.";
    HANDSHAKES_UNDER_WAY = Gauge "changtong_handshakes_under_way" ["front"] "Handshakes in progress.";
    HANDSHAKES_MAX = Gauge "changtong_handshakes_max" ["front"] "Maximum of handshakes in progress.";
    CLOCK_DISBELIEVED = Gauge "changtong_clock_disbelieved" [] "1 while the wall clock is not believed because its time is implausible: nothing expires or is destroyed by it.";
    CLOCK_STEP_SECONDS = Gauge "changtong_clock_step_seconds" [] "Difference of the wall clock from the believed time while it is not believed, negative if it is behind; else 0.";
    CLOCK_SKEW_SECONDS = Histogram "changtong_device_clock_skew_seconds" [] "Absolute difference between a device's clock and the gateway's at each ping.";
    CERTIFICATE_EXPIRES = Gauge "changtong_certificate_expires_timestamp_seconds" ["certificate"] "Expiry of a certificate in use, seconds since 1970 UTC.";
    CLOSED = Counter "changtong_connections_closed_total" ["reason"] "Connections that the gateway closed, by error name.";
    REQUEST_ERRORS = Counter "changtong_request_errors_total" ["reason"] "Requests refused, by error name.";
    QUERIES = Counter "changtong_trajectory_queries_total" ["outcome"] "Trajectory queries of devices, by answer.";
    QUERIES_UNDER_WAY = Gauge "changtong_trajectory_queries_under_way" [] "Trajectory queries of devices in progress.";
    QUERY_SECONDS = Histogram "changtong_trajectory_query_seconds" [] "Time from a device's trajectory query to its answer.";
    BATCH_PUNCHES = Histogram "changtong_ledger_batch_punches" [] "Punches in one synced batch.";
    SYNC_SECONDS = Histogram "changtong_ledger_sync_seconds" [] "Time of one data sync.";
    LEDGER_BYTES = Counter "changtong_ledger_written_bytes_total" [] "Bytes written to the punch log.";
    LEDGER_LSN = Gauge "changtong_ledger_lsn" [] "Log sequence number of the last durable batch.";
    LEDGER_QUEUED = Gauge "changtong_ledger_queued_punches" [] "Punches waiting for a sync.";
    LEDGER_QUEUE_MAX = Gauge "changtong_ledger_queue_punches_max" [] "Maximum of punches waiting for a sync.";
    LEDGER_POISONED = Gauge "changtong_ledger_poisoned" [] "1 after a failed write or sync; the process exits.";
    LEDGER_FULL = Gauge "changtong_ledger_full" [] "1 while the disk has no space for the next batch.";
    DUPLICATES = Counter "changtong_punches_duplicate_total" [] "Punches sent again and answered as recorded.";
    NUMBERS_USED = Counter "changtong_punch_numbers_used_total" [] "Batches refused because a number in them was already used for another punch.";
    GAPS = Counter "changtong_punch_gaps_total" [] "Batches refused because earlier punches are missing.";
    LOST = Counter "changtong_punches_lost_total" [] "Punches that were acknowledged to a device and are missing in the log.";
    HELD_ELSEWHERE = Counter "changtong_fleet_punches_held_elsewhere_total" [] "Punches that devices hold acknowledgements for and another gateway's log has; absent without a fleet.";
    UNCONFIRMED = Gauge "changtong_fleet_punches_unconfirmed" [] "Punches that devices hold acknowledgements for and that only a gateway that is away can have; absent without a fleet.";
    SCRUB_FAILURES = Counter "changtong_ledger_scrub_failures_total" [] "Sealed segments that failed the background scrub.";
    RECOVERY_SECONDS = Gauge "changtong_ledger_recovery_seconds" [] "Duration of the last recovery of the punch log.";
    PUNCHES_OLDEST = Gauge "changtong_punches_oldest_timestamp_seconds" [] "Earliest possible time of the oldest readable punch, seconds since 1970 UTC.";
    RETENTION_SECONDS = Gauge "changtong_punches_retention_seconds" [] "Retention of punches; they expire by whole days, so they may get a day older.";
    CAUSES = Counter "changtong_causes_total" ["kind"] "Causes set, by kind.";
    DECISIONS = Counter "changtong_decisions_total" ["authority", "colour"] "Decisions on codes, by deciding authority and resulting colour.";
    COLOUR_CHANGES = Counter "changtong_colour_changes_total" ["cause", "colour"] "Codes that changed their colour, by the kind of the cause that was set or cleared, or by time, and by the new colour.";
    COLOUR_LAG_SECONDS = Gauge "changtong_colour_lag_seconds" [] "Age of the oldest overdue colour change when the registrar last checked; 0 if none was due.";
    MANUAL_REDS_BURST = Gauge "changtong_manual_reds_burst" [] "1 while more people were set to red by hand within an hour than a tracing team can find.";
    LOOKUPS = Counter "changtong_lookups_total" ["lookup"] "Look-ups, lists and exports of operators, by kind.";
    LOOKUPS_REFUSED = Counter "changtong_lookups_refused_total" ["lookup"] "Look-ups refused because an operator had reached the daily limit.";
    LOOKUP_PEOPLE = Counter "changtong_lookup_people_total" [] "People whose data operators looked up.";
    LOOKUPS_BURST = Gauge "changtong_lookups_burst" [] "1 while more people were looked up within an hour than a tracing team can call.";
    TAPS = Gauge "changtong_taps" [] "Operators watching live verdicts.";
    APPEALS_OPEN = Gauge "changtong_appeals_open" [] "Appeals waiting for an answer.";
    APPEALS_OVERDUE = Gauge "changtong_appeals_overdue" [] "Appeals past their deadline.";
    APPEALS = Counter "changtong_appeals_total" ["outcome"] "Appeals made, granted and refused.";
    FLEET_LEADS = Gauge "changtong_fleet_leads" [] "1 while this gateway leads its fleet; absent without a fleet.";
    FLEET_POSITION = Gauge "changtong_fleet_position" [] "Position in the fleet's stream up to which this gateway has everything.";
    FLEET_LAG = Gauge "changtong_fleet_lag_messages" [] "Messages of the fleet's stream that this gateway has not applied.";
    FLEET_SNAPSHOT_AGE = Gauge "changtong_fleet_snapshot_age_seconds" [] "Age of the newest snapshot by which gateways join the fleet; 0 at a gateway that does not lead.";
    FLEET_COLOURS_AGE_SECONDS = Gauge "changtong_fleet_colours_age_seconds" [] "Time since this gateway last knew that it had every change of its fleet's leader, or since its start; 0 while it leads; absent without a fleet.";
    FLEET_COPY_LAG = Gauge "changtong_fleet_copy_lag_batches" [] "Durable batches of the punch log that the second copy at the broker does not have.";
    FLEET_COPY_AGE_SECONDS = Gauge "changtong_fleet_copy_age_seconds" [] "Time since a batch was first seen that the second copy still lacks; 0 if it has all.";
    REGISTRAR_PARKED = Gauge "changtong_registrar_parked" [] "1 while the registrar is parked after repeated failures.";
    REGISTRAR_ACTS = Counter "changtong_registrar_acts_total" ["outcome"] "Changes of the registry: done, refused by a rule, failed.";
    REGISTRAR_GROUP_ACTS = Histogram "changtong_registrar_group_acts" [] "Acts made durable by one sync of the registry.";
    REGISTRAR_COMMIT_SECONDS = Histogram "changtong_registrar_commit_seconds" [] "Time of one group of acts: from the first step until it is durable.";
    CARRIER_QUERIES = Counter "changtong_carrier_queries_total" ["carrier", "outcome"] "Citizens' queries of one carrier, by outcome.";
    CARRIER_SECONDS = Histogram "changtong_carrier_seconds" ["carrier", "own"] "Time of a citizen's query on the wire, connecting included, by whether the carrier reported its own time: yes, no.";
    CARRIER_OWN_SECONDS = Histogram "changtong_carrier_own_seconds" ["carrier"] "Time of a citizen's query inside the carrier, as reported by the carrier.";
    CARRIER_WAIT_SECONDS = Histogram "changtong_carrier_wait_seconds" ["carrier"] "Time of a citizen's query inside the gateway before it is sent.";
    CARRIER_RETRIES = Counter "changtong_carrier_retries_total" ["carrier"] "Queries sent a second time.";
    CARRIER_PERMITS_IN_USE = Gauge "changtong_carrier_permits_in_use" ["carrier"] "Queries of a carrier in progress.";
    CARRIER_PERMITS_MAX = Gauge "changtong_carrier_permits_max" ["carrier"] "Maximum of queries of a carrier in progress.";
    CARRIER_BREAKER = Gauge "changtong_carrier_breaker" ["carrier"] "0 while a carrier's breaker is closed, 1 half open, 2 open.";
    CARRIER_PARKED = Gauge "changtong_carrier_parked" ["carrier"] "1 while a carrier's actor is parked after repeated failures.";
    CARRIER_PROBE_UP = Gauge "changtong_carrier_probe_up" ["carrier"] "1 if the last probe of a carrier's reserved number was answered.";
    CARRIER_PROBE_SECONDS = Gauge "changtong_carrier_probe_seconds" ["carrier"] "Time of the last probe on the wire.";
    CARRIER_PROBE_OWN_SECONDS = Gauge "changtong_carrier_probe_own_seconds" ["carrier"] "Time of the last probe inside the carrier, as reported by the carrier.";
    CODES_LOAD_SECONDS = Gauge "changtong_codes_load_seconds" [] "Duration of loading the codes.";
    PAGES = Counter "changtong_pages_total" ["page", "outcome"] "Requests for pages, by part of the site and by outcome: answered, moved, refused, failed.";
    PAGE_SECONDS = Histogram "changtong_page_seconds" ["page"] "Time from a request for a page to its answer.";
    SMS = Counter "changtong_sms_total" ["outcome"] "Codes requested by SMS, by outcome.";
    SMS_CHECKS = Counter "changtong_sms_checks_total" ["outcome"] "Codes entered, by outcome.";
    LIMITED = Counter "changtong_limited_total" ["bound"] "Requests beyond a bound, by the bound's name in gateway/BOUNDS.md.";
    BOUND_ENTRIES = Gauge "changtong_bound_entries" ["bound"] "Entries of a bounded table, by the bound's name in gateway/BOUNDS.md.";
    REGISTRY_BYTES = Gauge "changtong_registry_bytes" [] "Size of the registry's file and its write-ahead log.";
    DISK_FREE_BYTES = Gauge "changtong_disk_free_bytes" [] "Free space on the disk of the data directory.";
    RELOADS = Counter "changtong_reloads_total" ["outcome"] "Configuration reloads, by outcome: applied, refused.";
    RELOAD_FAILED = Gauge "changtong_reload_failed" [] "1 after a refused reload until one is applied: the files differ from the configuration in effect.";
    PROCESS_CPU_CORES = Gauge "changtong_process_cpu_cores" [] "Processor cores used by the process, averaged over the last seconds.";
    PROCESS_RESIDENT_BYTES = Gauge "changtong_process_resident_bytes" [] "Resident memory of the process.";
    PROCESS_OPEN_FILES = Gauge "changtong_process_open_files" [] "Open files and sockets of the process.";
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
