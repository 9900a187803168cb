//! Any bytes as a carrier's answer, for the fuzzer: an answer is read only from bytes that fit the question.

use std::sync::LazyLock;

use policy::trajectory::{CarrierAnswer, Days};
use registry::Phone;

use super::answer::{Areas, Purpose, Question, RawReply, read};

const REQUEST: &str = "0123456789abcdef0123456789abcdef";
const NUMBER: &str = "16300000001";

static AREAS: LazyLock<Areas> = LazyLock::new(Areas::new);

fn days() -> Days {
    Days { first: "2020-02-10".parse().expect("a day"), last: "2020-02-23".parse().expect("a day") }
}

/// Reads the body of a 200.
pub(crate) fn answer(bytes: &[u8]) {
    let phone = Phone::parse(NUMBER).expect("a number");
    let question = Question { phone, days: days(), purpose: Purpose::Apply, consent: [0xab; 16] };
    let read = read(&RawReply::Body(bytes.to_vec()), &question, REQUEST, &AREAS);
    assert!(!read.again, "what was answered is asked again");
    let CarrierAnswer::Trajectory(trajectory) = read.answer else { return };
    assert!(read.healthy && days().covers(trajectory.covered), "days that were not asked for");
    let ordered = trajectory.visits.windows(2).all(|pair| pair[0].until_s <= pair[1].from_s);
    assert!(ordered, "somebody is in two places at a time");
    let named = std::str::from_utf8(bytes).is_ok_and(|text| text.contains(REQUEST) || text.contains('\\'));
    assert!(named, "the answer to another question is taken");
}

/// Returns sound answers.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let body = |status: &str, rest: &str| {
        format!(r#"{{"request":"{REQUEST}","msisdn":"{NUMBER}","status":"{status}"{rest}}}"#).into_bytes()
    };
    let covered = r#","covered":{"first_day":"2020-02-10","last_day":"2020-02-23"}"#;
    let wuhan =
        r#"{"division":"4201","from":"2020-02-12T08:00:00+08:00","until":"2020-02-13T09:30:00+08:00"}"#;
    let italy = r#"{"country":"IT","from":"2020-02-14T08:00:00+08:00","until":"2020-02-15T09:30:00+08:00"}"#;
    vec![
        body("trajectory", &format!(r#"{covered},"visits":[]"#)),
        body("trajectory", &format!(r#"{covered},"visits":[{wuhan},{italy}]"#)),
        body("new-number", ""),
        body("not-subscriber", ""),
        body("unanswerable", ""),
    ]
}
