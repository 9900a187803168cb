//! The flows of the official notice, end to end: a citizen at the counter of a running city, simulated carriers over HTTPS, and a gate over
//! QUIC. The rules of the notice are asserted as it has them.

use protocol::{Advice, Basis, Colour};
use serde_json::Value;
use simulator::{DemoPerson, SimulatedCarrier, demo_people};
use tests::City;
use tests::people::{Citizen, Taken, at_the_gate, demo};

const RED: (Colour, bool) = (Colour::Red, true);
const RED_DECLARED: (Colour, bool) = (Colour::Red, false);
const GREEN: (Colour, bool) = (Colour::Green, true);
const GREEN_DECLARED: (Colour, bool) = (Colour::Green, false);

/// A demo person with a stay in Hubei.
const WUHAN: &str = "thirty hours in Wuhan";

fn stands(taken: Taken) -> (Colour, bool) {
    (taken.colour, taken.verified)
}

/// Checks that each query has a consent and each consent had one query, by the registry and by the carriers' own
/// count. `used` is the number of queries.
fn consents_are_proven(city: &City, used: u64) {
    let (status, out, err) = city.command(&["consents", "verify", "--json"]);
    assert!(status.success(), "{err}");
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["used"], used, "{out}");
    let (status, out, err) = city.command(&["carrier", "list", "--json"]);
    assert!(status.success(), "{err}");
    let carriers: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(carriers["consents"], used, "as the carriers count: {out}");
}

fn fault(city: &City, carrier: SimulatedCarrier, words: &[&str]) {
    let (status, _, err) = city.command(&[&["carrier", "fault", carrier.id()], words].concat());
    assert!(status.success(), "{err}");
}

#[test]
fn first_application_follows_the_carriers_answer_for_every_demo_person() {
    let city = City::start(100, 1);
    let mut used = 0;
    for person in demo_people() {
        use simulator::Expected::{Clean, NewNumber, NotSubscriber, Partial, Stay, Unanswerable};
        let citizen = Citizen::new(&city, person.phone);
        let (consent, outcome, field) = citizen.consent("apply");
        used += 1;
        let consented =
            |rest: &[&str]| citizen.apply(person.document, &[&["--consent", &consent], rest].concat());
        match person.expected {
            Stay => {
                assert_eq!(field, "locked to yes", "{}", person.case);
                assert!(outcome["stay"]["area"].is_string(), "{outcome}");
                let refused = consented(&["--declared", "false"]).expect_err("a locked yes");
                assert!(refused.contains("cannot be No"), "{}: {refused}", person.case);
                let taken = consented(&[]).expect("submitted");
                assert_eq!(stands(taken), RED, "{}", person.case);
                let verdict = at_the_gate(&city, taken.code);
                assert_eq!((verdict.colour, verdict.advice), (Colour::Red, Advice::Stop), "{}", person.case);
            }
            Clean => {
                assert_eq!(field, "no", "{}", person.case);
                let taken = consented(&[]).expect("submitted");
                assert_eq!(stands(taken), GREEN, "{}", person.case);
                let verdict = at_the_gate(&city, taken.code);
                assert_eq!(
                    (verdict.advice, verdict.basis),
                    (Advice::Pass, Basis::Verified),
                    "{}",
                    person.case
                );
            }
            Partial | NewNumber | Unanswerable | NotSubscriber => {
                assert_eq!(field, "the citizen says", "{}", person.case);
                let refused = consented(&[]).expect_err("no answer is not a no");
                assert!(refused.contains("say whether"), "{}: {refused}", person.case);
                let taken = consented(&["--declared", "false"]).expect("submitted");
                assert_eq!(stands(taken), GREEN_DECLARED, "{}", person.case);
                let verdict = at_the_gate(&city, taken.code);
                assert_eq!(
                    (verdict.advice, verdict.basis),
                    (Advice::Pass, Basis::Declared),
                    "{}",
                    person.case
                );
            }
        }
    }
    consents_are_proven(&city, used);
}

#[test]
fn without_consent_nobody_is_asked_and_the_citizen_declares() {
    let city = City::start(100, 1);
    let citizen = Citizen::new(&city, demo(WUHAN).phone);
    assert_eq!(citizen.apply(demo(WUHAN).document, &["--declared", "false"]).map(stands), Ok(GREEN_DECLARED));
    assert_eq!(citizen.apply(demo(WUHAN).document, &["--declared", "true"]).map(stands), Ok(RED_DECLARED));
    consents_are_proven(&city, 0);
}

#[test]
fn a_failing_carrier_is_never_a_no_and_the_others_answer() {
    let city = City::start(100, 1);
    let clean = demo("clean");
    let carrier = clean.carrier.expect("a subscriber");
    let citizen = Citizen::new(&city, clean.phone);
    let mut used = 0;
    for words in [
        &["down"][..],
        &["slow", "--ms", "30000"],
        &["status", "--status", "500"],
        &["garbage"],
        &["another-number"],
        &["outside-window"],
        &["redirect"],
        &["wrong-name"],
    ] {
        fault(&city, carrier, words);
        let (consent, outcome, field) = citizen.consent("apply");
        used += 1;
        assert!(outcome["unavailable"].is_string(), "{words:?}: {outcome}");
        assert_eq!(field, "the citizen says", "{words:?}");
        let silent = citizen.apply(clean.document, &["--consent", &consent]);
        assert!(silent.is_err(), "{words:?}: no answer is not a no");
        let other = demo_people()
            .iter()
            .find(|person| {
                person.expected == clean.expected && person.carrier.is_some_and(|other| other != carrier)
            })
            .expect("another carrier's subscriber");
        if used == 1 {
            let (_, _, field) = Citizen::new(&city, other.phone).consent("apply");
            assert_eq!(field, "no", "another carrier beside {words:?}");
            used += 1;
        }
    }
    fault(&city, carrier, &["none"]);
    let (status, out, err) = city.command(&["consents", "verify", "--json"]);
    assert!(status.success(), "{err}");
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["used"], used, "{out}");
}

