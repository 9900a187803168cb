//! The rows that a transaction has changed, as they go to the other gateways: each with its state after the transaction, or as gone.

use bincode::{Decode, Encode};
use rusqlite::Connection;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::StreamPlace;
use super::tables::{self, Table};
use crate::{RegistryError, schema};

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Value {
    /// No value.
    Null,
    /// A number.
    Integer(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    pub(super) fn of(value: ValueRef<'_>) -> Result<Self, RegistryError> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Text(text) => {
                let text = std::str::from_utf8(text).map_err(|_| RegistryError::Damaged { what: "text" })?;
                Self::Text(text.to_owned())
            }
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
            ValueRef::Real(_) => return Err(RegistryError::Damaged { what: "fraction" }),
        })
    }

    pub(super) const fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Null | Self::Text(_) | Self::Blob(_) => None,
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The change of one row.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RowChange {
    /// The row with this key is gone.
    Gone(Vec<Value>),
    /// The row has these columns now.
    Now(Vec<Value>),
}

/// The changed rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TableChanges {
    /// The table's name.
    pub table: String,
    /// The highest number that the table has given, for one that gives none twice.
    pub counter: Option<i64>,
    /// Each changed row once.
    pub rows: Vec<RowChange>,
}

/// The rows that a transaction has changed. They hold sealed fields and keyed hashes, and colours in clear.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Changes {
    /// The version of the schema.
    pub version: u32,
    /// The fleet's name.
    pub fleet: String,
    /// The id of the message that the changes follow on; empty if the sender does not know it.
    pub previous: String,
    /// The tables with changes.
    pub tables: Vec<TableChanges>,
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Changes({} rows)", self.rows())
    }
}

impl Changes {
    /// Reads the noted rows of the open transaction.
    pub(super) fn collect(
        connection: &Connection,
        tables: &[Table],
        place: StreamPlace,
    ) -> Result<Self, RegistryError> {
        let StreamPlace { fleet, message: previous, .. } = place;
        let touched = tables::touched(connection)?;
        let tables =
            touched.into_iter().map(|number| TableChanges::collect(connection, &tables[number as usize]));
        let tables = tables.collect::<Result<_, _>>()?;
        Ok(Self { version: schema::VERSION, fleet, previous, tables })
    }

    /// Returns the number of changed rows.
    pub fn rows(&self) -> usize {
        self.tables.iter().map(|table| table.rows.len()).sum()
    }

    /// Returns true for changes that name their sender's keys: a new leader's first ones.
    pub fn begins_a_term(&self) -> bool {
        self.tables.is_empty()
    }
}

impl TableChanges {
    fn collect(connection: &Connection, table: &Table) -> Result<Self, RegistryError> {
        let mut query = connection.prepare_cached(&table.sql.read_noted)?;
        let keys = table.key.len();
        let is_there = 2 + table.column(&table.key[0]);
        let (mut rows, mut changes) = (query.query([])?, Vec::new());
        while let Some(row) = rows.next()? {
            let read = |index: usize| Value::of(row.get_ref(index)?);
            changes.push(if row.get_ref(is_there)? == ValueRef::Null {
                RowChange::Gone((0..keys).map(read).collect::<Result<_, _>>()?)
            } else {
                RowChange::Now((2..2 + table.columns.len()).map(read).collect::<Result<_, _>>()?)
            });
        }
        let counter = if table.counts { counter(connection, table.name)? } else { None };
        Ok(Self { table: table.name.to_owned(), counter, rows: changes })
    }
}

/// Returns the highest number that a table has given, also to a row that is gone.
pub(super) fn counter(connection: &Connection, table: &str) -> Result<Option<i64>, RegistryError> {
    use rusqlite::OptionalExtension;
    let mut query = connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = ?1")?;
    Ok(query.query_row([table], |row| row.get(0)).optional()?)
}
