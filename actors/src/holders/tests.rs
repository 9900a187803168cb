//! Files of made-up holders: every reason for a reject, an import that is cut, an old QR text that goes on working.

use std::panic::{AssertUnwindSafe, catch_unwind};

use protocol::token::TokenKeys;
use protocol::{Advice, Colour, Reason, Scanned};

use super::*;
use crate::judge::Judge;

const HEADER: &str = "name,document_kind,document,phone,district,colour,basis,until,qr_text";
/// 2026-11-24.
const NOW_S: u32 = 1_795_500_000;

struct City {
    directory: tempfile::TempDir,
    keys: Keys,
    registry: Registry,
    codes: Codes,
}

impl City {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let key_directory = directory.path().join("keys");
        Keys::init(&key_directory).expect("fresh keys");
        let keys = Keys::load(&key_directory).expect("keys");
        let registry = Registry::open(&directory.path().join("registry.db"), &keys).expect("a registry");
        Self { directory, keys, registry, codes: Codes::new(0) }
    }

    fn import(
        &mut self,
        text: &str,
        progress: &mut dyn FnMut(&ImportReport),
    ) -> Result<ImportReport, ImportError> {
        let csv = self.directory.path().join("holders.csv");
        std::fs::write(&csv, text).expect("written");
        let import = Import {
            keys: self.keys.legacy(),
            codes: &self.codes,
            csv: &csv,
            rejects: &self.directory.path().join("rejects.csv"),
            now_s: NOW_S,
            lines_max: 3,
        };
        import.run(&mut self.registry, progress)
    }

    fn rejects(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("rejects.csv")).expect("a reject file")
    }

    fn judge(&self, text: &str) -> (Colour, Advice, Reason) {
        self.codes.set_loaded();
        let gateway = self.registry.gateway().expect("a number");
        let judge = Judge::new(self.codes.clone(), TokenKeys::new([]), self.keys.legacy(), gateway);
        let verdict = judge.judge(&Scanned::Text(text.to_owned()), u64::from(NOW_S) * 1000).verdict;
        (verdict.colour, verdict.advice, verdict.reason)
    }
}

fn line(number: u32) -> String {
    format!("Person {number},passport,X{number:08},163{number:08},Donghu,green,verified,,NEAC-{number}")
}

#[test]
fn every_wrong_line_is_named_with_its_reason_and_nothing_else() {
    let cases = [
        ("A,passport,X00000001,16300000001,Donghu,green,verified,,Q1", ""),
        ("B,passport,X00000002,16300000002,360103,red,verified,2026-12-01,Q2", ""),
        ("C,passport,X00000003", "wrong number of columns"),
        (",passport,X00000004,16300000004,Donghu,green,verified,,Q4", "name empty"),
        ("D\u{200b}D,passport,X00000005,16300000005,Donghu,green,verified,,Q5", "name empty"),
        ("\u{202e}E,passport,X00000006,16300000006,Donghu,green,verified,,Q6", "name empty"),
        ("F,library-card,X00000007,16300000007,Donghu,green,verified,,Q7", "unknown document kind"),
        ("G,id-card,389901199001011234,16300000008,Donghu,green,verified,,Q8", "document number invalid"),
        ("H,passport,X00000009,+15550100,Donghu,green,verified,,Q9", "phone"),
        ("I,passport,X00000010,16300000010,Atlantis,green,verified,,Q10", "unknown district"),
        ("J,passport,X00000011,16300000011,Donghu,blue,verified,,Q11", "unknown colour"),
        ("K,passport,X00000012,16300000012,Donghu,green,nothing,,Q12", "basis"),
        ("L,passport,X00000013,16300000013,Donghu,red,verified,2026-13-01,Q13", "until"),
        ("M,passport,X00000014,16300000014,Donghu,green,verified,2026-12-01,Q14", "until"),
        ("N,passport,X00000015,16300000015,Donghu,green,verified,,", "qr_text"),
        ("O,passport,X00000001,16300000016,Donghu,green,verified,,Q16", "document is registered"),
        ("P,passport,X00000017,16300000017,Donghu,green,verified,,Q1", "qr_text is registered"),
        ("\"Q,passport,X00000018,16300000018,Donghu,green,verified,,Q18", "wrong number of columns"),
    ];
    let mut city = City::new();
    let lines: Vec<&str> = cases.iter().map(|case| case.0).collect();
    let text = format!("{HEADER}\n{}\n", lines.join("\n"));
    let report = city.import(&text, &mut |_| {}).expect("imports");
    assert_eq!((report.people, report.rejected), (2, 16));
    let rejects = city.rejects();
    let mut given = rejects.lines().skip(1);
    for (number, (line, reason)) in cases.iter().enumerate().filter(|(_, case)| !case.1.is_empty()) {
        let got = given.next().expect("a reject");
        assert!(got.starts_with(&format!("{},{reason}", number + 2)), "{line}: {got}");
    }
    assert_eq!(given.next(), None);
    assert!(!rejects.contains("X0000") && !rejects.contains("163"), "no personal data: {rejects}");
}

