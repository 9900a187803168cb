//! The durable store of people, codes, causes, consents, operators, orders, places and devices: SQLite in WAL mode with
//! `synchronous=FULL`, and one writer. Personal fields are sealed; phones and documents are found by keyed hashes, and none is in
//! the file in clear.

pub mod audit;
mod causes;
mod codes;
mod consents;
mod decisions;
mod devices;
mod error;
mod forgetting;
pub mod kept;
mod not_now;
pub mod operator;
pub mod people;
pub mod periods;
mod personal;
mod places;
pub mod replication;
mod schema;
mod store;
mod time;

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use keys::Keys;
use rusqlite::{Connection, OpenFlags};

pub use causes::appeals::{self, AppealRow};
pub use causes::policies::PolicyRow;
pub use causes::{CauseRow, Evidence, inherited};
pub use codes::colours;
pub use consents::past::CONSENT_DAYS;
pub use consents::proof::ConsentReport;
pub use consents::{Attempt, Beneficiary, ConsentId, ConsentRow, ConsentState, ConsentTerms, Detail, Flow};
use decisions::tally::Tally;
pub use decisions::tally::start_at_zero;
pub use decisions::{AuditReport, Change, DecisionRow, INHERITED};
pub use devices::enrolments::token_hash;
pub use devices::shifts::{Shift, ShiftId, ShiftRow};
pub use devices::{DeviceRow, is_own, portal_of};
pub use error::RegistryError;
pub use kept::KeptRegistry;
pub use operator::accesses::AccessRow;
pub use operator::order_log::{OrderEnd, OrderReport};
pub use operator::{OrderEntry, lookups};
pub use people::proven::Holder;
pub use people::sign_outs::SignOut;
pub use people::withdrawals::{RetainedData, kept_until};
use people::withdrawn_list::WithdrawnList;
pub use people::{Person, departures};
use personal::seal::Sealer;
pub use personal::seal::{Hash, Hasher};
pub use personal::{DocumentKind, DocumentNumber, Phone, id_check};
pub use places::units::{UnitRow, UnitState};
pub use places::{PlaceRow, RegionRow};
use replication::Replication;
pub use store::copy::TreeHead;
pub use store::health::SignedUpTo;
pub use store::imports;
pub use store::lock::DirectoryLock;
pub use store::voucher::{LogSeen, RegistryFound, RegistryVoucher};

/// The number under which a gateway issues codes by default.
const GATEWAY_DEFAULT: u16 = 1;

/// The open registry. A value from [`Self::open`] is the only writer; one from [`Self::reader`] or [`Self::open_to_read`] only
/// reads.
pub struct Registry {
    connection: Connection,
    sealer: Arc<Sealer>,
    /// True inside [`Self::group`], where a transaction is a savepoint.
    grouped: bool,
    /// Counts to publish after the commit.
    tally: Tally,
    /// Withdrawals to add to the list beside the keys after the commit.
    withdrawn_list: WithdrawnList,
    /// `None` for a registry that is in no fleet.
    replication: Option<Replication>,
}

