//! The log's voucher, in a file beside the segments: the log's identity, which never changes, and a lower bound of the registry's
//! progress. The registry has one of the log; `vouch` in `actors` compares them, so that a replaced or missing store is detected.

use std::io;
use std::path::Path;

use super::disk::{Disk, RealDisk, replace};
use super::{LedgerError, segment_numbers};

const NAME: &str = "voucher";

/// The log's identity and a lower bound of the registry's progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogVoucher {
    /// The log's id, 16 hexadecimal digits.
    pub log: String,
    /// The time at which the id was made, milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// The registry's id and a lower bound of the number of its vouchers; `None` before the first one.
    pub registry: Option<(String, u64)>,
    /// The time of this voucher, milliseconds since 1970 UTC.
    pub seen_ms: u64,
}

/// The identity of the log in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogIdentity {
    /// The directory contains no log.
    Nothing,
    /// The log has no voucher.
    Unnamed,
    /// The log has this voucher.
    Named(LogVoucher),
}

impl LogIdentity {
    /// Reads the directory's identity; creates nothing.
    ///
    /// # Errors
    /// A damaged voucher, or an error of the operating system.
    pub fn at(directory: &Path) -> Result<Self, LedgerError> {
        if !directory.exists() {
            return Ok(Self::Nothing);
        }
        let disk = super::open_for_reading(directory)?;
        let names = disk.list().map_err(LedgerError::io("listing", "its segments"))?;
        let begun = !segment_numbers(&names).is_empty() || names.iter().any(|name| name == "floor");
        let text = match disk.read(NAME) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(if begun { Self::Unnamed } else { Self::Nothing });
            }
            Err(error) => return Err(LedgerError::io("reading", NAME)(error)),
        };
        let read = str::from_utf8(&text).ok().and_then(LogVoucher::parse);
        let damaged = LedgerError::Corrupt {
            name: NAME.to_owned(),
            what: "its content is not valid",
            lsn: 0,
            is_newest: true,
        };
        let known = read.ok_or(damaged)?;
        // A voucher that names a registry was written beside segments, so the log is missing.
        Ok(if known.registry.is_some() && !begun { Self::Nothing } else { Self::Named(known) })
    }
}

impl LogVoucher {
    /// Replaces the voucher durably. Called by one thread at a time.
    ///
    /// # Errors
    /// An error of the operating system; the previous voucher stays.
    pub fn write(&self, directory: &Path) -> Result<(), LedgerError> {
        let name = directory.display().to_string();
        let disk = RealDisk::open(directory).map_err(LedgerError::io("creating", &name))?;
        replace(&disk, NAME, self.text().as_bytes()).map_err(LedgerError::io("writing", NAME))
    }

    fn text(&self) -> String {
        let (registry, times) = self.registry.as_ref().map_or(("-", 0), |(id, times)| (id.as_str(), *times));
        let fields = format!(
            "log {} since {} registry {registry} times {times} seen {}",
            self.log, self.since_ms, self.seen_ms
        );
        format!("{fields} crc32c {:08x}\n", crc32c::crc32c(fields.as_bytes()))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let mut field = |name| (words.next()? == name).then(|| words.next()).flatten();
        let log = field("log")?.to_owned();
        let since_ms = field("since")?.parse().ok()?;
        let registry = field("registry")?;
        let times: u64 = field("times")?.parse().ok()?;
        let seen_ms = field("seen")?.parse().ok()?;
        let registry = (registry != "-").then(|| (registry.to_owned(), times));
        let voucher = Self { log, since_ms, registry, seen_ms };
        (voucher.text() == text).then_some(voucher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voucher_is_read_as_written_and_in_no_other_way() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger");
        assert_eq!(LogIdentity::at(&path).expect("looked"), LogIdentity::Nothing);
        assert!(!path.exists(), "looking makes nothing");
        for registry in [None, Some(("00aa00aa00aa00aa".to_owned(), 7))] {
            std::fs::create_dir_all(&path).expect("made");
            std::fs::write(path.join("floor"), []).expect("written");
            let voucher =
                LogVoucher { log: "0123456789abcdef".to_owned(), since_ms: 5, registry, seen_ms: 9 };
            voucher.write(&path).expect("written");
            assert_eq!(LogIdentity::at(&path).expect("read"), LogIdentity::Named(voucher));
        }
        let file = path.join(NAME);
        let text = std::fs::read(&file).expect("read");
        for at in 0..text.len() {
            let mut flipped = text.clone();
            flipped[at] ^= 1;
            std::fs::write(&file, flipped).expect("written");
            assert!(LogIdentity::at(&path).is_err(), "byte {at}");
        }
        let floor = path.join("floor");
        std::fs::write(&file, text).expect("written");
        std::fs::remove_file(&floor).expect("removed");
        assert_eq!(LogIdentity::at(&path).expect("looked"), LogIdentity::Nothing, "a voucher is no log");
        std::fs::remove_file(&file).expect("removed");
        std::fs::write(path.join("000000000001.segment"), []).expect("written");
        assert_eq!(LogIdentity::at(&path).expect("looked"), LogIdentity::Unnamed);
    }
}
