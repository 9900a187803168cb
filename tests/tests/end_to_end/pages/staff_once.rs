//! A scan of staff is one punch however often it is sent or delayed, whatever a scanner adds to it, and also if the network loses
//! the answer; and the part of a document that they see, on record.

use std::path::PathBuf;

use policy::trajectory::day_of;
use protocol::Class;
use runtime::clock;
use serde_json::{Value, json};
use tests::City;
use tests::traced::{Panicking, Traced};
use tests::web::shift::{Staff, green, recorded, text_of, told};

const FAILING_SYNC: &str = "fdatasync:error=EIO";
/// The punch log failed: start again, which recovers.
const EXIT_LEDGER: i32 = 75;

/// Returns a scan as the page's script numbers it.
fn numbered(token: &str, n: u64, text: &str, sent_to: Option<&Value>) -> Value {
    json!({ "token": token, "page": 7, "n": n, "text": text, "sent_to": sent_to })
}

#[test]
fn a_scan_whose_answer_was_lost_is_sent_again_and_is_one_punch() {
    let mut city = City::start(200, 1);
    let people = green(&city);
    let (mut staff, token) = Staff::at_work(&city, 1);
    let text = text_of(&city, people[0], Class::Person, 0);
    let first = staff.scan(&numbered(&token, 1, &text, None));
    let run = told(&first)["run"].clone();
    let again = staff.scan(&numbered(&token, 1, &text, Some(&run)));
    assert_eq!((first.status, again.status), (200, 200), "{}", again.body);
    assert_eq!((&told(&again)["sign"], &told(&again)["again"]), (&told(&first)["sign"], &json!(false)));
    assert_eq!(recorded(&city, 1).len(), 1);
    let other = text_of(&city, people[1], Class::Person, 0);
    assert_eq!(staff.scan(&numbered(&token, 2, &other, Some(&run))).status, 200, "it had not arrived");
    assert_eq!(recorded(&city, 1).len(), 2);
    city.kill();
    city.restart();
    for (n, text) in [(1, &text), (3, &text_of(&city, people[2], Class::Person, 0))] {
        let unsure = staff.scan(&numbered(&token, n, text, Some(&run)));
        assert!(unsure.status == 503 && unsure.body.contains("staff-unsure"), "{}", unsure.body);
    }
    assert_eq!(recorded(&city, 1).len(), 2, "what may be there is not written once more");
    let new = staff.scan(&numbered(&token, 4, &text_of(&city, people[3], Class::Person, 0), None));
    assert!(new.status == 200 && told(&new)["run"] != run, "{}", new.body);
    assert_eq!(recorded(&city, 1).len(), 3);
}

/// Returns the segment that the punch log writes.
fn newest_segment(city: &City) -> PathBuf {
    let entries = std::fs::read_dir(city.data().join("ledger")).expect("the log");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let segments = paths.filter(|path| path.extension().is_some_and(|ending| ending == "segment"));
    segments.max().expect("a segment")
}

/// A failed sync may have left the punch on disk: neither the script nor the page without one is told that it has not.
#[test]
fn a_scan_whose_sync_failed_is_unsure_and_is_never_two_punches() {
    let mut city = City::start(200, 1);
    let people = green(&city);
    let (mut staff, token) = Staff::at_work(&city, 1);
    let text = text_of(&city, people[0], Class::Person, 0);
    let failing = Traced::calls(city.pid(), Some(&newest_segment(&city)), FAILING_SYNC);
    let answer = staff.scan(&numbered(&token, 1, &text, None));
    drop(failing);
    assert_eq!(city.wait_exit().code(), Some(EXIT_LEDGER), "{}", city.log());
    city.restart();
    // As the script does: what is to be sent again, and whether it says where it was sent before.
    let (run, resend) = (told(&answer)["run"].clone(), told(&answer)["resend"] == true);
    let again = staff.scan(&numbered(&token, 1, &text, Some(&run).filter(|_| !resend)));
    assert!(recorded(&city, 1).len() <= 1, "{} {}", answer.body, again.body);
    assert!(answer.status == 503 && !resend && answer.body.contains("staff-unsure"), "{}", answer.body);
    assert!(again.status == 503 && again.body.contains("staff-unsure"), "{}", again.body);

    let before = recorded(&city, 1).len();
    let failing = Traced::calls(city.pid(), Some(&newest_segment(&city)), FAILING_SYNC);
    let text = text_of(&city, people[1], Class::Person, 0);
    let typed = staff.browser.post("/staff/form", &[("token", &token[..]), ("text", &text)]);
    drop(failing);
    assert!(typed.status == 503 && typed.body.contains("staff-unsure"), "{}", typed.body);
    assert_eq!(city.wait_exit().code(), Some(EXIT_LEDGER), "{}", city.log());
    city.restart();
    assert!(recorded(&city, 1).len() <= before + 1);
}

