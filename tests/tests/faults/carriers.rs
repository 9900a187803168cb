//! Carriers that refuse, are gone, or are slow, each as its simulated one is made to; and citizens who ask them. An actor of ours that
//! fails is elsewhere.

use tests::City;
use tests::people::{Citizen, demo};

use crate::scene::{Group, Row, Scene, Watch};

/// Failures in a row that open a breaker, and one more.
const QUERIES: usize = 6;
const SUBSCRIBER: &str = "clean";

pub(crate) const GROUPS: &[Group] = &[Group {
    name: "a carrier that refuses",
    city: || City::start(100, 1),
    rows: &[Row {
        fault: "a carrier that refuses our signature",
        alerts: &[("CarrierFailing/ticket", "carrier=china-mobile")],
        always: true,
        make: refuse,
    }],
}];

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
