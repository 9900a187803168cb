//! The process's word of itself: log lines on stderr, metrics for Prometheus, and panics without their text, which may hold
//! what a person showed.

mod level;
mod lines;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use protocol::metric::{self, Kind};

use crate::config::LOG_LEVEL;
use crate::host::service;
use crate::out::note;
pub(crate) use level::{LogLevel, filter};
use lines::Lines;
pub(crate) use lines::LogFormat;

/// From a fast disk's sync to one that is about to fail.
const SYNC_SECONDS: [f64; 12] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.05, 0.2, 1.0, 5.0];
/// From a query that never left to one that the total deadline cuts off.
const CARRIER_SECONDS: [f64; 12] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0];
const BATCH_PUNCHES: [f64; 9] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0];
/// From a simulated carrier's answer to the deadline.
const QUERY_SECONDS: [f64; 10] = [0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.5, 10.0];
/// From an answer out of memory to one that keeps people waiting at a gate.
const ANSWER_SECONDS: [f64; 13] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// From a mailbox that is empty to one whose actor is restarted.
const QUEUE_SECONDS: [f64; 8] = [0.00005, 0.0002, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0];
/// From a page out of memory to one that waits for a carrier.
const PAGE_SECONDS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];
/// From this machine to a handshake's deadline.
const HANDSHAKE_SECONDS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 2.5, 10.0];
/// From a clock that is kept to one with the wrong date; tokens stand half a minute.
const SKEW_SECONDS: [f64; 8] = [0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 300.0, 86400.0];
const GROUP_ACTS: [f64; 7] = [1.0, 2.0, 4.0, 16.0, 64.0, 256.0, 1024.0];

/// Every histogram's.
pub(crate) const BUCKETS: &[(&str, &[f64])] = &[
    (metric::VERIFY_SECONDS, &ANSWER_SECONDS),
    (metric::PUNCH_SECONDS, &ANSWER_SECONDS),
    (metric::QUEUE_SECONDS, &QUEUE_SECONDS),
    (metric::HANDSHAKE_SECONDS, &HANDSHAKE_SECONDS),
    (metric::CLOCK_SKEW_SECONDS, &SKEW_SECONDS),
    (metric::PAGE_SECONDS, &PAGE_SECONDS),
    (metric::SYNC_SECONDS, &SYNC_SECONDS),
    (metric::BATCH_PUNCHES, &BATCH_PUNCHES),
    (metric::QUERY_SECONDS, &QUERY_SECONDS),
    (metric::REGISTRAR_COMMIT_SECONDS, &SYNC_SECONDS),
    (metric::REGISTRAR_GROUP_ACTS, &GROUP_ACTS),
    (metric::CARRIER_SECONDS, &CARRIER_SECONDS),
    (metric::CARRIER_OWN_SECONDS, &CARRIER_SECONDS),
    (metric::CARRIER_WAIT_SECONDS, &CARRIER_SECONDS),
];

/// Starts logging; `level` is a filter such as `info` or `gateway=debug`, if the command line has one. A configuration may say
/// another later.
pub(crate) fn log(level: Option<String>, format: LogFormat) -> anyhow::Result<LogLevel> {
    let filter = filter(level.as_deref().unwrap_or(LOG_LEVEL))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        // A terminal that is gone takes no complaint either, and a panic about that would end the drain.
        .log_internal_errors(false)
        .event_format(Lines::new(format, service::stderr_is_journal()))
        .with_filter_reloading();
    let followed = LogLevel::new(level, lines.reload_handle());
    lines.init();
    std::panic::set_hook(Box::new(log_panic));
    Ok(followed)
}

/// Tells what ends the process: for people; for programs that asked with `--json`; or, in the journal, so that it counts as an error there.
pub(crate) fn tell(text: &str, code: u8, json: bool) {
    if json {
        return note!("{}", serde_json::json!({ "error": text, "exit_code": code }));
    }
    let text = format!("changtong: {text}");
    if service::stderr_is_journal() && tracing::enabled!(tracing::Level::ERROR) {
        text.lines().for_each(|line| tracing::error!("{line}"));
    } else {
        note!("{text}");
    }
}

