//! The place page of a running city: one press is one punch, however often it is sent, and it changes no colour.

use std::collections::HashSet;

use tests::City;
use tests::people::demo;
use tests::web::{Answer, Browser};

/// Adds a place with a printed code; returns its page.
fn place(city: &City, name: &str) -> String {
    let words = ["place", "add", name, "--region", "1", "--kind", "station", "--json"];
    let (status, out, err) = city.command(&words);
    assert!(status.success(), "{err}");
    let added: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    format!("/p/{}", added["places"][0]["link"].as_str().unwrap_or_else(|| panic!("{out}")))
}

/// Lets a citizen scan that place without a code, apply, and return to the place.
fn arrives(city: &City, case: &str, place: &str) -> (Browser, Answer) {
    let person = demo(case);
    let mut visitor = Browser::new(city);
    let first = visitor.get(place);
    assert_eq!(first.location(), format!("/in?next={place}"), "sign-in comes first");
    visitor.sign_in(city, person.phone, place);
    let page = visitor.get(place);
    assert!(page.values("nonce").is_empty() && page.body.contains("/apply?next="), "{}", page.body);
    let form = visitor.get(&format!("/apply?next={place}"));
    let (token, back) = (form.value("token"), form.value("back"));
    let fields = [
        ("token", token),
        ("back", back),
        ("name", "做试验"),
        ("kind", "id-card"),
        ("number", person.document),
        ("district", "360102"),
        ("declared", "no"),
    ];
    let sent = visitor.post("/apply", &fields);
    assert_eq!((sent.status, sent.location()), (303, place), "{}", sent.body);
    let page = visitor.get(place);
    (visitor, page)
}

fn press(visitor: &mut Browser, place: &str, page: &Answer) -> Answer {
    visitor.post(place, &[("token", page.value("token")), ("nonce", page.value("nonce"))])
}

/// Returns the self-scans on record: device, epoch, sequence, colour.
fn self_scans(city: &City) -> Vec<[String; 4]> {
    let (status, csv, err) = city.command(&["ledger", "export", "--case", "C-1", "--format", "csv"]);
    assert!(status.success(), "{err}");
    let rows = csv.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let mine = rows.filter(|row| row[7] == "signed-in");
    mine.map(|row| [row[1], row[2], row[3], row[12]].map(ToOwned::to_owned)).collect()
}

#[test]
fn a_press_is_one_punch_of_whoever_it_was_made_for() {
    let mut city = City::start(300, 2);
    let place = place(&city, "八一广场");
    let mut stranger = Browser::new(&city);
    let none = stranger.get("/p/0000000000");
    assert!(none.status == 404 && none.body.contains("没有找到这个场所"), "{}", none.body);

    let (mut visitor, page) = arrives(&city, "clean", &place);
    (0..5).for_each(|_| assert_eq!(visitor.get(&place).status, 200));
    assert!(self_scans(&city).is_empty(), "a page that is loaded records nothing");

    let done = press(&mut visitor, &place, &page);
    assert_eq!(done.status, 303, "{}", done.body);
    let path = done.location().to_owned();
    for _ in 0..3 {
        assert_eq!(press(&mut visitor, &place, &page).location(), path, "the same success");
        let shown = visitor.get(&path);
        assert!(shown.status == 200 && shown.body.contains("打卡成功") && shown.body.contains("做＊"));
        assert!(shown.body.contains("data-colour=\"green\"") && !shown.body.contains("checked"));
    }
    let first = self_scans(&city);
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0][0], "900000001");

    let (mut other, others) = arrives(&city, "thirty hours in Wuhan", &place);
    let token = others.value("token");
    let taken = other.post(&place, &[("token", token), ("nonce", page.value("nonce"))]);
    assert_eq!(taken.status, 403, "another session's button: {}", taken.body);
    assert_eq!(other.get(&path).status, 404, "and another session's success");
    let forged = other.post(&place, &[("token", page.value("token")), ("nonce", others.value("nonce"))]);
    assert_eq!(forged.status, 403, "another session's form");
    assert_eq!(self_scans(&city).len(), 1);
    assert_eq!(press(&mut other, &place, &others).status, 303);

    let before = visitor.get(&place);
    city.terminate();
    city.restart();
    let late = press(&mut visitor, &place, &before);
    assert!(late.status == 403 && late.body.contains("系统刚刚重启"), "{}", late.body);
    assert_eq!(self_scans(&city).len(), 2);
    let fresh = visitor.get(&place);
    assert_eq!(press(&mut visitor, &place, &fresh).status, 303);
    let all = self_scans(&city);
    assert!(all.len() == 3 && all[2][1] > all[0][1], "a higher epoch: {all:?}");
    assert_eq!(all[0][..3], first[0][..3]);
}

