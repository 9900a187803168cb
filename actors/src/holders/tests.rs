//! The import: each reason for a reject, duplicates, a cut in the middle, and that an imported holder's old text verifies.

mod clerk;
mod differing;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use policy::{Policy, PolicyInEffect};
use protocol::token::TokenKeys;
use protocol::{Advice, Class, Colour, RegionId, Scanned};
use registry::DocumentKind;
use registry::colours::Codes;
use tempfile::TempDir;

use super::*;
use crate::judge::{Judge, PlaceKinds};
use crate::table::BadRow;
use crate::test_registry::TestRegistry;

const HEADER: &str = "name,document_kind,document,phone,district,colour,basis,until,qr_text";
const GOOD: &str = "Wang Wei,passport,E12345678,16300000001,360102,green,verified,,QR-1";
/// 2020-03-01 00:00 in the city.
const NOW_S: u32 = 1_582_992_000;

struct Bench {
    directory: TempDir,
    keys: Keys,
    codes: Codes,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        Keys::init(&path).unwrap();
        Self { keys: Keys::load(&path).unwrap(), directory, codes: Codes::new(16) }
    }

    fn registry(&self) -> Registry {
        Registry::open(&self.directory.path().join("registry.db"), &self.keys).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(
        &self,
        content: impl AsRef<[u8]>,
        lines_max: u64,
        progress: &mut dyn FnMut(&ImportReport),
    ) -> Result<ImportReport, ImportError> {
        self.run_as(content, (lines_max, false), progress)
    }

    fn run_as(
        &self,
        content: impl AsRef<[u8]>,
        (lines_max, dry_run): (u64, bool),
        progress: &mut dyn FnMut(&ImportReport),
    ) -> Result<ImportReport, ImportError> {
        let (csv, rejects) = (self.path("holders.csv"), self.path("rejects.csv"));
        std::fs::write(&csv, content).unwrap();
        let allowed = Allowed { sha256: sha256(&csv)?, colours: true, dry_run };
        let (keys, now_s) = (self.keys.legacy(), NOW_S);
        Import { allowed, keys, csv, rejects, now_s, lines_max }.run(&self.registrar(), progress)
    }

    fn registrar(&self) -> RegistrarHandle {
        RegistrarHandle::without_gateway(self.registry(), self.codes.clone())
    }

    fn rejects(&self) -> String {
        std::fs::read_to_string(self.path("rejects.csv")).unwrap()
    }

    /// Returns the answer to a scan of that text.
    fn shows(&self, text: &str) -> (Colour, Advice) {
        self.codes.set_loaded();
        let judge = Judge::new(
            self.codes.clone(),
            TokenKeys::new([]),
            self.keys.legacy(),
            1,
            PolicyInEffect::new(Policy::development()),
            PlaceKinds::default(),
        );
        let judged = judge
            .judge((RegionId(1), protocol::DeviceId(1)), [Scanned::Text(text.to_owned())].iter(), 0)
            .remove(0);
        (judged.verdict.colour, judged.verdict.advice)
    }
}

fn reason(reject: Reject) -> String {
    reject.to_string().replace(',', ";")
}

fn none(_: &ImportReport) {}

fn with(column: &str, value: &str) -> String {
    let index = HEADER.split(',').position(|name| name == column).unwrap();
    let mut fields: Vec<&str> = GOOD.split(',').collect();
    fields[index] = value;
    fields.join(",")
}