#[test]
fn an_existing_qr_text_keeps_working() {
    let mut city = City::new();
    let text = format!(
        "{HEADER}\n{}\nB,passport,X2,x,Donghu,green,verified,,Q\nC,passport,X00000003,16300000003,Donghu,red,verified,2026-12-01,RED\nD,passport,X00000004,16300000004,Donghu,red,verified,2020-03-01,OVER\n",
        line(1)
    );
    city.import(&text, &mut |_| {}).expect("imports");
    assert_eq!(city.judge("NEAC-1"), (Colour::Green, Advice::Pass, Reason::Clear));
    assert_eq!(city.judge(" NEAC-1\r\n"), (Colour::Green, Advice::Pass, Reason::Clear));
    assert_eq!(city.judge("RED"), (Colour::Red, Advice::Stop, Reason::ActiveCause));
    assert_eq!(city.judge("OVER"), (Colour::Green, Advice::Pass, Reason::Clear));
    assert_eq!(city.judge("NEAC-2"), (Colour::Unknown, Advice::NotAPassCode, Reason::NotACode));
    // The cause ends by the clock.
    let codes = city.codes.clone();
    assert_eq!(city.registry.expire_due(&codes, NOW_S + 14 * 86_400).expect("durable"), 1);
    assert_eq!(city.judge("RED"), (Colour::Green, Advice::Pass, Reason::Clear));
}

#[test]
fn an_import_that_is_cut_goes_on_where_it_stopped() {
    let lines: Vec<String> =
        (1..=20).map(|n| if n % 5 == 0 { format!("bad {n}") } else { line(n) }).collect();
    let text = format!("{HEADER}\r\n{}", lines.join("\r\n"));
    let mut whole = City::new();
    let expected = whole.import(&text, &mut |_| {}).expect("imports");
    assert_eq!((expected.people, expected.rejected, expected.lines), (16, 4, 21));

    let mut city = City::new();
    for cut_after in [2, 1, 3] {
        let mut transactions = 0;
        let cut = catch_unwind(AssertUnwindSafe(|| {
            city.import(&text, &mut |_| {
                transactions += 1;
                assert!(transactions < cut_after, "told to stop");
            })
        }));
        assert!(cut.is_err());
    }
    let report = city.import(&text, &mut |_| {}).expect("goes on");
    assert_eq!(report, ImportReport { resumed: true, ..expected });
    assert_eq!(city.rejects(), whole.rejects());
    assert_eq!(city.registry.count_codes().expect("counts"), 16);
    let again = city.import(&text, &mut |_| panic!("there is nothing to do")).expect("is done");
    assert_eq!(again, report);
}

#[test]
fn a_file_without_the_right_columns_or_a_foreign_reject_file_is_refused() {
    let mut city = City::new();
    for text in ["", "a,b,c\n", "name,document_kind,document,phone,district,colour,basis,until\n"] {
        let refused = city.import(text, &mut |_| {});
        assert!(matches!(refused, Err(ImportError::Columns { .. })), "{text}: {refused:?}");
    }
    std::fs::write(city.directory.path().join("rejects.csv"), "somebody's letter").expect("written");
    let refused = city.import(&format!("{HEADER}\n"), &mut |_| {});
    assert!(matches!(refused, Err(ImportError::RejectsTaken { .. })), "{refused:?}");
}
