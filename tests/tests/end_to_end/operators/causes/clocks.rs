//! Wrong clocks on the real system: no red ends by them and no day is destroyed, punches go on, and two operators confirm
//! the right time.

use std::time::Duration;

use policy::trajectory::{day_of, days_after};
use protocol::{Colour, metric};
use runtime::clock;
use serde_json::Value;
use tests::clocks::{DAY_S, SetClock};
use tests::people::{shown, somebody};
use tests::walk::{device, endpoint, punch};
use tests::{City, block_on, wait_for};

/// Several turns of everything that looks at the clock.
const TURNS: Duration = Duration::from_secs(3);

/// Turns a person red until a week from now.
fn red(city: &City) -> u64 {
    let code = somebody(city, "green");
    let (number, until) = (code.to_string(), days_after(day_of(clock::now_s()), 7).to_string());
    let add = ["cause", "add", "--code", &number, "--kind", "close-contact", "--until", &until];
    let (status, out, err) = city.signed(2, &add);
    assert!(status.success(), "{out}{err}");
    assert_eq!(shown(city, code).0, Colour::Red);
    code
}

/// Records ten acknowledged punches; each call takes another device.
fn pass(city: &City, index: usize) {
    let fleet = city.fleet();
    let (place, region) = fleet.devices[index].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, index);
        for _ in 0..10 {
            gate.punch(region, punch(place), 0);
        }
        gate.settle().await.expect("acknowledged");
    });
}

fn turns_go_by() {
    let begun = clock::now();
    wait_for("some turns", || (clock::since(begun) > TURNS).then_some(()));
}

fn verified(city: &City) -> Value {
    let (status, out, err) = city.command(&["ledger", "verify", "--json"]);
    assert!(status.success(), "{out}{err}");
    serde_json::from_str(&out).expect("JSON")
}

fn deletions(city: &City) -> String {
    std::fs::read_to_string(city.data().join("ledger/deletions.jsonl")).unwrap_or_default()
}

/// Returns offsets in seconds: sixteen days ahead, to 1970, a year back.
fn wrong_clocks() -> [i64; 3] {
    let since_1970 = i64::try_from(clock::now_s()).expect("before 1970 + 2^63 s");
    [16 * DAY_S, 60 - since_1970, -365 * DAY_S]
}

#[test]
fn a_clock_that_jumps_ends_nobodys_red_and_destroys_no_day() {
    let mut city = City::new(200, 20);
    let set = SetClock::of(&mut city);
    city.spawn();
    city.wait_ready();
    let code = red(&city);
    // The first one shows colours.
    let mut index = 1;
    let mut pass_next = |city: &City| {
        pass(city, index);
        index += 1;
    };
    pass_next(&city);
    for wrong_s in wrong_clocks() {
        for at_start in [false, true] {
            if at_start {
                assert!(city.terminate().success(), "{}", city.log());
            }
            set.set(wrong_s);
            if at_start {
                city.restart();
            }
            city.wait_believed(false);
            pass_next(&city);
            turns_go_by();
            let colour = shown(&city, code);
            // A gateway that starts with a clock ahead of everything goes by it, and takes our phones' codes for old ones.
            assert!(colour.0 == Colour::Red || (at_start && wrong_s > 0), "{wrong_s}: {colour:?}");
            let (_, out, _) = city.command(&["doctor"]);
            assert!(out.contains("clock-wrong") && out.contains("is not believed"), "{out}");
            set.set(0);
            city.wait_believed(true);
            assert_eq!(shown(&city, code).0, Colour::Red, "{wrong_s}");
            assert_eq!(deletions(&city), "", "{wrong_s}");
        }
    }
    pass_next(&city);
    assert!(city.log().contains("what it can be and is not believed"), "{}", city.log());
    assert!(city.terminate().success(), "{}", city.log());
    city.restart();
    city.wait_believed(true);
    assert_eq!(shown(&city, code).0, Colour::Red);
    let report = verified(&city);
    assert_eq!(report["punches"], 10 * (index - 1) as u64, "{report}");
    assert!(report["doubted_batches"].as_u64() >= Some(6), "{report}");
    for verify in [["consents", "verify"], ["audit", "verify"]] {
        let (status, out, err) = city.command(&verify);
        assert!(status.success(), "{out}{err}");
    }
}

#[test]
fn a_gateway_that_was_off_for_weeks_serves_and_waits_for_two_operators() {
    let mut city = City::new(200, 5);
    let set = SetClock::of(&mut city);
    city.spawn();
    city.wait_ready();
    let code = red(&city);
    pass(&city, 1);
    assert!(city.terminate().success(), "{}", city.log());
    let weeks = 21 * DAY_S;
    set.set(weeks);
    city.restart();
    city.wait_believed(false);
    pass(&city, 2);
    turns_go_by();
    assert_eq!((deletions(&city).as_str(), &verified(&city)["punches"]), ("", &Value::from(20)));
    let why = |city: &City| {
        let look = ["code", "why", &code.to_string(), "--case", "A-1", "--json"];
        let (status, out, err) = city.signed_under(1, &look);
        assert!(status.success(), "{out}{err}");
        serde_json::from_str::<Value>(&out).expect("JSON")["why"]["colour"].as_str().map(str::to_owned)
    };
    assert_eq!(why(&city).as_deref(), Some("red"));

    let (taken, said) = city.say_right(1, weeks);
    assert!(!taken && said.contains("2 operator(s) with the role admin"), "{said}");
    let (taken, said) = city.say_right(2, weeks + 3600);
    assert!(!taken && said.contains("does not say what you say"), "{said}");
    assert_eq!(deletions(&city), "");
    let (taken, said) = city.say_right(2, weeks);
    assert!(taken, "{said}");
    city.wait_believed(true);
    wait_for("forgetting", || deletions(&city).contains("deletion").then_some(()));
    wait_for("green", || (why(&city).as_deref() == Some("green")).then_some(()));
    assert_eq!(verified(&city)["punches"], 10, "what came since the start is kept");
    assert_eq!(city.metric(metric::CLOCK_STEP_SECONDS, ""), 0.0);
    let (_, out, err) = city.command(&["clock", "status"]);
    assert!(out.contains("is believed"), "{out}{err}");

    pass(&city, 3);
    assert!(city.terminate().success(), "{}", city.log());
    city.restart();
    city.wait_believed(true);
    assert_eq!(verified(&city)["punches"], 20);
}
