//! Staff with a phone: an invitation opens a shift once, what is scanned in it is recorded once and at its place, and a shift that was
//! ended scans no more. Each browser here is one cookie and has no script; what needs a camera is tested in a browser.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actors::clock;
use actors::codes::Codes;
use actors::keys::Keys;
use actors::policy::Policy;
use actors::registrar::{AtGate, Registrar};
use actors::registry::{Agreed, Detail, Flow, Phone, Registry, Whom};
use protocol::token::{self, Token};
use protocol::{Class, CodeId, receipt};
use serde_json::{Value, json};
use tests::City;
use tests::people::prove;

const COOKIE: &str = "__Host-session=";

/// One browser.
struct Browser {
    pages: SocketAddr,
    cookie: Option<String>,
}

/// An answer: status, where it leads, and the page.
struct Page(u16, Option<String>, String);

impl Page {
    fn token(&self) -> String {
        let (_, rest) = self.2.split_once("name=\"token\" value=\"").expect("a form");
        rest.split('"').next().expect("a value").to_owned()
    }
}

impl Browser {
    fn new(city: &City) -> Self {
        Self { pages: city.fleet().pages.expect("a development city has pages"), cookie: None }
    }

    fn get(&mut self, path: &str) -> Page {
        self.ask(&format!("GET {path}"), "", "")
    }

    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let field = |(name, value): &(&str, &str)| {
            let bytes = value.bytes().map(|byte| format!("%{byte:02X}"));
            format!("{name}={}", bytes.collect::<String>())
        };
        let body = fields.iter().map(field).collect::<Vec<_>>().join("&");
        let head =
            format!("Origin: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n", self.origin());
        self.ask(&format!("POST {path}"), &head, &body)
    }

    /// As the page's script does.
    fn scan(&mut self, sent: &Value) -> Page {
        let head = format!("Origin: {}\r\nContent-Type: application/json\r\n", self.origin());
        self.ask("POST /staff/scan", &head, &sent.to_string())
    }

    fn origin(&self) -> String {
        format!("http://localhost:{}", self.pages.port())
    }

    fn ask(&mut self, what: &str, head: &str, body: &str) -> Page {
        let mut stream = TcpStream::connect(self.pages).expect("the pages listen");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
        let cookie =
            self.cookie.as_ref().map_or(String::new(), |value| format!("Cookie: {COOKIE}{value}\r\n"));
        let (port, length) = (self.pages.port(), body.len());
        write!(
            stream,
            "{what} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n{cookie}{head}\r\n{body}"
        )
        .expect("the pages read");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8(answer).expect("UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let header = |name: &str| {
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
            line.split_once(": ").map(|(_, value)| value.to_owned())
        };
        if let Some(set) = header("set-cookie:").as_deref().and_then(|set| set.strip_prefix(COOKIE)) {
            self.cookie = set.split(';').next().map(ToOwned::to_owned);
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Page(status, header("location:"), body.to_owned())
    }

    /// Opens the link of an invitation and presses the button.
    fn join(&mut self, link: &str) -> Page {
        let token = self.get(link).token();
        self.post(link, &[("token", &token)])
    }

    /// A browser with a shift of its own at that place.
    fn at_work(city: &City, place: u32) -> (Self, String) {
        let (link, _) = invite(city, place);
        let mut staff = Self::new(city);
        let joined = staff.join(&link);
        assert_eq!((joined.0, joined.1.as_deref()), (303, Some("/staff")), "{}", joined.2);
        let page = staff.get("/staff");
        assert!(page.0 == 200 && page.2.contains("North gate"), "{}", page.2);
        let token = page.token();
        (staff, token)
    }
}

