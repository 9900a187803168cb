//! Faults of the program itself: handlers of actors that panic whenever they are called, in the program as it is built. A debugger sets
//! them on, a panic of the standard library is what they run instead.

use tests::City;
use tests::people::{Citizen, demo};
use tests::traced::Traced;

use crate::scene::{Group, Row, Scene, Watch, under_load};

/// More than an actor may fail within a minute before it is parked.
const PANICS: u32 = 12;
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
            fault: "a registrar that panics at each act",
            alerts: &[("RegistrarParked/page", "")],
            always: false,
            make: registrar,
        },
    ],
}];

fn region(scene: &mut Scene, watch: &Watch) {
    let _panicking = Traced::panics(scene.city.pid(), "RegionActor[^ ]*Punches[^ ]*6handle", PANICS);
    under_load(&scene.city.fleet(), 0..1, || watch.come_true());
}

fn carrier(scene: &mut Scene, watch: &Watch) {
    let citizen = Citizen::new(&scene.city, demo(SUBSCRIBER).phone);
    let _panicking = Traced::panics(scene.city.pid(), "CarrierActor[^ ]*Ask[^ ]*6handle", PANICS);
    for _ in 0..PANICS {
        citizen.consent("apply");
    }
    watch.come_true();
}

fn registrar(scene: &mut Scene, watch: &Watch) {
    let citizen = Citizen::new(&scene.city, demo(SUBSCRIBER).phone);
    let _panicking = Traced::panics(scene.city.pid(), "RegistrarActor[^ ]*Act$GT$[^ ]*6handle", PANICS);
    for _ in 0..PANICS {
        citizen.apply(demo(SUBSCRIBER).document, &["--declared", "false"]).expect_err("it panics");
    }
    watch.come_true();
}
