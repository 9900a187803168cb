//! A clerk's afternoon: a long table in GBK with everything that people, scanners and spreadsheets do to one mixed in. What every line
//! comes to is known beforehand. `CHANGTONG_CLERK_ROWS` says how many rows there are; the seed is printed with what failed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastrand::Rng;
use jiff::ToSpan;
use registry::id_check;
use runtime::clock;

use super::*;
use crate::table::BadRow;

const ROWS: usize = 3_000;
const SEED: u64 = 20_200_220;
const DIFFERS: &str =
    "there already and not changed; colour is another on record; basis is another on record";
const NAMES: [&str; 8] = ["王伟", "李芳", "欧阳娜娜", "阿卜杜拉·买买提", "张三丰", "Anna Lee", "赵喆", "一"];

/// The outcome of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Imported,
    Known,
    /// There already and red; the line says green.
    Differs,
    Nothing,
    Rejected(Reject),
}

/// The fields of a line, in the order of the columns.
type Fields = [String; 9];

fn person(n: usize, rng: &mut Rng) -> Fields {
    let born = jiff::civil::date(1950, 1, 1) + ((n / 900) as i64).days();
    let digits = format!("399902{}{:03}", born.strftime("%Y%m%d"), n % 900 + 1);
    let check = char::from(id_check(digits.as_bytes().try_into().unwrap()));
    [
        NAMES[rng.usize(..NAMES.len())].to_owned(),
        "id-card".to_owned(),
        format!("{digits}{check}"),
        format!("163{n:08}"),
        ["360102", "西湖区", "Xihu"][rng.usize(..3)].to_owned(),
        "green".to_owned(),
        "verified".to_owned(),
        String::new(),
        format!("NEAC-{n:07}"),
    ]
}

fn wide(text: &str) -> String {
    let widen = |digit: char| char::from_u32(u32::from(digit) - 0x21 + 0xff01).unwrap();
    text.chars().map(widen).collect()
}

/// Writes a good line in one of the ways that people write it.
fn disguise(fields: &mut Fields, rng: &mut Rng) {
    let phone = fields[3].clone();
    let (area, rest) = phone.split_at(3);
    match rng.u8(..13) {
        0 => fields[3] = format!("+86 {area} {rest}"),
        1 => fields[3] = format!("0086{phone}"),
        2 => fields[3] = format!("86{phone}"),
        3 => fields[3] = wide(&phone),
        4 => fields[3] = format!("\u{202d}(+86){area}\u{2011}{rest}\u{202c}"),
        5 => fields[3] = format!("'{phone}"),
        6 => fields[2] = fields[2].to_lowercase(),
        7 => fields[2] = format!("{} {}", &fields[2][..6], wide(&fields[2][6..])),
        8 => fields[0] = format!("\u{3000}{} ", fields[0]),
        9 => fields[8] = format!("]Q1{}\t", fields[8]),
        10 => {
            let red = ["red", "declared", "2020/3/14"].map(ToOwned::to_owned);
            fields[5..8].clone_from_slice(&red);
        }
        11 => fields[8] = format!("\"=\"\"{}\"\"\"", fields[8]),
        _ => {}
    }
}

/// Makes a line faulty and returns the reason of its rejection.
fn spoil(fields: &mut Fields, rng: &mut Rng) -> Reject {
    let mut set = |column: usize, text: &str, reject| {
        fields[column] = text.to_owned();
        reject
    };
    match rng.u8(..13) {
        0 => set(0, "\u{200b}", Reject::Name),
        1 => set(1, "library-card", Reject::DocumentKind),
        2 => set(2, "3.99902E+17", Reject::Shortened("document")),
        3 => set(3, "1.63889E+10", Reject::Shortened("phone")),
        4 => set(8, "1.76404E+16", Reject::Shortened("qr_text")),
        5 => set(3, "+852 6123 4567", Reject::Phone),
        6 => set(3, "1638888121", Reject::Phone),
        7 => set(4, "河西区", Reject::District),
        8 => set(5, "blue", Reject::Colour),
        9 => set(6, "guess", Reject::Basis),
        10 => set(7, "14.3.2020", Reject::Until),
        11 => set(8, "https://code.example/p/0123456789", Reject::QrText),
        _ => {
            let last = if fields[2].ends_with('X') { "1" } else { "X" };
            fields[2].replace_range(17.., last);
            Reject::Document
        }
    }
}

