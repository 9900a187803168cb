//! Any bytes as a holders' file, for the fuzzer: every line is a holder or has a reason, and no line is lost.

use std::io::BufReader;

use super::lines::{Line, Lines};
use super::row::{COLUMNS, Header};
use crate::registry::RegionRow;
use crate::residence::Districts;
use protocol::RegionId;

/// Reads a file: a header, then people.
pub(crate) fn file(bytes: &[u8]) {
    let row = |id, code: &str, name: &str, name_en: &str| RegionRow {
        id: RegionId(id),
        code: Some(code.to_owned()),
        name: name.to_owned(),
        name_en: name_en.to_owned(),
    };
    let districts =
        Districts::new(vec![row(1, "360102", "东湖区", "Donghu"), row(2, "360103", "西湖区", "Xihu")]);
    let mut lines = Lines::new(BufReader::with_capacity(7, bytes), 0);
    let mut header = None;
    let mut seen = 0;
    while let Some(line) = lines.next().expect("a slice reads") {
        seen += 1;
        let Line::Whole(line) = line else { continue };
        match &header {
            None => header = Header::parse(line).ok(),
            Some(header) => {
                if let Ok(holder) = header.holder(line, &districts, 1_580_000_000) {
                    assert!(!holder.text.is_empty() && !holder.person.name.is_empty());
                }
            }
        }
    }
    assert_eq!(lines.bytes(), bytes.len() as u64, "bytes that belong to no line");
    let ends = bytes.iter().filter(|&&byte| byte == b'\n').count();
    let unended = bytes.last().is_some_and(|&byte| byte != b'\n');
    assert_eq!(seen, ends + usize::from(unended), "a line is lost or read twice");
}

/// A sound file, and one whose columns stand in another order.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let people = "王一,id-card,39990219900101901X,16399990001,360102,green,verified,,NC-1\n\
                  李二,passport,X39990001,16499990002,Xihu,red,declared,2030-01-31,\"NC,2\"\n";
    let header = format!("{}\n", COLUMNS.join(","));
    let mut turned = COLUMNS;
    turned.reverse();
    vec![format!("{header}{people}").into_bytes(), format!("{}\r\n", turned.join(",")).into_bytes()]
}