#[test]
fn a_guardian_chooses_who_checks_in() {
    let city = City::start(300, 2);
    let place = place(&city, "八一广场");
    let (mut visitor, _) = arrives(&city, "clean", &place);
    let token = visitor.token("/apply/ward");
    let fields = [
        ("token", &token[..]),
        ("name", "小试验"),
        ("kind", "id-card"),
        ("number", demo("thirty hours in Wuhan").document),
        ("district", "360102"),
        ("declared", "no"),
    ];
    let sent = visitor.post("/apply/ward", &fields);
    assert_eq!(sent.status, 303, "{}", sent.body);
    let page = visitor.get(&place);
    let nonces = page.values("nonce");
    assert_eq!(nonces.len(), 2, "{}", page.body);
    assert!(
        page.body.contains("小试验") && page.body.contains("本人") && page.body.contains("家人"),
        "{}",
        page.body
    );
    for (nonce, name) in nonces.iter().zip(["做＊", "小＊"]) {
        let done = visitor.post(&place, &[("token", &token), ("nonce", nonce)]);
        let shown = visitor.get(done.location()).body;
        assert!(shown.contains(name), "{name}: {shown}");
    }
    assert_eq!(self_scans(&city).len(), 2);
}

#[test]
fn what_carriers_say_on_a_punch_page_changes_no_colour() {
    let city = City::start(300, 2);
    let place = place(&city, "八一广场");
    let colours = |city: &City| ["green", "red"].map(|colour| city.metric("changtong_codes", colour));
    tests::wait_for("every code is counted", || (city.metric("changtong_codes", "") == 300.0).then_some(()));
    let [green, red] = colours(&city);
    let (mut visitor, page) = arrives(&city, "thirty hours in Wuhan", &place);
    let done = press(&mut visitor, &place, &page).location().to_owned();
    let shown = visitor.get(&done);
    let (token, back) = (shown.value("token"), shown.value("back"));
    assert_eq!(back, done);
    let travel = shown.body.split("action=\"/travel/").nth(1).and_then(|rest| rest.split('/').next());
    let travel = format!("/travel/{}", travel.expect("the travel module"));
    let unticked = visitor.post(&format!("{travel}/ask"), &[("token", token), ("back", back)]);
    assert_eq!(unticked.status, 303);
    assert!(!visitor.get(&done).body.contains("data-stay"), "nothing is asked without a tick");

    let agreed = [("token", token), ("back", back), ("agree", "yes")];
    visitor.post(&format!("{travel}/ask"), &agreed);
    let answered = tests::wait_for("the carriers' answer", || {
        let page = visitor.get(&done);
        page.body.contains("data-stay=\"yes\"").then_some(page)
    });
    assert!(answered.body.contains("初步") && answered.body.contains("data-colour=\"green\""));
    let again = visitor.get(&place);
    let done = press(&mut visitor, &place, &again).location().to_owned();
    assert!(visitor.get(&done).body.contains("data-colour=\"green\""), "no colour follows from it");
    // Green as declared, and counted so; a second look after it finds nothing else.
    tests::wait_for("the new code", || (colours(&city) == [green + 1.0, red]).then_some(()));
    assert!(self_scans(&city).iter().all(|row| row[3] == "green"));

    let shown = visitor.get(&done);
    let (token, back) = (shown.value("token"), shown.value("back"));
    let travel = shown.body.split("action=\"/travel/").nth(1).and_then(|rest| rest.split('/').next());
    let path = format!("/travel/{}/receipt", travel.expect("the travel module"));
    visitor.post(&path, &[("token", token), ("back", back), ("agree", "yes")]);
    let offered = visitor.get(&done).body;
    let text = offered.split("data-receipt=\"").nth(1).and_then(|rest| rest.split('"').next());
    let text = text.expect("a receipt for the checkpoint's device").replace("&amp;", "&");
    assert!(protocol::receipt::from_text(&text).is_some(), "{text}");
}

#[test]
fn every_press_that_was_answered_before_the_end_is_on_record() {
    let mut city = City::start(300, 2);
    let place = place(&city, "八一广场");
    let (mut visitor, _) = arrives(&city, "clean", &place);
    let pages: Vec<Answer> = (0..60).map(|_| visitor.get(&place)).collect();
    let pressing: Vec<_> = pages
        .chunks(10)
        .map(|pages| {
            let (mut visitor, place, pages) = (visitor.clone(), place.clone(), pages.to_vec());
            std::thread::spawn(move || {
                let press = |page: &Answer| {
                    let fields = [("token", page.value("token")), ("nonce", page.value("nonce"))];
                    let done = visitor.try_post(&place, &fields).ok().filter(|page| page.status == 303)?;
                    Some(done.location().to_owned())
                };
                pages.iter().filter_map(press).collect::<Vec<_>>()
            })
        })
        .collect();
    tests::wait_for("the first punches", || {
        (city.metric("changtong_punches_total", "") >= 3.0).then_some(())
    });
    assert_eq!(city.terminate().code(), Some(0), "{}", city.log());
    let done: Vec<String> = pressing.into_iter().flat_map(|one| one.join().expect("no panic")).collect();
    city.restart();
    let scans = self_scans(&city);
    let distinct: HashSet<_> = scans.iter().map(|row| (&row[1], &row[2])).collect();
    assert_eq!(distinct.len(), scans.len(), "each once: {scans:?}");
    assert!(
        !done.is_empty() && scans.len() >= done.len(),
        "{} answered, {} recorded",
        done.len(),
        scans.len()
    );
}

