//! The gateway's own figures during a run: `/metrics` once a second, and its processor time and memory, on a thread of its own so
//! that the generator does not wait.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bench::cpu::{self, Usage};
use device::clock;
use protocol::metric;

use crate::http::{self, HttpError};
use crate::outcome::ServerSeries;

/// The interval between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Deadline for an answer of a gateway on this machine.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// GET over plain HTTP: status and body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<(u16, String), HttpError> {
    http::fetch(address, path, ANSWER_MAX).await
}

/// Returns the sum of a metric's series; `None` if there is none.
pub(crate) fn value(metrics: &str, name: &str) -> Option<f64> {
    let own = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let values = metrics.lines().filter(own).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

/// Returns the value of the first label of a metric's first series.
pub(crate) fn label(metrics: &str, name: &str) -> Option<String> {
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name}{{")))?;
    line.split('"').nth(1).map(str::to_owned)
}

/// The computation of a figure from two looks.
#[derive(Clone, Copy)]
enum Take {
    /// The value itself.
    Gauge(&'static str),
    /// The increase per second.
    Rate(&'static str),
    /// The mean of a histogram's new values, times a factor.
    Mean(&'static str, f64),
}

const SERIES: &[(&str, &str, Take)] = &[
    ("punches", "/s", Take::Rate(metric::PUNCHES)),
    ("verifies", "/s", Take::Rate(metric::VERIFIES)),
    ("batches refused as busy", "/s", Take::Rate(metric::SHED)),
    ("connections", "", Take::Gauge(metric::CONNECTIONS)),
    ("punches in a sync, mean", "", Take::Mean(metric::BATCH_PUNCHES, 1.0)),
    ("time of a sync, mean", "ms", Take::Mean(metric::SYNC_SECONDS, 1000.0)),
    ("punches that wait for a sync", "", Take::Gauge(metric::LEDGER_QUEUED)),
    ("trajectory queries under way", "", Take::Gauge(metric::QUERIES_UNDER_WAY)),
    ("acts on people", "/s", Take::Rate(metric::REGISTRAR_ACTS)),
];
const PROCESSOR: &str = "processor, cores";
const MEMORY: &str = "memory";

/// The values of one look.
struct Look {
    at: Instant,
    metrics: String,
    usage: Option<Usage>,
}

/// The thread that looks until it is stopped.
pub(crate) struct Watch {
    stop: SyncSender<()>,
    thread: JoinHandle<Vec<ServerSeries>>,
}

impl Watch {
    /// Starts the thread; times are from `start`.
    pub(crate) fn start(metrics: SocketAddr, quic: SocketAddr, start: Instant) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            let mut seen = Seen::new(start);
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                seen.look(metrics, quic);
            }
            seen.series
        })?;
        Ok(Self { stop, thread })
    }

    /// Stops the thread and returns the series.
    pub(crate) fn end(self) -> Vec<ServerSeries> {
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_default()
    }
}

struct Seen {
    start: Instant,
    before: Option<Look>,
    series: Vec<ServerSeries>,
}

impl Seen {
    fn new(start: Instant) -> Self {
        let names = SERIES.iter().map(|(name, unit, _)| (*name, *unit));
        let all = names.chain([(PROCESSOR, ""), (MEMORY, "MiB")]);
        let empty = |(name, unit): (&str, &str)| ServerSeries {
            name: name.to_owned(),
            unit: unit.to_owned(),
            points: Vec::new(),
        };
        Self { start, before: None, series: all.map(empty).collect() }
    }

    /// Takes a look; a gateway that does not answer leaves a gap.
    fn look(&mut self, address: SocketAddr, quic: SocketAddr) {
        let Ok((200, metrics)) = http::block_on(get(address, "/metrics")) else {
            self.before = None;
            return;
        };
        let known = self.before.as_ref().and_then(|before| before.usage);
        let usage = known.and_then(|usage| Usage::of(usage.process)).or_else(|| Usage::of_port(quic));
        let look = Look { at: clock::now(), metrics, usage };
        let at_s = look.at.saturating_duration_since(self.start).as_secs_f64();
        let own =
            [cores(self.before.as_ref(), &look), look.usage.and_then(|one| cpu::memory_mib(one.process))];
        let figures = SERIES.iter().map(|(_, _, take)| take.from(self.before.as_ref(), &look)).chain(own);
        for (series, figure) in self.series.iter_mut().zip(figures) {
            series.points.extend(figure.map(|figure| (at_s, figure)));
        }
        self.before = Some(look);
    }
}

fn cores(before: Option<&Look>, now: &Look) -> Option<f64> {
    let before = before?;
    let spent = now.usage?.since(&before.usage?)?;
    Some(spent.as_secs_f64() / now.at.saturating_duration_since(before.at).as_secs_f64())
}

impl Take {
    fn from(self, before: Option<&Look>, now: &Look) -> Option<f64> {
        let grown = |name: &str| Some(value(&now.metrics, name)? - value(&before?.metrics, name)?);
        match self {
            Self::Gauge(name) => value(&now.metrics, name),
            Self::Rate(name) => {
                let seconds = now.at.saturating_duration_since(before?.at).as_secs_f64();
                // A gateway that was started again counts from 0.
                grown(name).filter(|grown| *grown >= 0.0).map(|grown| grown / seconds)
            }
            Self::Mean(name, factor) => {
                let (sum, count) = (grown(&format!("{name}_sum"))?, grown(&format!("{name}_count"))?);
                (count > 0.0).then(|| sum / count * factor)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str =
        "# HELP x\na_total{r=\"1\"} 5\na_total{r=\"2\"} 6\na_total_more 9\nh_sum 1\nh_count 2\n";
    const AFTER: &str = "a_total{r=\"1\"} 15\na_total{r=\"2\"} 6\nh_sum 3\nh_count 6\n";

    #[test]
    fn series_are_summed_and_differences_taken() {
        let start = clock::now();
        let look = |seconds, metrics: &str| Look {
            at: start + Duration::from_secs(seconds),
            metrics: metrics.to_owned(),
            usage: None,
        };
        let (before, after) = (look(0, BEFORE), look(2, AFTER));
        for (take, expected) in [
            (Take::Gauge("a_total"), Some(21.0)),
            (Take::Rate("a_total"), Some(5.0)),
            (Take::Mean("h", 1000.0), Some(500.0)),
            (Take::Gauge("nothing"), None),
        ] {
            assert_eq!(take.from(Some(&before), &after), expected);
        }
        assert_eq!(Take::Rate("a_total").from(Some(&after), &before), None, "a restart is a hole");
        assert_eq!(label(BEFORE, "a_total").as_deref(), Some("1"));
    }
}
