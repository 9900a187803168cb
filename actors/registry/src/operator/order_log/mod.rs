//! The order log: every accepted order and its end, as a chain of entries signed with the gateway's key. Entries hold no personal
//! data: a commitment stands for the act, and its text is stored sealed beside it for a limited time. Entries are never changed
//! or removed.

use ring::digest::{Context, SHA256};
use ring::signature::Ed25519KeyPair;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::audit::{OrdersUpTo, order_head_text};
use crate::operator::{Operator, Order, OrderEntry, Signature, is_signed, signed_text};
use crate::personal::seal::{Column, Sealer};
use crate::{Registry, RegistryError};

/// The text of an order may name people, so it is stored, sealed, for as long as an authority may ask for it. Seconds.
pub(crate) const ORDER_TEXT_S: u64 = 184 * 86_400;

/// The counts of a successful [`Registry::verify_orders`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReport {
    /// Orders that were accepted.
    pub orders: u64,
    /// Orders with an end, done or refused; a crash leaves an order without one.
    pub ended: u64,
    /// Orders that still have their text.
    pub texts: u64,
    /// The last entry; `None` if there is none.
    pub last: Option<OrderEntry>,
}

/// The result of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderEnd {
    /// An order that was carried out.
    Done,
    /// A refused order: something that it names does not exist or is in another state.
    Refused,
}

/// An entry as it is hashed, without personal data.
#[derive(Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case", deny_unknown_fields)]
enum Entry {
    Order {
        recorded_s: u64,
        gateway: String,
        given_s: u64,
        act: String,
        commitment: String,
        signed: Vec<SignedBy>,
    },
    End {
        recorded_s: u64,
        order: u64,
        end: OrderEnd,
    },
}

/// A signature with the operator's public key at that time.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedBy {
    operator: String,
    public_key: String,
    signature: String,
}

/// The sealed text of an order.
#[derive(Serialize, Deserialize)]
struct Text {
    nonce: String,
    act: String,
}

impl Registry {
    /// Returns the gateway's id, which orders name. It is created with the registry and again when a backup is restored, so that
    /// a copy does not carry out the same orders.
    pub fn gateway_id(&self) -> Result<String, RegistryError> {
        self.meta("gateway-id")?.ok_or(RegistryError::Damaged { what: "gateway id" })
    }

    /// Replaces the gateway's id; orders for the old one are not accepted any more.
    pub fn renew_gateway_id(&mut self) -> Result<(), RegistryError> {
        let [high, low] = [self.random()?, self.random()?];
        self.set_meta("gateway-id", &format!("{high:016x}{low:016x}"))
    }

    /// Puts an order on record; returns `None` if it is on record already. Runs in the caller's transaction.
    pub(crate) fn record_order(
        &self,
        order: &Order,
        act: &str,
        signed: &[(Operator, &Signature)],
        (now_s, signing_pkcs8): (u64, &[u8]),
    ) -> Result<Option<OrderEntry>, RegistryError> {
        let commitment = order.commitment();
        let known = "SELECT 1 FROM order_log WHERE commitment = ?1";
        if self.connection.prepare_cached(known)?.exists([&commitment])? {
            return Ok(None);
        }
        let by = |(operator, signature): &(Operator, &Signature)| SignedBy {
            operator: operator.name.clone(),
            public_key: operator.public_key.clone(),
            signature: signature.signature.clone(),
        };
        let entry = Entry::Order {
            recorded_s: now_s,
            gateway: order.gateway.clone(),
            given_s: order.at_s,
            act: act.to_owned(),
            commitment: commitment.clone(),
            signed: signed.iter().map(by).collect(),
        };
        let text = Text { nonce: order.nonce.clone(), act: order.act.clone() };
        self.append(&entry, Some((&commitment, &text)), now_s, signing_pkcs8).map(Some)
    }

    /// Puts the result of an order on record.
    pub fn record_end(
        &mut self,
        order: &OrderEntry,
        end: OrderEnd,
        (now_s, signing_pkcs8): (u64, &[u8]),
    ) -> Result<OrderEntry, RegistryError> {
        let entry = Entry::End { recorded_s: now_s, order: order.number, end };
        self.transaction(|registry| registry.append(&entry, None, now_s, signing_pkcs8))
    }

    fn append(
        &self,
        entry: &Entry,
        text: Option<(&str, &Text)>,
        now_s: u64,
        signing_pkcs8: &[u8],
    ) -> Result<OrderEntry, RegistryError> {
        let (last, before) = last(&self.connection)?;
        let (number, entry) = (last + 1, serde_json::to_string(entry).expect("texts and numbers"));
        let chain = link(&before, &entry);
        let key = Ed25519KeyPair::from_pkcs8(signing_pkcs8);
        let key = key.map_err(|_| RegistryError::Damaged { what: "signing key" })?;
        let signature = hex::encode(key.sign(&order_head_text(number, &hex::encode(&chain))).as_ref());
        let sealed = text.map(|(_, text)| {
            self.sealer.seal(Column::Order, number, &serde_json::to_vec(text).expect("two texts"))
        });
        let sql = "INSERT INTO order_log (id, recorded_s, entry, commitment, sealed, chain, signature)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.connection.prepare_cached(sql)?.execute(params![
            number as i64,
            now_s as i64,
            entry,
            text.map(|(commitment, _)| commitment),
            sealed.transpose()?,
            chain,
            signature
        ])?;
        Ok(OrderEntry { number, head: hex::encode(chain) })
    }

    /// Reads every entry again and checks numbers without a gap, the chain and its signatures, the operators' signatures, and the
    /// texts that still exist. The error names the first entry that fails.
    pub fn verify_orders(&self, public_key: &[u8]) -> Result<OrderReport, RegistryError> {
        verify(&self.connection, public_key, Some(&self.sealer))
    }
}

