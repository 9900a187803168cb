//! The codes that a phone opens: imported holders, recycled numbers, guardians and wards, another phone.

use registry::people::Added;

use super::*;

const RECYCLED_S: u64 = 90 * DAY_S;

pub(super) fn number(n: u32) -> Phone {
    person(n).phone
}

/// Returns a proof as if the phone's owner had just typed the code of an SMS.
pub(super) fn proven(n: u32, at_s: u64) -> ProvenPhone {
    ProvenPhone::for_tests(&number(n), at_s)
}

pub(super) fn form_at(n: u32, phone: u32, now_s: u64) -> Form {
    let person = Person { phone: number(phone), ..person(n) };
    Form {
        person,
        declared: Some(false),
        consent: None,
        proven: proven(phone, now_s),
        guardian: None,
        along: false,
    }
}

impl Bench {
    pub(super) fn applied(&mut self, n: u32, now_s: u64) -> CodeId {
        self.submit(&form_at(n, n, now_s), now_s).unwrap().code
    }

    /// Adds a holder of an import, with that phone.
    pub(super) fn imported(&mut self, n: u32, phone: u32) -> CodeId {
        self.imported_as(n, phone, (Colour::Green, Basis::Verified))
    }

    pub(super) fn imported_as(&mut self, n: u32, phone: u32, (colour, basis): (Colour, Basis)) -> CodeId {
        let code = CodeId::issue(1, u64::from(n) + 1_000).unwrap();
        let entry = CodeEntry::new(colour, basis, Class::Imported, 0, 1);
        let person = Person { phone: number(phone), ..person(n) };
        let added = self
            .registry
            .transaction::<_, RegistryError>(|registry| registry.add_person(&person, code, entry));
        assert_eq!(added.unwrap(), Added::New);
        self.codes.put(code, entry);
        code
    }

    pub(super) fn opens(&mut self, phone: u32, now_s: u64) -> Vec<CodeId> {
        self.registrar().sign_in(&proven(phone, now_s), now_s).unwrap()
    }
}

#[test]
fn an_imported_holders_first_sign_in_needs_the_document() {
    let mut bench = Bench::new();
    let code = bench.imported(1, 1);
    assert_eq!(bench.opens(1, now()), [], "the phone alone opens nothing");
    let mut registrar = bench.registrar();
    for document in [&person(2).document, &person(3).document] {
        let answer = registrar.confirm_document(&proven(1, now()), document, now()).unwrap();
        assert_eq!(answer, Confirmed::No);
    }
    let other = registrar.confirm_document(&proven(2, now()), &person(1).document, now()).unwrap();
    assert_eq!(other, Confirmed::No, "the document with another phone is no more");
    let answer = registrar.confirm_document(&proven(1, now()), &person(1).document, now()).unwrap();
    assert_eq!(answer, Confirmed::Code(code));
    assert_eq!(bench.opens(1, now()), [code], "from now on the phone is enough");
}

#[test]
fn a_recycled_number_never_opens_another_persons_code() {
    let mut bench = Bench::new();
    let code = bench.applied(1, now());
    assert_eq!(bench.opens(1, now() + RECYCLED_S - 1), [code], "each sign-in renews");
    let given_up_s = now() + RECYCLED_S - 1;
    let later_s = given_up_s + RECYCLED_S;
    // Another person has the number now, signs in, applies, and signs in again and again.
    assert_eq!(bench.opens(1, later_s), []);
    let refused = bench.registrar().person_of(code, &proven(1, later_s), later_s);
    assert!(matches!(refused, Err(RegistrarError::NotYours)), "{refused:?}");
    let theirs = bench.submit(&form_at(2, 1, later_s), later_s).unwrap().code;
    for days in 0..400 {
        let now_s = later_s + days * DAY_S;
        assert_eq!(bench.opens(1, now_s), [theirs], "after {days} days");
    }
    let now_s = later_s + DAY_S;
    let (by, until) = (proven(1, now_s), proven(3, now_s));
    let mut registrar = bench.registrar();
    assert!(matches!(registrar.change_phone(code, &by, &until, now_s), Err(RegistrarError::NotYours)));
    assert!(matches!(registrar.withdraw_person(code, &by, now_s), Err(RegistrarError::NotYours)));
    assert!(matches!(registrar.paper(code, &by, now_s), Err(RegistrarError::NotYours)));
}