/// Logs the place of a panic, and not its text.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(place, thread = thread.name().unwrap_or("unnamed"), "panic");
}

/// Installs the recorder; every metric is described, so that `/metrics` explains itself.
pub(crate) fn metrics() -> anyhow::Result<PrometheusHandle> {
    let mut builder = PrometheusBuilder::new();
    for (name, buckets) in BUCKETS {
        builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)?;
    }
    let handle = builder.install_recorder()?;
    for metric in metric::ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
    metrics::gauge!(metric::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics::gauge!(metric::READY).set(0.0);
    Ok(handle)
}

#[cfg(test)]
mod series_tests;
#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use alerts::{Bad, Condition, Objective, bucket};
    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Output {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no panic").clone()).expect("text")
        }
    }

    impl std::io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_histogram_has_buckets_of_its_own() {
        let histograms: Vec<_> = metric::ALL
            .iter()
            .filter(|metric| metric.kind == Kind::Histogram)
            .map(|metric| metric.name)
            .collect();
        for name in &histograms {
            let found = BUCKETS.iter().filter(|(bucketed, _)| bucketed == name).count();
            assert_eq!(found, 1, "{name} without buckets would be a summary, which cannot be added up");
        }
        assert_eq!(BUCKETS.len(), histograms.len());
        for (name, buckets) in BUCKETS {
            assert!(buckets.is_sorted_by(|a, b| a < b), "{name}");
        }
    }

    #[test]
    fn a_bucket_ends_where_an_objective_does() {
        let mut limits = Vec::new();
        for alert in alerts::all() {
            let Condition::Burns(Objective { bad: Bad::SlowerThan { answers, limit_ms }, .. }) =
                alert.condition
            else {
                continue;
            };
            let (_, buckets) = BUCKETS.iter().find(|(name, _)| *name == answers).expect("a histogram");
            let ends: Vec<_> = buckets.iter().map(ToString::to_string).collect();
            assert!(ends.contains(&bucket(limit_ms)), "{}: {limit_ms} ms in {ends:?}", alert.id);
            limits.push(bucket(limit_ms));
        }
        assert_eq!(limits, ["0.05", "0.25"]);
    }

    #[test]
    fn a_line_is_for_people_for_the_journal_or_for_programs() {
        let written = |format, journal| {
            let output = Output::default();
            let writer = output.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .event_format(Lines::new(format, journal))
                .finish();
            tracing::subscriber::with_default(subscriber, || {
                tracing::error!(region = 7, "parked");
                tracing::info!(seconds = 0.5, "codes are loaded");
            });
            output.text()
        };
        let text = written(LogFormat::Text, false);
        assert!(text.starts_with("20") && text.contains("Z ERROR parked region=7\n"), "{text}");
        let journal = written(LogFormat::Text, true);
        assert_eq!(journal, "<3>ERROR parked region=7\n<6> INFO codes are loaded seconds=0.5\n");
        for (journal, prefix) in [(false, ""), (true, "<3>")] {
            let json = written(LogFormat::Json, journal);
            let line = json.lines().next().and_then(|line| line.strip_prefix(prefix)).expect(prefix);
            let line: serde_json::Value = serde_json::from_str(line).expect("an object");
            for (key, value) in
                [("level", json!("ERROR")), ("message", json!("parked")), ("region", json!(7))]
            {
                assert_eq!(line[key], value, "{key} of {line}");
            }
            assert!(line["timestamp"].as_str().is_some_and(|at| at.starts_with("20")), "{line}");
        }
    }

    #[test]
    fn a_panic_is_logged_by_its_place_and_not_by_its_words() {
        let lines = Output::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        let number = "16377310421";
        let panicked = tracing::subscriber::with_default(subscriber, || {
            std::panic::catch_unwind(|| assert_eq!(number, "another", "asking for {number}"))
        });
        std::panic::set_hook(before);
        assert!(panicked.is_err());
        let text = lines.text();
        assert!(text.contains("panic") && text.contains("telemetry/mod.rs"), "{text}");
        assert!(!text.contains(number), "{text}");
    }
}