impl Registry {
    /// Opens the registry for writing; creates it with the regions of this release's table if it does not exist.
    pub fn open(path: &Path, keys: &Keys) -> Result<Self, RegistryError> {
        // SQLite gives its other files the same mode.
        let mut options = std::fs::OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|source| RegistryError::Io { doing: "opening", path: path.to_owned(), source })?;
        let mut connection = Connection::open(path)?;
        schema::configure(&connection, path)?;
        schema::migrate(&mut connection, path)?;
        let sealer = Arc::new(Sealer::new(keys.field(), keys.pepper()));
        let withdrawn_list = WithdrawnList::at(keys.withdrawn().to_owned());
        let mut registry = Self {
            connection,
            sealer,
            grouped: false,
            tally: Tally::default(),
            withdrawn_list,
            replication: None,
        };
        registry.check_keys()?;
        registry.check_key_ids(keys)?;
        registry.note_key_ids(keys)?;
        // First, because the steps after it may add decisions.
        registry.keep_missing_nodes()?;
        registry.begin_resealing()?;
        registry.remove_withdrawn()?;
        Ok(registry)
    }

    /// Opens another connection that only reads and never blocks the writer.
    pub fn reader(&self) -> Result<Self, RegistryError> {
        let path = self
            .connection
            .path()
            .ok_or(RegistryError::Missing { what: "file of the registry".to_owned() })?;
        let (connection, sealer) = (read_only(Path::new(path))?, Arc::clone(&self.sealer));
        let (tally, withdrawn_list) = (Tally::default(), WithdrawnList::default());
        Ok(Self { connection, sealer, grouped: false, tally, withdrawn_list, replication: None })
    }

    /// Opens a registry to read it, also while a gateway writes it.
    pub fn open_to_read(path: &Path, keys: &Keys) -> Result<Self, RegistryError> {
        let connection = read_only(path)?;
        schema::check(&connection, path)?;
        let sealer = Arc::new(Sealer::new(keys.field(), keys.pepper()));
        let (tally, withdrawn_list) = (Tally::default(), WithdrawnList::default());
        let registry = Self { connection, sealer, grouped: false, tally, withdrawn_list, replication: None };
        let known = registry.meta("keys")?.ok_or(RegistryError::Damaged { what: "mark of its keys" })?;
        registry.check_mark(&known)?;
        registry.check_key_ids(keys)?;
        registry.expect_old_people()?;
        Ok(registry)
    }

    /// Returns the number under which this gateway issues codes.
    pub fn gateway(&self) -> Result<u16, RegistryError> {
        self.meta("gateway")?
            .and_then(|value| value.parse().ok())
            .ok_or(RegistryError::Damaged { what: "gateway number" })
    }

    /// Returns a random number, for a code.
    pub fn random(&self) -> Result<u64, RegistryError> {
        self.sealer.random()
    }

    /// Returns a keyed hash over bytes that only this gateway can compute, for values that it hands out and gets back.
    pub fn seal_of(&self, kind: &str, bytes: &[u8]) -> [u8; personal::seal::HASH_BYTES] {
        self.sealer.hash_bytes(kind, bytes)
    }

    pub fn meta(&self, name: &str) -> Result<Option<String>, RegistryError> {
        use rusqlite::OptionalExtension;
        let query = "SELECT value FROM meta WHERE name = ?1";
        Ok(self.connection.query_row(query, [name], |row| row.get(0)).optional()?)
    }

    pub fn set_meta(&self, name: &str, value: &str) -> Result<(), RegistryError> {
        let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
        self.connection.execute(sql, [name, value])?;
        Ok(())
    }

    /// Runs `work` in one transaction: all of it is committed, or nothing. Inside a group it is a step of the group's
    /// transaction.
    pub fn transaction<T, E: From<RegistryError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.grouped {
            return self.step("part", work);
        }
        self.begin()?;
        if let Some(refusal) = self.refusal() {
            self.sql("ROLLBACK")?;
            return Err(RegistryError::from(refusal).into());
        }
        let result = work(self);
        if result.is_ok() {
            self.commit()?;
        } else {
            self.sql("ROLLBACK")?;
        }
        result
    }

    /// Runs steps of many callers in one transaction, with one sync for all. After an error none of them has happened. Inside a group the
    /// steps are the outer group's. In a fleet it begins also where this gateway does not lead: the caller asks [`Self::refusal`] for each
    /// step that other gateways have to know of.
    pub fn group<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Result<T, RegistryError> {
        if self.grouped {
            return Ok(work(self));
        }
        self.begin()?;
        self.grouped = true;
        let result = work(self);
        self.grouped = false;
        let committed = self.commit();
        self.shrink();
        committed?;
        Ok(result)
    }

    /// Runs one step of a group. If it returns an error or panics, it is rolled back and the group continues; the caller catches
    /// the panic.
    pub fn step<T, E: From<RegistryError>>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        // SQLite may end a transaction by itself when its disk is full; later statements would not be part of it.
        if self.connection.is_autocommit() {
            return Err(RegistryError::GroupLost.into());
        }
        self.sql(&format!("SAVEPOINT {name}"))?;
        let (counted, withdrawn) = (self.tally.len(), self.withdrawn_list.len());
        let result = work(self);
        if result.is_err() {
            self.tally.truncate(counted);
            self.withdrawn_list.truncate(withdrawn);
        }
        if result.is_err() && !self.connection.is_autocommit() {
            self.sql(&format!("ROLLBACK TO {name}"))?;
        }
        if !self.connection.is_autocommit() {
            self.sql(&format!("RELEASE {name}"))?;
        }
        result
    }

    fn begin(&mut self) -> Result<(), RegistryError> {
        // A caller that panicked left it open.
        if !self.connection.is_autocommit() {
            self.sql("ROLLBACK")?;
        }
        self.grouped = false;
        self.tally.truncate(0);
        self.withdrawn_list.truncate(0);
        self.align()?;
        self.sql("BEGIN IMMEDIATE")
    }

    fn commit(&self) -> Result<(), RegistryError> {
        if self.connection.is_autocommit() {
            return Err(RegistryError::GroupLost);
        }
        let is_sent = self.send_out().inspect_err(|_| drop(self.sql("ROLLBACK")))?;
        let committed = self.sql("COMMIT").inspect_err(|_| drop(self.sql("ROLLBACK")));
        if is_sent && committed.is_err() {
            self.diverged();
        }
        committed?;
        self.tally.count();
        self.withdrawn_list.write();
        Ok(())
    }

    fn sql(&self, statement: &str) -> Result<(), RegistryError> {
        Ok(self.connection.execute_batch(statement)?)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registry(…)")
    }
}

fn read_only(path: &Path) -> Result<Connection, RegistryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(schema::BUSY)?;
    Ok(connection)
}

/// Returns whether SQLite refused a row because its key exists already.
fn is_conflict(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _)
        if matches!(failure.extended_code,
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
            | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | rusqlite::ffi::SQLITE_CONSTRAINT_ROWID))
}

#[cfg(test)]
mod tests;
