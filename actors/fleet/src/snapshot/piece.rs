//! A snapshot as the broker holds it: pieces of a registry's file, each sealed with a key of its own and bound to its snapshot, the fleet, the
//! place in the stream, its number and the number of pieces. A piece that is moved, exchanged or of another snapshot does not open, and one
//! that is left out is missed. Pure.

use bincode::{Decode, Encode};
use keys::KeyError;
use keys::fleet::FleetKey;
use registry::replication::StreamPlace;

use crate::envelope::Sender;

/// The version of the format.
const VERSION: u8 = 1;
/// The purpose of the seal, which no changeset has.
const PURPOSE: &[u8] = b"changtong snapshot";
/// The longest head.
pub(super) const HEAD_BYTES_MAX: usize = 256;
/// In clear before the head: the version and the head's length.
const FRONT_BYTES: usize = 1 + 2;

/// The part of a piece that is in clear.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Head {
    /// The snapshot's random id.
    pub(crate) id: [u8; 16],
    /// The version of the registry's tables.
    pub(crate) version: u32,
    /// The fleet's name.
    pub(crate) fleet: String,
    /// The position in the stream up to which the snapshot has everything.
    pub(crate) position: u64,
    /// The id of the message there.
    pub(crate) message: String,
    /// When it was made, Unix seconds by its gateway's clock.
    pub(crate) made_s: u64,
    /// The number of the piece, from 0, and the number of pieces.
    pub(crate) piece: u32,
    pub(crate) pieces: u32,
}

/// The content of the first piece.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Manifest {
    /// The gateway that made it, with the ids of its keys.
    pub(crate) sender: Sender,
    /// The length of the registry's file, which the other pieces are.
    pub(crate) bytes: u64,
}

impl Head {
    /// Returns the place of the snapshot.
    pub(crate) fn place(&self) -> StreamPlace {
        let Self { fleet, position, message, .. } = self.clone();
        StreamPlace { fleet, position, message }
    }

    /// Returns the head of another piece of the same snapshot.
    pub(crate) fn of(&self, piece: u32) -> Self {
        Self { piece, ..self.clone() }
    }
}

/// Seals a piece.
///
/// # Errors
/// The system gives no random bytes.
pub(crate) fn seal(key: &FleetKey, head: &Head, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
    let head = bincode::encode_to_vec(head, bincode::config::standard()).expect("a head can be encoded");
    assert!(head.len() <= HEAD_BYTES_MAX, "names and ids are short");
    let sealed = key.seal(&[PURPOSE, &head].concat(), plain)?;
    Ok([&[VERSION][..], &(head.len() as u16).to_be_bytes(), &head, &sealed].concat())
}

/// Reads the head of a piece, which is not checked; `None` if this is none of this release's.
pub(crate) fn head(payload: &[u8]) -> Option<Head> {
    split(payload).map(|(head, ..)| head)
}

/// Opens a piece; `None` if it is not this fleet's, or not as it was sealed.
pub(crate) fn open(key: &FleetKey, payload: &[u8]) -> Option<(Head, Vec<u8>)> {
    let (head, bytes, sealed) = split(payload)?;
    let plain = key.open(&[PURPOSE, bytes].concat(), sealed)?;
    Some((head, plain))
}

fn split(payload: &[u8]) -> Option<(Head, &[u8], &[u8])> {
    let (front, rest) = payload.split_first_chunk::<FRONT_BYTES>()?;
    let length = usize::from(u16::from_be_bytes([front[1], front[2]]));
    if front[0] != VERSION || length > HEAD_BYTES_MAX {
        return None;
    }
    let (bytes, sealed) = rest.split_at_checked(length)?;
    let (head, read) = bincode::decode_from_slice::<Head, _>(bytes, config()).ok()?;
    (read == length && head.piece < head.pieces).then_some((head, bytes, sealed))
}

impl Manifest {
    pub(crate) fn encode(&self) -> Vec<u8> {
        bincode::encode_to_vec(self, bincode::config::standard()).expect("a manifest can be encoded")
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        Some(bincode::decode_from_slice(bytes, config()).ok()?.0)
    }
}

/// The most bytes that a message which is no head or manifest allocates.
fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<{ 64 * 1024 }>()
}
