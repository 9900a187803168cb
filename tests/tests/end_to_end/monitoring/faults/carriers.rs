//! Carriers that refuse, are gone, or are slow, by the simulated carriers' faults, with queries of citizens. `actors.rs` has failing
//! actors.

use loadtest::citizens::Citizens;
use simulator::SimulatedCarrier;
use tests::people::{Citizen, demo};
use tests::walk::{device, endpoint};
use tests::{City, block_on};

use super::scene::{Group, Row, Scene, Watch};

/// Failures in a row that open a breaker, and one more.
const QUERIES: usize = 6;
const SEED: u64 = 6;
/// Gates that ask: more than a development city's carriers have permits, one by one.
const ASKING: u32 = 90;
const SUBSCRIBER: &str = "clean";

pub(crate) const GROUPS: &[Group] = &[
    Group {
        name: "a carrier that refuses",
        city: || City::start(100, 1),
        rows: &[Row {
            fault: "a carrier that refuses our signature",
            alerts: &[("CarrierFailing/ticket", "carrier=china-mobile")],
            always: true,
            make: refuse,
        }],
    },
    Group {
        name: "carriers that are slow, then gone",
        city: || City::start(100, 80),
        rows: &[
            Row {
                fault: "carriers that take 8 s, and more gates than may ask at once",
                alerts: &[("CarrierWaiting/ticket", "carrier=")],
                always: false,
                make: wait,
            },
            Row {
                fault: "a carrier that is gone",
                alerts: &[("CarrierFailing/ticket", "carrier=china-mobile")],
                always: false,
                make: gone,
            },
        ],
    },
];

fn fault(city: &City, words: &[&str]) {
    let carrier = demo(SUBSCRIBER).carrier.expect("a subscriber").id();
    let (status, _, err) = city.command(&[&["carrier", "fault", carrier], words].concat());
    assert!(status.success(), "{err}");
}

fn refuse(scene: &mut Scene, watch: &Watch) {
    let citizen = Citizen::new(&scene.city, demo(SUBSCRIBER).phone);
    fault(&scene.city, &["status", "--status", "403"]);
    citizen.consent("apply");
    watch.come_true();
    fault(&scene.city, &["none"]);
}

/// Lets each gate ask for one citizen; an answer comes within the time limit of all carriers together.
fn wait(scene: &mut Scene, watch: &Watch) {
    let city = &scene.city;
    let fleet = city.fleet();
    block_on(async {
        let said = |said: &str| eprintln!("{said}");
        let citizens = Citizens::prepare(&fleet, 2, ASKING, SEED, &said).await.expect("a development city");
        for carrier in SimulatedCarrier::ALL {
            let words = ["carrier", "fault", carrier.id(), "slow", "--ms", "8000"];
            assert!(city.command(&words).0.success(), "{words:?}");
        }
        let endpoint = endpoint(&fleet);
        for index in 0..ASKING as usize {
            let receipt = citizens.take_receipt().expect("one for each gate");
            let (_, region) = fleet.devices[index].places().next().expect("a place");
            let mut gate = device(&endpoint, &fleet, index);
            tokio::task::spawn_local(async move { gate.ask_trajectory(region, receipt).await });
        }
        watch.comes().await;
        for carrier in SimulatedCarrier::ALL {
            assert!(city.command(&["carrier", "fault", carrier.id(), "none"]).0.success());
        }
    });
}

/// Takes a carrier down. The breaker has to be open for as long as the alert looks back.
fn gone(scene: &mut Scene, watch: &Watch) {
    let citizen = Citizen::new(&scene.city, demo(SUBSCRIBER).phone);
    fault(&scene.city, &["down"]);
    for _ in 0..QUERIES {
        citizen.consent("apply");
    }
    watch.come_true();
}
