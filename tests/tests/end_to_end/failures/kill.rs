//! `kill -9` at random moments under load, also while the gateway recovers: what was acknowledged is there, once, in order.

use std::time::Duration;

use runtime::clock;
use tests::walk::{Crew, prove};
use tests::{City, block_on};

const DEVICES: usize = 20;

/// Returns the number of rounds: 50, or the number that the runner of long tests sets.
fn rounds() -> u32 {
    option_env!("CHANGTONG_KILL_ROUNDS").and_then(|rounds| rounds.parse().ok()).unwrap_or(50)
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kills() {
    let seed = clock::now_ms();
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut city = City::start(1000, 10);
    let fleet = city.fleet();
    block_on(async {
        let crew = Crew::start(&fleet, 0..DEVICES);
        for _ in 0..rounds() {
            tokio::time::sleep(Duration::from_millis(random.u64(20..400))).await;
            city.kill();
            if random.u8(..3) == 0 {
                // Killed while it recovers.
                city.spawn();
                tokio::time::sleep(Duration::from_millis(random.u64(1..40))).await;
                city.kill();
            }
            city = tokio::task::spawn_blocking(move || {
                city.restart();
                city
            })
            .await
            .expect("the gateway starts again");
        }
        let done = crew.end().await;
        let losses: u64 = done.iter().map(|walker| walker.device.counts().losses).sum();
        let proof = prove(&city, done);
        println!("{proof:?}, {losses} connections lost");
        assert!(losses >= u64::from(rounds()), "the kills were felt");
        let (status, out, err) = city.command(&["ledger", "verify"]);
        assert!(status.success(), "{out}{err}");
        assert_eq!(city.metric("changtong_punches_lost_total", ""), 0.0);
    });
}
