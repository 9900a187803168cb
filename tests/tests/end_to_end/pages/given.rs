//! The input of people, scanners and spreadsheets, in a running city: numbers as they are pasted, links as scanners change them.

use policy::trajectory::{day_of, days_after};
use runtime::clock;
use serde_json::Value;
use tests::City;
use tests::people::demo;
use tests::web::{Browser, Request, message};

fn link_of_new_place(city: &City) -> String {
    let (status, out, err) =
        city.command(&["place", "add", "八一广场", "--region", "1", "--kind", "station", "--json"]);
    assert!(status.success(), "{err}");
    let added: Value = serde_json::from_str(&out).expect("JSON");
    added["places"][0]["link"].as_str().unwrap_or_else(|| panic!("{out}")).to_owned()
}

#[test]
fn a_places_link_leads_to_its_page_however_it_was_scanned() {
    let city = City::start(100, 1);
    let text = link_of_new_place(&city);
    let mut browser = Browser::new(&city);
    for path in [
        format!("/p/{text}"),
        format!("/p/{text}/"),
        format!("/P/{text}"),
        format!("/P/{text}/"),
        format!("/p/{}", text.to_lowercase()),
        format!("/p/{text}%E3%80%82"),
        format!("/p/{text}."),
        format!("/p/{text}%20"),
        format!("/p/{text}?from=singlemessage&isappinstalled=0"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer =
                browser.send(&Request { method, path: &path, headers: &[], body: b"" }).expect("an answer");
            let expected = format!("/in?next=/p/{text}");
            assert_eq!((answer.status, answer.location()), (303, &expected[..]), "{method} {path}");
        }
    }
    for path in ["/p/0123456789A", "/p//", "/p/"] {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
}

#[test]
fn head_answers_as_get_does_and_without_a_body() {
    let city = City::start(100, 1);
    let mut browser = Browser::new(&city);
    for (path, status) in [("/", 200), ("/in", 200), ("/code", 303), ("/s/style.css", 200), ("/nowhere", 404)]
    {
        let get = browser.get(path);
        let head =
            browser.send(&Request { method: "HEAD", path, headers: &[], body: b"" }).expect("an answer");
        assert_eq!((get.status, head.status), (status, status), "{path}");
        assert_eq!(
            (head.body.as_str(), head.header("content-type")),
            ("", get.header("content-type")),
            "{path}"
        );
    }
}

#[test]
fn a_phone_and_a_code_sign_in_as_they_were_pasted() {
    let city = City::start(100, 1);
    let phone = demo("clean").phone;
    let (area, rest) = phone.split_at(3);
    let (mut browser, mut stranger) = (Browser::new(&city), Browser::new(&city));
    for other in ["+852 6123 4567", "1638888121", "86 86 16388881201"] {
        let refused = stranger.submit("/in", &[("phone", other), ("next", "/")]);
        assert_eq!(refused.status, 422, "{other:?}: {}", refused.body);
    }
    let pasted = format!("\u{2068}(+86) {area}\u{a0}{rest}\u{2069}");
    let asked = browser.submit("/in", &[("phone", &pasted), ("next", "/apply")]);
    assert_eq!((asked.status, asked.location()), (303, "/in/code?next=/apply"), "{}", asked.body);
    let code = message(&city, phone);
    let (first, last) = code.split_at(3);
    let token = browser.token("/in/code");
    let fields =
        [("token", token.as_str()), ("code", &format!(" {first} {last}\u{202c}。")), ("next", "/apply")];
    let signed_in = browser.post("/in/code", &fields);
    assert_eq!((signed_in.status, signed_in.location()), (303, "/apply"), "{}", signed_in.body);
}

/// Signs in over the pages, applies with that document, and returns the code.
fn applied(city: &City, phone: &str, kind: &str, document: &str) -> String {
    let mut browser = Browser::signed_in(city, phone);
    let fields = [
        ("name", "做试验"),
        ("kind", kind),
        ("number", document),
        ("district", "360102"),
        ("declared", "no"),
    ];
    let sent = browser.submit("/apply", &fields);
    assert_eq!(sent.status, 303, "{}", sent.body);
    let words = ["code", "find", "--document", document, "--document-kind", kind, "--case", "C-1", "--json"];
    let (status, out, err) = city.signed(1, &words);
    assert!(status.success(), "{out}{err}");
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(answer["found"]["name"], "做＊", "{out}");
    answer["found"]["code"].to_string()
}

fn accesses(city: &City, code: &str) -> String {
    let (status, out, err) = city.signed(1, &["code", "accesses", code, "--case", "C-9"]);
    assert!(status.success(), "{out}{err}");
    out
}

#[test]
fn an_office_finds_a_code_by_its_document_moves_it_to_another_phone_and_notes_a_foreign_document() {
    let city = City::start(100, 1);
    let (old, new) = (demo("clean").phone, "163 9999 0077");
    let code = applied(&city, old, "passport", "x3999-0201");
    for (operators, words, said) in [
        (
            1,
            vec!["code", "find", "--document", "X39990999", "--document-kind", "passport", "--case", "C-1"],
            "nobody is registered so",
        ),
        (
            1,
            vec!["code", "find", "--document", "X1", "--document-kind", "passport", "--case", "C-1"],
            "invalid",
        ),
        (1, vec!["code", "find", "--case", "C-1"], "required"),
        (1, vec!["code", "move-phone", &code, "--phone", new, "--case", "C-1"], "2 operator(s)"),
        (2, vec!["code", "move-phone", &code, "--phone", "12345", "--case", "C-1"], "no mobile number"),
    ] {
        let (status, out, err) = city.signed(operators, &words);
        assert!(status.code() == Some(2) && err.contains(said), "{words:?}: {out}{err}");
    }
    // A number of another person: nothing has happened but the search for the holder.
    let other = demo("new number").phone;
    applied(&city, other, "passport", "X39990203");
    let (status, out, err) =
        city.signed(2, &["code", "move-phone", &code, "--phone", other, "--case", "C-7"]);
    assert!(status.code() == Some(2) && err.contains("registered with this phone"), "{out}{err}");
    let looked = accesses(&city, &code);
    let of_case: Vec<&str> = looked.lines().filter(|line| line.contains("C-7")).collect();
    assert!(of_case.len() == 1 && of_case[0].contains(" find "), "{looked}");
    assert!(!looked.contains("move-phone"), "{looked}");
    let (status, out, err) = city.signed(1, &["code", "document-seen", &code, "--case", "C-2"]);
    assert!(status.success(), "{out}{err}");
    let words = [
        "code",
        "move-phone",
        "--document",
        "X39990201",
        "--document-kind",
        "passport",
        "--phone",
        new,
        "--case",
        "C-3",
    ];
    let (status, out, err) = city.signed(2, &words);
    assert!(status.success() && out.contains("163****0077"), "{out}{err}");
    let looked = accesses(&city, &code);
    for act in ["find", "document-seen", "move-phone"] {
        assert!(looked.contains(act), "{act}: {looked}");
    }
    // The new phone is not proven by being named: it shows the document first.
    let mut browser = Browser::new(&city);
    browser.sign_in(&city, "16399990077", "/code");
    let page = browser.get("/code");
    assert!(!page.body.contains("做试验"), "{}", page.body);
    let fields = [("kind", "passport"), ("number", "X 3999 0201")];
    assert_eq!(browser.submit("/confirm", &fields).status, 303);
    assert!(browser.get("/code").body.contains("做试验"));
}

#[test]
fn causes_come_from_a_table_all_or_none_after_a_dry_run_and_once() {
    let city = City::start(100, 1);
    let code = applied(&city, demo("clean").phone, "passport", "X39990202");
    let file = city.data().join("causes.csv");
    let path = file.to_str().expect("a plain path");
    let day = days_after(day_of(clock::now_s()), 3);
    let (date, spread) = (day.to_string(), format!("{}/{}/{}", day.year(), day.month(), day.day()));
    let text = format!(
        "原因,码号,证件类型,证件号码,截止日期\n隔离,,护照,x3999 0202,{date}\nQuarantine,'{code},,,{spread}\n,,,,\n"
    );
    let utf16 = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    std::fs::write(&file, utf16).expect("written");
    let words = ["cause", "add", "--csv", path, "--case", "C-5"];
    let dry = [&words[..], &["--dry-run"]].concat();
    let (status, out, err) = city.signed(1, &dry);
    assert!(status.success(), "{out}{err}");
    assert!(out.contains("1 causes would be set, 1 there already") && out.contains("gives"), "{out}");
    // To find a code by a document takes another role than to plan a cause.
    let [found, given] =
        ["line 2: ", "line 3: "].map(|line| out.lines().find(|said| said.contains(line)).expect(line));
    let tail = &code[code.len() - 4..];
    assert!(!found.contains(&code) && found.contains(&format!("*{tail}")) && given.contains(&code), "{out}");
    let (_, out, err) = city.signed(1, &[&dry[..], &["--json"]].concat());
    let plan: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    assert!(plan["causes"]["causes"][0]["code"].is_null(), "{out}");
    let (status, out, err) = city.signed(1, &words);
    assert!(status.code() == Some(2) && err.contains("2 operator(s)"), "{out}{err}");
    for known in ["1 causes are set, 1 there already", "0 causes are set, 2 there already"] {
        let (status, out, err) = city.signed(2, &words);
        assert!(status.success() && out.contains(known), "{out}{err}");
    }
    assert!(accesses(&city, &code).contains("C-5"));
    for (row, said) in [
        (format!("quarantine,77,,,{date}"), "line 3: nobody is registered so"),
        (format!("plague,{code},,,{date}"), "line 3: a cause by hand is one of"),
        ("quarantine,1.7E+17,,,2020-01-01".to_owned(), "causes.csv:3: code is in Excel's"),
        (format!("quarantine,{code},,,soon"), "causes.csv:3: until is no date"),
        (format!("quarantine,{code},,,2020-01-01"), "line 3: the last day of a cause is"),
    ] {
        let good = format!("diagnosis,{code},,,{date}");
        std::fs::write(&file, format!("kind,code,document_kind,document,until\n{good}\n{row}\n"))
            .expect("written");
        let (status, out, err) = city.signed(2, &words);
        assert!(status.code() == Some(2) && err.contains(said), "{row}: {out}{err}");
        let (_, why, _) = city.signed(1, &["code", "why", &code, "--case", "C-6"]);
        assert!(!why.contains("diagnosis"), "none of them: {why}");
    }
}

#[test]
fn regions_have_names_beside_their_numbers() {
    let city = City::start(100, 1);
    let (status, out, err) = city.command(&["region", "list"]);
    assert!(status.success() && out.contains("360102") && out.contains("东湖区, "), "{out}{err}");
    link_of_new_place(&city);
    for (words, name) in [(["place", "list"], "八一广场, "), (["device", "list"], "区")] {
        let (status, out, err) = city.command(&words);
        assert!(status.success() && out.contains(name), "{out}{err}");
    }
}

#[test]
fn a_printed_link_opens_or_its_host_is_refused_before_anything_is_done() {
    let city = City::start(100, 1);
    let pages = city.fleet().pages.expect("a development city has pages");
    let host = format!("localhost:{}/", pages.port());
    let words = ["place", "add", "站", "--region", "1", "--kind", "station", "--host"];
    let (status, out, err) = city.command(&[&words[..], &[&host, "--json"]].concat());
    assert!(status.success(), "{out}{err}");
    let added: Value = serde_json::from_str(&out).expect("JSON");
    let link = added["places"][0]["link"].as_str().expect("a link");
    let path = link.strip_prefix(&format!("http://localhost:{}", pages.port())).expect("a link that opens");
    assert_eq!(Browser::new(&city).get(path).status, 303, "{link}");
    let count = |out: &str| out.lines().filter(|line| line.contains("place ")).count();
    let before = count(&city.command(&["place", "list"]).1);
    for host in ["https://https://code.example", "code.example/p/", "http://code.example"] {
        let (status, out, err) = city.command(&[&words[..], &[host]].concat());
        assert!(status.code() == Some(2) && err.contains("--host"), "{out}{err}");
    }
    assert_eq!(count(&city.command(&["place", "list"]).1), before);
}
