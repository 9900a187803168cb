//! The messages of a call. Each is sealed with the fleet's key for its one place: the gateway that is called, the caller's random number,
//! the answerer's random number, the step, and the number of the piece. A message that is repeated, moved or exchanged does not open, whatever
//! the clocks of the two gateways say. Pure.

use bincode::{Decode, Encode};
use keys::fleet::{FleetKey, SEAL_BYTES};
use keys::random::NoRandom;

/// The version of the format; the first byte of each message, in clear.
pub(crate) const VERSION: u8 = 1;
/// In clear: the version, and the number of a piece.
const HEAD_BYTES: usize = 1 + 8;
/// The bytes that a message is longer than its content.
pub(super) const OVERHEAD_BYTES: usize = HEAD_BYTES + SEAL_BYTES + 1;
/// The purpose of these messages: no other message of a fleet opens as one of them.
const PURPOSE: &[u8] = b"changtong call";

/// A random number that is used for one call.
pub(super) type Once = [u8; 16];

/// The steps of a call, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The caller rings at a gateway.
    Ring = 1,
    /// That gateway is ready, or busy.
    Ready = 2,
    /// The request.
    Request = 3,
    /// A piece of the answer.
    Piece = 4,
    /// The caller has taken the pieces before this number.
    Taken = 5,
}

/// A caller that rings.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Ring {
    pub(super) from: String,
    pub(super) caller: Once,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The work goes on; there is nothing yet.
    Beat,
    /// Bytes of the answer; more follow.
    More(Vec<u8>),
    /// The last bytes of the answer.
    Last(Vec<u8>),
    /// There is no answer, or no whole one; the reason is for people.
    Refused(Vec<u8>),
}

impl Piece {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Beat => (0, &[]),
            Self::More(bytes) => (1, bytes),
            Self::Last(bytes) => (2, bytes),
            Self::Refused(text) => (3, text),
        };
        [&[kind], bytes].concat()
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, bytes) = bytes.split_first()?;
        match kind {
            0 => Some(Self::Beat),
            1 => Some(Self::More(bytes.to_vec())),
            2 => Some(Self::Last(bytes.to_vec())),
            3 => Some(Self::Refused(bytes.to_vec())),
            4.. => None,
        }
    }
}

/// The place of a call's messages: the gateway that is called, and the random numbers of both sides.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) key: &'a FleetKey,
    pub(super) called: &'a str,
    /// Zero before it is known to the one who seals.
    pub(super) caller: Once,
    /// Zero before it is drawn.
    pub(super) answerer: Once,
}

impl Line<'_> {
    /// Seals a message. `number` is that of a piece, 0 for steps that have one message.
    pub(super) fn seal(&self, step: Step, number: u64, plain: &[u8]) -> Result<Vec<u8>, NoRandom> {
        let sealed = self.key.seal(&self.place(step, number), plain).map_err(|_| NoRandom)?;
        Ok([&[VERSION][..], &number.to_be_bytes(), &sealed].concat())
    }

    /// Opens a message of that step; `None` if it is none of this call. Returns its number, too.
    pub(super) fn open(&self, step: Step, payload: &[u8]) -> Option<(u64, Vec<u8>)> {
        let (head, sealed) = payload.split_first_chunk::<HEAD_BYTES>()?;
        let (version, number) = head.split_first()?;
        let number = u64::from_be_bytes(number.try_into().ok()?);
        let plain = (*version == VERSION).then(|| self.key.open(&self.place(step, number), sealed))??;
        Some((number, plain))
    }

    fn place(&self, step: Step, number: u64) -> Vec<u8> {
        let head = [&[VERSION, step as u8][..], &number.to_be_bytes(), &self.caller, &self.answerer];
        [PURPOSE, &head.concat(), self.called.as_bytes()].concat()
    }
}

/// Encodes a caller's first message.
pub(super) fn encode(ring: &Ring) -> Vec<u8> {
    bincode::encode_to_vec(ring, bincode::config::standard()).expect("a name and a number can be encoded")
}

/// Decodes a caller's first message.
pub(super) fn decode(bytes: &[u8]) -> Option<Ring> {
    let config = bincode::config::standard().with_limit::<1024>();
    bincode::decode_from_slice(bytes, config).ok().map(|(ring, _)| ring)
}

#[cfg(test)]
mod tests {
    use keys::Keys;

    use super::*;

    #[test]
    fn a_message_opens_in_its_place_alone() {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        Keys::init(&keys).unwrap();
        Keys::make_fleet(&keys).unwrap();
        let key = Keys::fleet(&keys).unwrap();
        let line = Line { key: &key, called: "south", caller: [1; 16], answerer: [2; 16] };
        let sealed = line.seal(Step::Piece, 7, b"a passage").unwrap();
        assert_eq!(line.open(Step::Piece, &sealed), Some((7, b"a passage".to_vec())));
        assert!(!sealed.windows(9).any(|window| window == b"a passage"));
        let mut moved = sealed.clone();
        moved[8] = 8;
        let mut later = sealed.clone();
        later[0] = VERSION + 1;
        for (opened, what) in [
            (line.open(Step::Request, &sealed), "another step"),
            (line.open(Step::Piece, &moved), "another number"),
            (line.open(Step::Piece, &later), "another version"),
            (line.open(Step::Piece, &sealed[..8]), "a part"),
            (Line { called: "west", ..line.clone() }.open(Step::Piece, &sealed), "another gateway"),
            (Line { caller: [3; 16], ..line.clone() }.open(Step::Piece, &sealed), "another caller"),
            (Line { answerer: [3; 16], ..line.clone() }.open(Step::Piece, &sealed), "another call"),
        ] {
            assert_eq!(opened, None, "{what}");
        }
    }

    #[test]
    fn pieces_and_rings_are_read_as_they_were_written() {
        for piece in [Piece::Beat, Piece::More(vec![1]), Piece::Last(Vec::new()), Piece::Refused(vec![2])] {
            assert_eq!(Piece::of_bytes(&piece.to_bytes()), Some(piece));
        }
        assert_eq!((Piece::of_bytes(&[]), Piece::of_bytes(&[4])), (None, None));
        let ring = Ring { from: "north".to_owned(), caller: [9; 16] };
        assert_eq!(decode(&encode(&ring)), Some(ring));
        assert_eq!(decode(&[255; 40]), None);
    }
}
