//! Connection ids that name their front: the first two bytes, modulo the number of fronts. The kernel steers by the same bytes
//! (`quic/steering.rs`). The ids themselves are quinn's; here they are only chosen.

use quinn_proto::{ConnectionId, ConnectionIdGenerator, HashedConnectionIdGenerator, InvalidCid};

/// A front among all: the number from 0, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrontNumber {
    pub(crate) front: usize,
    pub(crate) fronts: usize,
}

impl FrontNumber {
    /// Returns every front of a process with that many.
    pub(crate) fn all(fronts: usize) -> impl Iterator<Item = Self> {
        (0..fronts).map(move |front| Self { front, fronts })
    }

    /// Reports whether the connection id names this front.
    fn is_named_by(self, id: &[u8]) -> bool {
        id.first_chunk()
            .is_some_and(|first| usize::from(u16::from_be_bytes(*first)) % self.fronts == self.front)
    }
}

/// quinn's generator, of whose ids only those are used that name the front.
pub(super) struct FrontIds {
    inner: HashedConnectionIdGenerator,
    number: FrontNumber,
}

impl FrontIds {
    pub(super) fn new(key: u64, number: FrontNumber) -> Self {
        Self { inner: HashedConnectionIdGenerator::from_key(key), number }
    }
}

impl ConnectionIdGenerator for FrontIds {
    /// Draws until an id names the front: as often as there are fronts, on average, and one draw is a hash of eleven bytes.
    fn generate_cid(&mut self) -> ConnectionId {
        loop {
            let id = self.inner.generate_cid();
            if self.number.is_named_by(&id) {
                return id;
            }
        }
    }

    /// Accepts ids of this gateway that name this front. A packet for another front can come here, before the kernel steers or when a
    /// network card joins packets of one address: a stateless reset for it would end a connection that lives.
    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        if self.number.is_named_by(id) { self.inner.validate(id) } else { Err(InvalidCid) }
    }

    fn cid_len(&self) -> usize {
        self.inner.cid_len()
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        self.inner.cid_lifetime()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: u64 = 7;

    #[test]
    fn a_front_draws_ids_that_name_it_and_believes_its_own_only() {
        for fronts in [1, 2, 3, 7, 64] {
            for number in FrontNumber::all(fronts) {
                let mut ids = FrontIds::new(KEY, number);
                for _ in 0..20 {
                    let id = ids.generate_cid();
                    assert_eq!(id.len(), ids.cid_len());
                    for other in FrontNumber::all(fronts) {
                        let believed = FrontIds::new(KEY, other).validate(&id).is_ok();
                        assert_eq!(believed, other == number, "{id} of {number:?} at {other:?}");
                    }
                    assert!(FrontIds::new(KEY + 1, number).validate(&id).is_err(), "another gateway's");
                }
            }
        }
    }

    /// A restart with another number of fronts: the kernel brings an old id to the front that it names now, which has to answer for it.
    #[test]
    fn an_id_from_before_a_restart_with_other_fronts_is_believed_by_exactly_one_of_them() {
        for before in FrontNumber::all(3) {
            let id = FrontIds::new(KEY, before).generate_cid();
            for fronts in [1, 2, 5] {
                let believe =
                    FrontNumber::all(fronts).filter(|now| FrontIds::new(KEY, *now).validate(&id).is_ok());
                assert_eq!(believe.count(), 1, "{id} with {fronts}");
            }
        }
    }

    #[test]
    fn what_is_too_short_for_an_id_names_no_front() {
        assert!(!FrontNumber { front: 0, fronts: 1 }.is_named_by(&[]));
        assert!(!FrontNumber { front: 0, fronts: 1 }.is_named_by(&[0]));
    }
}