#[test]
fn documents_are_not_guessed_with_a_phone() {
    let mut bench = Bench::new();
    let code = bench.imported(1, 1);
    let mut registrar = bench.registrar();
    for n in 100..100 + DOCUMENT_TRIES_MAX {
        let answer = registrar.confirm_document(&proven(1, now()), &person(n).document, now()).unwrap();
        assert_eq!(answer, Confirmed::No);
    }
    let right = registrar.confirm_document(&proven(1, now()), &person(1).document, now());
    assert!(matches!(right, Err(RegistrarError::Tries)), "also the right one: {right:?}");
    let tomorrow_s = now() + DAY_S;
    let answer = registrar.confirm_document(&proven(1, tomorrow_s), &person(1).document, tomorrow_s).unwrap();
    assert_eq!(answer, Confirmed::Code(code));
}

#[test]
fn a_number_and_a_document_that_are_not_registered_get_the_same_answer_as_those_that_are() {
    let mut bench = Bench::new();
    bench.imported(1, 1);
    bench.applied(2, now());
    let mut answers = Vec::new();
    for (phone, document) in [(1, 2), (1, 9), (8, 1), (8, 9), (2, 1)] {
        let (phone, document) = (proven(phone, now()), person(document).document);
        answers.push(bench.registrar().confirm_document(&phone, &document, now()).unwrap());
    }
    assert_eq!(answers, [Confirmed::No; 5]);
    assert_eq!(bench.opens(1, now()), bench.opens(8, now()));
}

/// The trap: a page that takes a name and an ID number and shows whose they are. A caller that knows all data of another person but does
/// not hold the phone is shown nothing and changes nothing.
#[test]
fn a_name_and_a_document_show_nobody_elses_data() {
    let mut bench = Bench::new();
    let code = bench.applied(1, now());
    let thief = proven(2, now());
    let mine = bench.applied(2, now());
    let mut registrar = bench.registrar();
    assert_eq!(registrar.codes_of(&thief, now()).unwrap(), [mine]);
    let answer = registrar.confirm_document(&thief, &person(1).document, now()).unwrap();
    assert_eq!(answer, Confirmed::No);
    assert!(matches!(registrar.person_of(code, &thief, now()), Err(RegistrarError::NotYours)));
    let nobody = CodeId::issue(1, 424_242).unwrap();
    let (known, unknown) = (registrar.wards(code, &thief, now()), registrar.wards(nobody, &thief, now()));
    assert_eq!(
        known.unwrap_err().to_string(),
        unknown.unwrap_err().to_string(),
        "not even whether it exists"
    );
    let refused = registrar.submit(&form_at(1, 2, now()), now());
    assert!(matches!(refused, Err(RegistrarError::OtherPhone)), "{refused:?}");
    assert_eq!(registrar.person_of(code, &proven(1, now()), now()).unwrap(), person(1), "only oneself");
}

#[test]
fn a_form_needs_the_phone_it_names_in_the_hand() {
    let mut bench = Bench::new();
    let good = form_at(1, 1, now());
    for (name, form, now_s) in [
        ("another phone", Form { proven: proven(2, now()), ..good.clone() }, now()),
        ("an old proof", good.clone(), now() + registry::periods::PROVEN_S_MAX + 1),
    ] {
        let refused = bench.submit(&form, now_s);
        assert!(matches!(refused, Err(RegistrarError::NotProven)), "{name}: {refused:?}");
    }
    assert_eq!(bench.registry.people().unwrap(), 0);
    bench.submit(&good, now()).unwrap();
}

