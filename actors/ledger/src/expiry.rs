//! Expiry: segments older than the retention are removed, and the keys of their days are destroyed, which makes copies unreadable too.
//! A signed deletion record, without personal data, lists each deletion.

use runtime::clock::Reading;

use super::deletions::{Deletion, forgotten, record};
use super::disk::{Disk, uninterrupted};
use super::expiry_plan::ExpiryPlan;
use super::headers::read_header;
use super::log::{CommitError, Log};
use super::{LedgerError, segment_name, segment_numbers, time};

impl<D: Disk> Log<D> {
    /// Does one step of the day's expiry, judged by the certain time, so that no wrong clock destroys data. After the last step,
    /// `expired_on` is the day. Cheap if expiry is complete for the day.
    pub(super) fn expire(&mut self, at: &Reading) -> Result<(), CommitError> {
        let today = time::day(at.certain_ms);
        if self.expired_on == Some(today) {
            return Ok(());
        }
        // On a full disk the step is retried later. Nothing is deleted before its record is written.
        self.expire_on(today, at.now_ms).map_err(CommitError::of)
    }

    /// Returns the earliest possible time of the oldest readable punch; `now_ms` if there is none.
    pub(super) fn oldest_ms(&self, now_ms: u64) -> u64 {
        let days = self.keys.days_before(u32::MAX).unwrap_or_default();
        days.first().map_or(now_ms, |day| time::start_ms(*day).min(now_ms))
    }

    fn expire_on(&mut self, today: u32, now_ms: u64) -> Result<(), LedgerError> {
        let mut plan = match self.expiry_plan.take() {
            Some(begun) => begun,
            None => self.plan_expiry(today)?,
        };
        let done = self.step(&mut plan, now_ms);
        match done {
            Ok(true) => self.expired_on = Some(plan.today),
            Ok(false) | Err(_) => self.expiry_plan = Some(plan),
        }
        done.map(drop)
    }

    fn plan_expiry(&self, today: u32) -> Result<ExpiryPlan, LedgerError> {
        let oldest_day = today.saturating_sub(self.retention_days);
        let names = self.disk.list().map_err(LedgerError::io("listing", "its segments"))?;
        Ok(ExpiryPlan::new((today, oldest_day), self.keys.days_before(oldest_day)?, segment_numbers(&names)))
    }

    /// Does one step; true if it was the last. The order record, keys, segments makes a crash between two steps harmless: the rest is
    /// done at the next start, and a key that is missing without a record is an error.
    fn step(&mut self, plan: &mut ExpiryPlan, now_ms: u64) -> Result<bool, LedgerError> {
        if let Some(&next) = plan.unread.front() {
            // A damaged segment stays; the scrub reports it.
            plan.inspect(next, read_header(&self.disk, next).unwrap_or_default());
            return Ok(false);
        }
        if plan.dated_from > 0 {
            // Undated batches of earlier segments were written before this segment, whose day is known.
            let from = time::undated(std::mem::take(&mut plan.dated_from));
            plan.days.extend(self.keys.days_before(from)?.into_iter().filter(|&day| !time::is_dated(day)));
        }
        if plan.is_done() {
            return Ok(true);
        }
        if !plan.recorded {
            let deletion = Deletion {
                deleted_ms: now_ms,
                days: plan.days.iter().copied().map(time::day_name).collect(),
                segments: plan.segments.front().copied().zip(plan.segments.back().copied()),
                first_lsn_left: plan.first_lsn_left,
            };
            record(&self.disk, &self.signing_pkcs8, deletion)?;
            self.forgotten = forgotten(&self.disk)?;
            plan.recorded = true;
        } else if let Some(&day) = plan.days.front() {
            self.keys.destroy(day)?;
            plan.days.pop_front();
        } else if let Some(&number) = plan.segments.front() {
            let name = segment_name(number);
            uninterrupted(|| self.disk.remove(&name)).map_err(LedgerError::io("removing", &name))?;
            plan.segments.pop_front();
        }
        if plan.is_done() {
            uninterrupted(|| self.disk.sync_directory())
                .map_err(LedgerError::io("syncing", "the directory"))?;
        }
        Ok(plan.is_done())
    }
}