/// Returns the table's text, and the fate of each of its lines but the titles.
fn table(rows: usize, rng: &mut Rng) -> (String, Vec<Fate>) {
    let titles: Vec<&str> = FORM.0.iter().map(|column| column.chinese).collect();
    let (mut text, mut fates) = (format!("{},,\r\n", titles.join(",")), Vec::new());
    // Each as it was before it was disguised, and whether it is red on record.
    let mut before: Vec<(Fields, bool)> = Vec::new();
    for n in 0..rows {
        let mut fields = person(n, rng);
        let known = before.get(rng.usize(..n.max(1))).cloned();
        let (line, fate) = match (rng.u8(..40), known) {
            (0..=2, _) => (",".repeat(10), Fate::Nothing),
            (3, Some((known, is_red))) => (known.join(","), if is_red { Fate::Differs } else { Fate::Known }),
            (4, Some((known, _))) => {
                fields[2].clone_from(&known[2]);
                (fields.join(","), Fate::Rejected(Reject::SameDocument))
            }
            (5, Some((known, _))) => {
                fields[8].clone_from(&known[8]);
                (fields.join(","), Fate::Rejected(Reject::SameQrText))
            }
            (6, _) => (fields[..7].join(","), Fate::Rejected(Reject::Row(BadRow::Columns))),
            (7, _) => (format!("\"{}", fields.join(",")), Fate::Rejected(Reject::Row(BadRow::Quote))),
            (8..=12, _) => {
                let reject = spoil(&mut fields, rng);
                (fields.join(","), Fate::Rejected(reject))
            }
            _ => {
                let plain = fields.clone();
                disguise(&mut fields, rng);
                before.push((plain, fields[5] == "red"));
                (fields.join(","), Fate::Imported)
            }
        };
        // Padding that a spreadsheet leaves behind the last column.
        let padded = if matches!(fate, Fate::Rejected(Reject::Row(_)) | Fate::Nothing) { "" } else { ",," };
        write!(text, "{line}{padded}\r\n").unwrap();
        fates.push(fate);
    }
    (text, fates)
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a long run of the tests has more rows")]
fn a_clerks_afternoon_ends_with_everybody_in_once_and_a_reason_for_every_other_line() {
    let rows =
        std::env::var("CHANGTONG_CLERK_ROWS").map_or(ROWS, |rows| rows.parse().expect("a number of rows"));
    let (text, fates) = table(rows, &mut Rng::with_seed(SEED));
    let (gbk, ..) = encoding_rs::GB18030.encode(&text);
    let (bench, mut expected) = (Bench::new(), "line,reason\n".to_owned());
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for (line, fate) in (2..).zip(&fates) {
        if let Fate::Rejected(reject) = fate {
            writeln!(expected, "{line},{}", reason(*reject)).unwrap();
            *reasons.entry(reason(*reject)).or_default() += 1;
        } else if *fate == Fate::Differs {
            writeln!(expected, "{line},{DIFFERS}").unwrap();
        }
    }
    let count = |wanted: fn(&Fate) -> bool| fates.iter().filter(|fate| wanted(fate)).count() as u64;
    let imported = count(|fate| *fate == Fate::Imported);
    let known = count(|fate| *fate == Fate::Known);
    let differing = count(|fate| *fate == Fate::Differs);
    let rejected = count(|fate| matches!(fate, Fate::Rejected(_)));
    assert!(differing > 0, "seed {SEED}");
    let counts = |report: &ImportReport| (report.people, report.known, report.differing, report.rejected);

    let registry = bench.registry();
    let began = clock::now();
    let report = bench.run(&gbk, LINES_PER_TRANSACTION, &mut none).unwrap();
    let took = clock::since(began);
    let rejects = bench.rejects();
    let first = rejects.lines().zip(expected.lines()).find(|(found, wanted)| found != wanted);
    assert_eq!(first, None, "seed {SEED}");
    assert_eq!(counts(&report), (imported, known, differing, rejected), "seed {SEED}");
    assert_eq!(registry.people().unwrap(), imported);

    let again = bench.run(&gbk, LINES_PER_TRANSACTION, &mut none).unwrap();
    assert_eq!(counts(&again), (0, imported + known, differing, rejected));
    // Saved again by another program it is another file with the same people.
    let saved = format!("\u{feff}{}", text.replace("\r\n", "\r").replace(',', ";"));
    std::fs::remove_file(bench.path("rejects.csv")).unwrap();
    let again = bench.run(saved, LINES_PER_TRANSACTION, &mut none).unwrap();
    assert_eq!(counts(&again), (0, imported + known, differing, rejected));
    assert_eq!(
        (bench.rejects(), registry.people().unwrap()),
        (rejects, imported),
        "the same lines, and nobody more"
    );
    eprintln!(
        "{rows} rows of GBK in {:.1} s: {imported} imported, {known} known, {differing} differing, {rejected} rejected",
        took.as_secs_f64()
    );
    reasons.iter().for_each(|(reason, lines)| eprintln!("  {lines:>6}  {reason}"));
}