#[test]
fn what_cannot_be_written_so_is_refused_and_the_rest_is_kept() {
    let mut bench = Bench::new();
    let good = form_at(1, 1, now());
    let with = |change: fn(&mut Person)| {
        let mut form = good.clone();
        change(&mut form.person);
        form
    };
    for (name, form) in [
        ("a filler", with(|person| person.name.push('\u{3164}'))),
        ("marks alone", with(|person| person.name = "\u{202e}\u{200b}".to_owned())),
        ("a separator", with(|person| person.name.push('\u{1f}'))),
        ("too long", with(|person| person.name = "王".repeat(65))),
        ("no name", with(|person| person.name.clear())),
        ("a telephone number", with(|person| person.name = "13800138000".to_owned())),
        ("markup", with(|person| person.name = "张<b>三</b>".to_owned())),
        ("another city's district", with(|person| person.district = "420102".to_owned())),
        ("another district's street", with(|person| person.community = "360103001".to_owned())),
        ("a community that cannot be seen", with(|person| person.community = "\u{3164}".to_owned())),
    ] {
        let refused = bench.submit(&form, now());
        assert!(matches!(refused, Err(RegistrarError::Person(_))), "{name}: {refused:?}");
    }
    let code = bench.submit(&good, now()).unwrap().code;
    let moved = with(|person| {
        person.district = "湾里管理局".to_owned();
        person.community = "幸福社区".to_owned();
    });
    assert_eq!(bench.submit(&moved, now()).unwrap().code, code, "a modification");
    assert_eq!(bench.registry.person(code).unwrap().unwrap(), moved.person);
}

#[test]
fn a_guardian_holds_codes_for_wards_and_one_person_has_one_code() {
    let mut bench = Bench::new();
    let guardian = bench.applied(1, now());
    let ward = |n| Form { guardian: Some(guardian), ..form_at(n, 1, now()) };
    let taken = bench.submit(&ward(2), now()).unwrap();
    assert_eq!((taken.is_new, taken.entry.class()), (true, Class::Ward));
    assert_eq!(bench.shown(taken.code), GREEN_DECLARED);
    let again = bench.submit(&ward(2), now()).unwrap();
    assert_eq!((again.code, again.is_new), (taken.code, false));
    let imported = bench.imported(3, 1);
    assert_eq!(bench.opens(1, now()), [guardian, taken.code], "each ward is proven by its document");
    let answer =
        bench.registrar().confirm_ward(guardian, &proven(1, now()), &person(3).document, now()).unwrap();
    assert_eq!(answer, Confirmed::Code(imported));
    assert_eq!(bench.codes.get(imported).unwrap().class(), Class::Ward, "the earlier text is good no more");
    assert_eq!(bench.opens(1, now()), [guardian, taken.code, imported]);
    let wards = bench.registrar().wards(guardian, &proven(1, now()), now()).unwrap();
    assert_eq!(wards, [taken.code, imported]);
    for (name, form) in [
        ("a ward is no guardian", Form { guardian: Some(taken.code), ..form_at(4, 1, now()) }),
        ("nor its own", Form { guardian: Some(guardian), ..form_at(1, 1, now()) }),
    ] {
        let refused = bench.submit(&form, now());
        assert!(matches!(refused, Err(RegistrarError::Ward)), "{name}: {refused:?}");
    }
    let stranger = Form { guardian: Some(guardian), ..form_at(5, 5, now()) };
    assert!(
        matches!(bench.submit(&stranger, now()), Err(RegistrarError::NotYours)),
        "somebody else's guardian"
    );
}

#[test]
fn a_ward_that_takes_a_phone_of_its_own_leaves_the_guardians_list() {
    let mut bench = Bench::new();
    let guardian = bench.applied(1, now());
    let ward = bench.submit(&Form { guardian: Some(guardian), ..form_at(2, 1, now()) }, now()).unwrap().code;
    let (old, new) = (proven(1, now()), proven(2, now()));
    bench.registrar().change_phone(ward, &old, &new, now()).unwrap();
    assert_eq!(bench.codes.get(ward).unwrap().class(), Class::Person);
    assert_eq!((bench.opens(1, now()), bench.opens(2, now())), (vec![guardian], vec![ward]));
    assert!(bench.registrar().wards(guardian, &old, now()).unwrap().is_empty());
    assert_eq!(bench.restarted(now()).get(ward), bench.registry.code(ward).unwrap());
    assert_eq!(bench.submit(&form_at(2, 2, now()), now()).unwrap().code, ward, "one person, one code");
}

