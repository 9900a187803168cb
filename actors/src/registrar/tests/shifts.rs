//! Shifts of staff: one token opens one, once and in time; it ends by itself and by hand.

use protocol::{PlaceId, RegionId};
use registry::ShiftId;

use super::*;
use crate::registrar::SHIFT_S;

const INVITED_S: u64 = 900;

fn invited(bench: &mut Bench, token: u8) -> ShiftId {
    let place = bench.registry.add_place(RegionId(3), "North gate").unwrap();
    let times = (now(), now() + INVITED_S);
    bench.registry.invite_to_shift((place, "morning"), "first", [token; 32], times).unwrap()
}

#[test]
fn a_token_opens_its_shift_once() {
    let mut bench = Bench::new();
    let id = invited(&mut bench, 1);
    assert_eq!(bench.registrar().shift(id, now()).unwrap(), None, "nobody has joined");
    assert_eq!(bench.registrar().join_shift([2; 32], now()).unwrap(), None, "another token");
    assert_eq!(bench.registrar().join_shift([1; 32], now() + INVITED_S).unwrap(), Some(id));
    assert_eq!(bench.registrar().join_shift([1; 32], now() + INVITED_S).unwrap(), None, "the same again");
    let shift = bench.registrar().shift(id, now()).unwrap().unwrap();
    assert_eq!(
        (shift.region, shift.place_name.as_str(), shift.name.as_str()),
        (RegionId(3), "North gate", "morning")
    );
}

#[test]
fn a_token_that_is_too_old_or_taken_back_opens_nothing() {
    let mut bench = Bench::new();
    let (late, revoked) = (invited(&mut bench, 1), invited(&mut bench, 2));
    assert_eq!(bench.registrar().join_shift([1; 32], now() + INVITED_S + 1).unwrap(), None);
    bench.registry.revoke_shift(revoked).unwrap();
    assert_eq!(bench.registrar().join_shift([2; 32], now()).unwrap(), None);
    assert_eq!(bench.registrar().shift(late, now()).unwrap(), None);
}

#[test]
fn a_shift_ends_by_itself_and_by_hand() {
    let mut bench = Bench::new();
    let (one, other) = (invited(&mut bench, 1), invited(&mut bench, 2));
    for token in [1, 2] {
        bench.registrar().join_shift([token; 32], now()).unwrap().unwrap();
    }
    assert!(bench.registrar().shift(one, now() + SHIFT_S - 1).unwrap().is_some());
    assert_eq!(bench.registrar().shift(one, now() + SHIFT_S).unwrap(), None, "after twelve hours");
    bench.registry.revoke_shift(other).unwrap();
    assert_eq!(bench.registrar().shift(other, now()).unwrap(), None, "at once");
    assert!(bench.registrar().shift(one, now()).unwrap().is_some(), "and no other");
    let rows = bench.registry.shifts().unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (row.id, row.joined_s, row.revoked)).collect();
    assert_eq!(seen, [(one, Some(now()), false), (other, Some(now()), true)]);
}

#[test]
fn shifts_are_at_places_that_exist_and_only_known_ones_are_revoked() {
    let mut bench = Bench::new();
    let nowhere = bench.registry.invite_to_shift((PlaceId(9), "x"), "first", [1; 32], (now(), now() + 1));
    assert!(matches!(nowhere, Err(RegistryError::Missing { what }) if what.starts_with("place")));
    for id in [0, 9, u64::MAX] {
        let revoked = bench.registry.revoke_shift(ShiftId(id));
        assert!(matches!(revoked, Err(RegistryError::Missing { what }) if what.starts_with("shift")), "{id}");
        assert_eq!(bench.registrar().shift(ShiftId(id), now()).unwrap(), None);
    }
}
