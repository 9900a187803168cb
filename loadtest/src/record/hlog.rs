//! Interval logs of HdrHistogram: the histogram of each interval of a run, without loss, in the text format that HdrHistogram's own
//! tools read. The caller chooses the intervals.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

/// The interval log's name in a run's folder.
pub(crate) const INTERVALS_FILE: &str = "intervals.hlog";

/// The reason why a log cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("reading an interval log: entry {entry} {text}")]
pub struct HlogError {
    /// The number of the entry, from 1.
    entry: usize,
    /// The fault.
    text: &'static str,
}

/// One interval of one measurement. Its histogram is kept compressed: there may be thousands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The start, from the start of the run.
    pub start: Duration,
    /// The length.
    pub length: Duration,
    /// The name of the measurement, without blanks and commas.
    pub tag: String,
    bytes: Vec<u8>,
}

impl Interval {
    /// Makes an interval; compresses the histogram.
    pub fn new(start: Duration, length: Duration, tag: String, histogram: &Histogram<u64>) -> Self {
        let mut bytes = Vec::new();
        let written = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
        written.expect("writing to memory does not fail");
        Self { start, length, tag, bytes }
    }

    /// Returns the histogram.
    pub fn histogram(&self) -> Histogram<u64> {
        Deserializer::new().deserialize(&mut &*self.bytes).expect("these bytes were made or checked here")
    }
}

/// Writes a log; `about` is a comment for readers, `started_ms` milliseconds since 1970 UTC, `unit` the divisor of maxima.
pub fn write(about: &str, started_ms: u64, unit: f64, intervals: &[Interval]) -> Vec<u8> {
    let (mut log, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let started = UNIX_EPOCH + Duration::from_millis(started_ms);
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment(about).with_start_time(started).with_base_time(started).with_max_value_divisor(unit);
    let mut writer =
        builder.begin_log_with(&mut log, &mut serializer).expect("writing to memory does not fail");
    for interval in intervals {
        let tag = Tag::new(&interval.tag).expect("tags have no blanks and no commas");
        let written =
            writer.write_histogram(&interval.histogram(), interval.start, interval.length, Some(tag));
        written.expect("writing to memory does not fail");
    }
    log
}

/// Reads a log; comments and times of day are passed over.
///
/// # Errors
/// An entry is malformed; the error has its number.
pub fn read(log: &[u8]) -> Result<Vec<Interval>, HlogError> {
    let mut intervals = Vec::new();
    for (parsed, entry) in IntervalLogIterator::new(log).zip(1..) {
        let bad = |text| HlogError { entry, text };
        let LogEntry::Interval(parsed) = parsed.map_err(|_| bad("is no line of a log"))? else { continue };
        let bytes = STANDARD.decode(parsed.encoded_histogram()).map_err(|_| bad("is not base64"))?;
        let histogram: Result<Histogram<u64>, _> = Deserializer::new().deserialize(&mut &*bytes);
        histogram.map_err(|_| bad("is no histogram"))?;
        let tag = parsed.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default();
        let (start, length) = (parsed.start_timestamp(), parsed.duration());
        intervals.push(Interval { start, length, tag, bytes });
    }
    Ok(intervals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_back_without_a_loss() {
        let mut random = fastrand::Rng::with_seed(5);
        let intervals: Vec<_> = (0..20)
            .map(|second| {
                let mut histogram = Histogram::new(3).unwrap();
                (0..random.usize(..500)).for_each(|_| histogram += random.u64(..10_000_000));
                let tag = ["punch", "verify-service"][second % 2].to_owned();
                Interval::new(
                    Duration::from_millis(500 * second as u64),
                    Duration::from_millis(500),
                    tag,
                    &histogram,
                )
            })
            .collect();
        let log = write("of a test", 1_700_000_000_123, 1000.0, &intervals);
        assert!(log.starts_with(b"#of a test\n"));
        let back = read(&log).unwrap();
        assert_eq!(back.len(), intervals.len());
        for (one, other) in intervals.iter().zip(&back) {
            assert_eq!((one.start, one.length, &one.tag), (other.start, other.length, &other.tag));
            assert_eq!(one.histogram(), other.histogram());
        }
    }

    #[test]
    fn what_is_no_log_is_refused() {
        for log in ["nonsense", "Tag=a,0.1,1.0,2.0,!!!", "Tag=a,0.1,1.0,2.0,AAAA"] {
            assert!(read(format!("{log}\n").as_bytes()).is_err(), "{log}");
        }
    }
}
