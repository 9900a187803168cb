//! Forgetting: punches older than the retention are removed with their segments, and the keys of their days are destroyed, which
//! forgets them in copies as well. Each time a signed record says what was removed; it holds no personal data.

use runtime::clock::Reading;

use super::deletions::{Deletion, forgotten, record};
use super::disk::{Disk, uninterrupted};
use super::headers::read_header;
use super::log::{CommitError, Log};
use super::overdue::Overdue;
use super::{LedgerError, segment_name, segment_numbers, time};

impl<D: Disk> Log<D> {
    /// Does one step of removing what is too old by the time that has certainly been reached: no step of a clock destroys anything. After the last one, `expired_on` is that day. Cheap when the day has not changed
    /// since.
    pub(super) fn expire(&mut self, at: &Reading) -> Result<(), CommitError> {
        let today = time::day(at.certain_ms);
        if self.expired_on == Some(today) {
            return Ok(());
        }
        // On a full disk the same step is done again later; without its record nothing is forgotten.
        self.expire_on(today, at.now_ms).map_err(CommitError::of)
    }

    /// When the oldest punch that has its day's key may have been recorded; now, if there is none.
    pub(super) fn oldest_ms(&self, now_ms: u64) -> u64 {
        let days = self.keys.days_before(u32::MAX).unwrap_or_default();
        days.first().map_or(now_ms, |day| time::start_ms(*day).min(now_ms))
    }

    fn expire_on(&mut self, today: u32, now_ms: u64) -> Result<(), LedgerError> {
        let mut overdue = match self.overdue.take() {
            Some(begun) => begun,
            None => self.look_for_overdue(today)?,
        };
        let done = self.step(&mut overdue, now_ms);
        match done {
            Ok(true) => self.expired_on = Some(overdue.today),
            Ok(false) | Err(_) => self.overdue = Some(overdue),
        }
        done.map(drop)
    }

    fn look_for_overdue(&self, today: u32) -> Result<Overdue, LedgerError> {
        let oldest_day = today.saturating_sub(self.retention_days);
        let names = self.disk.list().map_err(LedgerError::io("listing", "its segments"))?;
        Ok(Overdue::new((today, oldest_day), self.keys.days_before(oldest_day)?, segment_numbers(&names)))
    }

    /// One step; whether it was the last. Their order is what makes a crash in between harmless: record, keys, segments; what is
    /// left over is done next time, and a key that is missing without a record is a missing key.
    fn step(&mut self, overdue: &mut Overdue, now_ms: u64) -> Result<bool, LedgerError> {
        if let Some(&next) = overdue.ahead.front() {
            // One that does not read stays, and is for the scrub to name.
            overdue.look(next, read_header(&self.disk, next).unwrap_or_default());
            return Ok(false);
        }
        if overdue.dated_from > 0 {
            // What was written from a segment on, when nobody knew the day, was written before the next one whose day is known.
            let from = time::undated(std::mem::take(&mut overdue.dated_from));
            overdue.days.extend(self.keys.days_before(from)?.into_iter().filter(|&day| !time::is_dated(day)));
        }
        if overdue.is_done() {
            return Ok(true);
        }
        if !overdue.recorded {
            let deletion = Deletion {
                deleted_ms: now_ms,
                days: overdue.days.iter().copied().map(time::day_name).collect(),
                segments: overdue.segments.front().copied().zip(overdue.segments.back().copied()),
                first_lsn_left: overdue.first_lsn_left,
            };
            record(&self.disk, &self.signing_pkcs8, deletion)?;
            self.forgotten = forgotten(&self.disk)?;
            overdue.recorded = true;
        } else if let Some(&day) = overdue.days.front() {
            self.keys.destroy(day)?;
            overdue.days.pop_front();
        } else if let Some(&number) = overdue.segments.front() {
            let name = segment_name(number);
            uninterrupted(|| self.disk.remove(&name)).map_err(LedgerError::io("removing", &name))?;
            overdue.segments.pop_front();
        }
        if overdue.is_done() {
            uninterrupted(|| self.disk.sync_directory())
                .map_err(LedgerError::io("syncing", "the directory"))?;
        }
        Ok(overdue.is_done())
    }
}
