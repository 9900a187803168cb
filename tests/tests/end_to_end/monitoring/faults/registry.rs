//! Faults of the registry: a malformed row, failing writes, a hanging sync. The file is the real one, changed while no
//! gateway runs, or its system calls are made to fail under a running one.

use std::pin::pin;
use std::process::Command;

use device::tokens::Tokens;
use loadtest::citizens::Citizens;
use loadtest::scenario::Kind;
use policy::trajectory::{day_of, days_after, start_of};
use runtime::clock;
use tests::people::somebody;
use tests::traced::Traced;
use tests::walk::{device, endpoint};
use tests::{City, PATIENCE, block_on, clock_of};

use super::people::health_operators;
use super::scene::{Group, Row, Scene, Watch};

const SEED: u64 = 5;
/// A number that is no code's colour, basis and class.
const DAMAGE: &str = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
    db.execute('UPDATE codes SET tags = 2147483647 WHERE id = (SELECT min(id) FROM codes)'); db.commit()";
/// Enough for the gateway to start.
const BEFORE_MIDNIGHT_S: i64 = 30;
const FAILING_WRITE: &str = "pwrite64:error=EIO";

pub(crate) const GROUPS: &[Group] = &[
    Group {
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
    },
    Group {
        // Its gateway has seen a midnight that is still to come, and would take other tests' codes for old ones.
        name: "a midnight",
        city: || City::start(200, 2),
        rows: &[Row {
            fault: "writes that fail while somebody turns green again",
            alerts: &[("ColourLag/page", "")],
            always: false,
            make: miss_midnight,
        }],
    },
];

fn fail(scene: &mut Scene, watch: &Watch) {
    let fleet = scene.city.fleet();
    let log = scene.city.data().join("registry.db-wal");
    block_on(async {
        let said = |said: &str| eprintln!("{said}");
        let citizens = Citizens::prepare(&fleet, 1, 0, SEED, &said).await.expect("a development city");
        let _failing = Traced::calls(scene.city.pid(), Some(&log), FAILING_WRITE);
        let mut told = pin!(watch.comes());
        // A few failures raise no alert.
        for luck in 0.. {
            tokio::select! {
                () = &mut told => break,
                visited = citizens.visit(Kind::Apply, 0, luck, PATIENCE) => {
                    visited.expect_err("nothing can be recorded");
                }
            }
        }
    });
}

/// Lets a person's last day as red end, by the gateway's clock, while nothing can be written.
fn miss_midnight(scene: &mut Scene, watch: &Watch) {
    let city = &mut scene.city;
    let signs = health_operators(city);
    let signs: Vec<&str> = signs.iter().map(String::as_str).collect();
    let now_s = clock::now_s();
    let today = day_of(now_s);
    let (code, until) = (somebody(city, "green").to_string(), today.to_string());
    let cause = ["cause", "add", "--code", &code, "--kind", "close-contact", "--until", &until];
    let (status, out, err) = city.command(&[&cause[..], &signs].concat());
    assert!(status.success(), "{out}{err}");
    let left_s = start_of(days_after(today, 1)) as i64 - clock::now_s() as i64 - BEFORE_MIDNIGHT_S;
    assert!(city.terminate().success(), "{}", city.log());
    city.run_under(&clock_of(&format!("FAKETIME={left_s:+}s")));
    city.restart();
    {
        let log = city.data().join("registry.db-wal");
        let _failing = Traced::calls(city.pid(), Some(&log), FAILING_WRITE);
        watch.come_true();
    }
}

fn damage(scene: &mut Scene, watch: &Watch) {
    assert!(scene.city.terminate().success(), "{}", scene.city.log());
    let registry = scene.city.data().join("registry.db");
    let output = Command::new("python3").args(["-c", DAMAGE]).arg(registry).output().expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    scene.city.spawn();
    let fleet = scene.city.fleet();
    let tokens = Tokens::load(&fleet).expect("the city's codes");
    let (_, region) = fleet.devices[0].places().next().expect("a place");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.come_true());
        block_on(async {
            let endpoint = endpoint(&fleet);
            let mut gate = device(&endpoint, &fleet, 0);
            while !waiting.is_finished() {
                let now_s = u32::try_from(clock::now_s()).expect("before 2106");
                let shown = tokens.scan(&tokens.people()[0], now_s);
                gate.verify(region, vec![shown]).await.expect("verdicts");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
    });
}
