//! Lines about people who are there already: what differs from the record is told and counted, and nothing of it is changed; and the
//! words of both languages.

use registry::id_check;

use super::*;

/// The same person as [`GOOD`], with other values.
const OTHER: &str = "Wang Wen,Passport,E12345678,16300000009,360103,red,declared,2020-03-14,QR-1";
const DIFFERS: &str = "there already and not changed; colour is another on record; basis is another on record; name is another on record; \
                       phone is another on record; district is another on record";

fn counts(report: &ImportReport) -> (u64, u64, u64, u64) {
    (report.people, report.known, report.differing, report.rejected)
}

fn file(rows: &[&str]) -> String {
    format!("{HEADER}\n{}\n", rows.join("\n"))
}

/// Returns the holder of a passport.
fn holder_of(registry: &Registry, number: &str) -> (CodeId, registry::Person) {
    let document = DocumentNumber::parse(DocumentKind::Passport, number).unwrap();
    let code = registry.code_of_document(&document).unwrap().unwrap();
    (code, registry.person(code).unwrap().unwrap())
}

/// Returns the holder of the document of [`GOOD`].
fn holder(registry: &Registry) -> (CodeId, registry::Person, CodeEntry) {
    let (code, person) = holder_of(registry, "E12345678");
    (code, person, registry.code(code).unwrap().unwrap())
}

#[test]
fn a_line_that_differs_from_the_record_is_named_with_its_columns_and_changes_nothing() {
    let bench = Bench::new();
    let registry = bench.registry();
    let report = bench.run(file(&[GOOD]), 10, &mut none).unwrap();
    assert_eq!(counts(&report), (1, 0, 0, 0));
    let before = holder(&registry);
    let told = format!("line,reason\n2,{DIFFERS}\n");
    for dry_run in [true, false, false] {
        let report = bench.run_as(file(&[OTHER, GOOD]), (10, dry_run), &mut none).unwrap();
        assert_eq!((counts(&report), bench.rejects()), ((0, 1, 1, 0), told.clone()), "{dry_run}");
        assert!(holder(&registry) == before && bench.shows("QR-1").0 == Colour::Green);
        std::fs::remove_file(bench.path("rejects.csv")).unwrap();
    }
    let yellow =
        GOOD.replace("E12345678", "E5").replace("16300000001", "16300000005").replace("QR-1", "QR-5");
    let yellow = yellow.replace("E5", "E55555").replace("green,verified,", "yellow,verified,2020-03-20");
    let rows = [&yellow[..], &yellow.replace("03-20", "03-21"), &yellow.replace("2020-03-20", "")];
    // A dry run tells of one file what the import tells of it.
    for dry_run in [true, false] {
        let report = bench.run_as(file(&rows), (10, dry_run), &mut none).unwrap();
        assert_eq!(counts(&report), (1, 0, 2, 0), "{dry_run}");
        let told = "there already and not changed; until is another on record";
        assert_eq!(bench.rejects(), format!("line,reason\n3,{told}\n4,{told}\n"), "{dry_run}");
    }
}

/// One operator compares a table with the record, of as many people as it names, and no look is on record: what is there is not told.
#[test]
fn nothing_that_is_on_record_of_anybody_is_told_to_who_compares() {
    let bench = Bench::new();
    let person = "Wang Wei,hk-macau-permit,H12345678,16300000001,360102,red,declared,2020-03-20,QR-1";
    assert_eq!(bench.run(file(&[person]), 10, &mut none).unwrap().people, 1);
    let line = "Li,passport,H12345678,16300000009,360103,yellow,verified,,QR-1";
    for dry_run in [true, false] {
        let report = bench.run_as(file(&[line]), (10, dry_run), &mut none).unwrap();
        let told = bench.rejects();
        assert_eq!(report.differing, 1, "{told}");
        for value in ["red", "yellow", "declared", "verified", "2020-03", "macau", "passport", "Wang", "1630"]
        {
            assert!(!told.contains(value), "{dry_run} {value}: {told}");
        }
    }
}

#[test]
fn a_file_that_was_imported_is_compared_with_the_record_again_and_brings_nobody_back() {
    let bench = Bench::new();
    let mut registry = bench.registry();
    let second = GOOD.replace("E12345678", "E22222222").replace("QR-1", "QR-2");
    let content = file(&[GOOD, &second]);
    assert_eq!(counts(&bench.run(&content, 10, &mut none).unwrap()), (2, 0, 0, 0));
    let (code, mut person, _) = holder(&registry);
    person.phone = registry::Phone::parse("16300000077").unwrap();
    registry.transaction::<_, RegistryError>(|registry| registry.update_person(code, &person)).unwrap();
    let (left, who_left) = holder_of(&registry, "E22222222");
    let now_s = u64::from(NOW_S);
    registry
        .transaction::<_, RegistryError>(|registry| registry.remove_person(left, &who_left, now_s))
        .unwrap();
    bench.codes.remove(left);
    for dry_run in [true, false, false] {
        let report = bench.run_as(&content, (10, dry_run), &mut none).unwrap();
        assert_eq!((counts(&report), report.resumed), ((0, 1, 1, 0), !dry_run), "{dry_run}");
        let told = "line,reason\n2,there already and not changed; phone is another on record\n";
        assert_eq!(bench.rejects(), told, "of who has withdrawn nothing is told");
        std::fs::remove_file(bench.path("rejects.csv")).unwrap();
        assert_eq!(registry.people().unwrap(), 1, "{dry_run}");
        assert_eq!(bench.shows("QR-2"), (Colour::Unknown, Advice::NotAPassCode), "{dry_run}");
    }
}

