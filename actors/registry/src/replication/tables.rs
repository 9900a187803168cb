//! The tables that go to all gateways of a fleet, and the temporary triggers that note which of their rows a transaction changes. A
//! trigger notes only the row's key: the row itself is read once, before the commit, however often it was changed.

use rusqlite::Connection;

use crate::RegistryError;

/// The replicated tables. Their order is part of the triggers alone; changesets name tables.
pub(super) const REPLICATED: &[&str] = &[
    "meta",
    "regions",
    "places",
    "codes",
    "people",
    "devices",
    "device_regions",
    "device_places",
    "enrolments",
    "imports",
    "causes",
    "decisions",
    "checkpoints",
    "nodes",
    "consents",
    "attempts",
    "past_consents",
    "past_attempts",
    "stays",
    "operators",
    "order_log",
    "accesses",
    "lookups",
    "units",
    "appeals",
    "policies",
    "document_tries",
    "papers",
    "leftovers",
    "departures",
    "sign_outs",
    "withdrawals",
    "staff_sessions",
];

/// Tables of one gateway alone, with the reason. There is none yet.
#[cfg(test)]
pub(super) const LOCAL: &[(&str, &str)] = &[];

/// Rows of `meta` of one gateway alone, with the reason.
pub(super) const LOCAL_ROWS: &[(&str, &str)] = &[
    ("clock", "the time that this machine has certainly reached"),
    ("id", "this registry's name in the vouchers for its own punch log"),
    ("vouched", "the number of those vouchers"),
    ("log", "this gateway's own punch log"),
    ("accepted", "the acceptance of another log beside this registry"),
    ("keys", "the mark of this machine's key files, which the members compare otherwise"),
    ("fleet-position", "what this registry has applied"),
    ("fleet-message", "the same"),
    ("fleet-id", "the same; it comes with a snapshot, or is drawn by the founder"),
    ("fleet-orders", "orders about this gateway's part in the fleet, given while the order log took none"),
];

/// The beginning of the rows of `meta` with the ids of this machine's key files.
const LOCAL_PREFIX: &str = "key ";

/// The table of noted rows. Its columns have no type, so that a key stays what it is. Foreign keys were checked by the leader: a
/// follower would only pay for it. `INSERT OR REPLACE` tells of the rows that it removes only with recursive triggers.
pub(super) const PREPARE: &str = "
    PRAGMA foreign_keys = OFF;
    PRAGMA recursive_triggers = ON;
    CREATE TEMP TABLE fleet_changes (tab INTEGER NOT NULL, k1 NOT NULL, k2 NOT NULL);
";

/// A replicated table, as the schema has it.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The number in the notes.
    number: usize,
    /// One or two columns; `rowid` where the table has no key of its own.
    pub(super) key: Vec<String>,
    /// All columns, with the key's.
    pub(super) columns: Vec<String>,
    /// True if its numbers are never given twice.
    pub(super) counts: bool,
    /// The statements of each changeset, written once.
    pub(super) sql: Statements,
}

/// The statements on one table that each changeset runs.
pub(super) struct Statements {
    /// Reads the noted rows: the key, then the columns, which are null for a row that is gone.
    pub(super) read_noted: String,
    /// Deletes the row with a key.
    pub(super) delete: String,
    /// Writes a row that is new.
    pub(super) insert: String,
    /// Writes the other columns of the row with a key, with the parameters of `insert`; `None` for a table of keys alone.
    pub(super) update: Option<String>,
    /// Writes a row, and removes a row that holds one of its unique values: that row is changed in the same transaction, and written
    /// before or after it.
    pub(super) replace: String,
}

/// Reads the replicated tables from the schema.
pub(super) fn read(connection: &Connection) -> Result<Vec<Table>, RegistryError> {
    REPLICATED.iter().enumerate().map(|(number, name)| Table::read(connection, number, name)).collect()
}

