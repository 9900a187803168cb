//! The file of the ranges that wait for a gateway to come back, so that a restart does not forget them. The fleet's thread is the only one
//! that writes it; it is read at a start.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledger::Missing;
use protocol::{DeviceId, Epoch, Sequence};

use super::marks::{Away, Unconfirmed};

/// The file's name in the gateway's data.
pub(super) const FILE: &str = "unconfirmed.json";

/// Device, epoch, first and last number, and the gateways that may hold them; `None` for any.
type Row = (u64, u32, u64, u64, Option<Vec<String>>);

/// Reads the file; nothing waits if there is none.
///
/// # Errors
/// A file that cannot be read, or is not of this form.
pub(super) fn read(data: &Path) -> io::Result<Unconfirmed> {
    let text = match fs::read(data.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Unconfirmed::default()),
        Err(error) => return Err(error),
    };
    let rows: Vec<Row> = serde_json::from_slice(&text).map_err(|error| {
        let path = data.join(FILE);
        io::Error::other(format!(
            "{} cannot be read: {error}. Move it away and start again: which punches wait for a gateway that is away is forgotten then, and \
             their loss would not be noticed",
            path.display()
        ))
    })?;
    let range = |(device, epoch, from, to, names): Row| {
        let (device, epoch) = (DeviceId(device), Epoch(epoch));
        let away = names.map_or(Away::Any, |names| Away::Named(Arc::new(names.into_iter().collect())));
        (Missing { device, epoch, from: Sequence(from), to: Sequence(to) }, away)
    };
    Ok(Unconfirmed::from_ranges(rows.into_iter().map(range)))
}

/// Writes the file anew, durably; without anything that waits there is none.
///
/// # Errors
/// An error of the operating system.
pub(super) fn write(data: &Path, unconfirmed: &Unconfirmed) -> io::Result<()> {
    let path = data.join(FILE);
    if unconfirmed.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
    }
    let row = |(range, away): (Missing, &Away)| -> Row {
        let names = match away {
            Away::Named(names) => Some(names.iter().cloned().collect()),
            Away::Any => None,
        };
        (range.device.0, range.epoch.0, range.from.0, range.to.0, names)
    };
    let rows: Vec<Row> = unconfirmed.ranges().map(row).collect();
    let fresh: PathBuf = path.with_extension("json.new");
    let mut file = File::create(&fresh)?;
    file.write_all(&serde_json::to_vec(&rows)?)?;
    file.sync_all()?;
    fs::rename(&fresh, &path)?;
    File::open(data)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_read_again_and_an_empty_file_is_none() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(read(data.path()).unwrap(), Unconfirmed::default());
        let (from, to) = (Sequence(3), Sequence(u64::MAX));
        let range = Missing { device: DeviceId(u64::MAX), epoch: Epoch(7), from, to };
        let south = Away::Named(Arc::new(["south".to_owned()].into()));
        let later = Missing { epoch: Epoch(8), ..range };
        let waiting = Unconfirmed::from_ranges([(range, south), (later, Away::Any)]);
        write(data.path(), &waiting).unwrap();
        assert_eq!(read(data.path()).unwrap(), waiting);
        for _ in 0..2 {
            write(data.path(), &Unconfirmed::default()).unwrap();
            assert!(!data.path().join(FILE).exists());
        }
        fs::write(data.path().join(FILE), "[[1]").unwrap();
        let error = read(data.path()).unwrap_err().to_string();
        assert!(error.contains(FILE) && error.contains("Move it away"), "{error}");
    }
}
