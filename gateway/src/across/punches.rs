//! The export of the punch logs of all gateways of a fleet, one log after the other, in the order of their gateways' names: each punch once,
//! with the gateway whose log holds it. What is kept meanwhile is the ranges of numbers that are written: a few for each device.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::ops::RangeInclusive;

use anyhow::{Context, bail};
use ledger::{ExportFormat, PunchRow, PunchRows};
use serde::{Deserialize, Serialize};

use super::lines::Lines;
use super::{Away, Others, Request, encode, wait};

/// The most ranges of numbers that are kept: many changes of the gateway for each device of a large city, about 300 MB.
const RANGES_MAX: usize = 4_000_000;

/// The share of one gateway in an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) gateway: String,
    /// Punches that were written.
    pub(crate) punches: u64,
    /// Punches that the log of a gateway before it has, too; they were left out.
    pub(crate) repeated: u64,
}

/// An export of all logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shares {
    pub(crate) gateways: Vec<Share>,
    pub(crate) away: Vec<Away>,
}

/// Writes the punches of all gateways that were received in that time. `own` writes those of this gateway, in lines of JSON.
///
/// # Errors
/// This gateway's log is damaged, an error of the output, or more ranges than can be kept.
pub(crate) fn export(
    others: &Others<'_>,
    (format, received_ms): (ExportFormat, &RangeInclusive<u64>),
    own: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
    out: &mut dyn Write,
) -> anyhow::Result<Shares> {
    let mut merging = Merging::new(format, out);
    let mut names: Vec<&String> = others.names.iter().chain([&others.own]).collect();
    names.sort_unstable();
    let (mut own, mut away) = (Some(own), Vec::new());
    let request = Request::Punches { from_ms: *received_ms.start(), to_ms: *received_ms.end() };
    for gateway in names {
        merging.begin(gateway);
        let own = if *gateway == others.own { own.take() } else { None };
        if let Some(own) = own {
            own(&mut merging)?;
            continue;
        }
        let mut failed = None;
        let mut take = |bytes: &[u8]| merging.write_all(bytes).map_err(|error| failed = Some(error)).is_ok();
        let called = wait(others.calls.call(gateway, &encode(&request), &mut take))?;
        if let Some(error) = failed {
            return Err(error).context("exporting");
        }
        if let Err(error) = called {
            away.push(Away { gateway: gateway.clone(), why: error.to_string() });
        }
    }
    Ok(Shares { gateways: merging.finish()?, away })
}

/// The merged export, as far as it has come. It takes exports in lines of JSON.
struct Merging<'a> {
    rows: PunchRows<'a>,
    written: Written,
    lines: Lines,
    shares: Vec<Share>,
}

impl<'a> Merging<'a> {
    fn new(format: ExportFormat, out: &'a mut dyn Write) -> Self {
        let (rows, lines) = (PunchRows::new(format, out), Lines::default());
        Self { rows, written: Written::default(), lines, shares: Vec::new() }
    }

    /// Begins the log of a gateway.
    fn begin(&mut self, gateway: &str) {
        // The begin of a line of one that broke off.
        self.lines = Lines::default();
        self.shares.push(Share { gateway: gateway.to_owned(), ..Share::default() });
    }

    fn finish(self) -> anyhow::Result<Vec<Share>> {
        self.rows.finish().context("exporting")?;
        Ok(self.shares)
    }
}

impl Write for Merging<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { rows, written, lines, shares } = self;
        let share = shares.last_mut().ok_or_else(|| io::Error::other("no log has begun"))?;
        lines.take(bytes, |line| {
            let mut row: PunchRow = serde_json::from_slice(line)?;
            if written.add((row.device, row.epoch), row.sequence).map_err(io::Error::other)? {
                row.gateway = Some(share.gateway.clone());
                rows.write(&row)?;
                share.punches += 1;
            } else {
                share.repeated += 1;
            }
            Ok::<_, io::Error>(true)
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The numbers that are written, for each device and epoch as ranges by their first one.
#[derive(Default)]
struct Written {
    of: HashMap<(u64, u32), BTreeMap<u64, u64>>,
    ranges: usize,
}

impl Written {
    /// Adds a number; false if it is there already.
    fn add(&mut self, device: (u64, u32), sequence: u64) -> anyhow::Result<bool> {
        let ranges = self.of.entry(device).or_default();
        let before = ranges.range(..=sequence).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| sequence <= last) {
            return Ok(false);
        }
        let joins = before.filter(|(_, last)| last + 1 == sequence).map(|(first, _)| first);
        let after = sequence.checked_add(1).and_then(|next| ranges.remove_entry(&next));
        self.ranges -= usize::from(after.is_some());
        if joins.is_none() {
            if self.ranges == RANGES_MAX {
                bail!("the numbers of the devices have more gaps than can be kept: export a shorter time");
            }
            self.ranges += 1;
        }
        ranges.insert(joins.unwrap_or(sequence), after.map_or(sequence, |(_, last)| last));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_written_once_and_the_ranges_are_few() {
        let mut written = Written::default();
        let mut add = |sequences: &mut dyn Iterator<Item = u64>| {
            sequences.filter(|sequence| written.add((1, 1), *sequence).unwrap()).count()
        };
        assert_eq!(add(&mut (1..=100)), 100);
        assert_eq!(add(&mut (151..=200)), 50);
        assert_eq!(add(&mut (90..=160)), 50, "a device was elsewhere between");
        assert_eq!(add(&mut (1..=200)), 0);
        assert_eq!(add(&mut [u64::MAX, 0, u64::MAX].into_iter()), 2);
        assert_eq!(written.ranges, 2, "from 0 to 200, and the last");
        assert_eq!(written.of[&(1, 1)].len(), written.ranges);
        assert!(written.add((1, 2), 1).unwrap() && written.add((2, 1), 1).unwrap());
    }

    #[test]
    fn rows_of_several_logs_are_merged_and_a_cut_line_is_dropped() {
        let row = |device: u64, sequence: u64| {
            format!(
                r#"{{"lsn":1,"device":{device},"epoch":1,"sequence":{sequence},"region":1,"place":2,"direction":"in","kind":"token","code":7,"device_time_ms":1,"received_ms":2,"offline":false,"colour":"green","advice":"pass","basis":"verified","reason":"none","clock_said_ms":null}}"#
            ) + "\n"
        };
        let mut out = Vec::new();
        let mut merging = Merging::new(ExportFormat::Csv, &mut out);
        merging.begin("north");
        let (first, cut) = (row(1, 1) + &row(1, 2), row(1, 3));
        merging.write_all(&first.as_bytes()[..50]).unwrap();
        merging.write_all(&first.as_bytes()[50..]).unwrap();
        merging.write_all(&cut.as_bytes()[..60]).unwrap();
        merging.begin("south");
        merging.write_all((row(1, 2) + &row(1, 3)).as_bytes()).unwrap();
        let share =
            |gateway: &str, punches, repeated| Share { gateway: gateway.to_owned(), punches, repeated };
        assert_eq!(merging.finish().unwrap(), [share("north", 2, 0), share("south", 1, 1)]);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[0].starts_with("lsn,device,epoch,sequence,") && lines[0].ends_with(",gateway"),
            "{text}"
        );
        let holders: Vec<_> = lines[1..].iter().map(|line| line.rsplit(',').next().unwrap()).collect();
        assert_eq!(holders, ["north", "north", "south"]);
    }
}
