//! Decisions: every change of a colour and every new cause, each a leaf of the Merkle tree of [`crate::audit`]. Rows are never
//! changed or removed and hold no personal data: a keyed hash stands for the code.

pub(crate) mod nodes;
pub(crate) mod tally;

use policy::CauseKind;
use protocol::{CodeId, Colour};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use crate::audit::{Checkpoint, Growth, Receipt, Tree, leaf_hash, prove, prove_growth};
use crate::decisions::nodes::{KEPT_LEVEL, kept, node};
use crate::operator::order_log;
use crate::personal::seal::Hash as Subject;
use crate::{Registry, RegistryError};

/// A stored decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    /// The decision's number, from 1; appeals refer to it.
    pub id: i64,
    /// The time of the decision, Unix seconds.
    pub at_s: u64,
    /// The colour before.
    pub from: Colour,
    /// The colour after.
    pub to: Colour,
    /// The cause that was set or cleared; `None` if the clock changed the colour.
    pub cause: Option<i64>,
    /// The authority that decided, or the clock.
    pub authority: String,
    /// The operators who signed; empty for the citizen, a carrier and the clock.
    pub operators: String,
    /// The policy's version.
    pub policy: String,
    /// SHA-256 of the cause's sealed evidence, in hexadecimal; empty if there is none.
    pub evidence: String,
}

/// The origin of a change of a code.
pub struct Change<'a> {
    pub cause: Option<i64>,
    pub authority: &'a str,
    pub operators: &'a str,
    pub policy: &'a str,
}

/// The authority of colours that came with an import.
pub const INHERITED: &str = "former-system";

/// The counts of a successful [`Registry::verify_decisions`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditReport {
    /// Decisions.
    pub decisions: u64,
    /// Signed checkpoints over them.
    pub checkpoints: u64,
    /// The number of decisions under the last of these.
    pub covered: u64,
}

/// The text that is hashed; the order of the fields is fixed.
#[derive(Serialize)]
struct Text<'a> {
    decision: i64,
    at_s: u64,
    subject: String,
    from: &'a str,
    to: &'a str,
    cause: Option<i64>,
    authority: &'a str,
    operators: &'a str,
    policy: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    evidence: &'a str,
}

impl DecisionRow {
    fn text(&self, subject: &[u8]) -> String {
        let text = Text {
            decision: self.id,
            at_s: self.at_s,
            subject: hex::encode(subject),
            from: self.from.name(),
            to: self.to.name(),
            cause: self.cause,
            authority: &self.authority,
            operators: &self.operators,
            policy: &self.policy,
            evidence: &self.evidence,
        };
        serde_json::to_string(&text).expect("texts and numbers")
    }
}

const COLUMNS: &str =
    "id, at_s, from_colour, to_colour, cause, authority, operators, policy, subject, leaf, evidence";

fn read(row: &rusqlite::Row<'_>) -> Result<(DecisionRow, Vec<u8>, Vec<u8>), RegistryError> {
    let colour = |number| Colour::from_number(number).ok_or(RegistryError::Damaged { what: "decision" });
    let decision = DecisionRow {
        id: row.get(0)?,
        at_s: row.get::<_, i64>(1)? as u64,
        from: colour(row.get(2)?)?,
        to: colour(row.get(3)?)?,
        cause: row.get(4)?,
        authority: row.get(5)?,
        operators: row.get(6)?,
        policy: row.get(7)?,
        evidence: row.get(10)?,
    };
    Ok((decision, row.get(8)?, row.get(9)?))
}

impl Registry {
    /// Returns the decisions about the code, the oldest first.
    pub fn decisions(&self, code: CodeId) -> Result<Vec<DecisionRow>, RegistryError> {
        let sql = format!("SELECT {COLUMNS} FROM decisions WHERE subject = ?1 ORDER BY id");
        let mut query = self.connection.prepare_cached(&sql)?;
        let mut rows = query.query([self.subject(code)])?;
        let mut decisions = Vec::new();
        while let Some(row) = rows.next()? {
            decisions.push(read(row)?.0);
        }
        Ok(decisions)
    }

    /// Returns the decision with this number if it is about this code.
    pub fn decision_of(&self, code: CodeId, id: i64) -> Result<Option<DecisionRow>, RegistryError> {
        Ok(self.decisions(code)?.into_iter().find(|row| row.id == id))
    }

