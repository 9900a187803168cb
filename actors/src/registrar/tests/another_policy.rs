//! Forms and stays when another policy takes effect: answers that were judged by the old policy do not decide under the new one.

use policy::StayField;
use policy::trajectory::days_after;

use super::signin::{form_at, proven};
use super::*;

fn changed(version: &str, from: &str, to: &str) -> (Policy, String) {
    assert!(DEVELOPMENT.contains(from), "{from}");
    let text = DEVELOPMENT
        .replace("version = \"2020-02-24\"", &format!("version = \"{version}\""))
        .replace(from, to);
    (Policy::parse(&text, Path::new("policy.toml")).unwrap(), text)
}

impl Bench {
    fn by<'a>(&'a mut self, policy: &Policy) -> Registrar<'a> {
        Registrar::new(&mut self.registry, &self.codes, Arc::new(policy.clone()))
    }

    /// Activates the shipped policy with changes and applies it to all codes.
    fn activate(&mut self, (policy, text): &(Policy, String), now_s: u64) {
        self.registrar().activate(policy.clone(), text, "li-na", now_s).unwrap();
        while self.by(policy).revise_some(now_s).unwrap() {}
    }
}

fn field(bench: &mut Bench, policy: &Policy, consent: Option<ConsentId>, now_s: u64) -> StayField {
    bench
        .by(policy)
        .outcome(consent, (&person(1).phone, Beneficiary::Owner), now_s)
        .unwrap()
        .field(Applicant::Owner)
}

#[test]
fn a_stay_in_an_area_that_counts_no_more_locks_nobody_and_colours_nobody() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    let consent = bench.asked(Flow::Apply, &phone, &hubei("2020-02-20"), now());
    let taken = bench.submit(&form(1, None, Some(consent)), now()).unwrap();
    assert_eq!(bench.shown(taken.code), RED);
    let another = changed("milder", "from = 2020-01-01", "from = 2020-01-01\nuntil = 2020-02-19");
    bench.activate(&another, now());
    assert_eq!(bench.shown(taken.code).0, Colour::Green);
    assert_eq!(field(&mut bench, &another.0, None, now()), StayField::Declare, "neither yes nor no");
    let cause = &bench.registry.causes(taken.code).unwrap()[0];
    assert_eq!(cause.cleared_s, Some(now()), "it is on record when it ended");
    assert!(bench.registrar().clear_cause(cause.id, &by("cdc"), now()).is_err());
}

#[test]
fn an_answer_by_the_old_policy_is_no_answer_by_the_new_one() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    let consent = bench.asked(Flow::Apply, &phone, &clean(), now());
    let old = Policy::development();
    assert_eq!(field(&mut bench, &old, Some(consent), now()), StayField::No);
    let another = changed("wider", "[\"42\"]", "[\"42\", \"31\"]");
    bench.activate(&another, now());
    let outcome = bench.by(&another.0).outcome(Some(consent), (&phone, Beneficiary::Owner), now()).unwrap();
    assert_eq!((outcome.field(Applicant::Owner), outcome.offers_travel_page()), (StayField::Declare, true));
}

#[test]
fn a_stay_is_kept_for_as_long_as_the_policy_in_effect_says() {
    let both = "\ndays = 14\n\n[cause.declaration]\ncolour = \"red\"\ndays = 14";
    for (days, last_locked) in [(14, "2020-03-05"), (21, "2020-03-12"), (10, "2020-03-01")] {
        let mut bench = Bench::new();
        let phone = person(1).phone;
        bench.asked(Flow::Apply, &phone, &hubei("2020-02-20"), now());
        let another = changed("another", both, &both.replace("14", &days.to_string()));
        bench.activate(&another, now());
        let end_s = start_of(days_after(day(last_locked), 1));
        for (now_s, expected) in [(end_s - 1, StayField::LockedYes), (end_s, StayField::Declare)] {
            bench.registry.forget_some(now_s).unwrap();
            assert_eq!(field(&mut bench, &another.0, None, now_s), expected, "{days} days at {now_s}");
        }
    }
}

#[test]
fn the_causes_of_who_withdrew_follow_another_policy_and_come_back_by_it() {
    for (name, from, to, expected) in [
        ("as before", "days = 14", "days = 14 ", RED),
        ("milder", "from = 2020-01-01", "from = 2020-01-01\nuntil = 2020-02-19", GREEN_DECLARED),
    ] {
        let mut bench = Bench::new();
        bench.asked(Flow::Apply, &person(1).phone, &hubei("2020-02-20"), now());
        let code = bench.submit(&form(1, None, None), now()).unwrap().code;
        bench.registrar().withdraw_person(code, &proven(1, now()), now()).unwrap();
        let another = changed(name, from, to);
        let diff = bench.registry.diff_policies(None, &another.0, now()).unwrap();
        assert_eq!(diff.codes, 0, "{name}: a code of nobody is not counted");
        bench.activate(&another, now());
        let declared = (expected != RED).then_some(false);
        let form = Form { declared, ..form_at(1, 1, now()) };
        let again = bench.by(&another.0).submit(&form, now()).unwrap().code;
        assert_eq!(bench.shown(again), expected, "{name}");
        // The cause that came back can be read under its new code.
        let milder = changed("mildest", "from = 2020-01-01", "from = 2020-01-01\nuntil = 2020-02-18");
        let diff = bench.registry.diff_policies(None, &milder.0, now()).unwrap();
        assert_eq!(diff.changed(), u64::from(expected == RED), "{name}");
        bench.by(&another.0).activate(milder.0.clone(), &milder.1, "li-na", now()).unwrap();
        while bench.by(&milder.0).revise_some(now()).unwrap() {}
        assert_eq!(bench.shown(again).0, Colour::Green, "{name}");
    }
}