#[test]
fn a_scan_that_panics_is_unsure_and_does_not_keep_its_number_for_the_shift() {
    let city = City::start(200, 1);
    let people = green(&city);
    let (mut staff, token) = Staff::at_work(&city, 1);
    let text = text_of(&city, people[0], Class::Person, 0);
    let panicking = Panicking::function(city.pid(), &["5staff6digits6Digits4take"]);
    let first = staff.scan(&numbered(&token, 1, &text, None));
    let run = told(&first)["run"].clone();
    let unsure = |answer: &tests::web::Answer| answer.status == 503 && answer.body.contains("staff-unsure");
    assert!(unsure(&first) && told(&first)["resend"] == false, "{}", first.body);
    drop(panicking);
    let again = staff.scan(&numbered(&token, 1, &text, Some(&run)));
    assert!(unsure(&again), "it is not under way for ever: {} {}", again.status, again.body);
    let other = staff.scan(&numbered(&token, 2, &text_of(&city, people[1], Class::Person, 0), Some(&run)));
    assert_eq!(other.status, 200, "the next person: {}", other.body);
    assert_eq!(recorded(&city, 1).len(), 1);
}

/// Pages read the registry through a few readers: one that panics takes none of them with it.
#[test]
fn pages_are_read_after_more_panics_than_there_are_readers() {
    let city = City::start(200, 1);
    let people = green(&city);
    let (mut staff, token) = Staff::at_work(&city, 1);
    let (last, panics) = people[..10].split_last().expect("ten people");
    let panicking = Panicking::function(city.pid(), &["9registrar", "Registrar", "11masked_name"]);
    for (n, &person) in (1..).zip(panics) {
        let answer = staff.scan(&numbered(&token, n, &text_of(&city, person, Class::Person, 0), None));
        assert!(answer.status == 503 && answer.body.contains("staff-unsure"), "{}", answer.body);
    }
    drop(panicking);
    let sign = staff.sign(&token, &text_of(&city, *last, Class::Person, 0));
    assert!(sign.contains('＊'), "the name is read again: {sign}");
    assert_eq!(staff.browser.get("/staff").status, 200);
    assert_eq!(recorded(&city, 1).len(), 10, "each was recorded once");
}

#[test]
fn a_phone_held_up_while_its_code_is_renewed_is_one_punch() {
    let city = City::start(200, 1);
    let person = green(&city)[0];
    let (mut staff, token) = Staff::at_work(&city, 1);
    let scan = |staff: &mut Staff, n, age_s| {
        let answer = staff.scan(&numbered(&token, n, &text_of(&city, person, Class::Person, age_s), None));
        assert_eq!(answer.status, 200, "{}", answer.body);
        told(&answer)["again"].clone()
    };
    assert_eq!([scan(&mut staff, 1, 30), scan(&mut staff, 2, 0)], [json!(false), json!(true)]);
    assert_eq!(recorded(&city, 1).len(), 1);
    let stale = staff.sign(&token, &text_of(&city, person, Class::Person, 3_600));
    assert!(
        stale.contains("data-reason=\"expired\""),
        "a picture of before is not the person's code: {stale}"
    );
    let (mut other, token) = Staff::at_work(&city, 1);
    assert!(other.sign(&token, &text_of(&city, person, Class::Person, 0)).contains("data-advice=\"pass\""));
    assert_eq!(recorded(&city, 1).len(), 3, "another phone's scan is another punch");
}

