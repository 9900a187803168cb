//! The seam to a fleet of gateways: where one is set, the rows that a transaction changes go to an [`Outbox`] before the commit, and the
//! commit carries the position that they got there. A gateway that does not lead writes nothing and applies what the leader has sent.
//! Without an outbox no trigger exists and nothing here runs. What lies behind the outbox is decided in the crate `fleet`.

mod adopt;
mod apply;
mod changes;
mod digest;
mod tables;

use std::cell::Cell;
use std::sync::Arc;

pub use apply::{Applied, Step};
pub use changes::{Changes, RowChange, TableChanges, Value};
use tables::Table;

pub use crate::not_now::NotNow;

use crate::operator::{Order, OrderError, Signers};
use crate::{Registry, RegistryError, schema};

/// The row of `meta` with the position in the stream up to which this registry has everything.
const POSITION: &str = "fleet-position";
/// The row of `meta` with the id of the message at that position: a stream that has lost its end has another one there.
const MESSAGE: &str = "fleet-message";
/// The row of `meta` with the fleet's name, which its founder draws: positions of two fleets are not the same positions.
const FLEET: &str = "fleet-id";

/// The row of `meta` with the orders that concern this gateway alone, one a line.
const ORDERS: &str = "fleet-orders";

/// The version of the tables that the gateways of a fleet share.
pub const VERSION: u32 = schema::VERSION;

/// Statements that stay prepared: reading, deleting and writing a row of each table, three of these, beside those of the registry itself.
const STATEMENTS_MAX: usize = 256;

/// The rows of a transaction from which on the page cache is enlarged for it: people's hashes are random, so each row changes pages that
/// others change, too, and a small cache writes them again and again.
const FILLING_ROWS: usize = 5_000;

/// The outbox of a fleet's registry whose gateway does not run.
struct AtRest;

impl Outbox for AtRest {
    fn refusal(&self) -> Option<NotNow> {
        Some(NotNow::AtRest)
    }

    fn append(&self, _: &Changes) -> Result<Sent, NotNow> {
        Err(NotNow::AtRest)
    }

    fn diverged(&self) {}
}

/// The way of changes to the other gateways. Its calls come from the thread that writes the registry.
pub trait Outbox: Send + Sync {
    /// Returns why this gateway may not change the registry now; `None` while it leads.
    fn refusal(&self) -> Option<NotNow>;

    /// Puts a transaction's changes into the stream behind everything that this registry has, and returns their place there. Blocks
    /// until the stream holds them durably. After an error nothing is committed.
    ///
    /// # Errors
    /// This gateway does not lead, or the stream does not answer.
    fn append(&self, changes: &Changes) -> Result<Sent, NotNow>;

    /// Reports that the stream has changes that could not be committed here: this gateway may not lead any more.
    fn diverged(&self);

    /// Returns why this gateway takes no change yet although it leads; `None` if it does.
    fn holds_back(&self) -> Option<NotNow> {
        None
    }

    /// True while a copy of another member's registry takes the place of this one: nothing is written meanwhile.
    fn is_joining(&self) -> bool {
        false
    }
}

/// Changes that are in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Their position: that of their last message.
    pub position: u64,
    /// The id of that message.
    pub message: String,
}

/// The place of a registry in the stream of its fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamPlace {
    /// The fleet's name; empty before the registry has joined one.
    pub fleet: String,
    /// The position in its stream.
    pub position: u64,
    /// The id of the message at that position; empty if an earlier release noted the position.
    pub message: String,
}

/// The registry's part of a fleet.
pub(crate) struct Replication {
    outbox: Arc<dyn Outbox>,
    tables: Vec<Table>,
    /// True while triggers note the changed rows, which is while this gateway leads.
    captures: bool,
    /// True if the open transaction is sent even when it has changed nothing.
    forced: bool,
    /// True if the open transaction has a large page cache.
    fills: Cell<bool>,
}

impl Registry {
    /// Makes this registry a member of a fleet. From now on it refuses changes while the outbox does.
    pub fn replicate_by(&mut self, outbox: Arc<dyn Outbox>) -> Result<(), RegistryError> {
        let tables = tables::read(&self.connection)?;
        self.connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        self.sql(tables::PREPARE)?;
        self.replication =
            Some(Replication { outbox, tables, captures: false, forced: false, fills: Cell::new(false) });
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
        let (fleet, message) =
            (self.meta(FLEET)?.unwrap_or_default(), self.meta(MESSAGE)?.unwrap_or_default());
        Ok(StreamPlace { fleet, position: self.position()?, message })
    }

