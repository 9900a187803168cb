//! A digest over everything that the gateways of a fleet share: equal in all registries that have applied the same.

use ring::digest::{Context, SHA256};

use super::changes::counter;
use super::tables;
use crate::replication::Value;
use crate::{Registry, RegistryError};

impl Registry {
    /// Returns the SHA-256 over all shared rows, hexadecimal. Reads the whole registry.
    pub fn shared_digest(&self) -> Result<String, RegistryError> {
        Ok(self.shared_digest_at()?.0)
    }

    /// Returns the SHA-256 over all shared rows, hexadecimal, and the position in the fleet's stream at which they are so.
    pub fn shared_digest_at(&self) -> Result<(String, u64), RegistryError> {
        let mut digest = Context::new(&SHA256);
        // One snapshot for all tables and the position.
        let snapshot = self.connection.unchecked_transaction()?;
        for table in tables::read(&snapshot)? {
            digest.update(table.name.as_bytes());
            if table.counts {
                digest.update(&counter(&snapshot, table.name)?.unwrap_or(0).to_be_bytes());
            }
            let mut query = snapshot.prepare(&table.read_all())?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                for column in 0..table.columns.len() {
                    let value = Value::of(row.get_ref(column)?)?;
                    let bytes = bincode::encode_to_vec(value, bincode::config::standard());
                    digest.update(&bytes.expect("a value can be encoded"));
                }
            }
        }
        Ok((hex::encode(digest.finish().as_ref()), self.position()?))
    }
}
