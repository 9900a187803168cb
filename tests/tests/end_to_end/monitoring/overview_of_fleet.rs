//! The overview of a gateway of a fleet in a real browser, after the leader's death and while no other one can lead: the broker's majority
//! is away, so that this lasts as long as the browser looks. `tests/browser/overview-fleet.mjs` drives the browser.

use std::rc::Rc;
use std::time::Duration;

use device::tokens::Tokens;
use serde_json::Value;
use tests::brokers::Brokers;
use tests::members::Member;
use tests::walk::{Traffic, Walker, endpoint};
use tests::{City, browser, wait_for};

const GATES: usize = 24;
/// The interval between two people at one gate.
const PACE: Duration = Duration::from_millis(40);
/// Samples of the overview before the leader dies, so that its charts show the time before.
const SAMPLES: usize = 12;
/// Punches of each gate that show that people pass on.
const MORE: u64 = 5;

fn overview(member: &Member) -> Value {
    serde_json::from_str(&member.get("/overview.json")).expect("the overview's figures")
}

#[test]
fn a_follower_says_how_old_its_colours_are_after_the_leaders_death_and_people_pass_on() {
    let mut city = City::start(2_000, GATES as u64);
    assert!(city.terminate().success(), "{}", city.log());
    let root = tempfile::tempdir().expect("a directory");
    let mut brokers = Brokers::start();
    let links = [(); 3].map(|()| brokers.links());
    let mut north = Member::first(&city, root.path(), "north", &links[0]);
    north.start();
    north.wait_to_lead();
    let [mut south, mut west] = [("south", &links[1]), ("west", &links[2])].map(|(name, links)| {
        let mut member = north.another(&city, root.path(), name, links);
        member.start();
        member.wait_for_all_of(&north);
        member
    });
    let fleet = south.fleet();
    let traffic = Traffic::start(GATES, move || {
        let (endpoint, people) = (endpoint(&fleet), Rc::new(Tokens::load(&fleet).expect("the city's codes")));
        let walker = |index| Walker::new(&endpoint, &fleet, index).at_pace(PACE).with_people(&people);
        (0..GATES).map(walker).collect()
    });
    traffic.advance(MORE);
    wait_for("samples", || {
        (overview(&south)["rows"].as_array().expect("samples").len() >= SAMPLES).then_some(())
    });

    // One machine is away for an update, with its broker, when the leader's machine dies.
    west.terminate();
    brokers.kill(2);
    brokers.kill(0);
    north.kill();
    wait_for("colours that get older", || {
        let now = &overview(&south)["now"]["fleet"];
        (now["broker"] == false && now["leads"] == false && now["colours_s"].is_u64()).then_some(())
    });
    let address = format!("http://{}", south.http());
    let variables = [
        ("CITY_PAGES", address.clone()),
        ("CITY_HTTP", address),
        ("CITY_PROGRAM", tests::binary().display().to_string()),
        ("CITY_DATA", south.data().display().to_string()),
    ];
    browser::run(env!("CARGO_TARGET_TMPDIR"), "overview-fleet.mjs", &variables);
    traffic.advance(MORE);
    let proof = traffic.prove(|| {
        south.terminate();
        vec![south.punches()]
    });
    eprintln!("{proof:?}");
}
