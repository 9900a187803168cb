//! Whose visit is whose, what it keeps, and for how long.

use policy::QueryOutcome;
use policy::trajectory::{Days, Unavailable};
use registry::Detail;

use super::*;
use crate::portal::http::paths::PressId;

const ME: SessionId = SessionId([1; 16]);
const OTHER: SessionId = SessionId([2; 16]);

fn punch(number: u128) -> Page {
    Page::Place(PressId::from_text(&format!("{number:032x}")).unwrap())
}

fn answered(outcome: QueryOutcome) -> Result<QueryAnswer, QueryError> {
    let days = Days { first: "2020-02-10".parse().unwrap(), last: "2020-02-23".parse().unwrap() };
    Ok(QueryAnswer { outcome, detail: Detail::Stay, areas: Vec::new(), days, giver: None })
}

fn clean() -> Result<QueryAnswer, QueryError> {
    answered(QueryOutcome::Clean)
}

#[test]
fn a_consent_that_is_sent_twice_at_once_is_recorded_once() {
    let travels = Travels::default();
    assert!(travels.claim(ME, Page::Apply, 100));
    assert!(!travels.claim(ME, Page::Apply, 100), "the first is being recorded");
    assert!(travels.claim(ME, Page::Ward, 100) && travels.claim(OTHER, Page::Apply, 100));
    travels.asked(ME, Page::Apply, ConsentId(1), 100);
    assert!(!travels.claim(ME, Page::Apply, 101), "carriers are being asked");
    travels.came(ME, Page::Apply, ConsentId(1), clean());
    assert!(!travels.claim(ME, Page::Apply, 102), "it was answered");
    travels.is_now(ME, Page::Apply, State::Withdrawn, 103);
    assert!(travels.claim(ME, Page::Apply, 104), "and another one is given");
    assert!(travels.claim(ME, Page::Apply, 105 + SILENT_S_MAX), "one that was never recorded is over");
}

#[test]
fn who_had_no_answer_may_agree_again_and_an_answer_is_asked_for_once() {
    for page in [Page::Apply, punch(1)] {
        for no_answer in [Unavailable::Paused, Unavailable::Busy, Unavailable::Unreachable] {
            let travels = Travels::default();
            travels.asked(ME, page, ConsentId(1), 100);
            travels.came(ME, page, ConsentId(1), answered(QueryOutcome::Unavailable(no_answer)));
            assert!(travels.claim(ME, page, 160), "{no_answer:?}: it says that one may try again");
            assert!(!travels.claim(ME, page, 160), "and that is one query");
            assert_eq!(travels.consent(ME, page, 160), None, "no form rests on the first any more");
            travels.asked(ME, page, ConsentId(2), 160);
            travels.came(ME, page, ConsentId(1), answered(QueryOutcome::NewNumber));
            travels.came(ME, page, ConsentId(2), clean());
            assert!(!travels.claim(ME, page, 161), "it was answered");
        }
    }
}

#[test]
fn pages_have_names_that_are_read_back() {
    for page in [Page::Apply, Page::Ward, Page::Modify(7), punch(u128::MAX)] {
        assert_eq!(Page::parse(&page.name()), Some(page));
    }
    for bad in [
        "",
        "apply-",
        "modify",
        "modify-7",
        "place-",
        "place-+0000000000000000000000000000000",
        "place-000000000000000a",
        "else",
    ] {
        assert_eq!(Page::parse(bad), None, "{bad}");
    }
}

#[test]
fn an_answer_reaches_the_page_that_asked_and_no_other() {
    let travels = Travels::default();
    travels.asked(ME, Page::Apply, ConsentId(1), 100);
    assert_eq!(travels.state(ME, Page::Apply, 101), State::Waiting { since_s: 100 });
    travels.came(ME, Page::Apply, ConsentId(1), clean());
    assert!(matches!(travels.state(ME, Page::Apply, 109), State::Came(_)));
    for (session, page) in [(ME, Page::Ward), (ME, punch(1)), (OTHER, Page::Apply)] {
        assert_eq!(travels.state(session, page, 109), State::NotAsked, "{page:?}");
        assert_eq!(travels.consent(session, page, 109), None);
    }
    travels.done(ME, Page::Apply);
    assert_eq!(travels.consent(ME, Page::Apply, 110), None);
}

