//! Staff with a phone: an invitation opens a shift once, each scan is recorded once and at its place, and a shift that was
//! ended scans no more. Each browser here is one cookie and has no script; browsers' tests use a camera.

use actors::registrar::{AtGate, Registrar};
use keys::Keys;
use policy::Policy;
use protocol::{Class, receipt};
use registry::colours::Codes;
use registry::{Beneficiary, ConsentTerms, Detail, Flow, Phone, Registry};
use runtime::clock;
use serde_json::json;
use tests::City;
use tests::people::prove;
use tests::web::Request;
use tests::web::shift::{Staff, green, invite, recorded, text_of, told};

#[test]
fn an_invitation_opens_one_shift_in_one_browser_and_a_link_alone_opens_none() {
    let city = City::start(200, 1);
    let (link, _) = invite(&city, 1);
    let (mut first, mut second) = (Staff::new(&city), Staff::new(&city));
    for _ in 0..3 {
        assert_eq!(first.browser.get(&link).status, 200);
    }
    assert_eq!(first.browser.get("/staff").status, 403, "looking at a link opens nothing");
    let foreign = second.browser.token(&link);
    assert_eq!(first.browser.post(&link, &[("token", &foreign)]).status, 403, "another browser's form");
    assert_eq!(first.browser.submit(&link, &[]).status, 303);
    assert_eq!(first.browser.get("/staff").status, 200);
    assert_eq!(second.browser.submit(&link, &[]).status, 410, "used");
    assert_eq!(second.browser.get("/staff").status, 403);
    assert_eq!(
        second.browser.submit("/staff/join/00000000000000000000000000000000", &[]).status,
        410,
        "made up"
    );
    let (status, out, _) = city.signed(1, &["staff", "list"]);
    assert!(status.success() && out.contains("open"), "{out}");
    let (status, _, err) = city.signed(1, &["staff", "invite", "--place", "99999", "--name", "x"]);
    assert!(!status.success() && err.contains("place"), "{err}");
}

#[test]
fn what_staff_scan_is_recorded_once_at_their_place_and_shown_masked() {
    let city = City::start(200, 1);
    let (mut staff, token) = Staff::at_work(&city, 2);
    let person = &text_of(&city, green(&city)[0], Class::Person, 0);
    let scanned = staff.scan(&json!({ "token": token, "text": person }));
    let told = told(&scanned);
    let sign = told["sign"].as_str().expect("a sign");
    assert!(scanned.status == 200 && sign.contains("data-colour=\"green\" data-advice=\"pass\""), "{sign}");
    assert!(sign.contains('＊') && told["sound"] == "pass", "{sign}");
    for _ in 0..3 {
        assert_eq!(staff.scan(&json!({ "token": token, "text": person })).status, 200, "still held up");
    }
    assert_eq!(recorded(&city, 2).len(), 1);
    let paper = &text_of(&city, green(&city)[1], Class::Paper, 0);
    let typed = staff.browser.post("/staff/form", &[("token", &token), ("text", paper)]);
    assert!(typed.status == 303 && typed.location().starts_with("/staff/last?page="), "{}", typed.body);
    for _ in 0..2 {
        let shown = staff.browser.get(typed.location()).body;
        assert!(shown.contains("data-advice=\"check-document\" data-reason=\"document-class\""), "{shown}");
        assert!(!shown.contains("id=\"verdict\" class=\"green\""), "a document is looked at first: {shown}");
    }
    let nothing = staff.browser.post("/staff/form", &[("token", &token), ("nothing", "yes")]);
    assert_eq!(nothing.status, 303, "{}", nothing.body);
    let shown = staff.browser.get(nothing.location()).body;
    assert!(shown.contains("data-advice=\"check-document\" data-reason=\"nothing-shown\""), "{shown}");
    assert_eq!((recorded(&city, 2).len(), recorded(&city, 1).len()), (3, 0));
    let (mut other, _) = Staff::at_work(&city, 2);
    assert!(!other.browser.get("/staff").body.contains('＊'), "another shift's scans are its own");
}

/// Returns the sign that stands above on a page of staff.
fn sign(page: &str) -> String {
    let (_, sign) = page.split_once(" id=\"verdict\"").unwrap_or_else(|| panic!("no sign: {page}"));
    sign.split("</section>").next().expect("a sign ends").to_owned()
}

