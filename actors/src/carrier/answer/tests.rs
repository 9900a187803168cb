//! Good and bad answers, read without a carrier.

use super::*;

const REQUEST: &str = "0123456789abcdef0123456789abcdef";
const NUMBER: &str = "16300000001";

fn question() -> Question {
    Question {
        phone: Phone::parse(NUMBER).expect("a number"),
        days: Days {
            first: "2020-02-10".parse().expect("a day"),
            last: "2020-02-23".parse().expect("a day"),
        },
        purpose: Purpose::Apply,
        consent: [0xab; 16],
    }
}

fn read_body(body: &str) -> ReplyMeaning {
    read(&RawReply::Body(body.as_bytes().to_vec()), &question(), REQUEST, &Areas::new())
}

fn body(status: &str, rest: &str) -> String {
    format!(r#"{{"request":"{REQUEST}","msisdn":"{NUMBER}","status":"{status}"{rest}}}"#)
}

fn covered(first: &str, last: &str, visits: &str) -> String {
    let rest = format!(r#","covered":{{"first_day":"{first}","last_day":"{last}"}},"visits":[{visits}]"#);
    body("trajectory", &rest)
}

fn whole(visits: &str) -> String {
    covered("2020-02-10", "2020-02-23", visits)
}

fn visit(area: &str, from: &str, until: &str) -> String {
    format!(r#"{{{area},"from":"{from}","until":"{until}"}}"#)
}

const WUHAN: &str = r#""division":"4201""#;

#[test]
fn the_question_is_as_the_interface_says() {
    assert_eq!(
        question().body(),
        r#"{"msisdn":"16300000001","first_day":"2020-02-10","last_day":"2020-02-23","purpose":"apply","consent":"abababababababababababababababab"}"#
    );
}

#[test]
fn an_answer_without_a_trajectory_is_what_it_says() {
    for (status, expected) in [
        ("new-number", CarrierAnswer::NewNumber),
        ("not-subscriber", CarrierAnswer::NotSubscriber),
        ("unanswerable", CarrierAnswer::Unanswerable),
    ] {
        assert_eq!(
            read_body(&body(status, "")),
            ReplyMeaning { answer: expected, healthy: true, again: false }
        );
    }
}

#[test]
fn a_trajectory_is_taken_as_it_is_and_a_short_one_stays_short() {
    let visits = [
        visit(WUHAN, "2020-02-20T08:00:00+08:00", "2020-02-20T12:00:00+08:00"),
        // Another way to write noon, and the last moment of the last day.
        visit(r#""country":"IT""#, "2020-02-20T04:00:00Z", "2020-02-24T00:00:00+08:00"),
    ];
    let expected = Trajectory {
        covered: Days { first: "2020-02-20".parse().unwrap(), last: "2020-02-23".parse().unwrap() },
        visits: vec![
            Visit {
                area: Area::City(Division::parse("4201").unwrap()),
                from_s: 1_582_156_800,
                until_s: 1_582_171_200,
            },
            Visit {
                area: Area::Country(Country::parse("IT").unwrap()),
                from_s: 1_582_171_200,
                until_s: 1_582_473_600,
            },
        ],
    };
    let read = read_body(&covered("2020-02-20", "2020-02-23", &visits.join(",")));
    assert!(read.answer == CarrierAnswer::Trajectory(expected) && read.healthy);
    let nowhere = read_body(&whole(""));
    assert!(matches!(nowhere.answer, CarrierAnswer::Trajectory(known) if known.visits.is_empty()));
}

#[test]
fn an_answer_that_cannot_be_right_is_an_error_and_never_no_history() {
    let fine = visit(WUHAN, "2020-02-20T08:00:00+08:00", "2020-02-20T12:00:00+08:00");
    assert!(read_body(&whole(&fine)).healthy, "what the others are variations of");
    let at = |from: &str, until: &str| whole(&visit(WUHAN, from, until));
    let area = |area: &str| whole(&visit(area, "2020-02-20T08:00:00+08:00", "2020-02-20T12:00:00+08:00"));
    let bad = [
        ("nothing", String::new()),
        ("HTML with 200", "<html><body>Service temporarily moved</body></html>".to_owned()),
        ("cut", whole(&fine)[..150].to_owned()),
        ("more behind it", whole(&fine) + "{}"),
        ("deep JSON", "[".repeat(60_000)),
        ("deep JSON in a field", body("trajectory", &format!(r#","covered":{}"#, "[".repeat(60_000)))),
        ("a list", format!("[{}]", whole(&fine))),
        ("null", "null".to_owned()),
        ("an unknown field", body("new-number", r#","colour":"green""#)),
        (
            "an unknown field inside",
            whole(&visit(r#""division":"4201","x":1"#, "2020-02-20T08:00:00Z", "2020-02-20T09:00:00Z")),
        ),
        ("a field twice", body("new-number", r#","status":"not-subscriber""#)),
        ("an unknown status", body("clean", "")),
        ("no status", format!(r#"{{"request":"{REQUEST}","msisdn":"{NUMBER}"}}"#)),
        ("another's number", whole(&fine).replace(NUMBER, "16300000002")),
        ("another request's answer", whole(&fine).replace(REQUEST, "1123456789abcdef0123456789abcdef")),
        ("a trajectory without its days", body("trajectory", r#","visits":[]"#)),
        (
            "a trajectory without visits",
            body("trajectory", r#","covered":{"first_day":"2020-02-10","last_day":"2020-02-23"}"#),
        ),
        ("a new number with visits", whole("").replace("\"trajectory\"", "\"new-number\"")),
        ("not a subscriber, with visits", whole(&fine).replace("\"trajectory\"", "\"not-subscriber\"")),
        ("covered from before the window", covered("2020-02-09", "2020-02-23", &fine)),
        ("covered until today", covered("2020-02-10", "2020-02-24", &fine)),
        ("covered backwards", covered("2020-02-23", "2020-02-10", "")),
        ("another year's days", covered("2019-02-10", "2019-02-23", "")),
        ("a day that is none", covered("2020-02-30", "2020-02-23", "")),
        ("a visit before what is covered", at("2020-02-09T23:59:59+08:00", "2020-02-10T12:00:00+08:00")),
        ("a visit after what is covered", at("2020-02-23T12:00:00+08:00", "2020-02-24T00:00:01+08:00")),
        ("a visit in UTC taken for local time", at("2020-02-23T12:00:00Z", "2020-02-23T23:00:00Z")),
        ("a visit without length", at("2020-02-20T08:00:00+08:00", "2020-02-20T08:00:00+08:00")),
        ("a visit backwards", at("2020-02-20T12:00:00+08:00", "2020-02-20T08:00:00+08:00")),
        ("a time without an offset", at("2020-02-20T08:00:00", "2020-02-20T12:00:00")),
        ("a number for a time", whole(r#"{"division":"4201","from":1582156800,"until":1582171200}"#)),
        (
            "visits out of order",
            whole(&[visit(WUHAN, "2020-02-21T08:00:00Z", "2020-02-21T09:00:00Z"), fine.clone()].join(",")),
        ),
        (
            "visits at once",
            whole(
                &[fine.clone(), visit(WUHAN, "2020-02-20T11:59:59+08:00", "2020-02-20T13:00:00+08:00")]
                    .join(","),
            ),
        ),
        ("no area", whole(r#"{"from":"2020-02-20T08:00:00Z","until":"2020-02-20T12:00:00Z"}"#)),
        ("two areas", area(r#""division":"4201","country":"IT""#)),
        ("a province", area(r#""division":"42""#)),
        ("a district", area(r#""division":"420102""#)),
        ("a city that there is not", area(r#""division":"4299""#)),
        ("a made-up division", area(r#""division":"3999""#)),
        ("a number for a division", area(r#""division":4201"#)),
        ("a country that there is not", area(r#""country":"XX""#)),
        ("the mainland as a country", area(r#""country":"CN""#)),
        ("small letters", area(r#""country":"it""#)),
    ];
    for (what, body) in bad {
        let answer = CarrierAnswer::Unavailable(Unavailable::Garbage);
        assert_eq!(read_body(&body), ReplyMeaning { answer, healthy: false, again: false }, "{what}");
    }
    let invalid = RawReply::Body(b"{\"request\":\"\xff\"}".to_vec());
    assert!(!read(&invalid, &question(), REQUEST, &Areas::new()).healthy, "bad UTF-8");
}

/// The trap: the carriers' travel card has a colour of its own, which means something else. An answer with a colour is no answer, wherever
/// the colour is and whatever its name.
#[test]
fn the_carrier_cards_own_colour_is_not_the_codes_colour() {
    let fine = whole(&visit(WUHAN, "2020-02-20T08:00:00+08:00", "2020-02-20T12:00:00+08:00"));
    assert!(read_body(&fine).healthy, "what the others are variations of");
    for name in ["colour", concat!("col", "or"), "card", "risk", "star", "verdict"] {
        for before in ["\"status\"", "\"first_day\"", "\"from\""] {
            for value in ["\"green\"", "\"red\"", "1", "null"] {
                let body = fine.replace(before, &format!("\"{name}\":{value},{before}"));
                let expected = CarrierAnswer::Unavailable(Unavailable::Garbage);
                assert_eq!(read_body(&body).answer, expected, "{name} {value} before {before}");
            }
        }
        let colourful = body("new-number", &format!(r#","{name}":"green""#));
        assert!(!read_body(&colourful).healthy, "{name}");
    }
}

#[test]
fn a_reply_without_an_answer_says_why_and_what_may_be_tried_again() {
    use Unavailable::{Busy, Garbage, Refused, TimedOut, Unreachable};
    for (reply, why, healthy, again) in [
        (RawReply::NotSent, Unreachable, false, true),
        (RawReply::Lost, Unreachable, false, false),
        (RawReply::TimedOut, TimedOut, false, false),
        (RawReply::NotHttp, Garbage, false, false),
        (RawReply::Status(503), Busy, false, true),
        (RawReply::Status(429), Busy, false, false),
        (RawReply::Status(400), Refused, true, false),
        (RawReply::Status(401), Refused, true, false),
        (RawReply::Status(403), Refused, true, false),
        (RawReply::Status(404), Refused, true, false),
        (RawReply::Status(500), Refused, false, false),
        (RawReply::Status(502), Refused, false, false),
        (RawReply::Status(301), Garbage, false, false),
        (RawReply::Status(302), Garbage, false, false),
        (RawReply::Status(308), Garbage, false, false),
        (RawReply::Status(204), Garbage, false, false),
        (RawReply::Status(206), Garbage, false, false),
        (RawReply::Status(101), Garbage, false, false),
        (RawReply::Status(999), Garbage, false, false),
    ] {
        let what = match reply {
            RawReply::Status(status) => status,
            RawReply::NotSent
            | RawReply::Lost
            | RawReply::TimedOut
            | RawReply::NotHttp
            | RawReply::Body(_) => 0,
        };
        let expected = ReplyMeaning { answer: CarrierAnswer::Unavailable(why), healthy, again };
        assert_eq!(read(&reply, &question(), REQUEST, &Areas::new()), expected, "{what}");
    }
}

#[test]
fn every_known_area_is_one_that_a_visit_can_be_in() {
    let areas = Areas::new();
    assert!(areas.cities.len() > 330 && areas.countries.len() == 248);
    for city in &areas.cities {
        assert!(Division::parse(city).is_some_and(Division::is_city), "{city}");
    }
    for country in &areas.countries {
        assert!(Country::parse(country).is_some() && *country != "CN", "{country}");
    }
    for beside in ["HK", "MO", "TW"] {
        assert!(areas.countries.contains(beside), "{beside}");
    }
}

#[test]
fn the_carriers_own_time_is_a_number_of_milliseconds_or_nothing() {
    for (header, expected) in [
        (&b"1500"[..], Some(1500)),
        (b" 7 ", Some(7)),
        (b"-1", None),
        (b"1.5", None),
        (b"99999999999", None),
        (b"\xff", None),
        (b"", None),
    ] {
        assert_eq!(own_time(header), expected.map(Duration::from_millis));
    }
}

#[test]
fn neither_question_nor_answer_is_shown() {
    let shown = format!("{:?} {:?}", question(), RawReply::Body(NUMBER.as_bytes().to_vec()));
    assert!(!shown.contains(NUMBER), "{shown}");
}
