//! A changeset as the broker holds it: encoded, split into parts that fit a message, each sealed for its place in the stream. A part that
//! is moved, repeated or exchanged does not open. Pure.

use bincode::{Decode, Encode};
use keys::KeyError;
use keys::fleet::{FleetKey, SEAL_BYTES};
use registry::replication::{Changes, Sent, Step, StreamPlace};

/// The version of the format.
const VERSION: u8 = 1;
/// In clear: the version, the number of the part, the number of parts.
const HEAD_BYTES: usize = 1 + 4 + 4;
/// The bytes that a message is longer than its part of the changeset.
pub const OVERHEAD_BYTES: usize = HEAD_BYTES + SEAL_BYTES;
/// The most parts of a changeset.
const PARTS_MAX: u32 = 4_096;
/// The most bytes of a changeset, so that what is no changeset allocates no more.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// A message that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A message of another format.
    #[error(
        "message {sequence} of the stream has a format of another release: run the same release on all gateways of the fleet"
    )]
    Format {
        /// Its place in the stream.
        sequence: u64,
    },
    /// A message that does not open.
    #[error(
        "message {sequence} of the stream does not open with this gateway's fleet.key: copy that key from the gateway that leads. If it is the \
         same, the broker's data were changed, or are another fleet's: the broker has lost its data, and a gateway without data was started. Do not delete any \
         registry; restore the broker's data"
    )]
    Sealed {
        /// Its place in the stream.
        sequence: u64,
    },
    /// A message that opens and is no changeset.
    #[error(
        "message {sequence} of the stream is no changeset: run the same release on all gateways of the fleet"
    )]
    Content {
        /// Its place in the stream.
        sequence: u64,
    },
}

/// The sender of a changeset.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Sender {
    /// The leader's name.
    pub name: String,
    /// The ids of the leader's keys, by their files; only in the first message of its term.
    pub keys: Vec<(String, String)>,
}

/// A changeset with its sender.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Message {
    /// The leader.
    pub sender: Sender,
    /// The changes.
    pub changes: Changes,
}

/// A changeset that cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It is larger than readers take.
    #[error("it has {bytes} bytes")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// It takes more messages than readers take.
    #[error("it takes {parts} messages of the broker, {PARTS_MAX} at most: raise the broker's `max_payload`")]
    TooManyParts {
        /// Their number.
        parts: usize,
    },
    /// The system gives no random bytes.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Seals a message in parts of `part_bytes` at most, for the places behind `after`.
///
/// # Errors
/// Readers would not take it, or the system gives no random bytes.
pub fn seal(
    key: &FleetKey,
    after: u64,
    message: &Message,
    part_bytes: usize,
) -> Result<Vec<Vec<u8>>, SealError> {
    let plain =
        bincode::encode_to_vec(message, bincode::config::standard()).expect("a message can be encoded");
    let room = part_bytes.saturating_sub(OVERHEAD_BYTES).max(1);
    if plain.len() > MESSAGE_BYTES_MAX {
        return Err(SealError::TooLarge { bytes: plain.len() });
    }
    let parts = plain.len().div_ceil(room);
    let parts = u32::try_from(parts)
        .ok()
        .filter(|parts| *parts <= PARTS_MAX)
        .ok_or(SealError::TooManyParts { parts })?;
    let seal = |(part, plain): (usize, &[u8])| {
        let head = head(part as u32, parts);
        let sealed = key.seal(&place(&message.changes.fleet, after + part as u64, head), plain)?;
        Ok([&head[..], &sealed[..]].concat())
    };
    plain.chunks(room).enumerate().map(seal).collect()
}

/// The parts of a changeset that is not complete, read in the order of the stream.
pub struct Joiner {
    /// The end of the last complete changeset.
    complete: u64,
    /// The fleet's name.
    fleet: String,
    parts: u32,
    plain: Vec<u8>,
    next: u32,
}

impl Joiner {
    /// Creates a reader of the messages behind a place.
    pub fn new(place: StreamPlace) -> Self {
        let StreamPlace { fleet, position, .. } = place;
        Self { complete: position, fleet, parts: 0, plain: Vec::new(), next: 0 }
    }

    /// Takes the next message of the stream; returns a step when it is complete. The parts of a leader that ended between them are dropped.
    ///
    /// # Errors
    /// The message is not one of this fleet's, or not in its place.
    pub fn push(
        &mut self,
        key: &FleetKey,
        sequence: u64,
        id: &str,
        payload: &[u8],
    ) -> Result<Option<(Sender, Step)>, EnvelopeError> {
        let format = EnvelopeError::Format { sequence };
        let (head, sealed) = payload.split_first_chunk::<HEAD_BYTES>().ok_or(format.clone())?;
        let (part, parts) = (number(&head[1..5]), number(&head[5..]));
        if head[0] != VERSION || part >= parts || parts > PARTS_MAX {
            return Err(format);
        }
        let opened = key.open(&place(&self.fleet, sequence - 1, *head), sealed);
        let plain = opened.ok_or(EnvelopeError::Sealed { sequence })?;
        if part == 0 {
            (self.parts, self.next) = (parts, 0);
            self.plain.clear();
        }
        if (part, parts) != (self.next, self.parts) {
            return Err(EnvelopeError::Content { sequence });
        }
        self.plain.extend_from_slice(&plain);
        self.next += 1;
        if self.next < self.parts {
            return Ok(None);
        }
        let config = bincode::config::standard().with_limit::<MESSAGE_BYTES_MAX>();
        let read = bincode::decode_from_slice::<Message, _>(&std::mem::take(&mut self.plain), config);
        let (Message { sender, changes }, _) = read.map_err(|_| EnvelopeError::Content { sequence })?;
        let upto = Sent { position: sequence, message: id.to_owned() };
        let step = Step { after: self.complete, upto, changes };
        self.complete = sequence;
        (self.parts, self.next) = (0, 0);
        Ok(Some((sender, step)))
    }
}

fn head(part: u32, parts: u32) -> [u8; HEAD_BYTES] {
    let mut head = [VERSION; HEAD_BYTES];
    head[1..5].copy_from_slice(&part.to_be_bytes());
    head[5..].copy_from_slice(&parts.to_be_bytes());
    head
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

/// Returns what a part is bound to: the last position before it, its head, and its fleet.
fn place(fleet: &str, after: u64, head: [u8; HEAD_BYTES]) -> Vec<u8> {
    [&after.to_be_bytes()[..], &head, fleet.as_bytes()].concat()
}