#[test]
fn without_a_script_each_scan_shows_its_own_answer_and_never_another_persons() {
    let city = City::start(200, 1);
    let (mut staff, token) = Staff::at_work(&city, 1);
    let person = text_of(&city, green(&city)[0], Class::Person, 0);
    let paper = text_of(&city, green(&city)[1], Class::Paper, 0);
    let mut scan = |page: &str, n: &str, text: &str| {
        let sent = [("token", &token[..]), ("page", page), ("n", n), ("text", text)];
        let sent = staff.browser.post("/staff/form", &sent);
        assert_eq!((sent.status, sent.location()), (303, &format!("/staff/last?page={page}&n={n}")[..]));
        sent.location().to_owned()
    };
    let first = scan("5", "1", &person);
    let second = scan("6", "2", &paper);
    let held_up = scan("7", "3", &person);
    for (at, expected) in
        [(&first, "pass"), (&second, "check-document"), (&first, "pass"), (&held_up, "pass")]
    {
        let shown = sign(&staff.browser.get(at).body);
        assert!(shown.contains(&format!("data-advice=\"{expected}\"")), "{at}: {shown}");
    }
    assert_eq!(recorded(&city, 1).len(), 2, "who is held up still is one");
    let unknown = staff.browser.get("/staff/last?page=5&n=9");
    let shown = sign(&unknown.body);
    assert!(unknown.status == 404 && shown.contains("staff-last-unknown"), "{shown}");
    assert!(!shown.contains('＊') && !shown.contains("data-advice"), "nobody's answer: {shown}");
    assert_eq!(staff.browser.get("/staff/last").location(), "/staff", "of no scan there is nothing to show");
}

#[test]
fn whatever_else_is_scanned_is_no_pass_code_and_never_red() {
    let city = City::start(200, 1);
    let (mut staff, token) = Staff::at_work(&city, 1);
    let long = "A".repeat(4096);
    let place = "https://code.example/p/0123456789";
    for text in [
        "https://example.com/",
        "wxp://f2f0abcdefg",
        "00020101021226",
        place,
        "12345678",
        &long,
        "\u{202e}\u{200b}x",
    ] {
        let scanned = staff.scan(&json!({ "token": token, "text": text }));
        let told = told(&scanned);
        let sign = told["sign"].as_str().expect("a sign");
        assert!(sign.contains("data-colour=\"unknown\" data-advice=\"not-a-pass-code\""), "{sign}");
        assert!(sign.contains("class=\"none\"") && told["sound"] == "ask", "{sign}");
    }
    assert_eq!(recorded(&city, 1).len(), 7, "recorded as what it was");
    for sent in [
        json!({ "token": token }),
        json!({ "token": token, "text": " " }),
        json!({ "token": token, "text": "A".repeat(4297) }),
    ] {
        assert_eq!(staff.scan(&sent).status, 422);
    }
    assert_eq!(recorded(&city, 1).len(), 7);
}

#[test]
fn a_scan_is_refused_to_other_sites_to_forms_of_others_and_to_browsers_without_a_shift() {
    let city = City::start(200, 1);
    let (mut staff, token) = Staff::at_work(&city, 1);
    let sent = json!({ "token": token, "text": "x" });
    let body = sent.to_string();
    for site in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"), ("Origin", "null")] {
        let headers = [site, ("Content-Type", "application/json")];
        let request =
            Request { method: "POST", path: "/staff/scan", headers: &headers, body: body.as_bytes() };
        assert_eq!(staff.browser.send(&request).expect("an answer").status, 403, "{site:?}");
    }
    assert_eq!(staff.scan(&json!({ "token": "", "text": "x" })).status, 403, "no token");
    assert_eq!(staff.scan(&json!({ "text": "x" })).status, 400, "none at all");
    let mut citizen = Staff::new(&city);
    let own = citizen.browser.token("/in");
    assert_eq!(citizen.scan(&json!({ "token": own, "text": "x" })).status, 403, "a citizen");
    assert_eq!(citizen.browser.post("/staff/form", &[("token", &own), ("text", "x")]).status, 403);
    assert_eq!(citizen.scan(&sent).status, 403, "with the token of staff");
    assert!(recorded(&city, 1).is_empty());
}

