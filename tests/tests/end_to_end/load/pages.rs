//! The load of the pages against a running city: every request is answered with a page, at any rate, and it refuses
//! addresses that are no development city on this machine. No figure is judged.

use loadtest::command::print;
use loadtest::pages::{self, Options, Target};
use tests::City;
use tests::people::demo;

fn options(city: &City, case: &str, rate: Option<u32>) -> Options {
    let person = demo(case);
    Options {
        connections: 4,
        rate,
        rounds: 1,
        seconds: 1,
        link: None,
        phone: person.phone.to_owned(),
        document: person.document.to_owned(),
        data: city.data(),
    }
}

#[test]
fn every_answer_under_load_is_a_page_at_any_pace() {
    let city = City::start(100, 1);
    for (case, rate) in [("clean", None), ("new number", Some(60))] {
        let options = options(&city, case, rate);
        let rounds = pages::run(&options).expect("a run");
        print::pages(&options, &rounds);
        assert_eq!(rounds.len(), 1);
        assert!(rounds[0].is_good(), "{rounds:?}");
        for target in Target::ALL {
            let figures = rounds[0].of(target);
            assert!(figures.pages > 0 && figures.latency_ms[0] > 0.0, "{case} {target:?}: {figures:?}");
            assert!(figures.bytes > 1000 && figures.wrong == 0, "{case} {target:?}: {figures:?}");
            // A machine that stalls may answer the warm-up's half second late.
            let most = rate.map(|rate| u64::from(rate) * 3 / 2);
            assert!(most.is_none_or(|most| figures.pages <= most), "{target:?}: {figures:?}");
        }
    }
    // Loading pages has recorded no punch.
    assert_eq!(city.metric("changtong_punches_total", ""), 0.0);

    let mut nowhere = options(&city, "ported long ago", None);
    nowhere.link = Some("0000000000".to_owned());
    let error = pages::run(&nowhere).expect_err("a page that is none").to_string();
    assert!(error.contains("/p/0000000000 answers 404"), "{error}");
}

#[test]
fn a_city_that_is_not_on_this_machine_is_left_alone() {
    let mut city = City::start(100, 1);
    let file = city.data().join(device::fleet::FILE);
    let fleet = std::fs::read_to_string(&file).expect("a fleet file");
    let pages = city.fleet().pages.expect("pages").to_string();
    std::fs::write(&file, fleet.replace(&pages, "192.0.2.1:443")).expect("writing it");
    let error = pages::run(&options(&city, "clean", None)).expect_err("refused").to_string();
    assert!(error.contains("only a development city on loopback"), "{error}");
    city.kill();
}
