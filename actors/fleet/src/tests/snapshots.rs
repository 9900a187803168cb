//! Snapshots: joining by one, the trimming of the stream behind them, and snapshots that are damaged, torn or of another place.

use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, Context};
use keys::Keys;

use super::broker::{Nats, Way, wait_for};
use super::gateway::{AddCodes, AddPeople, Gateway, Withdraw, code, config, wait_for_equality};
use crate::broker::connect;
use crate::snapshot::piece;
use crate::{REGISTRY_STREAM, Rhythm, SNAPSHOT_STREAM};

/// Another snapshot after each change.
const BUSY: Rhythm = Rhythm { messages: 1, pause: Duration::ZERO, at_latest: Duration::from_secs(86_400) };

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn context(nats: &Nats) -> Context {
    jetstream::new(connect(&config("test", nats.url(), PathBuf::new())).await.unwrap())
}

async fn stream(nats: &Nats, name: &str) -> Stream {
    context(nats).await.get_stream(name).await.unwrap()
}

/// Returns the first position of a stream, and the number of its messages.
fn bounds(nats: &Nats, name: &str) -> (u64, u64) {
    run(async {
        let state = stream(nats, name).await.get_info().await.unwrap().state;
        (state.first_sequence, state.messages)
    })
}

/// Returns the payloads of a stream's messages.
fn payloads(nats: &Nats, name: &str) -> Vec<Vec<u8>> {
    run(async {
        let stream = stream(nats, name).await;
        let state = stream.get_info().await.unwrap().state;
        let mut all = Vec::new();
        for sequence in state.first_sequence..=state.last_sequence {
            all.push(stream.get_raw_message(sequence).await.unwrap().payload.to_vec());
        }
        all
    })
}

/// Puts these pieces in the place of all that the broker has.
fn replace(nats: &Nats, pieces: &[Vec<u8>]) {
    run(async {
        stream(nats, SNAPSHOT_STREAM).await.purge().into_future().await.unwrap();
    });
    add(nats, pieces);
}

fn add(nats: &Nats, pieces: &[Vec<u8>]) {
    run(async {
        let context = context(nats).await;
        for piece in pieces {
            context.publish("changtong.snapshot", piece.clone().into()).await.unwrap().await.unwrap();
        }
    });
}

/// Waits until the leader's newest snapshot is at its position.
fn wait_for_snapshot(leader: &Gateway) {
    wait_for("a snapshot", || {
        let standing = leader.standing();
        (standing.snapshot?.position == standing.position).then_some(())
    });
}

#[test]
fn a_founders_people_reach_others_by_a_snapshot_alone_and_changes_by_the_stream() {
    let nats = Nats::start("max_payload: 8192");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    let pieces = bounds(&nats, SNAPSHOT_STREAM).1;
    assert!(pieces > 10, "{pieces}");
    assert_eq!(bounds(&nats, REGISTRY_STREAM), (1, 1), "the first message is the founder's, without rows");
    north.registrar.act_blocking(AddPeople(1..101)).unwrap();
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for("all codes", || (south.codes.len() == 100).then_some(()));
    wait_for_equality(&north, &south);
    assert_eq!(bounds(&nats, SNAPSHOT_STREAM).1, pieces, "another one is not due");
    let left = |name: &str| directory.path().join(name).join("snapshot-in.db").exists();
    assert!(!left("south.data") && !directory.path().join("north.data/snapshot-out.db").exists());
}

#[test]
fn a_leader_that_cannot_store_another_snapshot_takes_changes_by_the_one_before() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    let due = Rhythm { messages: 0, pause: Duration::ZERO, at_latest: Duration::ZERO };
    let south = Gateway::start_at(directory.path(), "south", nats.url(), due);
    north.add(1);
    wait_for("a change", || south.codes.get(code(1)));
    std::fs::remove_dir_all(directory.path().join("south.data")).unwrap();
    north.stop();
    south.wait_to_lead();
    south.add(2);
}

#[test]
fn the_stream_is_trimmed_behind_the_snapshot_before_the_newest_and_nothing_of_a_deleted_person_is_left() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start_at(directory.path(), "north", nats.url(), BUSY);
    north.wait_to_lead();
    north.registrar.act_blocking(AddPeople(1..2)).unwrap();
    wait_for_snapshot(&north);
    // The message with the person, and a snapshot with the person, as the broker has them.
    let message = payloads(&nats, REGISTRY_STREAM).pop().unwrap();
    let piece = payloads(&nats, SNAPSHOT_STREAM).pop().unwrap();
    assert!(nats.holds(&message) && nats.holds(&piece[piece.len() - 64..]));
    north.registrar.act_blocking(Withdraw(1)).unwrap();
    wait_for_snapshot(&north);
    for n in 10..12 {
        north.add(n);
        wait_for_snapshot(&north);
    }
    let position = north.standing().position;
    wait_for("the trim", || (bounds(&nats, REGISTRY_STREAM) == (position - 1, 2)).then_some(()));
    let kept: Vec<u64> = payloads(&nats, SNAPSHOT_STREAM)
        .iter()
        .filter_map(|piece| Some(piece::head(piece)?.position))
        .collect();
    assert!(kept.iter().all(|&at| at >= position - 1), "two snapshots are kept: {kept:?}");
    wait_for("the files without them", || {
        (!nats.holds(&message) && !nats.holds(&piece[piece.len() - 64..])).then_some(())
    });
}