    /// Adds a decision. Runs in the caller's transaction.
    pub(super) fn decide(
        &self,
        code: CodeId,
        (from, to): (Colour, Colour),
        change: &Change<'_>,
        at_s: u64,
    ) -> Result<(), RegistryError> {
        let (kind, evidence) = change.cause.map(|cause| self.cause_decided(cause)).transpose()?.unzip();
        let evidence = evidence.unwrap_or_default();
        let decision = DecisionRow {
            id: self.decided()? as i64 + 1,
            at_s,
            from,
            to,
            cause: change.cause,
            authority: change.authority.to_owned(),
            operators: change.operators.to_owned(),
            policy: change.policy.to_owned(),
            evidence,
        };
        let subject = self.subject(code);
        let leaf = leaf_hash(decision.text(&subject).as_bytes());
        let sql = format!(
            "INSERT INTO decisions ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        );
        self.connection.prepare_cached(&sql)?.execute(params![
            decision.id,
            at_s as i64,
            from.number(),
            to.number(),
            decision.cause,
            decision.authority,
            decision.operators,
            decision.policy,
            subject,
            leaf,
            decision.evidence
        ])?;
        self.keep_nodes(decision.id as u64)?;
        self.tally.note(change.authority, kind, (from, to));
        Ok(())
    }

    /// Returns whether a decision names this cause.
    pub(super) fn is_decided(&self, cause: i64) -> Result<bool, RegistryError> {
        let sql = "SELECT 1 FROM decisions WHERE cause = ?1";
        Ok(self.connection.prepare_cached(sql)?.exists([cause])?)
    }

    /// Returns the cause's kind and the hash of its evidence, empty if it has none.
    fn cause_decided(&self, cause: i64) -> Result<(CauseKind, String), RegistryError> {
        let sql = "SELECT kind, evidence FROM causes WHERE id = ?1";
        let mut query = self.connection.prepare_cached(sql)?;
        let (kind, sealed): (u8, Option<Vec<u8>>) =
            query.query_row([cause], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let kind = CauseKind::from_number(kind).ok_or(RegistryError::Damaged { what: "cause" })?;
        let hash = |sealed: Vec<u8>| hex::encode(ring::digest::digest(&ring::digest::SHA256, &sealed));
        Ok((kind, sealed.map(hash).unwrap_or_default()))
    }

    /// Returns the keyed hash that stands for the code in records without personal data.
    pub fn subject(&self, code: CodeId) -> Subject {
        self.sealer.hash("decision", &code.get().to_string())
    }

    /// Signs a new checkpoint if there are new decisions, and returns the newest. A new one is also logged, so that a copy of the
    /// log can be compared with the registry later.
    pub fn checkpoint(&mut self, signing_pkcs8: &[u8], now_s: u64) -> Result<Checkpoint, RegistryError> {
        let size = self.decided()?;
        match self.last_checkpoint()? {
            Some(last) if last.size == size => return Ok(last),
            Some(last) if last.size > size => {
                let what = "it is missing, but a checkpoint covers it";
                return Err(RegistryError::Audit { number: size as i64 + 1, what });
            }
            Some(_) | None => {}
        }
        let signed = Checkpoint::sign(size, &self.tree_root(size)?, now_s, signing_pkcs8);
        let checkpoint = signed.ok_or(RegistryError::Damaged { what: "signing key" })?;
        let sql = "INSERT INTO checkpoints (size, root, at_s, signature) VALUES (?1, ?2, ?3, ?4)";
        let Checkpoint { size, root, at_s, signature, orders: _ } = &checkpoint;
        let row = params![*size as i64, root, *at_s as i64, signature];
        self.transaction::<_, RegistryError>(|registry| {
            Ok(registry.connection.execute(sql, row).map(drop)?)
        })?;
        tracing::info!(size, root, at_s, signature, "decisions are signed");
        Ok(checkpoint)
    }

    /// Returns the code's last decision with its proof under the newest checkpoint. `None` if there is no decision, or if no
    /// checkpoint covers it yet (at most a minute).
    pub fn signed_receipt(&self, code: CodeId) -> Result<Option<Receipt>, RegistryError> {
        let sql = format!("SELECT {COLUMNS} FROM decisions WHERE subject = ?1 ORDER BY id DESC LIMIT 1");
        let subject = self.subject(code);
        let found = self.connection.query_row(&sql, [subject], |row| Ok(read(row))).optional()?;
        let Some((decision, subject, _)) = found.transpose()? else { return Ok(None) };
        let Some(checkpoint) = self.last_checkpoint()? else { return Ok(None) };
        if checkpoint.size < decision.id as u64 {
            return Ok(None);
        }
        let index = decision.id as u64 - 1;
        let path = prove(checkpoint.size, index, |at| node(&self.connection, at))?;
        let path = path.ok_or(RegistryError::Damaged { what: "decision" })?;
        let path = path.iter().map(hex::encode).collect();
        Ok(Some(Receipt { decision: decision.text(&subject), index, path, checkpoint }))
    }

    /// Reads every decision again and checks numbers without a gap, hashes, the stored tree, and each checkpoint's root and
    /// signature. The error names the first decision that fails.
    pub fn verify_decisions(&self, public_key: &[u8]) -> Result<AuditReport, RegistryError> {
        Ok(verify(&self.connection, public_key)?.0)
    }

    /// Returns the newest checkpoint.
    fn last_checkpoint(&self) -> Result<Option<Checkpoint>, RegistryError> {
        last_checkpoint(&self.connection)
    }

    /// Returns the newest checkpoint with the order log's last entry, for keeping outside the gateway.
    pub fn checkpoint_to_keep(&self) -> Result<Option<Checkpoint>, RegistryError> {
        let Some(checkpoint) = self.last_checkpoint()? else { return Ok(None) };
        Ok(Some(Checkpoint { orders: order_log::up_to(&self.connection)?, ..checkpoint }))
    }

    /// Proves that the newest checkpoint begins with the first `since` decisions; see [`growth`].
    pub fn growth(&self, since: u64) -> Result<Option<Growth>, RegistryError> {
        growth(&self.connection, since)
    }
}

fn last_checkpoint(connection: &Connection) -> Result<Option<Checkpoint>, RegistryError> {
    let sql = "SELECT size, root, at_s, signature FROM checkpoints
        WHERE size = (SELECT max(size) FROM checkpoints)";
    Ok(connection.prepare_cached(sql)?.query_row([], read_checkpoint).optional()?)
}

/// Proves that the newest checkpoint begins with the first `since` decisions; `None` before the first checkpoint. If there are
/// fewer decisions the path is empty, and [`Growth::check`] fails.
pub(super) fn growth(connection: &Connection, since: u64) -> Result<Option<Growth>, RegistryError> {
    let Some(checkpoint) = last_checkpoint(connection)? else { return Ok(None) };
    let path = prove_growth(since, checkpoint.size, |at| node(connection, at))?;
    let path = path.unwrap_or_default().iter().map(hex::encode).collect();
    Ok(Some(Growth { since, path, checkpoint }))
}

pub(super) fn verify(
    connection: &Connection,
    public_key: &[u8],
) -> Result<(AuditReport, Tree), RegistryError> {
    let bad = |number: i64, what| RegistryError::Audit { number, what };
    // One snapshot: decisions are made meanwhile.
    let _snapshot = connection.unchecked_transaction()?;
    let mut checkpoints = checkpoints(connection)?.into_iter().peekable();
    let (mut tree, mut report, mut nodes) = (Tree::default(), AuditReport::default(), 0_i64);
    let mut query = connection.prepare(&format!("SELECT {COLUMNS} FROM decisions ORDER BY id"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (decision, subject, leaf) = read(row)?;
        if decision.id != tree.size() as i64 + 1 {
            return Err(bad(tree.size() as i64 + 1, "it is missing"));
        }
        let hash = leaf_hash(decision.text(&subject).as_bytes());
        if leaf != hash {
            return Err(bad(decision.id, "it is not as it was recorded"));
        }
        let mut as_kept = Ok(true);
        tree.push(hash, |at, hash| {
            if at.level >= KEPT_LEVEL && matches!(as_kept, Ok(true)) {
                nodes += 1;
                as_kept = kept(connection, at).map(|kept| kept == Some(hash));
            }
        });
        if !as_kept? {
            return Err(bad(decision.id, "the stored tree over it does not match the decisions"));
        }
        if let Some(checkpoint) = checkpoints.next_if(|checkpoint| checkpoint.size == tree.size()) {
            if !checkpoint.is_genuine(public_key) {
                return Err(bad(decision.id, "the checkpoint over it is not signed by this gateway"));
            }
            if checkpoint.root != hex::encode(tree.root()) {
                return Err(bad(decision.id, "it, or an earlier decision, is not what was signed"));
            }
            (report.checkpoints, report.covered) = (report.checkpoints + 1, checkpoint.size);
        }
    }
    if checkpoints.next().is_some() {
        return Err(bad(tree.size() as i64 + 1, "it is missing, but a checkpoint covers it"));
    }
    if connection.query_row("SELECT count(*) FROM nodes", [], |row| row.get::<_, i64>(0))? != nodes {
        return Err(bad(tree.size() as i64 + 1, "it is missing, but the stored tree covers it"));
    }
    report.decisions = tree.size();
    Ok((report, tree))
}

fn checkpoints(connection: &Connection) -> Result<Vec<Checkpoint>, RegistryError> {
    // A checkpoint over no decision needs no check.
    let sql = "SELECT size, root, at_s, signature FROM checkpoints WHERE size > 0 ORDER BY size";
    let mut query = connection.prepare(sql)?;
    let rows = query.query_map([], read_checkpoint)?;
    rows.collect::<Result<_, _>>().map_err(RegistryError::Store)
}

fn read_checkpoint(row: &rusqlite::Row<'_>) -> rusqlite::Result<Checkpoint> {
    let (size, at_s): (i64, i64) = (row.get(0)?, row.get(2)?);
    let (root, signature) = (row.get(1)?, row.get(3)?);
    Ok(Checkpoint { size: size as u64, root, at_s: at_s as u64, signature, orders: None })
}
