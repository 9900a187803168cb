//! The stored tree over the decisions: the roots of its whole subtrees by level, each written with the decision that completes
//! it. A proof reads a few dozen rows, however many decisions there are.

use rusqlite::{Connection, OptionalExtension, params};

use crate::audit::{Hash, Node, Tree, node_hash, root};
use crate::{Registry, RegistryError};

/// The lowest stored level, of 2^4 leaves: reading fewer leaves takes no longer, and lower levels would be seven of eight rows.
pub(crate) const KEPT_LEVEL: u32 = 4;
/// Decisions whose subtrees are added in one transaction when an earlier release stored none.
const DECISIONS_PER_STEP: u64 = 64 * 1024;

/// Returns the root of a whole subtree.
pub(crate) fn node(connection: &Connection, node: Node) -> Result<Hash, RegistryError> {
    if node.level < KEPT_LEVEL {
        return from_leaves(connection, node);
    }
    let found = kept(connection, node)?;
    found.ok_or(RegistryError::Damaged {
        what: "tree over the decisions; `changtong audit verify` names the place",
    })
}

/// Returns the stored root of a whole subtree; `None` if it is not stored.
pub(crate) fn kept(connection: &Connection, node: Node) -> Result<Option<Hash>, RegistryError> {
    let sql = "SELECT hash FROM nodes WHERE level = ?1 AND place = ?2";
    let mut query = connection.prepare_cached(sql)?;
    Ok(query.query_row(params![node.level, node.index as i64], |row| row.get(0)).optional()?)
}

fn from_leaves(connection: &Connection, node: Node) -> Result<Hash, RegistryError> {
    let leaves = node.leaves();
    let sql = "SELECT leaf FROM decisions WHERE id > ?1 AND id <= ?2 ORDER BY id";
    let mut query = connection.prepare_cached(sql)?;
    let mut rows = query.query([leaves.start as i64, leaves.end as i64])?;
    let mut tree = Tree::default();
    while let Some(row) = rows.next()? {
        tree.push(row.get(0)?, |_, _| ());
    }
    let whole = tree.size() == leaves.end - leaves.start;
    if whole { Ok(tree.root()) } else { Err(RegistryError::Damaged { what: "decision" }) }
}

impl Registry {
    /// Returns the number of decisions.
    pub fn decided(&self) -> Result<u64, RegistryError> {
        let sql = "SELECT max(id) FROM decisions";
        let last: Option<i64> = self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(last.unwrap_or(0) as u64)
    }

    /// Computes the root over the first `size` decisions.
    pub(crate) fn tree_root(&self, size: u64) -> Result<Hash, RegistryError> {
        root(size, |at| node(&self.connection, at))
    }

    /// Stores the subtrees that decision number `size` completes. Runs in the transaction that adds the decision.
    pub(crate) fn keep_nodes(&self, size: u64) -> Result<(), RegistryError> {
        if size.trailing_zeros() < KEPT_LEVEL {
            return Ok(());
        }
        let sql = "INSERT INTO nodes (level, place, hash) VALUES (?1, ?2, ?3)";
        let mut insert = self.connection.prepare_cached(sql)?;
        let last = |level: u32| Node { level, index: (size >> level) - 1 };
        let mut hash = from_leaves(&self.connection, last(KEPT_LEVEL))?;
        for level in KEPT_LEVEL..=size.trailing_zeros() {
            if level > KEPT_LEVEL {
                let right = last(level - 1);
                hash = node_hash(&node(&self.connection, Node { index: right.index - 1, ..right })?, &hash);
            }
            insert.execute(params![level, last(level).index as i64, hash])?;
        }
        Ok(())
    }

    /// Adds the subtrees that earlier releases did not store, in parts, and continues after an interruption.
    pub(crate) fn keep_missing_nodes(&mut self) -> Result<(), RegistryError> {
        let sql = "SELECT max(place) FROM nodes WHERE level = ?1";
        let last: Option<i64> = self.connection.query_row(sql, [KEPT_LEVEL], |row| row.get(0))?;
        let mut done = last.map_or(0, |last| (last as u64 + 1) << KEPT_LEVEL);
        let decided = self.decided()? >> KEPT_LEVEL << KEPT_LEVEL;
        if done < decided {
            tracing::info!(
                decisions = decided - done,
                "adding the tree over decisions of an earlier release"
            );
        }
        while done < decided {
            let step = (done + DECISIONS_PER_STEP).min(decided);
            self.transaction(|registry| (done + 1..=step).try_for_each(|size| registry.keep_nodes(size)))?;
            done = step;
        }
        Ok(())
    }
}