#[test]
fn a_shift_that_was_ended_scans_no_more() {
    let city = City::start(200, 1);
    let (link, shift) = invite(&city, 1);
    let mut staff = Staff::new(&city);
    assert_eq!(staff.browser.submit(&link, &[]).status, 303);
    let token = staff.browser.token("/staff");
    assert_eq!(staff.scan(&json!({ "token": token, "text": "one" })).status, 200);
    let (status, out, err) = city.signed(1, &["staff", "revoke", &shift.to_string()]);
    assert!(status.success() && out.contains("revoked"), "{out}{err}");
    assert_eq!(staff.scan(&json!({ "token": token, "text": "two" })).status, 403, "the next one");
    assert_eq!(staff.browser.get("/staff").status, 403);
    assert_eq!(recorded(&city, 1).len(), 1);
    let (mut staff, token) = Staff::at_work(&city, 1);
    let mut kept = staff.clone();
    assert_eq!(staff.browser.post("/staff/end", &[("token", &token)]).status, 303);
    assert_eq!(kept.browser.get("/staff").status, 403, "ended everywhere, whoever kept the cookie");
}

/// Returns receipts of new consents, as citizens' pages show them. For a city whose gateway does not run: there is one writer.
fn receipts(city: &City, given: &[(&str, Detail)]) -> Vec<String> {
    let path = city.data().join("policy.toml");
    let text = std::fs::read_to_string(&path).expect("the city's policy");
    let policy = Policy::parse(&text, &path).expect("a good policy");
    let keys = Keys::load(&city.data().join("keys")).expect("the city's keys");
    let mut registry = Registry::open(&city.data().join("registry.db"), &keys).expect("a registry");
    let (codes, now_s) = (Codes::new(0), clock::now_s());
    let mut registrar = Registrar::new(&mut registry, &codes, policy.into());
    let one = |&(phone, detail): &(&str, Detail)| {
        let phone = Phone::parse(phone).expect("a phone number");
        let agreed =
            ConsentTerms { flow: Flow::Scan, beneficiary: Beneficiary::Owner, detail, text: "scan-1" };
        let consent = registrar.consent(&prove(&keys, &phone, now_s), agreed, now_s).expect("recorded");
        match registrar.receipt(consent, &phone, now_s).expect("open") {
            AtGate::Open(receipt) => receipt::to_text(&receipt),
            AtGate::Scanned(at_s) => panic!("scanned at {at_s}"),
        }
    };
    given.iter().map(one).collect()
}

#[test]
fn a_receipt_shows_staff_the_least_and_is_no_punch() {
    const STAYED_AT_HOME: &str = "16399990001";
    const IN_WUHAN: &str = "16399990002";
    let mut city = City::start(200, 1);
    city.terminate();
    let given = [(STAYED_AT_HOME, Detail::Stay), (IN_WUHAN, Detail::Stay), (IN_WUHAN, Detail::Cities)];
    let all = receipts(&city, &given);
    city.restart();
    let (mut staff, token) = Staff::at_work(&city, 1);
    for (text, stay, reason, cities) in [
        (&all[0], "no", "clean", false),
        (&all[1], "yes", "stay-found", false),
        (&all[2], "yes", "stay-found", true),
    ] {
        let scanned = staff.scan(&json!({ "token": token, "text": text }));
        let told = told(&scanned);
        let sign = told["sign"].as_str().expect("a sign");
        assert!(sign.contains(&format!("data-stay=\"{stay}\" data-reason=\"{reason}\"")), "{sign}");
        assert!(sign.contains("初步结果") && !sign.contains("data-colour"), "{sign}");
        assert_eq!(sign.contains("武汉市"), cities, "only what the citizen shows: {sign}");
    }
    let (mut other, token) = Staff::at_work(&city, 1);
    let again = other.scan(&json!({ "token": token, "text": &all[0] }));
    assert!(again.body.contains("staff-receipt-used") && again.body.contains("data-stay"), "{}", again.body);
    assert!(recorded(&city, 1).is_empty(), "a query is no punch");
}