/// An invitation's path and its shift.
fn invite(city: &City, place: u32) -> (String, u64) {
    let place = place.to_string();
    let words = ["staff", "invite", "--place", &place, "--name", "North gate", "--json"];
    let (status, out, err) = city.signed(1, &words);
    assert!(status.success(), "{out}{err}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    let invitation = &told["invitation"];
    let link = invitation["link"].as_str().expect("a link");
    let at = link.find("/staff/join/").expect("a path");
    (link[at..].to_owned(), invitation["shift"].as_u64().expect("a number"))
}

/// The scans that the punch log has of that place: each line as exported.
fn recorded(city: &City, place: u32) -> Vec<String> {
    let (status, csv, err) = city.signed(1, &["ledger", "export", "--case", "staff", "--format", "csv"]);
    assert!(status.success(), "{err}");
    let mut lines = csv.lines();
    // A log without a punch has not even a first line.
    let Some(head) = lines.next() else { return Vec::new() };
    let head: Vec<&str> = head.split(',').collect();
    let at = head.iter().position(|name| *name == "place").expect("a place");
    let here = place.to_string();
    lines.filter(|line| line.split(',').nth(at) == Some(&here)).map(ToOwned::to_owned).collect()
}

/// Sealed texts of the city's people, made now, with what memory says of them.
fn people(city: &City, class: Class) -> Vec<String> {
    let keys = Keys::load(&city.data().join("keys")).expect("the city's keys");
    let id = if class == Class::Paper { keys.current_paper() } else { keys.current_token() };
    let keys = keys.token_keys();
    let codes = std::fs::read_to_string(city.fleet().codes).expect("the city's codes");
    let wanted = codes.lines().skip(1).filter(|line| line.ends_with(",person") && line.contains(",green,"));
    let issued_at_s = (clock::now_ms() / 1000) as u32;
    let text = |line: &str| {
        let code = line.split(',').next().and_then(|number| number.parse().ok()).and_then(CodeId::from_u64);
        let token = Token { code: code.expect("a code"), issued_at_s, class };
        token::to_text(&keys.get(id).expect("a current key").seal(token))
    };
    wanted.take(3).map(text).collect()
}

#[test]
fn an_invitation_opens_one_shift_in_one_browser_and_a_link_alone_opens_none() {
    let city = City::start(200, 1);
    let (link, _) = invite(&city, 1);
    let (mut first, mut second) = (Browser::new(&city), Browser::new(&city));
    for _ in 0..3 {
        assert_eq!(first.get(&link).0, 200);
    }
    assert_eq!(first.get("/staff").0, 403, "looking at a link opens nothing");
    let foreign = second.get(&link).token();
    assert_eq!(first.post(&link, &[("token", &foreign)]).0, 403, "another browser's form");
    assert_eq!(first.join(&link).0, 303);
    assert_eq!(first.get("/staff").0, 200);
    assert_eq!(second.join(&link).0, 410, "used");
    assert_eq!(second.get("/staff").0, 403);
    assert_eq!(second.join("/staff/join/00000000000000000000000000000000").0, 410, "made up");
    let (status, out, _) = city.signed(1, &["staff", "list"]);
    assert!(status.success() && out.contains("open"), "{out}");
    let (status, _, err) = city.signed(1, &["staff", "invite", "--place", "99999", "--name", "x"]);
    assert!(!status.success() && err.contains("place"), "{err}");
}

#[test]
fn what_staff_scan_is_recorded_once_at_their_place_and_shown_masked() {
    let city = City::start(200, 1);
    let (mut staff, token) = Browser::at_work(&city, 2);
    let person = &people(&city, Class::Person)[0];
    let scanned = staff.scan(&json!({ "token": token, "text": person }));
    let told: Value = serde_json::from_str(&scanned.2).expect("JSON");
    let sign = told["sign"].as_str().expect("a sign");
    assert!(scanned.0 == 200 && sign.contains("data-colour=\"green\" data-advice=\"pass\""), "{sign}");
    assert!(sign.contains('＊') && told["sound"] == "pass", "{sign}");
    for _ in 0..3 {
        assert_eq!(staff.scan(&json!({ "token": token, "text": person })).0, 200, "still held up");
    }
    assert_eq!(recorded(&city, 2).len(), 1);
    let paper = &people(&city, Class::Paper)[1];
    let typed = staff.post("/staff/form", &[("token", &token), ("text", paper)]);
    assert_eq!((typed.0, typed.1.as_deref()), (303, Some("/staff/last")), "{}", typed.2);
    for _ in 0..2 {
        let shown = staff.get("/staff/last").2;
        assert!(shown.contains("data-advice=\"check-document\" data-reason=\"document-class\""), "{shown}");
        assert!(!shown.contains("class=\"green\""), "a document is looked at first: {shown}");
    }
    let nothing = staff.post("/staff/form", &[("token", &token), ("nothing", "yes")]);
    assert_eq!(nothing.0, 303, "{}", nothing.2);
    let shown = staff.get("/staff/last").2;
    assert!(shown.contains("data-advice=\"check-document\" data-reason=\"nothing-shown\""), "{shown}");
    assert_eq!((recorded(&city, 2).len(), recorded(&city, 1).len()), (3, 0));
    let (mut other, _) = Browser::at_work(&city, 2);
    assert!(!other.get("/staff").2.contains('＊'), "another shift's scans are its own");
}

#[test]
fn whatever_else_is_scanned_is_no_pass_code_and_never_red() {
    let city = City::start(200, 1);
    let (mut staff, token) = Browser::at_work(&city, 1);
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
        let told: Value = serde_json::from_str(&scanned.2).expect("JSON");
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
        assert_eq!(staff.scan(&sent).0, 422);
    }
    assert_eq!(recorded(&city, 1).len(), 7);
}

