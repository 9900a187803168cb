//! The record of several gateways: each acknowledged punch is in one of their logs at least, as it was answered, and in each log once. A
//! punch that was sent to a second gateway, because the first one's answer was lost, is in both; one of the two counts.

use std::collections::HashMap;
use std::io::Read;

use protocol::{DeviceId, Epoch};

use super::{Claims, Columns, Fact, Proof, ProofError, same};

/// The rows of all logs for one punch.
type Rows = HashMap<(DeviceId, Epoch, u64), Vec<Fact>>;

/// Checks the exports of all gateways, in CSV, against the claims. Rows of other devices and epochs are passed over.
///
/// # Errors
/// An export that cannot be read.
pub fn check_all<R: Read>(
    claims: &Claims,
    exports: impl IntoIterator<Item = R>,
) -> Result<Proof, ProofError> {
    let mut proof = Proof { acknowledged: claims.acknowledged(), ..Proof::default() };
    let mut rows = Rows::new();
    for export in exports {
        for (key, facts) in read(claims, export, &mut proof)? {
            rows.entry(key).or_default().extend(facts);
        }
    }
    proof.recorded = rows.len() as u64;
    for ((device, epoch), claim) in &claims.0 {
        for (sequence, fact) in (1_u64..).zip(&claim.acknowledged) {
            match rows.get(&(*device, *epoch, sequence)) {
                None => proof.lost += 1,
                Some(found) => {
                    let is_whole = found.iter().any(|found| same(fact, found))
                        && found.iter().all(|row| is_one(&found[0], row));
                    proof.altered += u64::from(!is_whole);
                }
            }
        }
    }
    for (device, epoch, sequence) in rows.keys() {
        let Some(claim) = claims.0.get(&(*device, *epoch)) else { continue };
        let acknowledged = claim.acknowledged.len() as u64;
        proof.invented += u64::from(*sequence == 0 || *sequence > claim.sent.max(acknowledged));
        proof.unacknowledged += u64::from((acknowledged + 1..=claim.sent).contains(sequence));
    }
    Ok(proof)
}

/// Reports whether two logs have the same punch under a number, each with its own receipt and verdict.
fn is_one(one: &Fact, other: &Fact) -> bool {
    let Fact { received_ms, verdict, kind, .. } = *one;
    Fact { received_ms, verdict, kind, ..*other } == *one
}

/// Reads one log's export; counts what is there twice or out of order.
fn read(claims: &Claims, export: impl Read, proof: &mut Proof) -> Result<Rows, ProofError> {
    let bad = |error: csv::Error| ProofError::Export(error.to_string());
    let mut reader = csv::Reader::from_reader(export);
    let columns = Columns::find(reader.headers().map_err(bad)?)?;
    let (mut rows, mut highest) = (Rows::new(), HashMap::new());
    for row in reader.records() {
        let row = row.map_err(bad)?;
        let parsed =
            columns.parse(&row).ok_or_else(|| ProofError::Export("a row is not a punch".to_owned()))?;
        let device = (parsed.device, parsed.epoch);
        if !claims.0.contains_key(&device) {
            continue;
        }
        let facts = rows.entry((parsed.device, parsed.epoch, parsed.sequence)).or_default();
        if !facts.is_empty() {
            proof.doubled += 1;
            continue;
        }
        facts.push(parsed.fact);
        let highest = highest.entry(device).or_insert(0);
        proof.disordered += u64::from(parsed.sequence < *highest);
        *highest = parsed.sequence.max(*highest);
    }
    Ok(rows)
}
