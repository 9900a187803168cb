//! The seam to a fleet of gateways: where one is set, the rows that a transaction changes go to an [`Outbox`] before the commit, and the
//! commit carries the position that they got there. A gateway that does not lead writes nothing and applies what the leader has sent.
//! Without an outbox no trigger exists and nothing here runs. What lies behind the outbox is decided in the crate `fleet`.

mod apply;
mod changes;
mod digest;
mod tables;

use std::sync::Arc;

pub use apply::{Applied, Step};
pub use changes::{Changes, RowChange, TableChanges, Value};
use tables::Table;

pub use crate::not_now::NotNow;

use crate::{Registry, RegistryError, schema};

/// The row of `meta` with the position in the stream up to which this registry has everything.
const POSITION: &str = "fleet-position";
/// The row of `meta` with the fleet's name, which its founder draws: positions of two fleets are not the same positions.
const FLEET: &str = "fleet-id";

/// Statements that stay prepared: reading, deleting and writing a row of each table, beside those of the registry itself.
const STATEMENTS_MAX: usize = 192;

/// The most rows of a registry that founds a fleet: all of them are in memory and in one changeset.
const FOUNDING_ROWS_MAX: u64 = 2_000_000;

/// The outbox of a fleet's registry whose gateway does not run.
struct AtRest;

impl Outbox for AtRest {
    fn refusal(&self) -> Option<NotNow> {
        Some(NotNow::AtRest)
    }

    fn append(&self, _: &Changes) -> Result<u64, NotNow> {
        Err(NotNow::AtRest)
    }

    fn diverged(&self) {}
}

/// The way of changes to the other gateways. Its calls come from the thread that writes the registry.
pub trait Outbox: Send + Sync {
    /// Returns why this gateway may not change the registry now; `None` while it leads.
    fn refusal(&self) -> Option<NotNow>;

    /// Puts a transaction's changes into the stream behind everything that this registry has, and returns their position there. Blocks
    /// until the stream holds them durably. After an error nothing is committed.
    ///
    /// # Errors
    /// This gateway does not lead, or the stream does not answer.
    fn append(&self, changes: &Changes) -> Result<u64, NotNow>;

    /// Reports that the stream has changes that could not be committed here: this gateway may not lead any more.
    fn diverged(&self);
}

/// The place of a registry in the stream of its fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamPlace {
    /// The fleet's name; empty before the registry has joined one.
    pub fleet: String,
    /// The position in its stream.
    pub position: u64,
}

/// The registry's part of a fleet.
pub(crate) struct Replication {
    outbox: Arc<dyn Outbox>,
    tables: Vec<Table>,
    /// True while triggers note the changed rows, which is while this gateway leads.
    captures: bool,
    /// True if the open transaction is sent even when it has changed nothing.
    forced: bool,
}

impl Registry {
    /// Makes this registry a member of a fleet. From now on it refuses changes while the outbox does.
    pub fn replicate_by(&mut self, outbox: Arc<dyn Outbox>) -> Result<(), RegistryError> {
        let tables = tables::read(&self.connection)?;
        self.connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        self.sql(tables::PREPARE)?;
        self.replication = Some(Replication { outbox, tables, captures: false, forced: false });
        Ok(())
    }

    /// Refuses all changes of a fleet's registry while no gateway runs on it; a registry that is in no fleet can be changed.
    pub fn rest(&mut self) -> Result<(), RegistryError> {
        if self.position()? > 0 {
            self.replicate_by(Arc::new(AtRest))?;
        }
        Ok(())
    }

    /// Returns the position in the stream up to which this registry has everything; 0 before it has joined a fleet.
    pub fn position(&self) -> Result<u64, RegistryError> {
        let read = |text: String| {
            text.parse().map_err(|_| RegistryError::Damaged { what: "position in the stream" })
        };
        self.meta(POSITION)?.map_or(Ok(0), read)
    }