#[test]
fn applying_again_and_modifying_without_consent_do_not_shake_off_a_lock() {
    let city = City::start(100, 1);
    let hubei = demo(WUHAN);
    let citizen = Citizen::new(&city, hubei.phone);
    let (consent, _, _) = citizen.consent("apply");
    let taken = citizen.apply(hubei.document, &["--consent", &consent]).expect("submitted");
    assert_eq!(stands(taken), RED);
    for rest in [&["--declared", "false"][..], &["--declared", "false", "--consent", &consent]] {
        let refused = citizen.apply(hubei.document, rest).expect_err("locked");
        assert!(refused.contains("cannot be No"), "{refused}");
    }
    citizen.ask(&["withdraw"], &[&consent]).expect("a consent can be taken back");
    assert!(
        citizen.apply(hubei.document, &["--declared", "false"]).is_err(),
        "the lock is not the consent's"
    );
    // Another document with the same phone: the phone's stay is known.
    let other = citizen.apply(demo("clean").document, &["--declared", "false"]);
    assert!(other.expect_err("locked too").contains("cannot be No"));
    let again = citizen.apply(hubei.document, &[]).expect("sent again as it is");
    assert_eq!((again.code, again.is_new, stands(again)), (taken.code, false, RED));
    assert_eq!(at_the_gate(&city, taken.code).colour, Colour::Red);
}

#[test]
fn a_consent_taken_back_while_carriers_are_asked_keeps_nothing() {
    let city = City::start(100, 1);
    let hubei = demo(WUHAN);
    fault(&city, hubei.carrier.expect("a subscriber"), &["slow", "--ms", "2500"]);
    let citizen = Citizen::new(&city, hubei.phone);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| citizen.ask(&["consent"], &["--flow", "apply"]));
        // It is the city's first consent; as soon as it is there it is taken back.
        tests::wait_for("the consent", || citizen.ask(&["withdraw"], &["1"]).ok());
        let said = asking.join().expect("no panic");
        assert!(said.expect_err("taken back").contains("consent is not good"));
    });
    assert_eq!(citizen.apply(hubei.document, &["--declared", "false"]).map(stands), Ok(GREEN_DECLARED));
    assert!(city.command(&["consents", "verify"]).0.success());
}

#[test]
fn an_existing_holder_modifies_and_does_not_apply_again() {
    let city = City::start(100, 1);
    let hubei = demo(WUHAN);
    let csv = city.data().join("holders.csv");
    let header = "name,document_kind,document,phone,district,colour,basis,until,qr_text";
    let DemoPerson { name, document, phone, .. } = hubei;
    let line = format!("{name},id-card,{document},{phone},360102,green,declared,,EARLIER-CODE-1");
    std::fs::write(&csv, format!("{header}\n{line}\n")).expect("a file");
    let (status, out, err) = city.signed(1, &["holders", "import", &csv.display().to_string()]);
    assert!(
        status.success()
            && out.contains("1 people imported, 0 already there and not changed, 0 lines rejected"),
        "{out}{err}"
    );
    let citizen = Citizen::new(&city, hubei.phone);
    // The phone alone opens nothing: the number may have been another person's.
    let stranger = citizen.ask(&["confirm"], &["id-card", demo("clean").document]).expect("an answer");
    assert!(stranger["confirmed"]["code"].is_null(), "{stranger}");
    let known = citizen.ask(&["confirm"], &["id-card", hubei.document]).expect("an answer");
    let code = known["confirmed"]["code"].as_u64().expect("phone and document belong together");
    let (consent, _, field) = citizen.consent("modify");
    assert_eq!(field, "locked to yes");
    let taken = citizen.apply(hubei.document, &["--consent", &consent]).expect("submitted");
    assert_eq!((taken.code, taken.is_new, stands(taken)), (code, false, RED));
}

#[test]
fn a_query_from_a_gate_shows_staff_the_least_and_changes_no_colour() {
    let city = City::start(100, 2);
    let hubei = demo(WUHAN);
    let citizen = Citizen::new(&city, hubei.phone);
    let taken = citizen.apply(hubei.document, &["--declared", "false"]).expect("submitted");
    assert_eq!(stands(taken), GREEN_DECLARED);
    for (cities, seen) in [(false, false), (true, true)] {
        let mut words = vec!["--flow", "scan"];
        words.extend(cities.then_some("--cities"));
        let said = citizen.ask(&["consent"], &words).expect("a consent");
        let consent = said["consented"]["consent"].to_string();
        let receipt = citizen.ask(&["receipt"], &[&consent]).expect("a receipt");
        let receipt = receipt["receipt"]["text"].as_str().expect("a text").to_owned();
        assert!(!receipt.contains(&hubei.phone[3..]), "a receipt holds no phone");
        let fleet = city.fleet();
        let (_, region) = fleet.devices[0].places().next().expect("a place");
        let answer = tests::block_on(async {
            let endpoint = tests::walk::endpoint(&fleet);
            let mut gate = tests::walk::device(&endpoint, &fleet, 0);
            let receipt = protocol::receipt::from_text(&receipt).expect("a receipt");
            gate.ask_trajectory(region, receipt).await.expect("an answer")
        });
        assert_eq!(answer.stay().name(), "yes");
        assert_eq!(!answer.areas.0.is_empty(), seen, "cities only if the citizen agreed to show them");
    }
    assert_eq!(at_the_gate(&city, taken.code).colour, Colour::Green, "a query from a gate changes no colour");
    consents_are_proven(&city, 2);
}