#[test]
fn each_bad_line_is_rejected_with_its_reason_and_without_its_content() {
    let rows: Vec<(Vec<u8>, Reject)> = vec![
        (with("name", "").into(), Reject::Name),
        (with("name", "Wang\u{0}Wei").into(), Reject::Name),
        (with("name", "\u{202e}").into(), Reject::Name),
        (with("name", &"x".repeat(65)).into(), Reject::Name),
        (with("name", "13800138000").into(), Reject::Name),
        (with("name", "张<b>三</b>").into(), Reject::Name),
        (with("document_kind", "library-card").into(), Reject::DocumentKind),
        (with("document", "E1").into(), Reject::Document),
        (GOOD.replace("passport,E12345678", "id-card,110105194912310021").into(), Reject::Document),
        (with("phone", "+85291234567").into(), Reject::Phone),
        (with("phone", "1630000000").into(), Reject::Phone),
        (with("phone", "1.63E+10").into(), Reject::Shortened("phone")),
        (with("qr_text", "1.76404E+16").into(), Reject::Shortened("qr_text")),
        (GOOD.replace("passport,E12345678", "id-card,1.10105E+17").into(), Reject::Shortened("document")),
        (GOOD.replace("passport,E12345678", "id-card,110105194912310000").into(), Reject::DocumentRounded),
        (with("district", "420100").into(), Reject::District),
        (with("colour", "blue").into(), Reject::Colour),
        (with("colour", "").into(), Reject::Colour),
        (with("basis", "guess").into(), Reject::Basis),
        (with("basis", "nothing").into(), Reject::Basis),
        (with("colour", "unknown").into(), Reject::Basis),
        (with("until", "2020-03-05").into(), Reject::Until),
        (GOOD.replace("green,verified,", "red,verified,2020-02-30").into(), Reject::Until),
        (GOOD.replace("green,verified,", "red,verified,5.3.2020").into(), Reject::Until),
        (with("qr_text", "").into(), Reject::QrText),
        (with("qr_text", &"x".repeat(4297)).into(), Reject::QrText),
        (with("qr_text", "https://code.example/p/0123456789").into(), Reject::QrText),
        (with("qr_text", &"x".repeat(9000)).into(), Reject::Row(BadRow::TooLong)),
        (b"Wang Wei,passport".to_vec(), Reject::Row(BadRow::Columns)),
        (format!("{GOOD},more").into(), Reject::Row(BadRow::Columns)),
        (format!("\"{GOOD}").into(), Reject::Row(BadRow::Quote)),
        (b"\xff\xfe,passport,E12345678".to_vec(), Reject::Row(BadRow::NotText)),
    ];
    let mut content = format!("\u{feff}{HEADER}\n").into_bytes();
    let mut expected = "line,reason\n".to_owned();
    for (line, (row, reject)) in (2..).zip(&rows) {
        content.extend_from_slice(row);
        content.push(b'\n');
        writeln!(expected, "{line},{}", reason(*reject)).unwrap();
    }
    let bench = Bench::new();
    let report = bench.run(content, 7, &mut none).unwrap();
    assert_eq!(bench.rejects(), expected);
    assert_eq!((report.people, report.rejected), (0, rows.len() as u64));
    assert_eq!(bench.registry().people().unwrap(), 0);
}

#[test]
fn good_lines_are_imported_and_their_old_texts_verify() {
    let bench = Bench::new();
    let content = format!(
        "\u{feff}{HEADER}\r\n{}\r\n\r\n{}\n{}\n{}\n{}\n{}",
        GOOD,
        "李明,id-card,11010519491231002x,+86 163 0000 0002,Donghu,red,verified,2020-03-14, QR-2 ",
        "\"Surname, Given\",passport,E3,16300000003,临空经济区,red,declared,2020-02-29,QR-3",
        "Zhang San,passport,E33333,16300000003,Linkong Zone,red,declared,2020-02-29,QR-3",
        "Li Si,taiwan-permit,12345678,16300000004,360103,yellow,declared,,\"QR \"\"4\"\", more\"",
        "Zhao Wu,hk-macau-permit,H12345678,16300000005,360103,unknown,nothing,,QR-5",
    );
    let mut registry = bench.registry();
    let report = bench.run(content, 10_000, &mut none).unwrap();
    assert_eq!(bench.rejects(), format!("line,reason\n5,{}\n", reason(Reject::Document)));
    assert_eq!((report.people, report.rejected, report.lines), (5, 1, 8));
    assert_eq!(report.bytes, report.bytes_done);
    for (text, colour, advice) in [
        ("QR-1", Colour::Green, Advice::CheckDocument),
        ("QR-2", Colour::Red, Advice::Stop),
        ("QR-3", Colour::Green, Advice::CheckDocument),
        ("QR \"4\", more", Colour::Yellow, Advice::AskStaff),
        ("QR-5", Colour::Unknown, Advice::AskStaff),
        ("QR-6", Colour::Unknown, Advice::NotAPassCode),
    ] {
        assert_eq!(bench.shows(text), (colour, advice), "{text}");
    }
    let document = DocumentNumber::parse(DocumentKind::IdCard, "11010519491231002X").unwrap();
    let code = registry.code_of_document(&document).unwrap().unwrap();
    let person = registry.person(code).unwrap().unwrap();
    assert_eq!((person.name.as_str(), person.district.as_str()), ("李明", "360102"));
    let entry = registry.code(code).unwrap().unwrap();
    // 2020-03-15 00:00 at UTC+8
    assert_eq!((entry.class(), entry.next_change_s()), (Class::Imported, 1_584_201_600));
    assert_eq!(registry.expire_due(&bench.codes, 1_584_201_599).unwrap(), 0);
    assert_eq!(registry.expire_due(&bench.codes, 1_584_201_600).unwrap(), 1);
    assert_eq!(bench.shows("QR-2"), (Colour::Green, Advice::CheckDocument));
}

