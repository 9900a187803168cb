//! Any bytes as a holders' file, for the fuzzer: every line is a holder or has a reason, and no line is lost.

use std::io::BufReader;

use protocol::RegionId;
use registry::RegionRow;

use super::row::{FORM, holder};
use crate::residence::Districts;
use crate::table::{self, Lines};

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
    let surveyed = table::survey(bytes).expect("a slice reads");
    assert_eq!(surveyed.bytes, bytes.len() as u64, "not all of it was looked at");
    let Ok(encoding) = surveyed.encoding else { return };
    let begin = encoding.begin();
    let mut lines = Lines::new(BufReader::with_capacity(7, &bytes[begin..]), encoding, begin as u64);
    let Ok((titles, _)) = table::titles(FORM, &mut lines) else { return };
    while let Some(line) = lines.next().expect("a slice reads") {
        if let Ok(Some(holder)) = holder(&titles, &line, &districts, 1_580_000_000) {
            assert!(!holder.text.is_empty() && !holder.person.name.is_empty());
        }
    }
    assert_eq!(lines.bytes(), bytes.len() as u64, "bytes that belong to no line");
}

/// Makes a sound file, and one whose columns stand in another order.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let people = "王一,id-card,39990219900101901X,16399990001,360102,green,verified,,NC-1\n\
                  李二,passport,X39990001,16499990002,Xihu,red,declared,2030-01-31,\"NC,2\"\n";
    let mut titles: Vec<&str> = FORM.0.iter().map(|column| column.name).collect();
    let sound = format!("{}\n{people}", titles.join(","));
    titles.reverse();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let (gbk, ..) = encoding_rs::GB18030.encode(&sound);
    vec![
        sound.clone().into_bytes(),
        format!("{}\r", titles.join(",")).into_bytes(),
        gbk.into_owned(),
        [&[0xff, 0xfe], &utf16(&sound.replace(',', "\t"))[..]].concat(),
    ]
}