#[test]
fn a_unit_applies_and_its_poster_is_printed() {
    let city = City::start(300, 2);
    let (mut visitor, _) = arrives(&city, "clean", &place(&city, "八一广场"));
    let token = visitor.token("/unit");
    let send = |visitor: &mut Browser, name: &str, kind: &str| {
        visitor.post("/unit", &[("token", &token), ("name", name), ("kind", kind), ("region", "1")])
    };
    for (name, kind) in [("", "building"), ("\u{3164}x", "building"), ("大厦", "station"), ("大厦", "")] {
        assert_eq!(send(&mut visitor, name, kind).status, 422, "{name} {kind}");
    }
    // Marks of direction are taken away, so that no name is shown in another order than it is read.
    (0..2).for_each(|_| assert_eq!(send(&mut visitor, "红谷\u{202e}大厦", "building").status, 303));
    let waits = visitor.get("/unit").body;
    assert_eq!(waits.matches("data-state=\"open\"").count(), 1, "sent twice, one application");
    let (status, _, err) = city.command(&["unit", "approve", "1"]);
    assert!(status.success(), "{err}");
    let approved = visitor.get("/unit").body;
    let link = approved.split("href=\"/place/").nth(1).and_then(|rest| rest.split('/').next());
    let link = link.expect("the way to the poster");
    let poster = visitor.get(&format!("/place/{link}/poster")).body;
    assert!(
        poster.contains("红谷大厦") && poster.contains(&format!("/p/{link}")) && poster.contains("不证明")
    );
    assert_eq!(visitor.get(&format!("/p/{link}")).values("nonce").len(), 1, "it is a place now");

    let file = city.data().join("poster.svg");
    let out = file.display().to_string();
    let (_, listed, _) = city.command(&["place", "list", "--json"]);
    let places: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let row = places["places"].as_array().expect("places").iter().find(|row| row["link"] == link);
    let number = row.expect("the unit's place")["place"].to_string();
    let words = ["place", "print", &number, "--host", "code.example", "--out", &out];
    let (status, _, err) = city.command(&words);
    assert!(status.success(), "{err}");
    let (status, _, err) = city.command(&words);
    assert!(!status.success() && err.contains("is there already"), "nothing is written over: {err}");
    let svg = std::fs::read_to_string(&file).expect("a poster");
    assert!(svg.starts_with("<?xml") && svg.contains(&format!("code.example/p/{link}")));
}

#[test]
fn what_is_printed_for_programs_is_json_whatever_it_is() {
    let city = City::start(50, 1);
    place(&city, "南门");
    let (_, out, _) = city.command(&["place", "list", "--json"]);
    let places: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let number =
        places["places"].as_array().and_then(|all| all.last()).expect("a place")["place"].to_string();
    let at = |name: &str| city.data().join(name).display().to_string();
    let (poster, devices, causes, holders) = (at("a.svg"), at("d.csv"), at("c.csv"), at("h.csv"));
    for words in [
        &["place", "print", &number, "--host", "localhost:8080", "--out", &poster][..],
        &["device", "enrol", "--template", &devices],
        &["cause", "add", "--template", &causes],
        &["holders", "import", "--template", &holders],
        &["policy", "show"],
        &["ledger", "export", "--case", "C-1"],
        &["stores", "check"],
        &["doctor"],
        &["keys", "status"],
    ] {
        let (status, out, err) = city.command(&[words, &["--json"]].concat());
        assert!(status.code() != Some(2), "{words:?}: {out}{err}");
        for line in out.lines() {
            let read: Result<serde_json::Value, _> = serde_json::from_str(line);
            assert!(read.is_ok_and(|value| value.is_object() || value.is_array()), "{words:?}: {out}");
        }
    }
    assert!(std::fs::read_to_string(&poster).expect("a poster").contains("<svg"));
    let (status, _, err) = city.command(&["ledger", "export", "--case", "C-1", "--json", "--format", "csv"]);
    assert!(status.code() == Some(2) && err.contains("two formats"), "{err}");
    let saved = at("export.order");
    let (status, _, err) = city.command(&["ledger", "export", "--case", "C-1", "--save", &saved]);
    assert!(status.success(), "{err}");
    let (status, out, err) = city.command(&["order", "send", &saved, "--json"]);
    assert!(status.code() == Some(2) && out.is_empty() && err.contains("saved as CSV"), "{out}{err}");
    let (status, _, err) = city.command(&["order", "send", &saved]);
    assert!(status.success(), "nothing was given before: {err}");
}