#[test]
fn a_follower_behind_the_trim_joins_again_by_itself_and_a_person_who_left_is_gone_from_memory_and_disk() {
    let nats = Nats::start("");
    let way = Way::to(nats.port);
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start_at(directory.path(), "north", nats.url(), BUSY);
    north.wait_to_lead();
    north.registrar.act_blocking(AddPeople(1..3)).unwrap();
    let south = Gateway::start(directory.path(), "south", way.url());
    wait_for("the follower", || south.codes.get(code(2)));
    assert!(south.has_person(1));
    let before = south.standing().position;
    way.hold(true, true);
    north.registrar.act_blocking(Withdraw(1)).unwrap();
    for n in 10..14 {
        north.add(n);
        wait_for_snapshot(&north);
    }
    wait_for("the trim", || (bounds(&nats, REGISTRY_STREAM).0 > before + 1).then_some(()));
    assert!(south.codes.get(code(1)).is_some(), "it answers by what it has");
    way.hold(false, false);
    wait_for("the newest change", || south.codes.get(code(13)));
    wait_for_equality(&north, &south);
    assert!(south.codes.get(code(1)).is_none() && !south.has_person(1));
    assert!(south.codes.get(code(2)).is_some() && south.has_person(2));
    north.add(20);
    wait_for("a change of the stream", || south.codes.get(code(20)));
    wait_for_equality(&north, &south);
}

#[test]
fn a_snapshot_that_was_changed_or_is_of_another_place_is_refused_by_name_and_the_leader_stores_another() {
    let nats = Nats::start("max_payload: 65536");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start_at(directory.path(), "north", nats.url(), BUSY);
    north.wait_to_lead();
    let first = payloads(&nats, SNAPSHOT_STREAM);
    assert!(first.len() > 4, "{}", first.len());
    north.add(1);
    wait_for_snapshot(&north);
    let second = payloads(&nats, SNAPSHOT_STREAM).split_off(first.len());
    let end = north.standing().position;
    // It joins none of these, while nobody leads who would store another one.
    north.stop();
    let changed = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut pieces = second.clone();
        change(&mut pieces);
        pieces
    };
    let last = second.len() - 1;
    for (name, said, pieces) in [
        ("changed", "piece 2 of", changed(&|pieces| pieces[2][100] ^= 1)),
        ("exchanged", "piece 2 of", changed(&|pieces| pieces.swap(2, 3))),
        ("earlier", "piece 3 of", changed(&|pieces| pieces[3].clone_from(&first[3]))),
        ("short", "no snapshot", changed(&|pieces| drop(pieces.remove(2)))),
        ("torn", "no snapshot", changed(&|pieces| pieces.truncate(last))),
        ("none", "no snapshot", Vec::new()),
    ] {
        replace(&nats, &pieces);
        let joiner = Gateway::start(directory.path(), name, nats.url());
        let trouble = wait_for("its refusal", || joiner.standing().trouble);
        assert!(trouble.contains(said), "{name}: {trouble}");
        assert_eq!((joiner.standing().position, joiner.codes.len()), (0, 0));
        assert!(!joiner.standing().leads);
        joiner.stop();
    }
    // Behind a torn one of a leader that died there is the one before; a new leader stores another one if there is none.
    replace(&nats, &[&second[..], &first[..3]].concat());
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for("the snapshot before", || south.codes.get(code(1)));
    wait_for("its position", || (south.standing().position >= end).then_some(()));
    south.stop();
    // Nor is one of an earlier release anything to join by.
    let key = Keys::fleet(&directory.path().join("keys")).unwrap();
    let earlier = second.iter().map(|sealed| {
        let (head, plain) = piece::open(&key, sealed).unwrap();
        piece::seal(&key, &piece::Head { version: head.version - 1, ..head }, &plain).unwrap()
    });
    replace(&nats, &earlier.collect::<Vec<_>>());
    let joiner = Gateway::start(directory.path(), "later", nats.url());
    let trouble = wait_for("its refusal", || joiner.standing().trouble);
    assert!(trouble.contains("run the same release"), "{trouble}");
    joiner.stop();
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    north.add(2);
    let west = Gateway::start(directory.path(), "west", nats.url());
    wait_for("a snapshot of the new leader", || west.codes.get(code(2)));
    wait_for_equality(&north, &west);
}

#[test]
fn a_founder_that_cannot_store_a_snapshot_takes_no_change_and_says_why() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let in_the_way = directory.path().join("north.data/snapshot-out.db");
    std::fs::create_dir_all(in_the_way.join("full")).unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    let trouble = wait_for("its trouble", || north.standing().trouble);
    assert!(trouble.contains("others cannot join yet") && trouble.contains("snapshot-out.db"), "{trouble}");
    let refused = north.refusal(1).expect("nobody else could have it").to_string();
    assert!(refused.contains("stores the snapshot by which others join"), "{refused}");
    assert!(!north.standing().leads && !north.has(1));
    let south = Gateway::start(directory.path(), "south", nats.url());
    let trouble = wait_for("its trouble", || south.standing().trouble);
    assert!(trouble.contains("no snapshot"), "{trouble}");
    std::fs::remove_dir_all(&in_the_way).unwrap();
    north.wait_to_lead();
    north.add(1);
    wait_for("the follower", || south.codes.get(code(1)));
    wait_for_equality(&north, &south);
}

#[test]
fn what_a_process_left_that_ended_within_a_snapshot_is_removed_and_the_next_one_is_stored() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("north.data");
    std::fs::create_dir_all(&data).unwrap();
    for name in ["snapshot-out.db", "snapshot-out.db-journal", "snapshot-in.db", "snapshot-in.db-wal"] {
        std::fs::write(data.join(name), b"left").unwrap();
    }
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    north.registrar.act_blocking(AddCodes(1..3)).unwrap();
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for("the follower", || south.codes.get(code(2)));
    let left = std::fs::read_dir(&data).unwrap().flatten().map(|entry| entry.file_name());
    assert!(!left.map(|name| name.into_string().unwrap()).any(|name| name.starts_with("snapshot")));
}
