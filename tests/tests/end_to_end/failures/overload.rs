//! Overload of the disk: every sync is slowed down, and concentrators keep their whole windows full. Queues are bounded,
//! verifies are answered meanwhile, and at the end each punch is recorded once.

use device::Device;
use protocol::{DeviceClass, RegionId, Scanned};
use tests::walk::{device, endpoint, punch};
use tests::{City, block_on};

const CONCENTRATORS: usize = 4;
/// Six whole windows of each.
const PUNCHES: usize = 100_000;
/// Punches that a concentrator holds ready: more than its window.
const READY: usize = 20_000;
/// Windows, their copies on the way to the disk, and verdicts that are remembered for repeats.
const GROWTH_KIB_MAX: u64 = 200 * 1024;

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("our own process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

async fn push(mut device: Device, place: protocol::PlaceId, region: RegionId) -> u64 {
    let mut given = 0;
    while given < PUNCHES || device.state().unacknowledged() > 0 {
        while given < PUNCHES && device.state().unacknowledged() < READY {
            device.punch(region, punch(place), 0);
            given += 1;
        }
        device.step().await.expect("another attempt heals it");
        device.take_acknowledged();
    }
    device.counts().losses
}

#[test]
fn a_disk_that_is_too_slow_slows_devices_and_nothing_else() {
    let mut city = City::start(100, 2);
    city.terminate();
    let slow = "inject=fdatasync:delay_exit=150000";
    city.run_under(&[
        "strace",
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        slow,
    ]);
    city.restart();
    let gateway = city.traced_pid();
    let fleet = city.fleet();
    let before = resident_kib(gateway);
    block_on(async {
        let endpoint = endpoint(&fleet);
        let of = |class| fleet.devices.iter().position(move |row| row.class() == class);
        let first = of(DeviceClass::Concentrator).expect("concentrators");
        let pushing: Vec<_> = (first..first + CONCENTRATORS)
            .map(|index| {
                let (place, region) = fleet.devices[index].places().next().expect("a place");
                tokio::task::spawn_local(push(device(&endpoint, &fleet, index), place, region))
            })
            .collect();
        let gate = of(DeviceClass::Gate).expect("gates");
        let (_, region) = fleet.devices[gate].places().next().expect("a place");
        let mut asking = device(&endpoint, &fleet, gate);
        let mut highest = 0;
        while pushing.iter().any(|task| !task.is_finished()) {
            let verdicts = asking.verify(region, vec![Scanned::Nothing; 8]).await.expect("verdicts");
            assert_eq!(verdicts.len(), 8);
            highest = highest.max(resident_kib(gateway));
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        for task in pushing {
            assert_eq!(task.await.expect("a device does not fail"), 0, "nobody was cut off");
        }
        let grown = highest.saturating_sub(before);
        assert!(grown < GROWTH_KIB_MAX, "{grown} KiB");
        assert_eq!(asking.counts().losses, 0);
    });
    let (status, out, err) = city.command(&["ledger", "verify", "--json"]);
    assert!(status.success(), "{err}");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["punches"], (CONCENTRATORS * PUNCHES) as u64);
}
