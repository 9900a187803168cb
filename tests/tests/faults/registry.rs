//! Faults of the registry: a row that does not read, writes that fail, a sync that hangs. The file is the real one, changed while no
//! gateway runs, or its system calls are made to fail under a running one.

use std::process::Command;

use loadtest::citizens::Citizens;
use loadtest::scenario::Kind;
use protocol::Scanned;
use tests::traced::Traced;
use tests::walk::{device, endpoint};
use tests::{City, PATIENCE, block_on};

use crate::scene::{Group, Row, Scene, Watch};

const SEED: u64 = 5;
/// A number that is no code's colour, basis and class.
const DAMAGE: &str = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
    db.execute('UPDATE codes SET tags = 2147483647 WHERE id = (SELECT min(id) FROM codes)'); db.commit()";
/// Longer than the alert waits for a colour.
const HANGING_SYNC: &str = "fdatasync:delay_enter=60000000";
const FAILING_WRITE: &str = "pwrite64:error=EIO";

pub(crate) const GROUPS: &[Group] = &[Group {
    name: "the registry",
    city: || City::start(200, 2),
    rows: &[
        Row {
            fault: "writes of the registry that fail with EIO",
            alerts: &[("RegistrarFailing/page", ""), ("PagesFailing/page", "")],
            always: false,
            make: fail,
        },
        Row {
            fault: "a sync of the registry that takes a minute",
            alerts: &[("ColourLag/page", "")],
            always: false,
            make: hang,
        },
        Row {
            fault: "a code in the registry that does not read",
            alerts: &[
                ("NotReady/page", ""),
                ("VerifyAvailability/1h", ""),
                ("VerifyAvailability/6h", ""),
                ("VerifyAvailability/3d", ""),
            ],
            always: true,
            make: damage,
        },
    ],
}];

fn fail(scene: &mut Scene, watch: &Watch) {
    let fleet = scene.city.fleet();
    let log = scene.city.data().join("registry.db-wal");
    block_on(async {
        let said = |said: &str| eprintln!("{said}");
        let citizens = Citizens::prepare(&fleet, 1, 0, SEED, &said).await.expect("a development city");
        let _failing = Traced::calls(scene.city.pid(), Some(&log), FAILING_WRITE);
        for luck in 0..5 {
            citizens.visit(Kind::Apply, 0, luck, PATIENCE).await.expect_err("nothing can be recorded");
        }
        watch.come_true();
    });
}

fn hang(scene: &mut Scene, watch: &Watch) {
    let log = scene.city.data().join("registry.db-wal");
    std::thread::scope(|scope| {
        let hanging = Traced::calls(scene.city.pid(), Some(&log), HANGING_SYNC);
        let city = &scene.city;
        // Whatever an operator looks at is on record first.
        scope.spawn(|| city.signed(1, &["appeal", "list"]));
        watch.come_true();
        drop(hanging);
    });
}

fn damage(scene: &mut Scene, watch: &Watch) {
    assert!(scene.city.terminate().success(), "{}", scene.city.log());
    let registry = scene.city.data().join("registry.db");
    let output = Command::new("python3").args(["-c", DAMAGE]).arg(registry).output().expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    scene.city.spawn();
    let fleet = scene.city.fleet();
    let (_, region) = fleet.devices[0].places().next().expect("a place");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.come_true());
        block_on(async {
            let endpoint = endpoint(&fleet);
            let mut gate = device(&endpoint, &fleet, 0);
            while !waiting.is_finished() {
                gate.verify(region, vec![Scanned::Nothing]).await.expect("verdicts");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
    });
}