/// An earlier release took no name with digits: the same file, given again, brings in whom it rejected.
#[test]
fn who_was_rejected_at_first_is_brought_in_once_the_reason_is_gone() {
    let bench = Bench::new();
    let mut registry = bench.registry();
    bench.run(file(&[GOOD]), 10, &mut none).unwrap();
    let second = GOOD.replace("Wang Wei", "王伟2").replace("E12345678", "E22222222").replace("QR-1", "QR-2");
    let content = file(&[GOOD, &second]);
    std::fs::write(bench.path("holders.csv"), &content).unwrap();
    let digest = hex::decode(sha256(&bench.path("holders.csv")).unwrap()).unwrap();
    let done = Progress { lines_done: 3, people: 1, rejected: 1, complete: true, ..Progress::default() };
    let noted =
        registry.transaction::<_, RegistryError>(|registry| registry.set_import_progress(&digest, &done));
    noted.unwrap();
    for (people, known) in [(1, 1), (0, 2)] {
        let report = bench.run(&content, 10, &mut none).unwrap();
        assert_eq!((counts(&report), report.resumed), ((people, known, 0, 0), true));
        assert_eq!((registry.people().unwrap(), bench.rejects()), (2, "line,reason\n".to_owned()));
        assert_eq!(bench.shows("QR-2"), (Colour::Green, Advice::CheckDocument));
    }
}

#[test]
fn what_differs_is_counted_once_by_an_import_that_was_cut() {
    let bench = Bench::new();
    bench.run(file(&[GOOD]), 10, &mut none).unwrap();
    let content = file(&[OTHER, &OTHER.replace("Wang", "Wu"), GOOD]);
    let cut = catch_unwind(AssertUnwindSafe(|| {
        bench.run(&content, 1, &mut |report| assert!(report.lines < 3, "cut here"))
    }));
    assert!(cut.is_err());
    let report = bench.run(&content, 1, &mut none).unwrap();
    assert_eq!((counts(&report), report.resumed), ((0, 1, 2, 0), true));
    assert_eq!(bench.rejects(), format!("line,reason\n2,{DIFFERS}\n3,{DIFFERS}\n"));
}

#[test]
fn a_document_of_one_line_and_a_text_of_another_are_no_known_person_in_a_dry_run_either() {
    let bench = Bench::new();
    let second = GOOD.replace("E12345678", "E22222222").replace("QR-1", "QR-2");
    let crossed = GOOD.replace("QR-1", "QR-2");
    let content = file(&[GOOD, &second, &crossed]);
    for dry_run in [true, false] {
        let report = bench.run_as(&content, (10, dry_run), &mut none).unwrap();
        assert_eq!(counts(&report), (2, 0, 0, 1), "{dry_run}");
        assert_eq!(
            bench.rejects(),
            format!("line,reason\n4,{}\n", reason(Reject::SameDocument)),
            "{dry_run}"
        );
    }
}

#[test]
fn kinds_colours_and_bases_read_in_chinese_and_in_any_case() {
    let card = |n: usize| {
        let digits = format!("39990219850101{n:03}");
        let check = char::from(id_check(digits.as_bytes().try_into().unwrap()));
        format!("{digits}{check}")
    };
    let kinds = [
        ("身份证", card(1)),
        ("居民身份证", card(2)),
        ("ID-Card", card(3)),
        ("ＩＤ-card", card(4)),
        ("港澳居民来往内地通行证", "H12345678".to_owned()),
        ("回乡证", "M12345678".to_owned()),
        ("HK-Macau-Permit", "H12345679".to_owned()),
        ("台湾居民来往大陆通行证", "12345678".to_owned()),
        ("台胞证", "12345679".to_owned()),
        ("TAIWAN-PERMIT", "12345670".to_owned()),
        ("护照", "E10000001".to_owned()),
        ("PassPort", "E10000002".to_owned()),
        ("外国人永久居留身份证", "CHN110100012345".to_owned()),
        ("Foreign-PR-Card", "CHN110100012346".to_owned()),
    ];
    let colours = [
        ("绿", "已核验", Colour::Green),
        ("绿码", "Verified", Colour::Green),
        ("GREEN", "核验", Colour::Green),
        ("黄", "本人申报", Colour::Yellow),
        ("黄码", "DECLARED", Colour::Yellow),
        ("Yellow", "申报", Colour::Yellow),
        ("红", "已核验", Colour::Red),
        ("红码", "verified", Colour::Red),
        ("Red", "Declared", Colour::Red),
        ("未知", "无", Colour::Unknown),
        ("Unknown", "", Colour::Unknown),
        ("unknown", "Nothing", Colour::Unknown),
    ];
    let rows: Vec<String> = kinds
        .iter()
        .zip(colours.iter().cycle())
        .enumerate()
        .map(|(n, ((kind, number), (colour, basis, _)))| {
            format!("王芳,{kind},{number},163000001{n:02},东湖区,{colour},{basis},,QR-{n}")
        })
        .collect();
    let bench = Bench::new();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let report = bench.run(file(&rows), 100, &mut none).unwrap();
    assert_eq!(counts(&report), (kinds.len() as u64, 0, 0, 0), "{}", bench.rejects());
    for (n, (colour, _, expected)) in (0..kinds.len()).zip(colours.iter().cycle()) {
        assert_eq!(bench.shows(&format!("QR-{n}")).0, *expected, "{colour}");
    }
    let explained = FORM.explained();
    for word in ["身份证", "护照", "绿", "黄", "红", "未知", "已核验", "本人申报"] {
        assert!(explained.contains(word), "{word}: {explained}");
    }
}
