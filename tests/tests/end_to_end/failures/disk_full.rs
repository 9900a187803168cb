//! A full disk under load: punches are answered Busy, verifies go on, and when there is room again so do the punches. The log
//! lies on a small tmpfs that only the gateway's process has mounted.

use std::path::PathBuf;
use std::time::Duration;

use device::Device;
use protocol::{DeviceClass, PlaceId, RegionId, Scanned};
use runtime::clock;
use serde_json::json;
use tests::small_disk::SmallDisk;
use tests::walk::{Crew, device, endpoint, prove, punch};
use tests::web::shift::{Staff, told};
use tests::{City, block_on, wait_for};
use tokio::task::spawn_blocking;

const DEVICES: usize = 20;
/// Several of the steps in which the log sets room aside.
const SIZE: &str = "16m";

fn ledger(city: &City) -> PathBuf {
    city.data().join("ledger")
}

fn start_on_a_small_disk() -> (City, SmallDisk) {
    let mut city = City::start(200, DEVICES as u64);
    let path = ledger(&city);
    let small = SmallDisk::start(&mut city, &path, SIZE);
    (city, small)
}

fn punches(city: &City) -> f64 {
    city.metric("changtong_punches_total", "")
}

fn wait_for_punches(city: &City) {
    let before = punches(city);
    wait_for("punches", || (punches(city) > before + 500.0).then_some(()));
}

fn fill(city: &City, small: &SmallDisk) {
    wait_for_punches(city);
    small.fill();
    // A batch of many devices is refused first; single ones still fit into the room that the log has set aside.
    let shed = || city.metric("changtong_shed_total", "ledger");
    let mut before = (shed(), punches(city));
    wait_for("no punch fits any more", || {
        let now = (shed(), punches(city));
        if now.0 <= before.0 + 100.0 {
            return None;
        }
        let earlier = std::mem::replace(&mut before, now);
        (earlier.1 == now.1).then_some(())
    });
    wait_for("a gauge", || (city.metric("changtong_ledger_full", "") > 0.0).then_some(()));
}

#[test]
fn a_full_disk_stops_punches_until_there_is_room_and_nothing_else() {
    let (city, small) = start_on_a_small_disk();
    let fleet = city.fleet();
    block_on(async {
        let crew = Crew::start(&fleet, 0..DEVICES);
        let gate = fleet.devices.iter().rposition(|row| row.class() == DeviceClass::Gate).expect("a gate");
        let (_, region) = fleet.devices[gate].places().next().expect("a place");
        let mut asking = device(&endpoint(&fleet), &fleet, gate);
        asking.connect().await.expect("a good device connects");

        let filled = spawn_blocking(move || {
            let (mut staff, token) = Staff::at_work(&city, 1);
            fill(&city, &small);
            // What is left may have room for one punch more, and for none after that.
            let deadline = tests::deadline();
            let scan =
                (1..).map(|n| json!({ "token": token, "page": 1, "n": n, "text": "held up at a full disk" }));
            // As many as the room takes may be more than one address may ask for in that time.
            let answered = |scan| {
                let answer =
                    wait_for("an answer", || staff.try_scan(&scan).filter(|answer| answer.status != 429));
                (answer, scan)
            };
            let refused = scan.map(answered).find(|(answer, _)| {
                assert!(clock::now() < deadline, "no scan is refused: {}", answer.body);
                told(answer)["resend"] == true
            });
            let (refused, scan) = refused.expect("one is refused");
            assert_eq!(refused.status, 503, "{}", refused.body);
            (city, small, (staff, scan))
        });
        let (city, small, (mut staff, scan)) = filled.await.expect("the disk is full");
        let full = punches(&city);
        for _ in 0..100 {
            let verdicts = asking.verify(region, vec![Scanned::Nothing; 8]).await.expect("verdicts");
            assert_eq!(verdicts.len(), 8);
        }
        assert_eq!(punches(&city), full, "nothing is acknowledged without room");
        assert_eq!(city.metric("changtong_ledger_full", ""), 1.0);
        assert_eq!(city.metric("changtong_ready", ""), 1.0, "colours are shown, so it is ready");

        let healed = spawn_blocking(move || {
            small.make_room();
            wait_for_punches(&city);
            let taken = staff.scan(&scan);
            assert!(
                taken.status == 200 && told(&taken)["resend"] == false,
                "under the same number: {}",
                taken.body
            );
            (city, small)
        });
        let (mut city, small) = healed.await.expect("it heals by itself");
        let done = crew.end().await;
        assert_eq!(asking.counts().losses, 0, "who only asks is not disturbed");
        wait_for("no alarm", || (city.metric("changtong_ledger_full", "") == 0.0).then_some(()));
        let said = city.log().lines().filter(|line| line.contains("disk is full")).count();
        assert!((1..10).contains(&said), "said {said} times");

        assert!(city.terminate().success(), "{}", city.log());
        small.copy_to(&ledger(&city));
        city.run_under(&[]);
        city.restart();
        println!("{:?}", prove(&city, done));
        let (status, out, err) = city.command(&["ledger", "verify"]);
        assert!(status.success(), "{out}{err}");
    });
}

/// Asks for verdicts as a device that is new to this process.
async fn asks_anew(city: &City, index: usize) {
    let fleet = city.fleet();
    let (_, region) = fleet.devices[index].places().next().expect("a place");
    let mut asking = device(&endpoint(&fleet), &fleet, index);
    asking.connect().await.expect("a gate that comes back is let in");
    let verdicts = asking.verify(region, vec![Scanned::Nothing; 8]).await.expect("verdicts");
    assert_eq!(verdicts.len(), 8);
}

/// Sends punches until there is no room for them: the reserved space is used up first.
async fn until_full(city: &City, gate: &mut Device, (region, place): (RegionId, PlaceId)) {
    let deadline = tests::deadline();
    while city.metric("changtong_ledger_full", "") == 0.0 {
        assert!(clock::now() < deadline, "the disk is not seen to be full");
        for _ in 0..20 {
            gate.punch(region, punch(place), 0);
        }
        gate.step_until(clock::now() + Duration::from_millis(1)).await.expect("goes on");
    }
}

#[test]
fn a_gate_that_comes_back_and_a_restart_are_answered_on_a_full_disk() {
    let mut city = City::start(200, DEVICES as u64);
    let path = ledger(&city);
    let small = SmallDisk::start_to_stay(&mut city, &path, SIZE);
    let fleet = city.fleet();
    block_on(async {
        let (place, region) = fleet.devices[0].places().next().expect("a place");
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        for _ in 0..500 {
            gate.punch(region, punch(place), 0);
        }
        gate.settle().await.expect("acknowledged");
        small.fill();
        until_full(&city, &mut gate, (region, place)).await;
        asks_anew(&city, 1).await;
        for end in ["kill -9", "SIGTERM"] {
            if end == "SIGTERM" {
                assert!(city.terminate().success(), "{}", city.log());
            } else {
                city.kill();
            }
            // Ready, or this fails.
            city.restart();
            asks_anew(&city, 2).await;
            until_full(&city, &mut gate, (region, place)).await;
            asks_anew(&city, 3).await;
        }
        small.make_room();
        gate.settle().await.expect("acknowledged when there is room");
        assert_eq!(city.metric(protocol::metric::LOST, ""), 0.0);
    });
    let (status, out, err) = {
        assert!(city.terminate().success(), "{}", city.log());
        small.copy_to(&ledger(&city));
        city.command(&["ledger", "verify"])
    };
    assert!(status.success(), "{out}{err}");
}