impl Table {
    fn read(connection: &Connection, number: usize, name: &'static str) -> Result<Self, RegistryError> {
        let (without_rowid, sql): (bool, String) = connection.query_row(
            "SELECT wr, sql FROM pragma_table_list JOIN sqlite_schema USING (name) WHERE schema = 'main' AND name = ?1",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut query =
            connection.prepare("SELECT name, pk, type FROM pragma_table_info(?1) ORDER BY cid")?;
        let rows = query.query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let rows: Vec<(String, u32, String)> = rows.collect::<Result<_, _>>()?;
        let mut columns: Vec<String> = rows.iter().map(|(column, ..)| column.clone()).collect();
        let mut key: Vec<_> = rows.iter().filter(|(_, place, _)| *place > 0).collect();
        key.sort_by_key(|(_, place, _)| *place);
        let key: Vec<String> = if without_rowid || matches!(key[..], [(_, _, kind)] if kind == "INTEGER") {
            key.into_iter().map(|(column, ..)| column.clone()).collect()
        } else {
            columns.insert(0, "rowid".to_owned());
            vec!["rowid".to_owned()]
        };
        assert!(matches!(key.len(), 1 | 2), "the notes have room for two columns of a key: {name}");
        let counts = sql.contains("AUTOINCREMENT");
        let sql = Statements {
            read_noted: read_noted(name, number, &key, &columns),
            delete: delete(name, &key),
            insert: insert("INSERT", name, &columns),
            update: update(name, &key, &columns),
            replace: insert("INSERT OR REPLACE", name, &columns),
        };
        Ok(Self { name, number, key, columns, counts, sql })
    }

    /// Returns the position of a column.
    pub(super) fn column(&self, name: &str) -> usize {
        self.columns
            .iter()
            .position(|column| column == name)
            .expect("the column is one of this release's schema")
    }

    /// Returns the statement that reads all shared rows, in the order of their keys.
    pub(super) fn read_all(&self) -> String {
        let (name, columns, keys) = (self.name, self.columns.join(", "), self.key.join(", "));
        format!("SELECT {columns} FROM main.{name}{} ORDER BY {keys}", self.shared_only(" WHERE ", ""))
    }

    /// Returns the noted columns of a row that is called `row`.
    fn noted(&self, row: &str) -> String {
        let second = self.key.get(1).map_or("0".to_owned(), |column| format!("{row}{column}"));
        format!("{row}{}, {second}", self.key[0])
    }

    /// Returns a condition for the rows that are not one gateway's alone, with `before` in front; empty where all are shared.
    fn shared_only(&self, before: &str, row: &str) -> String {
        if self.name != "meta" {
            return String::new();
        }
        format!("{before}{row}name NOT IN ({}) AND {row}name NOT LIKE '{LOCAL_PREFIX}%'", local_names())
    }

    fn triggers(&self) -> String {
        let (name, number) = (self.name, self.number);
        let (new, old) = (self.noted("NEW."), self.noted("OLD."));
        let (new_shared, old_shared) =
            (self.shared_only(" WHEN ", "NEW."), self.shared_only(" WHEN ", "OLD."));
        let note = |row: &str| format!("BEGIN INSERT INTO fleet_changes VALUES ({number}, {row}); END;\n");
        let moved =
            self.key.iter().map(|column| format!("OLD.{column} IS NOT NEW.{column}")).collect::<Vec<_>>();
        format!(
            "CREATE TEMP TRIGGER fleet_insert_{name} AFTER INSERT ON main.{name}{new_shared} {}\
             CREATE TEMP TRIGGER fleet_update_{name} AFTER UPDATE ON main.{name}{new_shared} {}\
             CREATE TEMP TRIGGER fleet_move_{name} AFTER UPDATE ON main.{name} WHEN {} {}\
             CREATE TEMP TRIGGER fleet_delete_{name} AFTER DELETE ON main.{name}{old_shared} {}",
            note(&new),
            note(&new),
            moved.join(" OR "),
            note(&old),
            note(&old),
        )
    }
}

fn local_names() -> String {
    LOCAL_ROWS.iter().map(|(name, _)| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

/// Returns a condition for the rows of `meta` that are one gateway's alone.
pub(super) fn local_only() -> String {
    format!("(name IN ({}) OR name LIKE '{LOCAL_PREFIX}%')", local_names())
}

fn read_noted(name: &str, number: usize, key: &[String], columns: &[String]) -> String {
    let columns = columns.iter().map(|column| format!(", row.{column}")).collect::<String>();
    let on = key.iter().zip(["k1", "k2"]).map(|(column, noted)| format!("row.{column} = noted.{noted}"));
    let on = on.collect::<Vec<_>>().join(" AND ");
    format!(
        "SELECT noted.k1, noted.k2{columns} FROM (SELECT DISTINCT k1, k2 FROM temp.fleet_changes WHERE tab = {number}) AS noted
        LEFT JOIN main.{name} AS row ON {on}"
    )
}

fn delete(name: &str, key: &[String]) -> String {
    let by = key.iter().enumerate().map(|(index, column)| format!("{column} = ?{}", index + 1));
    format!("DELETE FROM main.{name} WHERE {}", by.collect::<Vec<_>>().join(" AND "))
}

fn insert(how: &str, name: &str, columns: &[String]) -> String {
    let places = (1..=columns.len()).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
    format!("{how} INTO main.{} ({}) VALUES ({places})", name, columns.join(", "))
}

fn update(name: &str, key: &[String], columns: &[String]) -> Option<String> {
    let (keys, others): (Vec<_>, Vec<_>) = (1..).zip(columns).partition(|(_, column)| key.contains(column));
    let each = |columns: &[(i32, &String)], between: &str| {
        columns.iter().map(|(place, column)| format!("{column} = ?{place}")).collect::<Vec<_>>().join(between)
    };
    let sql = || format!("UPDATE main.{name} SET {} WHERE {}", each(&others, ", "), each(&keys, " AND "));
    (!others.is_empty()).then(sql)
}

/// Returns the statements by which a gateway that begins to lead notes its changes.
pub(super) fn capture(tables: &[Table]) -> String {
    let mut sql = String::from("DELETE FROM temp.fleet_changes; PRAGMA foreign_keys = ON;\n");
    tables.iter().for_each(|table| sql.push_str(&table.triggers()));
    sql
}

/// Returns the statements by which a gateway that does not lead any more stops to note.
pub(super) fn release(tables: &[Table]) -> String {
    let mut sql = String::from("PRAGMA foreign_keys = OFF;\n");
    for table in tables {
        for what in ["insert", "update", "move", "delete"] {
            sql.push_str(&format!("DROP TRIGGER IF EXISTS temp.fleet_{what}_{};\n", table.name));
        }
    }
    sql + "DELETE FROM temp.fleet_changes;"
}

/// Returns the numbers of the tables with noted rows.
pub(super) fn touched(connection: &Connection) -> Result<Vec<u32>, RegistryError> {
    let mut query = connection.prepare_cached("SELECT DISTINCT tab FROM temp.fleet_changes ORDER BY tab")?;
    let rows = query.query_map([], |row| row.get(0))?;
    rows.collect::<Result<_, _>>().map_err(RegistryError::Store)
}

pub(super) fn has_changes(connection: &Connection) -> Result<bool, RegistryError> {
    Ok(connection.prepare_cached("SELECT 1 FROM temp.fleet_changes LIMIT 1")?.exists([])?)
}

pub(super) fn forget_changes(connection: &Connection) -> Result<(), RegistryError> {
    connection.prepare_cached("DELETE FROM temp.fleet_changes")?.execute([])?;
    Ok(())
}
