//! Faults of the program itself: functions of actors that panic whenever they are called, in the shipped program. They run
//! a panic of the standard library instead.

use std::time::Duration;

use tests::people::{Citizen, demo};
use tests::traced::Panicking;
use tests::walk::{device, endpoint, punch};
use tests::{City, block_on};

use super::scene::{Group, Row, Scene, Watch};

/// More than an actor may fail within a minute before it is parked.
const CALLS: u32 = 24;
const SUBSCRIBER: &str = "clean";

pub(crate) const GROUPS: &[Group] = &[Group {
    name: "actors",
    city: || City::start(200, 2),
    rows: &[
        Row {
            fault: "a region that panics at each batch",
            alerts: &[
                ("ActorRestarts/ticket", "actor=region-"),
                ("PoisonBatches/ticket", ""),
                ("RegionParked/page", "region="),
            ],
            always: true,
            make: region,
        },
        Row {
            fault: "a carrier's actor that panics at each query",
            alerts: &[("CarrierParked/ticket", "carrier=china-mobile")],
            always: false,
            make: carrier,
        },
        Row {
            fault: "a chore of the clock that panics whenever it looks for what is due",
            alerts: &[("ActorRestarts/ticket", "actor=chore-expire")],
            always: false,
            make: chore,
        },
        Row {
            fault: "a registrar that panics at each act",
            alerts: &[("RegistrarParked/page", "")],
            always: false,
            make: registrar,
        },
    ],
}];

/// Sends one punch at a time: of several, each would fail once, and none often enough to be recorded without a judgement.
fn region(scene: &mut Scene, watch: &Watch) {
    let fleet = scene.city.fleet();
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    let _panicking = Panicking::function(scene.city.pid(), &["5judge5Judge7records"]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.come_true());
        block_on(async {
            let endpoint = endpoint(&fleet);
            let mut gate = device(&endpoint, &fleet, 0);
            while !waiting.is_finished() {
                if gate.state().unacknowledged() == 0 {
                    gate.punch(region, punch(place), 0);
                }
                // While the region is parked there is no end of waiting.
                let settled = tokio::time::timeout(Duration::from_millis(200), gate.settle()).await;
                settled.map_or(Ok(()), |settled| settled).expect("another attempt heals it");
            }
        });
    });
}

fn carrier(scene: &mut Scene, watch: &Watch) {
    asked(scene, watch, &["CarrierActor", "Handler", "Ask$GT$", "6handle"]);
}

fn registrar(scene: &mut Scene, watch: &Watch) {
    asked(scene, watch, &["RegistrarActor", "Handler", "Act$GT$", "6handle"]);
}

/// Makes a function of an actor on the path of citizens' consents panic. Many requests at once: a request to a failing actor waits
/// until its deadline.
fn asked(scene: &mut Scene, watch: &Watch, function: &[&str]) {
    let citizen = Citizen::new(&scene.city, demo(SUBSCRIBER).phone);
    let _panicking = Panicking::function(scene.city.pid(), function);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.come_true());
        // A single parking raises no alert: the test asks again at each restart.
        while !waiting.is_finished() {
            std::thread::scope(|asking| {
                for _ in 0..CALLS {
                    asking.spawn(|| citizen.ask(&["consent"], &["--flow", "apply"]));
                }
            });
        }
    });
}

/// Makes a chore panic: it looks for due codes each second, and pauses after each panic.
fn chore(scene: &mut Scene, watch: &Watch) {
    let _panicking = Panicking::function(scene.city.pid(), &["Registry", "13longest_due_s"]);
    watch.come_true();
}
