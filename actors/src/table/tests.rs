//! Tables in every encoding, with every separator and line end, and the tables and rows that are refused.

use super::*;

const FORM: Form = Form(&[
    Column { name: "name", chinese: "姓名", holds: "", optional: false },
    Column { name: "phone", chinese: "手机号码", holds: "", optional: false },
    Column { name: "note", chinese: "备注", holds: "", optional: true },
]);

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

fn gb18030(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

fn rows(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
    let table = read(FORM, bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
    table.rows.into_iter().map(|(line, row)| (line, row.expect("a good row"))).collect()
}

#[test]
fn a_table_reads_in_every_encoding_with_every_separator_and_line_end() {
    let text = "姓名,手机号码\n王芳,16388880001\n欧阳娜娜·买买提,16388880002\n𠮷田喆,16388880003\n";
    let expected = rows(text.as_bytes());
    assert_eq!(expected.len(), 3);
    for end in ["\n", "\r\n", "\r"] {
        for separator in [",", ";", "\t"] {
            let text = text.replace('\n', end).replace(',', separator);
            for bytes in [
                text.clone().into_bytes(),
                format!("\u{feff}{text}").into_bytes(),
                gb18030(&text),
                utf16(&format!("\u{feff}{text}"), u16::to_le_bytes),
                utf16(&format!("\u{feff}{text}"), u16::to_be_bytes),
            ] {
                assert_eq!(rows(&bytes), expected, "{text:?} {bytes:?}");
            }
        }
    }
}

#[test]
fn a_file_whose_encoding_is_not_sure_is_refused_once_and_says_how_it_is_mended() {
    let (title, chinese) = ("name,phone\n", "name,phone\n王芳,1\n李明,2\n");
    let mixed = [chinese.as_bytes(), &gb18030("张三丰,3\n")].concat();
    let rows: [(&[u8], Unreadable); 8] = [
        (b"PK\x03\x04rest", Unreadable::Workbook),
        (b"\xd0\xcf\x11\xe0rest", Unreadable::Workbook),
        (&utf16(chinese, u16::to_le_bytes), Unreadable::Zeros { line: 1 }),
        (&mixed, Unreadable::Mixed { utf8: 2, other: 4 }),
        // The same bytes are "一" in GBK and a Cyrillic letter in UTF-8; "José" in UTF-8 is "Jos茅" in GBK.
        (&[title.as_bytes(), &gb18030("一,1\n")].concat(), Unreadable::Ambiguous),
        ("name,phone\nJosé,1\n".as_bytes(), Unreadable::Ambiguous),
        (&[title.as_bytes(), b"Ren\xe9,1\n"].concat(), Unreadable::Unknown { line: 2 }),
        // Traditional characters in Big5.
        (
            &[title.as_bytes(), b"\xa4\xfd\xa4\x70\xa9\xfa\xb3\xaf,1\n"].concat(),
            Unreadable::Unknown { line: 2 },
        ),
    ];
    for (bytes, expected) in rows {
        let error = read(FORM, bytes).map(drop).expect_err("refused");
        assert!(matches!(error, TableError::Unreadable(found) if found == expected), "{error} {bytes:?}");
        assert!(error.to_string().contains("CSV UTF-8"), "{error}");
    }
    for (text, marked) in [("一,1\n", "一"), ("José,1\n", "José")] {
        assert_eq!(
            self::rows(format!("\u{feff}{title}{text}").as_bytes())[0].1[0],
            marked,
            "with its mark it is sure"
        );
    }
}

#[test]
fn blank_rows_and_padded_columns_count_for_nothing() {
    let text = "\n,,,\nname,phone,,\n王芳,1,,\n,,,\n\n李明, 2 ,,,,\n , \t,,\n";
    let fields = |fields: [&str; 3]| fields.map(ToOwned::to_owned).to_vec();
    assert_eq!(rows(text.as_bytes()), [(4, fields(["王芳", "1", ""])), (7, fields(["李明", "2", ""]))]);
    let table = read(FORM, "name,phone,\n王芳,1,x\n王芳\n\"王芳,1,\n".as_bytes()).expect("a table");
    let bad: Vec<_> = table.rows.into_iter().map(|(line, row)| (line, row.unwrap_err())).collect();
    assert_eq!(bad, [(2, BadRow::Columns), (3, BadRow::Columns), (4, BadRow::Quote)]);
}

#[test]
fn digits_that_were_quoted_for_a_spreadsheet_are_digits() {
    let text = "name,phone\nO'Neil,'0123\n'Anna,\"=\"\"0123\"\"\"\nA,\t0123\nB,’0123\n";
    let phones: Vec<_> = rows(text.as_bytes()).into_iter().map(|(_, row)| row[1].clone()).collect();
    assert_eq!(phones, ["0123"; 4]);
    let names: Vec<_> = rows(text.as_bytes()).into_iter().map(|(_, row)| row[0].clone()).collect();
    assert_eq!(names, ["O'Neil", "'Anna", "A", "B"]);
    for (field, expected) in [
        ("1.76404E+16", true),
        ("3.99902e+17", true),
        ("17.0", true),
        ("7640E123", false),
        ("163.9999.0001", false),
        ("12E+10", true),
        ("E12345678", false),
        ("1E5", false),
        ("NEAC-1E+5", false),
        ("16388880001", false),
        ("", false),
    ] {
        assert_eq!(is_scientific(field), expected, "{field}");
    }
}

#[test]
fn titles_stand_in_any_order_in_either_language_and_are_named_when_they_are_wrong() {
    for titles in ["phone,name", "手机号码,姓名", " Phone , NAME ,", "手机号码 phone,姓名 name,备注"]
    {
        let rest = if titles.matches(',').count() == 2 { "," } else { "" };
        let row = rows(format!("{titles}\n1,王芳{rest}\n").as_bytes());
        assert_eq!(row[0].1[..2], ["王芳", "1"], "{titles}");
    }
    let template = FORM.template();
    assert!(rows(template.as_bytes()).is_empty() && template.starts_with('\u{feff}'));
    for (titles, expected) in [
        ("", BadTitles::Empty),
        ("\n \n", BadTitles::Empty),
        ("name", BadTitles::Missing { name: "phone", chinese: "手机号码" }),
        ("Wang Wei,16388880001", BadTitles::Missing { name: "name", chinese: "姓名" }),
        ("name,phone,age", BadTitles::Other { column: 3 }),
        ("name,phone,name", BadTitles::Other { column: 3 }),
    ] {
        let error = read(FORM, titles.as_bytes()).map(drop).expect_err(titles);
        assert!(matches!(&error, TableError::Titles(found) if *found == expected), "{titles:?}: {error}");
        assert!(!error.to_string().contains("Wang"));
    }
}