#[test]
fn an_answer_after_the_consent_was_taken_back_is_not_kept() {
    let travels = Travels::default();
    travels.asked(ME, Page::Apply, ConsentId(1), 100);
    travels.is_now(ME, Page::Apply, State::Withdrawn, 101);
    travels.came(ME, Page::Apply, ConsentId(1), clean());
    assert_eq!(travels.state(ME, Page::Apply, 102), State::Withdrawn);
    travels.asked(ME, Page::Apply, ConsentId(2), 103);
    travels.came(ME, Page::Apply, ConsentId(1), clean());
    assert_eq!(travels.state(ME, Page::Apply, 104), State::Waiting { since_s: 103 });
}

#[test]
fn a_query_that_died_does_not_wait_for_ever_and_an_old_one_is_forgotten() {
    let travels = Travels::default();
    travels.asked(ME, Page::Apply, ConsentId(1), 100);
    let dead = travels.state(ME, Page::Apply, 101 + SILENT_S_MAX);
    assert_eq!(dead, State::Failed(QueryError::Failed));
    assert_eq!(travels.state(ME, Page::Apply, 101 + FORM_S_MAX), State::NotAsked);
    travels.keep(OTHER, Page::Apply, Fields::default(), 101 + FORM_S_MAX);
    assert_eq!(travels.lock().len(), 1, "what is old makes room");
}

/// The trap: one visitor opens page after page, and everybody's half-filled forms are gone.
#[test]
fn who_opens_page_after_page_loses_its_own_oldest_and_nobody_elses() {
    let travels = Travels::default();
    travels.keep(OTHER, Page::Apply, Fields::default(), 100);
    for number in 0..100_000 {
        travels.asked(ME, punch(number), ConsentId(1), 100);
    }
    assert!(travels.draft(OTHER, Page::Apply, 101).is_some());
    assert_eq!(travels.state(ME, punch(99_999), 101), State::Waiting { since_s: 100 });
    let mine = (0..100_000).filter(|&number| travels.state(ME, punch(number), 101) != State::NotAsked);
    assert_eq!(mine.count(), bounds::VISITS_SESSION.entries());
}

#[test]
fn memory_is_bounded_whoever_comes() {
    let travels = Travels::default();
    let session = |number: u64| SessionId(u128::from(number).to_le_bytes());
    let many = bounds::VISITS.max as u64;
    for number in 0..many + 100 {
        travels.asked(session(number), Page::Apply, ConsentId(1), 100);
    }
    assert_eq!(travels.lock().len(), bounds::VISITS.entries());
    assert_eq!(travels.state(session(many + 99), Page::Apply, 101), State::Waiting { since_s: 100 });
    assert_eq!(travels.state(session(0), Page::Apply, 101), State::NotAsked);
}

#[test]
fn a_consent_that_is_taken_back_elsewhere_leaves_no_answer_on_any_page() {
    let travels = Travels::default();
    for (session, page) in [(ME, Page::Apply), (OTHER, punch(1))] {
        travels.asked(session, page, ConsentId(1), 100);
        travels.came(session, page, ConsentId(1), clean());
    }
    travels.asked(ME, Page::Ward, ConsentId(2), 100);
    travels.offered(ME, punch(2), ConsentId(3), 100);
    travels.taken_back(ConsentId(1));
    travels.taken_back(ConsentId(3));
    for (session, page) in [(ME, Page::Apply), (OTHER, punch(1)), (ME, punch(2))] {
        assert_eq!(travels.state(session, page, 101), State::Withdrawn, "{page:?}");
        assert_eq!(travels.consent(session, page, 101), None, "and no form rests on it");
    }
    travels.came(ME, Page::Apply, ConsentId(1), clean());
    assert_eq!(travels.state(ME, Page::Apply, 102), State::Withdrawn, "a late one neither");
    assert_eq!(
        travels.state(ME, Page::Ward, 102),
        State::Waiting { since_s: 100 },
        "another consent goes on"
    );
}