    /// Returns the fleet's name and the position in its stream; an empty name and 0 before this registry has joined one.
    pub fn stream_place(&self) -> Result<StreamPlace, RegistryError> {
        Ok(StreamPlace { fleet: self.meta(FLEET)?.unwrap_or_default(), position: self.position()? })
    }

    /// Returns false for a registry that is to join a fleet and has nothing of it yet.
    pub fn has_joined(&self) -> Result<bool, RegistryError> {
        Ok(self.replication.is_none() || self.position()? > 0)
    }

    /// Returns why changes are refused now; `None` without a fleet, and in a transaction that was begun as the leader.
    pub fn refusal(&self) -> Option<NotNow> {
        let replication = self.replication.as_ref().filter(|replication| !replication.captures)?;
        Some(replication.outbox.refusal().unwrap_or(NotNow::NoLeader))
    }

    /// Returns true without a fleet, and while this gateway leads one.
    pub fn leads(&self) -> bool {
        self.replication.as_ref().is_none_or(|replication| replication.outbox.refusal().is_none())
    }

    /// Sends the open transaction even if it changes nothing: the first act of a leader, by which the stream refuses an earlier one.
    pub fn take_office(&mut self) -> Result<(), RegistryError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal.into());
        }
        self.replication.iter_mut().for_each(|replication| replication.forced = true);
        Ok(())
    }

    /// Has the triggers follow the outbox, before a transaction.
    pub(crate) fn align(&mut self) -> Result<(), RegistryError> {
        let Some(replication) = &mut self.replication else { return Ok(()) };
        replication.forced = false;
        let leads = replication.outbox.refusal().is_none();
        if leads != replication.captures {
            let change = if leads { tables::capture } else { tables::release };
            self.connection.execute_batch(&change(&replication.tables))?;
            replication.captures = leads;
        }
        Ok(())
    }

    /// Sends what the open transaction has changed, and notes its position in it; true if something was sent.
    pub(crate) fn send_out(&self) -> Result<bool, RegistryError> {
        let Some(replication) = self.replication.as_ref().filter(|replication| replication.captures) else {
            return Ok(false);
        };
        if !replication.forced && !tables::has_changes(&self.connection)? {
            return Ok(false);
        }
        let founds = self.position()? == 0;
        if founds {
            self.set_meta(FLEET, &format!("{:016x}{:016x}", self.random()?, self.random()?))?;
            self.note_everything(&replication.tables)?;
        }
        let fleet = self.stream_place()?.fleet;
        let changes = Changes::collect(&self.connection, &replication.tables, (fleet, founds))?;
        tables::forget_changes(&self.connection)?;
        let position = replication.outbox.append(&changes)?;
        self.set_position(position).inspect_err(|_| replication.outbox.diverged())?;
        Ok(true)
    }

    /// Reports a commit that failed after its changes were sent.
    pub(crate) fn diverged(&self) {
        self.replication.iter().for_each(|replication| replication.outbox.diverged());
    }

    fn set_position(&self, position: u64) -> Result<(), RegistryError> {
        self.set_meta(POSITION, &position.to_string())
    }

    /// Notes every row as changed, for the first changeset of a fleet.
    fn note_everything(&self, tables: &[Table]) -> Result<(), RegistryError> {
        tables::forget_changes(&self.connection)?;
        let mut rows = 0;
        for table in tables {
            rows += self.connection.execute(&table.note_all(), [])? as u64;
        }
        if rows > FOUNDING_ROWS_MAX {
            return Err(RegistryError::FoundingTooLarge { rows, max: FOUNDING_ROWS_MAX });
        }
        Ok(())
    }
}

/// Returns an error if changes are another release's.
fn check_version(found: u32) -> Result<(), RegistryError> {
    if found == schema::VERSION {
        return Ok(());
    }
    Err(RegistryError::OtherRelease { found, known: schema::VERSION })
}

#[cfg(test)]
mod tests;
