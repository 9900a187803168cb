//! The size of one order: the rows of a table that it may hold, and the bytes of the line that carries it to the gateway. Desks cut by
//! it, the gateway refuses by it.

use anyhow::bail;
use serde::Serialize;

/// The admin socket takes an act as a line of this length at most, its end included.
pub(crate) const LINE_BYTES_MAX: usize = 64 * 1024;
/// Rows of a table: tokens of devices are good for a quarter of an hour, and a tracing team finds some tens of contacts in an hour.
pub(crate) const ROWS_MAX: usize = 200;
/// Room in the line for all that is no row: the gateway's id, a case, a nonce, and signatures of more operators than any order takes.
const REST_BYTES: usize = 8 * 1024;

/// Returns the reason why a table with that many rows is too long; `None` if it is not.
pub(super) fn too_long(rows: usize) -> Option<String> {
    (rows > ROWS_MAX)
        .then(|| format!("a table has {ROWS_MAX} rows at most, and this one {rows}; cut it in two"))
}

/// Cuts the rows of a table into as few orders as carry them. `line` names a row's line, for errors.
pub(crate) fn cut<T: Serialize>(rows: Vec<T>, line: impl Fn(&T) -> u64) -> anyhow::Result<Vec<Vec<T>>> {
    if let Some(why) = too_long(rows.len()) {
        bail!("{why}");
    }
    let (mut orders, mut order, mut room) = (Vec::new(), Vec::new(), 0);
    for row in rows {
        // An act is a text in the order: its quotes are escaped once more.
        let bytes = serde_json::to_string(&serde_json::to_string(&row)?)?.len();
        if bytes > LINE_BYTES_MAX - REST_BYTES {
            bail!("line {} is too long for an order: {bytes} bytes", line(&row));
        }
        if bytes > room {
            orders.extend(Some(std::mem::take(&mut order)).filter(|order: &Vec<T>| !order.is_empty()));
            room = LINE_BYTES_MAX - REST_BYTES;
        }
        room -= bytes;
        order.push(row);
    }
    orders.push(order);
    Ok(orders)
}

/// The rows of a table that may not be cut, because all of it is one order.
pub(crate) fn whole<T: Serialize>(rows: Vec<T>, line: impl Fn(&T) -> u64) -> anyhow::Result<Vec<T>> {
    let mut orders = cut(rows, &line)?.into_iter();
    let first = orders.next().unwrap_or_default();
    match orders.next() {
        None => Ok(first),
        Some(second) => bail!(
            "the table is longer than an order of {LINE_BYTES_MAX} bytes: cut it in two before line {}",
            line(&second[0])
        ),
    }
}

/// Refuses an act that the gateway would not read to its end.
pub(crate) fn line_of(act: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(act)?;
    line.push(b'\n');
    if line.len() > LINE_BYTES_MAX {
        bail!("an order has {LINE_BYTES_MAX} bytes at most, and this one {}: cut it in two", line.len());
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use registry::operator::{Order, Signature};

    use super::*;
    use crate::operator::Act;
    use crate::operator::orders::{AnyOrder, EnrolDevices, NewDevice};

    fn device(line: u64, name: &str, places: u32) -> NewDevice {
        let places = Some((1..=places).map(|place| 4_000_000_000 + place).collect());
        NewDevice { line, class: "concentrator".to_owned(), name: name.to_owned(), regions: vec![1], places }
    }

    /// The line that carries it, signed by two with the longest names there are.
    fn line(devices: Vec<NewDevice>) -> anyhow::Result<Vec<u8>> {
        let act = serde_json::to_string(&AnyOrder::from(EnrolDevices { devices, check: false })).unwrap();
        let order = Order { gateway: "f".repeat(32), act, at_s: u64::MAX, nonce: "f".repeat(32) };
        let signature = Signature { operator: "x".repeat(64), signature: "f".repeat(128) };
        line_of(&Act::Order { order, signatures: vec![signature; 4] })
    }

    #[test]
    fn the_longest_rows_of_a_table_are_cut_into_orders_that_the_socket_takes() {
        for (name, places) in [("x", 0), ("\u{20bb7}\"\\", 3), (&"\u{20bb7}".repeat(64)[..], 40), ("\"", 700)]
        {
            let rows: Vec<_> = (2..2 + ROWS_MAX as u64).map(|row| device(row, name, places)).collect();
            let orders = cut(rows.clone(), |row| row.line).unwrap();
            let lines: Vec<u64> = orders.iter().flatten().map(|row| row.line).collect();
            assert_eq!(lines, rows.iter().map(|row| row.line).collect::<Vec<_>>(), "all of them, in order");
            assert_eq!(whole(rows, |row| row.line).is_ok(), orders.len() == 1);
            for order in orders {
                assert!(!order.is_empty());
                line(order).unwrap();
            }
        }
    }

    #[test]
    fn what_no_order_carries_is_refused_with_its_size() {
        let error = cut(vec![device(7, "x", 7_000)], |row| row.line).unwrap_err().to_string();
        assert!(error.contains("line 7 is too long"), "{error}");
        let rows: Vec<_> = (0..=ROWS_MAX as u64).map(|row| device(row, "x", 0)).collect();
        let error = cut(rows, |row| row.line).unwrap_err().to_string();
        assert!(error.contains("200 rows at most"), "{error}");
        let error = line((0..200).map(|row| device(row, "x", 40)).collect()).unwrap_err().to_string();
        assert!(error.contains("65536 bytes at most"), "{error}");
    }
}