#[test]
fn a_document_or_text_that_is_registered_otherwise_is_rejected_and_both_together_are_known() {
    let bench = Bench::new();
    let rows = [GOOD, GOOD, &with("document", "E99999999"), &with("qr_text", "QR-9")];
    let content = format!("{HEADER}\n{}\n", rows.join("\n"));
    let report = bench.run(content, 2, &mut none).unwrap();
    assert_eq!((report.people, report.known, report.rejected), (1, 1, 2));
    let (document, text) = (reason(Reject::SameDocument), reason(Reject::SameQrText));
    assert_eq!(bench.rejects(), format!("line,reason\n4,{text}\n5,{document}\n"));
}

#[test]
fn a_file_without_the_right_header_is_refused_without_showing_it() {
    let bench = Bench::new();
    let missing = HEADER.replace(",phone", "");
    let more = format!("{HEADER},note");
    for content in ["", "\n", GOOD, missing.as_str(), more.as_str(), &"x".repeat(10_000)] {
        let error = bench.run(content, 10, &mut none).unwrap_err();
        assert!(matches!(error, ImportError::Table { .. }), "{error}");
        assert!(!error.to_string().contains("Wang"));
    }
    std::fs::write(bench.path("rejects.csv"), "something of value").unwrap();
    let error = bench.run(format!("{HEADER}\n"), 10, &mut none).unwrap_err();
    assert!(matches!(error, ImportError::RejectsTaken { .. }), "{error}");
    assert_eq!(bench.rejects(), "something of value");
}

#[test]
fn an_import_that_is_cut_goes_on_where_it_stopped() {
    let mut content = format!("{HEADER}\n");
    for n in 0..1000 {
        let phone = if n % 10 == 9 { "not a phone".to_owned() } else { format!("163{n:08}") };
        writeln!(content, "Name,passport,E{n:08},{phone},360102,green,declared,,QR-{n}").unwrap();
    }
    let bench = Bench::new();
    let whole = Bench::new();
    whole.run(&content, 10_000, &mut none).unwrap();
    let mut cuts = 0;
    let report = loop {
        let mut calls = 0;
        let run = catch_unwind(AssertUnwindSafe(|| {
            bench.run(&content, 60, &mut |report| {
                calls += 1;
                assert!(calls < 4 || report.lines > 1000, "cut here");
            })
        }));
        match run {
            Ok(report) => break report.unwrap(),
            Err(_) => cuts += 1,
        }
        // What a transaction that never came to its end left behind it.
        let mut rejects = std::fs::OpenOptions::new().append(true).open(bench.path("rejects.csv")).unwrap();
        std::io::Write::write_all(&mut rejects, b"999,left over\n99").unwrap();
    };
    assert!(cuts >= 3, "{cuts} cuts");
    assert_eq!((report.people, report.rejected, report.resumed), (900, 100, true));
    assert_eq!(bench.rejects(), whole.rejects());
    assert_eq!(bench.registry().people().unwrap(), 900);
    assert_eq!(bench.codes.len(), 900);
    let again = bench.run(&content, 60, &mut none).unwrap();
    assert_eq!(again, ImportReport { people: 0, known: 900, ..report }, "nothing is done twice");
}

#[test]
fn an_import_sets_colours_only_if_it_was_signed_for_that_file_as_one_that_does() {
    let bench = Bench::new();
    let registry = bench.registry();
    let (csv, rejects) = (bench.path("holders.csv"), bench.path("rejects.csv"));
    let red = with("colour", "red").replace(",,QR-1", ",2099-01-01,QR-1");
    let ended = with("colour", "red").replace(",,QR-1", ",2020-02-01,QR-1");
    let wrong = red.replace("E12345678", "E");
    for (name, line, expected) in
        [("green", GOOD, false), ("red", &red, true), ("over", &ended, false), ("rejected", &wrong, false)]
    {
        std::fs::write(&csv, format!("{HEADER}\n{line}\n")).unwrap();
        assert_eq!(sets_colours(&csv, registry.regions().unwrap()).unwrap(), expected, "{name}");
    }
    std::fs::write(&csv, format!("{HEADER}\n{GOOD}\n{}\n", red.replace("8,", "9,").replace("QR-1", "QR-2")))
        .unwrap();
    let import = |allowed: Allowed| {
        let result = import(&bench.registrar(), &bench.keys, (&csv, &rejects), allowed, &mut none);
        (result.map(|report| report.people), registry.people().unwrap())
    };
    let of = sha256(&csv).unwrap();
    let (result, people) = import(Allowed { sha256: of.clone(), colours: false, dry_run: false });
    assert!(matches!(result, Err(ImportError::Colours { .. })) && people == 0, "{result:?}");
    let (result, people) = import(Allowed { sha256: "00".repeat(32), colours: true, dry_run: false });
    assert!(matches!(result, Err(ImportError::Changed { .. })) && people == 0, "{result:?}");
    assert_eq!(import(Allowed { sha256: of, colours: true, dry_run: false }).0.unwrap(), 2);
}
