//! Faults of the disk under the punch log: full, slow, failing, rolled back, and flipped bits. Each is made on the real
//! file system, or on the system calls of the running process.

use std::path::Path;

use device::{Device, DeviceState};
use protocol::{Epoch, metric};
use tests::small_disk::SmallDisk;
use tests::traced::Traced;
use tests::walk::{device, endpoint, punch};
use tests::{City, block_on, clock_of};

use super::scene::{Group, Row, Scene, Watch, under_load};

/// A city of more gates than any of its faults has devices walk.
const GATES: u64 = 60;
/// Room for the registry, and for several of the steps in which the log sets room aside.
const SIZE: &str = "48m";
/// Each sync takes longer than a punch may.
const SLOW_SYNC: &str = "fdatasync:delay_exit=300000";
const FAILING_SYNC: &str = "fdatasync:error=EIO";
/// The punch log failed: start again, which recovers.
const EXIT_LEDGER: i32 = 75;

pub(crate) const GROUPS: &[Group] = &[
    Group {
        name: "a disk of 48 MiB",
        city: small,
        rows: &[Row {
            fault: "a full disk",
            alerts: &[
                ("LedgerFull/page", ""),
                ("Sheds/ticket", "reason=ledger"),
                ("PunchAvailability/1h", ""),
                ("PunchAvailability/6h", ""),
                ("PunchAvailability/3d", ""),
            ],
            always: false,
            make: fill,
        }],
    },
    Group {
        name: "a disk that fails",
        city: || City::start(200, GATES),
        rows: &[
            Row {
                fault: "syncs that take 0.3 s",
                alerts: &[
                    ("SyncSlow/ticket", ""),
                    ("PunchLatency/1h", ""),
                    ("PunchLatency/6h", ""),
                    ("PunchLatency/3d", ""),
                ],
                always: false,
                make: slow,
            },
            Row {
                fault: "a sync that fails with EIO",
                alerts: &[("LedgerPoisoned/page", "")],
                always: false,
                make: fail,
            },
            Row {
                fault: "an old copy in the punch log's place",
                alerts: &[("PunchesLost/page", "")],
                always: true,
                make: roll_back,
            },
            Row {
                fault: "a bit that flips in a closed segment",
                alerts: &[("ScrubFailed/page", "")],
                always: false,
                make: flip,
            },
        ],
    },
];

/// Starts a city with all its data on the small disk.
fn small() -> City {
    let mut city = City::start(200, GATES);
    let data = city.data();
    drop(SmallDisk::start(&mut city, &data, SIZE));
    city
}

fn fill(scene: &mut Scene, watch: &Watch) {
    let small = SmallDisk::of(&scene.city, &scene.city.data());
    small.fill();
    under_load(&scene.city.fleet(), 20..40, || watch.come_true());
    small.make_room();
}

fn slow(scene: &mut Scene, watch: &Watch) {
    let _slow = Traced::calls(scene.city.pid(), None, SLOW_SYNC);
    under_load(&scene.city.fleet(), 0..20, || watch.come_true());
}

fn fail(scene: &mut Scene, watch: &Watch) {
    let fleet = scene.city.fleet();
    under_load(&fleet, 20..40, || {
        {
            let _failing = Traced::calls(scene.city.pid(), None, FAILING_SYNC);
            let status = scene.city.wait_exit();
            assert_eq!(status.code(), Some(EXIT_LEDGER), "{}", scene.city.log());
        }
        // The process ends within less time than lies between two scrapes: the next one has to tell.
        scene.city.restart();
        assert_eq!(scene.city.metric(metric::LEDGER_POISONED, ""), 1.0, "told by the next process");
        watch.come_true();
    });
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("listed") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copied");
    }
}

fn roll_back(scene: &mut Scene, watch: &Watch) {
    let fleet = scene.city.fleet();
    let (place, region) = fleet.devices[40].places().next().expect("a place");
    let ledger = scene.city.data().join("ledger");
    let kept = scene.city.data().join("ledger.kept");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 40);
        for round in 0..2 {
            if round == 1 {
                assert!(scene.city.terminate().success(), "{}", scene.city.log());
                copy(&ledger, &kept);
                scene.city.restart();
            }
            for _ in 0..50 {
                gate.punch(region, punch(place), 0);
            }
            gate.settle().await.expect("acknowledged");
        }
        scene.city.kill();
        std::fs::remove_dir_all(&ledger).expect("removed");
        std::fs::rename(&kept, &ledger).expect("in its place");
        // The registry knows a later one.
        let (status, out, err) = scene.city.signed(2, &["stores", "accept", "--case", "D-1"]);
        assert!(status.success(), "{out}{err}");
        scene.city.restart();
        gate.ping().await.expect("back with all that it holds acknowledgements for");
        assert_eq!(scene.city.metric(metric::LOST, ""), 50.0);
    });
    watch.come_true();
}

/// Advances the clock by hours, so that segments are closed, then changes a bit in one. The last two are read at each start.
fn flip(scene: &mut Scene, watch: &Watch) {
    let fleet = scene.city.fleet();
    let (place, region) = fleet.devices[41].places().next().expect("a place");
    for (hours, epoch) in [("FAKETIME=+1h", 2), ("FAKETIME=+2h", 3), ("FAKETIME=+3h", 4)] {
        assert!(scene.city.terminate().success(), "{}", scene.city.log());
        scene.city.run_under(&clock_of(hours));
        scene.city.restart();
        block_on(async {
            let endpoint = endpoint(&fleet);
            // An epoch of its own each time: this device keeps nothing, and has punched before.
            let state = DeviceState::new(Epoch(epoch));
            let mut gate =
                Device::new(&endpoint, &fleet, &fleet.devices[41], state).expect("a good certificate");
            gate.punch(region, punch(place), 0);
            gate.settle().await.expect("acknowledged");
        });
    }
    assert!(scene.city.terminate().success(), "{}", scene.city.log());
    let ledger = scene.city.data().join("ledger");
    let mut segments: Vec<_> =
        std::fs::read_dir(&ledger).expect("listed").map(|entry| entry.expect("an entry").path()).collect();
    segments.retain(|path| path.extension().is_some_and(|ending| ending == "segment"));
    segments.sort();
    assert!(segments.len() > 3, "{segments:?}");
    let mut bytes = std::fs::read(&segments[0]).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segments[0], bytes).expect("written");
    scene.city.restart();
    watch.come_true();
}
