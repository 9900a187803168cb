//! A gateway that gets SIGTERM, and one whose disk fails: both under load, both lose nothing that was acknowledged.

use tests::walk::{Crew, prove};
use tests::{City, block_on, wait_for};
use tokio::task::spawn_blocking;

const DEVICES: usize = 20;
/// The punch log failed: start again, which recovers.
const EXIT_LEDGER: i32 = 75;

/// Lets devices walk while `work` is done to the city, then checks that every promise holds. Drains that devices were told.
fn walk_through(mut city: City, work: impl FnOnce(&mut City) + Send + 'static) -> u64 {
    let fleet = city.fleet();
    block_on(async {
        let crew = Crew::start(&fleet, 0..DEVICES);
        let city = spawn_blocking(move || {
            wait_for("punches", || (city.metric("changtong_punches_total", "") > 500.0).then_some(()));
            work(&mut city);
            let before = city.metric("changtong_punches_total", "");
            wait_for("more punches", || {
                (city.metric("changtong_punches_total", "") > before + 500.0).then_some(())
            });
            city
        });
        let city = city.await.expect("the work is done");
        let done = crew.end().await;
        let drains = done.iter().map(|walker| walker.device.counts().drains).sum();
        prove(&city, done);
        let (status, out, err) = city.command(&["ledger", "verify"]);
        assert!(status.success(), "{out}{err}");
        drains
    })
}

#[test]
fn a_gateway_that_is_told_to_end_drains() {
    let drains = walk_through(City::start(500, 20), |city| {
        for _ in 0..3 {
            wait_for("every device is connected", || {
                (city.metric("changtong_connections", "") >= DEVICES as f64).then_some(())
            });
            let status = city.terminate();
            assert_eq!(status.code(), Some(0), "{}", city.log());
            city.restart();
        }
    });
    assert!(drains >= DEVICES as u64, "devices were told: {drains}");
}

#[test]
fn a_failed_sync_ends_the_process_and_nothing_acknowledged_is_lost() {
    let mut city = City::start(500, 20);
    city.terminate();
    let fail = "inject=fdatasync:error=EIO:when=60";
    city.run_under(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", fail]);
    city.restart();
    walk_through(city, |city| {
        let status = city.wait_exit();
        assert_eq!(status.code(), Some(EXIT_LEDGER), "{}", city.log());
        city.run_under(&[]);
        city.restart();
    });
}
