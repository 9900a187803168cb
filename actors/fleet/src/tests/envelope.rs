//! Changesets as messages.

use keys::Keys;
use keys::fleet::FleetKey;
use registry::replication::{Changes, RowChange, Sent, StreamPlace, TableChanges, Value};

use crate::envelope::{EnvelopeError, Joiner, Message, OVERHEAD_BYTES, SealError, Sender, seal};

fn key(directory: &std::path::Path, name: &str) -> FleetKey {
    let keys = directory.join(name);
    super::gateway::make_keys(&keys);
    Keys::fleet(&keys).unwrap()
}

const FLEET: &str = "0123456789abcdef";

fn joiner_at(position: u64) -> Joiner {
    Joiner::new(StreamPlace { fleet: FLEET.to_owned(), position, message: String::new() })
}

fn message(rows: usize) -> Message {
    let row = |n: usize| RowChange::Now(vec![Value::Integer(n as i64), Value::Text("colour".to_owned())]);
    let table = TableChanges { table: "codes".to_owned(), counter: None, rows: (0..rows).map(row).collect() };
    let sender = Sender { name: "north".to_owned(), keys: vec![("field.key".to_owned(), "00".to_owned())] };
    Message {
        sender,
        changes: Changes {
            version: 7,
            fleet: FLEET.to_owned(),
            previous: String::new(),
            tables: vec![table],
        },
    }
}

/// Pushes parts behind a position; returns the last answer.
fn joined(
    key: &FleetKey,
    joiner: &mut Joiner,
    after: u64,
    parts: &[Vec<u8>],
) -> Result<Option<Message>, EnvelopeError> {
    let mut last = None;
    for (sequence, part) in (after + 1..).zip(parts) {
        last = joiner.push(key, sequence, "id", part)?;
    }
    Ok(last.map(|(sender, step)| Message { sender, changes: step.changes }))
}

#[test]
fn a_changeset_of_any_size_comes_back_and_none_of_it_is_readable_or_larger_than_a_message() {
    let directory = tempfile::tempdir().unwrap();
    let key = key(directory.path(), "a");
    for rows in [0, 1, 10, 1_000] {
        for part_bytes in [OVERHEAD_BYTES + 1, 300, 1 << 20] {
            // What a follower would refuse, the leader refuses before it is sent.
            let parts = match seal(&key, 41, &message(rows), part_bytes) {
                Ok(parts) => parts,
                Err(SealError::TooManyParts { parts }) => {
                    assert!(parts > 4_096 && part_bytes < 300, "{parts}");
                    continue;
                }
                Err(other) => panic!("{other}"),
            };
            assert!(parts.iter().all(|part| part.len() <= part_bytes));
            assert!(!parts.iter().any(|part| part.windows(6).any(|bytes| bytes == b"colour")));
            let mut joiner = joiner_at(41);
            assert_eq!(joined(&key, &mut joiner, 41, &parts).unwrap(), Some(message(rows)));
        }
    }
}

#[test]
fn a_part_opens_in_its_place_alone_and_with_its_key_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (own, other) = (key(directory.path(), "a"), key(directory.path(), "b"));
    let parts = seal(&own, 0, &message(100), 300).unwrap();
    assert!(parts.len() > 2);
    let new = || joiner_at(0);
    assert_eq!(joined(&other, &mut new(), 0, &parts), Err(EnvelopeError::Sealed { sequence: 1 }));
    assert_eq!(joined(&own, &mut new(), 1, &parts), Err(EnvelopeError::Sealed { sequence: 2 }));
    let mut swapped = parts.clone();
    swapped.swap(1, 2);
    assert_eq!(joined(&own, &mut new(), 0, &swapped), Err(EnvelopeError::Sealed { sequence: 2 }));
    let mut other_head = parts.clone();
    other_head[0][8] += 1;
    assert_eq!(joined(&own, &mut new(), 0, &other_head), Err(EnvelopeError::Sealed { sequence: 1 }));
    let mut other_version = parts;
    other_version[0][0] += 1;
    assert_eq!(joined(&own, &mut new(), 0, &other_version), Err(EnvelopeError::Format { sequence: 1 }));
    assert_eq!(joined(&own, &mut new(), 0, &[Vec::new()]), Err(EnvelopeError::Format { sequence: 1 }));
}

#[test]
fn the_parts_of_a_leader_that_ended_between_them_are_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let key = key(directory.path(), "a");
    let torn = seal(&key, 5, &message(100), 300).unwrap();
    let mut joiner = joiner_at(5);
    assert_eq!(joined(&key, &mut joiner, 5, &torn[..2]), Ok(None));
    let next = seal(&key, 7, &message(1), 1 << 20).unwrap();
    let (_, step) = joiner.push(&key, 8, "eighth", &next[0]).unwrap().expect("a whole changeset");
    let upto = Sent { position: 8, message: "eighth".to_owned() };
    assert_eq!((step.after, step.upto, step.changes), (5, upto, message(1).changes));
    // A part without its beginning is none.
    let mut joiner = joiner_at(6);
    assert_eq!(
        joiner.push(&key, 7, "seventh", &torn[1]).map(drop),
        Err(EnvelopeError::Content { sequence: 7 })
    );
}

#[test]
fn another_fleets_messages_do_not_open() {
    let directory = tempfile::tempdir().unwrap();
    let key = key(directory.path(), "a");
    let next = seal(&key, 1, &message(2), 1 << 20).unwrap();
    assert_eq!(joined(&key, &mut joiner_at(1), 1, &next), Ok(Some(message(2))));
    for fleet in ["another", ""] {
        let place = StreamPlace { fleet: fleet.to_owned(), position: 1, message: String::new() };
        assert_eq!(
            joined(&key, &mut Joiner::new(place), 1, &next),
            Err(EnvelopeError::Sealed { sequence: 2 })
        );
    }
}
