//! Faults of the gateway's own clock, which Prometheus's clock and the log's record show.

use tests::clocks::{DAY_S, SetClock};
use tests::walk::{device, endpoint, punch};
use tests::{City, block_on};

use super::scene::{Group, Row, Scene, Watch};

pub(crate) const GROUPS: &[Group] = &[Group {
    name: "clocks",
    city: || City::start(100, 1),
    rows: &[Row {
        fault: "a gateway that was off for 20 days, whose clock nobody has said is right",
        alerts: &[("ClockWrong/page", ""), ("PunchesTooOld/ticket", "")],
        always: true,
        make: off_for_weeks,
    }],
}];

/// Runs the city with a clock twenty days behind, then leaves it off until the present time.
fn off_for_weeks(scene: &mut Scene, watch: &Watch) {
    let city = &mut scene.city;
    assert!(city.terminate().success(), "{}", city.log());
    std::fs::remove_dir_all(city.data()).expect("removed");
    let set = SetClock::of(city);
    set.set(-20 * DAY_S);
    city.restart();
    let fleet = city.fleet();
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        gate.punch(region, punch(place), 0);
        gate.settle().await.expect("acknowledged");
    });
    assert!(city.terminate().success(), "{}", city.log());
    set.set(0);
    city.restart();
    watch.come_true();
}