    /// Adds a line to the record of orders that concern this gateway alone, which is this registry's alone: who signed it, its text, and its
    /// commitment.
    ///
    /// # Errors
    /// The order is on that record already.
    pub fn note_own_order(&self, by: &Signers, order: &Order, now_s: u64) -> Result<(), OrderError> {
        let before = self.meta(ORDERS)?.unwrap_or_default();
        let commitment = order.commitment();
        if before.lines().any(|line| line.ends_with(&commitment)) {
            return Err(OrderError::Repeated);
        }
        let line = format!("{now_s} {} {} {commitment}", by.operators, order.act);
        let lines: Vec<&str> = before.lines().chain([&*line]).collect();
        Ok(self.set_meta(ORDERS, &lines.join("\n"))?)
    }

    /// Returns false for a registry that is to join a fleet and has nothing of it yet.
    pub fn has_joined(&self) -> Result<bool, RegistryError> {
        Ok(self.replication.is_none() || self.position()? > 0)
    }

    /// Returns why changes are refused now; `None` without a fleet, and in a transaction that was begun as a leader that takes them.
    pub fn refusal(&self) -> Option<NotNow> {
        let Replication { outbox, captures, .. } = self.replication.as_ref()?;
        if *captures { outbox.holds_back() } else { Some(outbox.refusal().unwrap_or(NotNow::NoLeader)) }
    }

    /// Returns true without a fleet, and while this gateway leads one and takes changes.
    pub fn leads(&self) -> bool {
        let outbox = self.replication.as_ref().map(|replication| &replication.outbox);
        outbox.is_none_or(|outbox| outbox.refusal().or_else(|| outbox.holds_back()).is_none())
    }

    /// Sends the open transaction even if it changes nothing: the first act of a leader, by which the stream refuses an earlier one.
    pub fn take_office(&mut self) -> Result<(), RegistryError> {
        let Some(replication) = &mut self.replication else { return Ok(()) };
        if !replication.captures {
            return Err(replication.outbox.refusal().unwrap_or(NotNow::NoLeader).into());
        }
        replication.forced = true;
        Ok(())
    }

    /// Has the triggers follow the outbox, before a transaction.
    pub(crate) fn align(&mut self) -> Result<(), RegistryError> {
        let Some(replication) = &mut self.replication else { return Ok(()) };
        if replication.outbox.is_joining() {
            return Err(NotNow::Joining.into());
        }
        replication.forced = false;
        let leads = replication.outbox.refusal().is_none();
        if leads != replication.captures {
            let change = if leads { tables::capture } else { tables::release };
            self.connection.execute_batch(&change(&replication.tables))?;
            replication.captures = leads;
        }
        Ok(())
    }

    /// Enlarges the page cache for the open transaction if that many rows fill it. The end of the transaction shrinks it again.
    pub fn expect_rows(&self, rows: usize) -> Result<(), RegistryError> {
        let Some(replication) = self.replication.as_ref().filter(|_| rows >= FILLING_ROWS) else {
            return Ok(());
        };
        replication.fills.set(true);
        self.set_filling(true)
    }

    /// Shrinks the page cache behind a transaction that had a large one.
    pub(crate) fn shrink(&self) {
        let fills = self.replication.as_ref().is_some_and(|replication| replication.fills.take());
        if fills && let Err(error) = self.set_filling(false) {
            tracing::warn!(%error, "the registry keeps its large page cache until the next large transaction");
        }
    }

    /// Sends what the open transaction has changed, and notes its position in it; true if something was sent.
    pub(crate) fn send_out(&self) -> Result<bool, RegistryError> {
        let Some(replication) = self.replication.as_ref().filter(|replication| replication.captures) else {
            return Ok(false);
        };
        if !replication.forced && !tables::has_changes(&self.connection)? {
            return Ok(false);
        }
        // The founder. What it has besides goes to others as a snapshot.
        if self.position()? == 0 {
            self.set_meta(FLEET, &format!("{:016x}{:016x}", self.random()?, self.random()?))?;
        }
        let changes = Changes::collect(&self.connection, &replication.tables, self.stream_place()?)?;
        tables::forget_changes(&self.connection)?;
        let sent = replication.outbox.append(&changes)?;
        self.set_place(&sent).inspect_err(|_| replication.outbox.diverged())?;
        Ok(true)
    }

    /// Reports a commit that failed after its changes were sent.
    pub(crate) fn diverged(&self) {
        self.replication.iter().for_each(|replication| replication.outbox.diverged());
    }

    fn set_place(&self, sent: &Sent) -> Result<(), RegistryError> {
        self.set_meta(POSITION, &sent.position.to_string())?;
        self.set_meta(MESSAGE, &sent.message)
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
mod adopt_tests;
#[cfg(test)]
mod tests;
