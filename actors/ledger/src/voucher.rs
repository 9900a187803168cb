//! The punch log's word of itself and of the registry beside it, in a file beside the segments: its name, which never changes,
//! and how far it has seen the registry, which is behind what is durable there. What the two make of each other is in `vouch`.

use std::io;
use std::path::Path;

use super::disk::{Disk, RealDisk, replace};
use super::{LedgerError, segment_numbers};

const NAME: &str = "voucher";

/// A log's name and what it has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogVoucher {
    /// The log's own name, 16 hexadecimal digits.
    pub log: String,
    /// Since when it has it, milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// The registry beside it and how often that has vouched for the log at least; `None` until the first time.
    pub registry: Option<(String, u64)>,
    /// When it last saw the registry.
    pub seen_ms: u64,
}

/// The content of a punch log's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFound {
    /// No log.
    Nothing,
    /// Segments, and no word of which log they are.
    Unnamed,
    /// A log with a name.
    Named(LogVoucher),
}

impl LogFound {
    /// Looks into the directory and makes nothing there.
    ///
    /// # Errors
    /// A voucher that does not read, or the operating system's word.
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
        let damaged =
            LedgerError::Corrupt { name: NAME.to_owned(), what: "it does not read", lsn: 0, is_newest: true };
        let known = read.ok_or(damaged)?;
        // It had a segment when it saw the registry.
        Ok(if known.registry.is_some() && !begun { Self::Nothing } else { Self::Named(known) })
    }
}

impl LogVoucher {
    /// Puts it in the place of the one before, durably. Nobody else writes it.
    ///
    /// # Errors
    /// The operating system's word; the one before is in place then.
    pub fn write(&self, directory: &Path) -> Result<(), LedgerError> {
        let name = directory.display().to_string();
        let disk = RealDisk::open(directory).map_err(LedgerError::io("making", &name))?;
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
        assert_eq!(LogFound::at(&path).expect("looked"), LogFound::Nothing);
        assert!(!path.exists(), "looking makes nothing");
        for registry in [None, Some(("00aa00aa00aa00aa".to_owned(), 7))] {
            std::fs::create_dir_all(&path).expect("made");
            std::fs::write(path.join("floor"), []).expect("written");
            let voucher =
                LogVoucher { log: "0123456789abcdef".to_owned(), since_ms: 5, registry, seen_ms: 9 };
            voucher.write(&path).expect("written");
            assert_eq!(LogFound::at(&path).expect("read"), LogFound::Named(voucher));
        }
        let file = path.join(NAME);
        let text = std::fs::read(&file).expect("read");
        for at in 0..text.len() {
            let mut flipped = text.clone();
            flipped[at] ^= 1;
            std::fs::write(&file, flipped).expect("written");
            assert!(LogFound::at(&path).is_err(), "byte {at}");
        }
        let floor = path.join("floor");
        std::fs::write(&file, text).expect("written");
        std::fs::remove_file(&floor).expect("removed");
        assert_eq!(LogFound::at(&path).expect("looked"), LogFound::Nothing, "a voucher is no log");
        std::fs::remove_file(&file).expect("removed");
        std::fs::write(path.join("000000000001.segment"), []).expect("written");
        assert_eq!(LogFound::at(&path).expect("looked"), LogFound::Unnamed);
    }
}
