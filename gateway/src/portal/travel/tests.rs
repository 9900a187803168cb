//! The words for each outcome.

use policy::Stay;
use policy::trajectory::Days;

use super::*;
use crate::portal::http::words::{en, zh};

#[test]
fn every_outcome_is_said_and_no_answer_is_never_a_no() {
    let days = Days { first: "2020-02-15".parse().unwrap(), last: "2020-02-23".parse().unwrap() };
    let stay = Stay { area: "湖北".to_owned(), last_day: "2020-02-20".parse().unwrap() };
    let unavailable = [
        Unavailable::TimedOut,
        Unavailable::Unreachable,
        Unavailable::Refused,
        Unavailable::Garbage,
        Unavailable::Busy,
        Unavailable::Paused,
    ];
    let mut outcomes = vec![
        QueryOutcome::Stay(stay),
        QueryOutcome::Clean,
        QueryOutcome::Partial { covered: Some(days) },
        QueryOutcome::Partial { covered: None },
        QueryOutcome::NewNumber,
        QueryOutcome::Unanswerable,
    ];
    outcomes.extend(unavailable.map(QueryOutcome::Unavailable));
    let mut known = std::collections::BTreeSet::new();
    for outcome in outcomes {
        let text = said(&outcome).into_string();
        assert!(known.insert(text.clone()), "{outcome:?} has words of its own: {text}");
        assert!(text.contains("初步") && text.contains("reliminary"), "{outcome:?} {text}");
        let says_no = text.contains("未发现") || text.contains("No stay");
        assert_eq!(says_no, matches!(outcome, QueryOutcome::Clean), "{outcome:?} {text}");
    }
    assert!(zh("travel-agree").contains("授权") && en("travel-agree").contains("agree"));
}

/// Checks the words: what the gateway does to spare a carrier is not the citizen's business; when to try again is.
#[test]
fn a_carrier_that_is_not_asked_is_said_plainly_and_when_to_try_again() {
    for key in ["travel-paused", "travel-unreachable", "travel-busy", "travel-timed-out"] {
        for ours in ["故障", "恢复", "熔断", "failed", "coming back", "breaker", "paused"] {
            assert!(!zh(key).contains(ours) && !en(key).contains(ours), "{key}: {} {}", zh(key), en(key));
        }
    }
    let said = said(&QueryOutcome::Unavailable(Unavailable::Paused)).into_string();
    assert!(
        said.contains("暂时不能向运营商查询") && said.contains("cannot be asked at the moment"),
        "{said}"
    );
    assert!(said.contains("约一分钟后再试") && said.contains("again in about a minute"), "{said}");
}
