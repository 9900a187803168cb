//! Gateways that join a fleet by a snapshot, are killed within it, or are behind the stream; and a broker that is lost with its data.

use std::path::Path;

use protocol::Colour;
use tests::members::Member;
use tests::nats::Nats;
use tests::{City, wait_for};

use super::members::{green, redden, shown_by};

/// Kills a member as soon as that file is in its data, or after it has come and gone.
fn kill_within(member: &mut Member, file: &str, is_done: impl Fn(&Member) -> bool) {
    let path = member.data().join(file);
    wait_for(file, || (path.exists() || is_done(member)).then_some(()));
    member.kill();
}

fn leads(member: &Member) -> bool {
    member.standing().is_some_and(|standing| standing["leads"] == true)
}

#[test]
fn members_that_are_killed_within_a_snapshot_or_are_behind_the_trim_have_all_afterwards() {
    let mut city = City::start(3_000, 2);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    assert!(city.terminate().success(), "{}", city.log());
    let codes = green(&city);
    let mut north = Member::first(&city, root.path(), "north", &nats.url());
    north.start();
    kill_within(&mut north, "snapshot-out.db", leads);
    north.start();
    north.wait_to_lead();
    let mut south = north.another(&city, root.path(), "south", &nats.url());
    south.start();
    kill_within(&mut south, "snapshot-in.db", |south| {
        south.standing().is_some_and(|standing| standing["position"].as_u64() > Some(0))
    });
    south.start();
    south.wait_for_all_of(&north);
    assert_eq!(north.digest(), south.digest());
    for member in [&north, &south] {
        let left = ["snapshot-in.db", "snapshot-out.db"].map(|name| member.data().join(name).exists());
        assert_eq!(left, [false, false], "{}", member.log());
    }

    // It is away while the stream goes on, and loses its beginning.
    south.kill();
    for code in &codes[..3] {
        redden(&north, code).expect("the leader takes it");
    }
    let position = north.standing().expect("it runs")["position"].as_u64().expect("a number");
    north.kill();
    nats.trim("CHANGTONG_REGISTRY", position);
    south.start();
    let at_south = south.fleet();
    let code = |n: usize| codes[n].parse::<u64>().expect("a number");
    // It serves devices by what it has, and nobody could join: it waits for the leader.
    assert_eq!(shown_by(&at_south, 1, code(0)), Colour::Green);
    wait_for("its trouble", || {
        let standing = south.standing()?;
        standing["trouble"].as_str()?.contains("no snapshot").then_some(())
    });
    north.start();
    north.wait_to_lead();
    wait_for("the colour", || (shown_by(&at_south, 1, code(2)) == Colour::Red).then_some(()));
    south.wait_for_all_of(&north);
    assert_eq!(north.digest(), south.digest());
    redden(&north, &codes[3]).expect("the leader takes it");
    wait_for("the stream", || (shown_by(&at_south, 1, code(3)) == Colour::Red).then_some(()));
}

#[test]
fn a_broker_that_is_lost_with_all_its_data_is_filled_again_and_who_has_more_joins_when_ordered() {
    let mut city = City::start(200, 2);
    let root = tempfile::tempdir().expect("a directory");
    let mut nats = Nats::start();
    assert!(city.terminate().success(), "{}", city.log());
    let codes = green(&city);
    let mut north = Member::first(&city, root.path(), "north", &nats.url());
    north.start();
    north.wait_to_lead();
    let mut south = north.another(&city, root.path(), "south", &nats.url());
    south.start();
    redden(&north, &codes[0]).expect("the leader takes it");
    south.wait_for_all_of(&north);
    south.kill();
    redden(&north, &codes[1]).expect("the leader takes it");
    nats.kill();
    nats.wipe();
    nats.restart();
    south.start();
    for member in [&north, &south] {
        wait_for("its trouble", || {
            let standing = member.standing()?;
            standing["trouble"].as_str()?.contains("changtong fleet refill").then_some(())
        });
    }
    assert!(redden(&north, &codes[2]).is_err());
    let refill = |name| ["fleet", "refill", name, "--case", "7"];
    let (status, out, err) = south.order(2, &refill("south"));
    assert!(!status.success() && (out + &err).contains("order it at north"), "the other one has more");
    let (status, out, err) = north.order(2, &refill("south"));
    assert!(!status.success() && (out + &err).contains("the order is for south"), "it is for one gateway");
    let (status, out, err) = north.order(1, &refill("north"));
    assert!(!status.success() && (out + &err).contains("2 operator(s)"));
    // South misses that, and north is lost for now: what south has is what the fleet goes on with.
    north.kill();
    let (mut status, mut out, mut err) = south.order(2, &refill("south"));
    if err.contains("restart them, and order it again") {
        nats.kill();
        nats.restart();
        (status, out, err) = wait_for("the broker", || {
            Some(south.order(2, &refill("south"))).filter(|(done, ..)| done.success())
        });
    }
    assert!(status.success() && out.contains("goes on behind"), "{out}{err}");
    south.wait_to_lead();
    redden(&south, &codes[3]).expect("the new leader takes it");
    north.start();
    wait_for("its trouble", || {
        let standing = north.standing()?;
        standing["trouble"].as_str()?.contains("changtong fleet join").then_some(())
    });
    let (status, out, err) = north.order(2, &["fleet", "join", "north", "--json", "--case", "7"]);
    assert!(status.success(), "{out}{err}");
    let answer: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let kept = answer["joined"]["kept"].as_str().expect("a path");
    assert!(Path::new(kept).exists() && answer["joined"]["people"].as_u64() > Some(0), "{out}");
    north.wait_for_all_of(&south);
    assert_eq!(north.digest(), south.digest());
    for member in [&north, &south] {
        wait_for("the list of gateways, which was lost, too", || {
            (member.standing()?["gateways"].as_array()?.len() == 2).then_some(())
        });
    }
    let at_north = north.fleet();
    let code = |n: usize| codes[n].parse::<u64>().expect("a number");
    let colours = [0, 1, 3].map(|n| shown_by(&at_north, 1, code(n)));
    assert_eq!(
        colours,
        [Colour::Red, Colour::Green, Colour::Red],
        "its own change is in the kept copy alone"
    );
}