/// Texts of a fifth key, which an earlier release may have made, begin with a space: it is a character of the code.
#[test]
fn a_code_is_read_whatever_a_scanner_adds_or_takes_away_and_shows_whose_it_is() {
    let mut city = City::start(200, 1);
    let people = green(&city);
    let keys = city.data().join("keys");
    std::fs::copy(keys.join("token-1.key"), keys.join("token-5.key")).expect("another key");
    city.terminate();
    city.restart();
    let (mut staff, token) = Staff::at_work(&city, 1);
    let ways: [fn(&str) -> String; 8] = [
        |text| text.to_owned(),
        |text| text.trim().to_owned(),
        |text| format!("{text}\t"),
        |text| format!("]Q1{text}"),
        |text| format!("\\000026{text}"),
        |text| format!("\u{2}{text}\u{3}"),
        |text| format!("\u{feff}{text}\r\n"),
        |text| text.to_ascii_lowercase(),
    ];
    for (way, &person) in ways.iter().zip(&people) {
        let text = text_of(&city, person, Class::Person, 0);
        assert!(text.starts_with(' '), "{text:?}");
        let sign = staff.sign(&token, &way(&text));
        assert!(sign.contains("data-colour=\"green\" data-advice=\"pass\""), "{:?}: {sign}", way(&text));
        assert!(sign.contains('＊'), "{:?}: {sign}", way(&text));
    }
    assert_eq!(recorded(&city, 1).len(), ways.len());
    let typed = [("token", token.as_str()), ("text", &text_of(&city, people[8], Class::Person, 0))];
    let typed = staff.browser.post("/staff/form", &typed);
    assert_eq!(typed.status, 303);
    assert!(staff.browser.get(typed.location()).body.contains("data-advice=\"pass\""), "typed into the form");
}

#[test]
fn staff_who_are_to_compare_a_document_see_its_end_and_that_is_on_record() {
    const TAIL: &str = "<b class=\"tail\">";
    let city = City::start(200, 1);
    let people = green(&city);
    let (mut staff, token) = Staff::at_work(&city, 1);
    let looks = |person: usize| {
        let code = people[person].get().to_string();
        let (status, out, err) = city.signed(1, &["code", "accesses", &code, "--case", "c"]);
        assert!(status.success(), "{err}");
        out.lines().filter(|line| line.contains(" document")).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let passes = staff.sign(&token, &text_of(&city, people[0], Class::Person, 0));
    assert!(!passes.contains(TAIL) && looks(0).is_empty(), "nothing is to be compared: {passes}");
    let paper = text_of(&city, people[1], Class::Paper, 0);
    for _ in 0..2 {
        let sign = staff.sign(&token, &paper);
        let (_, tail) = sign.split_once(TAIL).unwrap_or_else(|| panic!("{sign}"));
        let tail = tail.split('<').next().expect("the end of a number");
        assert!(tail.len() == 4 && sign.contains("居民身份证"), "{sign}");
    }
    let seen = looks(1);
    assert!(seen.len() == 1 && seen[0].contains("staff of a checkpoint"), "{seen:?}");
    let today = day_of(clock::now_s()).to_string();
    assert!(
        !seen[0].contains("North gate") && seen[0].contains(&today) && !seen[0].contains("00:00"),
        "the passage is forgotten before it, and no time is told that is not kept: {seen:?}"
    );
    let text = std::fs::read_to_string(city.data().join("policy.toml")).expect("the city's policy");
    let text = text.replace("2020-02-24", "quiet").replace("\"when-asked\"", "\"never\"");
    let file = city.data().join("quiet.toml").display().to_string();
    std::fs::write(&file, text).expect("written");
    let (status, out, err) = city.signed(2, &["policy", "activate", &file]);
    assert!(status.success(), "{out}{err}");
    let paper = staff.sign(&token, &text_of(&city, people[2], Class::Paper, 0));
    assert!(paper.contains('＊') && !paper.contains(TAIL) && looks(2).is_empty(), "{paper}");
}
