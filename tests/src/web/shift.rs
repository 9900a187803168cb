//! Staff at work: a browser without a script whose shift an invitation has opened, codes for it to scan,
//! and the punches of its place in the log.

use keys::Keys;
use protocol::token::{self, Token};
use protocol::{Class, CodeId};
use runtime::clock;
use serde_json::{Value, json};

use super::{Answer, Browser, Request};
use crate::City;

/// A browser of staff.
#[derive(Clone)]
pub struct Staff {
    /// The browser.
    pub browser: Browser,
}

impl Staff {
    /// Makes a browser without a shift.
    pub fn new(city: &City) -> Self {
        Self { browser: Browser::new(city) }
    }

    /// Opens a shift of its own at that place; returns the token for its scans.
    pub fn at_work(city: &City, place: u32) -> (Self, String) {
        let (link, _) = invite(city, place);
        let mut staff = Self::new(city);
        let joined = staff.browser.submit(&link, &[]);
        assert_eq!((joined.status, joined.location()), (303, "/staff"), "{}", joined.body);
        let page = staff.browser.get("/staff");
        assert!(page.status == 200 && page.body.contains("North gate"), "{}", page.body);
        let token = page.attribute("data-token").expect("a token").to_owned();
        (staff, token)
    }

    /// Sends a scan as the page's script does.
    pub fn scan(&mut self, sent: &Value) -> Answer {
        self.try_scan(sent).expect("an answer")
    }

    /// Does what [`Self::scan`] does; returns `None` without an answer, as for one of too many connections.
    pub fn try_scan(&mut self, sent: &Value) -> Option<Answer> {
        let origin = self.browser.origin();
        let headers = [("Origin", origin.as_str()), ("Content-Type", "application/json")];
        let body = sent.to_string();
        let request =
            Request { method: "POST", path: "/staff/scan", headers: &headers, body: body.as_bytes() };
        self.browser.send(&request).ok()
    }

    /// Scans a text; returns its sign.
    pub fn sign(&mut self, token: &str, text: &str) -> String {
        let answer = self.scan(&json!({ "token": token, "text": text }));
        assert_eq!(answer.status, 200, "{}", answer.body);
        told(&answer)["sign"].as_str().expect("a sign").to_owned()
    }
}

/// Parses an answer for the script.
pub fn told(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).expect("JSON")
}

/// Makes an invitation; returns its path and its shift.
pub fn invite(city: &City, place: u32) -> (String, u64) {
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

/// Returns the scans of that place in the punch log: each line as exported.
pub fn recorded(city: &City, place: u32) -> Vec<String> {
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

/// Returns the codes of the city's green people.
pub fn green(city: &City) -> Vec<CodeId> {
    let codes = std::fs::read_to_string(city.fleet().codes).expect("the city's codes");
    let wanted = codes.lines().skip(1).filter(|line| line.ends_with(",person") && line.contains(",green,"));
    let code = |line: &str| line.split(',').next()?.parse().ok().and_then(CodeId::from_u64);
    wanted.map(|line| code(line).expect("a code")).collect()
}

/// Makes the text of a code that was issued so many seconds ago, under the newest key.
pub fn text_of(city: &City, code: CodeId, class: Class, age_s: u64) -> String {
    let keys = Keys::load(&city.data().join("keys")).expect("the city's keys");
    let id = if class == Class::Paper { keys.current_paper() } else { keys.current_token(clock::now_s()) };
    let issued_at_s = (clock::now_s() - age_s) as u32;
    token::to_text(&keys.token_keys().get(id).expect("a current key").seal(Token {
        code,
        issued_at_s,
        class,
    }))
}