#[test]
fn another_number_takes_both_in_the_hand_and_the_wards_come_along() {
    let mut bench = Bench::new();
    let code = bench.applied(1, now());
    let ward = bench.submit(&Form { guardian: Some(code), ..form_at(2, 1, now()) }, now()).unwrap().code;
    let mut registrar = bench.registrar();
    for (old, new) in [
        (proven(7, now()), proven(9, now())),
        (proven(9, now()), proven(9, now())),
        (proven(1, now() - 3600), proven(9, now())),
        (proven(1, now()), proven(9, now() - 3600)),
    ] {
        assert!(registrar.change_phone(code, &old, &new, now()).is_err());
    }
    registrar.change_phone(code, &proven(1, now()), &proven(9, now()), now()).unwrap();
    assert_eq!(bench.opens(1, now()), []);
    assert_eq!(bench.opens(9, now()), [code, ward]);
    assert_eq!(bench.registry.person(ward).unwrap().unwrap().phone, number(9));
}

#[test]
fn one_phone_has_so_many_codes_and_no_more() {
    let mut bench = Bench::new();
    let guardian = bench.applied(1, now());
    for n in 2..=CODES_PER_PHONE_MAX as u32 {
        bench.submit(&Form { guardian: Some(guardian), ..form_at(n, 1, now()) }, now()).unwrap();
    }
    let refused = bench.submit(&Form { guardian: Some(guardian), ..form_at(99, 1, now()) }, now());
    assert!(matches!(refused, Err(RegistrarError::PhoneFull)), "{refused:?}");
}

#[test]
fn a_form_is_no_way_around_the_tries_of_documents() {
    let mut bench = Bench::new();
    let code = bench.imported(1, 1);
    bench.applied(2, now());
    let guesses = [form_at(1, 1, now()), form_at(2, 1, now())].map(|form| bench.submit(&form, now()));
    let said = guesses.map(|refused| refused.unwrap_err().to_string());
    assert_eq!(said[0], said[1], "a form does not say which document goes with the phone");
    assert_eq!(bench.opens(1, now()), [], "nor opens a code");
    bench.registrar().confirm_document(&proven(1, now()), &person(1).document, now()).unwrap();
    assert_eq!(bench.submit(&form_at(1, 1, now()), now()).unwrap().code, code);
}

/// A name that came with an import may have digits. It is good on its holder's own form, and who is a stranger learns nothing by it.
#[test]
fn a_name_on_record_is_good_on_its_holders_form_and_tells_strangers_nothing() {
    let mut bench = Bench::new();
    let named = |n, phone, name: &str| {
        let form = form_at(n, phone, now());
        Form { person: Person { name: name.to_owned(), ..form.person }, ..form }
    };
    let imported = Person { name: "王伟2".to_owned(), ..person(1) };
    let entry = CodeEntry::new(Colour::Green, Basis::Verified, Class::Imported, 0, 1);
    let code = CodeId::issue(1, 7).unwrap();
    let add = |registry: &mut Registry| registry.add_person(&imported, code, entry);
    bench.registry.transaction::<_, RegistryError>(add).unwrap();
    bench.codes.put(code, entry);
    for name in ["王伟2", "王伟3"] {
        for phone in [1, 5] {
            let refused = bench.submit(&named(1, phone, name), now());
            assert!(matches!(refused, Err(RegistrarError::Person(_))), "{name} {phone}: {refused:?}");
        }
    }
    bench.registrar().confirm_document(&proven(1, now()), &imported.document, now()).unwrap();
    let refused = bench.submit(&named(1, 1, "王伟3"), now());
    assert!(matches!(refused, Err(RegistrarError::Person(_))), "{refused:?}");
    let taken = bench.submit(&named(1, 1, "王伟2"), now()).expect("as it stands");
    assert_eq!(taken.code, code);
    assert_eq!(bench.registry.person(code).unwrap().unwrap().name, "王伟2");
    let refused = bench.submit(&named(1, 5, "王伟2"), now());
    assert!(matches!(refused, Err(RegistrarError::Person(_))), "another phone: {refused:?}");
}