#[test]
fn a_scan_is_refused_to_other_sites_to_forms_of_others_and_to_browsers_without_a_shift() {
    let city = City::start(200, 1);
    let (mut staff, token) = Browser::at_work(&city, 1);
    let sent = json!({ "token": token, "text": "x" });
    let json_head = "Content-Type: application/json\r\n";
    for site in ["Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n", "Origin: null\r\n"] {
        let refused = staff.ask("POST /staff/scan", &format!("{site}{json_head}"), &sent.to_string());
        assert_eq!(refused.0, 403, "{site}");
    }
    assert_eq!(staff.scan(&json!({ "token": "", "text": "x" })).0, 403, "no token");
    assert_eq!(staff.scan(&json!({ "text": "x" })).0, 400, "none at all");
    let mut citizen = Browser::new(&city);
    let own = citizen.get("/in").token();
    assert_eq!(citizen.scan(&json!({ "token": own, "text": "x" })).0, 403, "a citizen");
    assert_eq!(citizen.post("/staff/form", &[("token", &own), ("text", "x")]).0, 403);
    assert_eq!(citizen.scan(&sent).0, 403, "with the token of staff");
    assert!(recorded(&city, 1).is_empty());
}

#[test]
fn a_shift_that_was_ended_scans_no_more() {
    let city = City::start(200, 1);
    let (link, shift) = invite(&city, 1);
    let mut staff = Browser::new(&city);
    assert_eq!(staff.join(&link).0, 303);
    let token = staff.get("/staff").token();
    assert_eq!(staff.scan(&json!({ "token": token, "text": "one" })).0, 200);
    let (status, out, err) = city.signed(1, &["staff", "revoke", &shift.to_string()]);
    assert!(status.success() && out.contains("revoked"), "{out}{err}");
    assert_eq!(staff.scan(&json!({ "token": token, "text": "two" })).0, 403, "the next one");
    assert_eq!(staff.get("/staff").0, 403);
    assert_eq!(recorded(&city, 1).len(), 1);
    let (mut staff, token) = Browser::at_work(&city, 1);
    let kept = staff.cookie.clone();
    assert_eq!(staff.post("/staff/end", &[("token", &token)]).0, 303);
    staff.cookie = kept;
    assert_eq!(staff.get("/staff").0, 403, "ended everywhere, whoever kept the cookie");
}

/// Receipts of new consents, as citizens' pages would show them now. For a city whose gateway does not run: there is one writer.
fn receipts(city: &City, given: &[(&str, Detail)]) -> Vec<String> {
    let path = city.data().join("policy.toml");
    let text = std::fs::read_to_string(&path).expect("the city's policy");
    let policy = Policy::parse(&text, &path).expect("a good policy");
    let keys = Keys::load(&city.data().join("keys")).expect("the city's keys");
    let mut registry = Registry::open(&city.data().join("registry.db"), &keys).expect("a registry");
    let (codes, now_s) = (Codes::new(0), clock::now_ms() / 1000);
    let mut registrar = Registrar::new(&mut registry, &codes, policy.into());
    let one = |&(phone, detail): &(&str, Detail)| {
        let phone = Phone::parse(phone).expect("a phone number");
        let agreed = Agreed { flow: Flow::Scan, whom: Whom::Owner, detail, text: "scan-1" };
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
    let (mut staff, token) = Browser::at_work(&city, 1);
    for (text, stay, reason, cities) in [
        (&all[0], "no", "clean", false),
        (&all[1], "yes", "stay-found", false),
        (&all[2], "yes", "stay-found", true),
    ] {
        let scanned = staff.scan(&json!({ "token": token, "text": text }));
        let told: Value = serde_json::from_str(&scanned.2).expect("JSON");
        let sign = told["sign"].as_str().expect("a sign");
        assert!(sign.contains(&format!("data-stay=\"{stay}\" data-reason=\"{reason}\"")), "{sign}");
        assert!(sign.contains("初步结果") && !sign.contains("data-colour"), "{sign}");
        assert_eq!(sign.contains("武汉市"), cities, "only what the citizen shows: {sign}");
    }
    let (mut other, token) = Browser::at_work(&city, 1);
    let again = other.scan(&json!({ "token": token, "text": &all[0] }));
    assert!(again.2.contains("staff-receipt-used") && again.2.contains("data-stay"), "{}", again.2);
    assert!(recorded(&city, 1).is_empty(), "a query is no punch");
}