fn last(connection: &Connection) -> Result<(u64, Vec<u8>), RegistryError> {
    let sql = "SELECT id, chain FROM order_log ORDER BY id DESC LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?));
    Ok(connection.prepare_cached(sql)?.query_row([], read).optional()?.unwrap_or_default())
}

fn link(before: &[u8], entry: &str) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(b"changtong order log 1\n");
    context.update(before);
    context.update(entry.as_bytes());
    context.finish().as_ref().to_vec()
}

/// Returns the last entry with its signature, for keeping outside the gateway; `None` without entries.
pub(crate) fn up_to(connection: &Connection) -> Result<Option<OrdersUpTo>, RegistryError> {
    let sql = "SELECT id, chain, signature FROM order_log ORDER BY id DESC LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| {
        let (number, chain) = (row.get::<_, i64>(0)? as u64, row.get::<_, Vec<u8>>(1)?);
        Ok(OrdersUpTo { number, head: hex::encode(chain), signature: row.get(2)? })
    };
    Ok(connection.prepare_cached(sql)?.query_row([], read).optional()?)
}

/// Checks that a verified log begins with the entries of a checkpoint kept elsewhere.
pub(crate) fn begins_with(connection: &Connection, held: &OrdersUpTo) -> Result<(), RegistryError> {
    let bad = |what| Err(RegistryError::Orders { number: held.number, what });
    let sql = "SELECT chain FROM order_log WHERE id = ?1";
    let chain: Option<Vec<u8>> =
        connection.query_row(sql, [held.number as i64], |row| row.get(0)).optional()?;
    match chain {
        Some(chain) if hex::encode(&chain) == held.head => Ok(()),
        Some(_) => bad("it, or an earlier entry, is not the one that was signed and kept elsewhere"),
        None => bad("it is missing, but was signed and kept elsewhere: the last entries were removed"),
    }
}

/// Checks as [`Registry::verify_orders`]; without a sealer, not the sealed texts.
pub(crate) fn verify(
    connection: &Connection,
    public_key: &[u8],
    sealer: Option<&Sealer>,
) -> Result<OrderReport, RegistryError> {
    let key = hex::encode(public_key);
    let mut report = OrderReport { orders: 0, ended: 0, texts: 0, last: None };
    let (mut before, mut number) = (Vec::new(), 0);
    let mut open = std::collections::BTreeSet::new();
    let sql = "SELECT id, entry, sealed, chain, signature, commitment FROM order_log ORDER BY id";
    let mut query = connection.prepare(sql)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        number += 1;
        let bad = |what| RegistryError::Orders { number, what };
        if row.get::<_, i64>(0)? as u64 != number {
            return Err(bad("it is missing"));
        }
        let (text, sealed): (String, Option<Vec<u8>>) = (row.get(1)?, row.get(2)?);
        let (chain, signature): (Vec<u8>, String) = (row.get(3)?, row.get(4)?);
        if chain != link(&before, &text) {
            return Err(bad("it, or the entry before it, is not as it was recorded"));
        }
        if !is_signed(&order_head_text(number, &hex::encode(&chain)), &signature, &key) {
            return Err(bad("it is not signed by this gateway"));
        }
        match serde_json::from_str(&text).map_err(|_| bad("it cannot be read"))? {
            Entry::Order { gateway, given_s, commitment, signed, .. } => {
                if row.get::<_, Option<String>>(5)?.as_ref() != Some(&commitment) {
                    return Err(bad("its commitment has changed"));
                }
                check_signatures(connection, &signed_text(&gateway, given_s, &commitment), &signed)?
                    .map_or(Ok(()), |what| Err(bad(what)))?;
                report.orders += 1;
                open.insert(number);
                if let (Some(sealed), Some(sealer)) = (&sealed, sealer) {
                    let order = sealer
                        .open(Column::Order, number, sealed)
                        .and_then(|text| opened(&text, &gateway, given_s));
                    if order.is_none_or(|order| order.commitment() != commitment) {
                        return Err(bad("its text is not the one that was signed"));
                    }
                }
                report.texts += u64::from(sealed.is_some());
            }
            Entry::End { order, .. } => {
                if !open.remove(&order) {
                    return Err(bad("it ends an order that was not open"));
                }
                report.ended += 1;
            }
        }
        report.last = Some(OrderEntry { number, head: hex::encode(&chain) });
        before = chain;
    }
    Ok(report)
}

fn opened(text: &[u8], gateway: &str, at_s: u64) -> Option<Order> {
    let Text { nonce, act } = serde_json::from_slice(text).ok()?;
    Some(Order { gateway: gateway.to_owned(), act, at_s, nonce })
}

/// Returns the first fault of an order's signatures. An operator's name is never reused and its key never changes.
fn check_signatures(
    connection: &Connection,
    signed: &[u8],
    by: &[SignedBy],
) -> Result<Option<&'static str>, RegistryError> {
    let sql = "SELECT public_key FROM operators WHERE name = ?1";
    let mut query = connection.prepare_cached(sql)?;
    for SignedBy { operator, public_key, signature } in by {
        let known: Option<String> = query.query_row([operator], |row| row.get(0)).optional()?;
        if known.as_ref() != Some(public_key) {
            return Ok(Some("an operator's key is not the one that signed"));
        }
        if !is_signed(signed, signature, public_key) {
            return Ok(Some("an operator's signature is not valid"));
        }
    }
    Ok(by.is_empty().then_some("it has no operator's signature"))
}

#[cfg(test)]
mod tests;
