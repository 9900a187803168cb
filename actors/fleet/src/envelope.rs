//! A changeset as the broker holds it: encoded, split into parts that fit a message, each sealed for its place in the stream. A part that
//! is moved, repeated or exchanged does not open. Pure.

use bincode::{Decode, Encode};
use keys::KeyError;
use keys::fleet::{FleetKey, SEAL_BYTES};
use registry::replication::{Changes, Step, StreamPlace};

/// The version of the format.
const VERSION: u8 = 1;
/// In clear: the version, the kind, the number of the part, the number of parts.
const HEAD_BYTES: usize = 1 + 1 + 4 + 4;
/// The kind of the first changeset of a fleet, a whole registry, and that of all others.
const FOUNDING: u8 = 1;
const FOLLOWING: u8 = 0;
/// The bytes that a message is longer than its part of the changeset.
pub const OVERHEAD_BYTES: usize = HEAD_BYTES + SEAL_BYTES;
/// The most parts of a changeset: the largest registry that founds a fleet.
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
         same, the broker's data were changed, or are another fleet's"
    )]
    Sealed {
        /// Its place in the stream.
        sequence: u64,
    },
    /// The beginning of another fleet.
    #[error(
        "message {sequence} of the stream begins another fleet than this registry's: the broker has lost its data, and a gateway without data was \
         started. Do not delete any registry; restore the broker's data"
    )]
    OtherFleet {
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

/// Seals a message in parts of `part_bytes` at most, for the places behind `after`.
///
/// # Errors
/// The system gives no random bytes.
pub fn seal(
    key: &FleetKey,
    after: u64,
    message: &Message,
    part_bytes: usize,
) -> Result<Vec<Vec<u8>>, KeyError> {
    let plain =
        bincode::encode_to_vec(message, bincode::config::standard()).expect("a message can be encoded");
    let room = part_bytes.saturating_sub(OVERHEAD_BYTES).max(1);
    let parts = plain.len().div_ceil(room) as u32;
    let (kind, fleet) =
        if message.changes.whole { (FOUNDING, "") } else { (FOLLOWING, message.changes.fleet.as_str()) };
    let seal = |(part, plain): (usize, &[u8])| {
        let head = head(kind, part as u32, parts);
        let sealed = key.seal(&place(fleet, after + part as u64, head), plain)?;
        Ok([&head[..], &sealed[..]].concat())
    };
    plain.chunks(room).enumerate().map(seal).collect()
}

/// The parts of a changeset that is not complete, read in the order of the stream.
pub struct Joiner {
    /// The end of the last complete changeset.
    complete: u64,
    /// The fleet's name; empty before its first changeset.
    fleet: String,
    parts: u32,
    plain: Vec<u8>,
    next: u32,
}

impl Joiner {
    /// Creates a reader of the messages behind a place.
    pub fn new(place: StreamPlace) -> Self {
        let StreamPlace { fleet, position } = place;
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
        payload: &[u8],
    ) -> Result<Option<(Sender, Step)>, EnvelopeError> {
        let format = EnvelopeError::Format { sequence };
        let (head, sealed) = payload.split_first_chunk::<HEAD_BYTES>().ok_or(format.clone())?;
        let (kind, part, parts) = (head[1], number(&head[2..6]), number(&head[6..]));
        if head[0] != VERSION || kind > FOUNDING || part >= parts || parts > PARTS_MAX {
            return Err(format);
        }
        let founds = kind == FOUNDING;
        if founds && !self.fleet.is_empty() {
            return Err(EnvelopeError::OtherFleet { sequence });
        }
        let fleet = if founds { "" } else { &self.fleet };
        let opened = key.open(&place(fleet, sequence - 1, *head), sealed);
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
        if founds {
            self.fleet.clone_from(&changes.fleet);
        }
        let step = Step { after: self.complete, upto: sequence, changes };
        self.complete = sequence;
        (self.parts, self.next) = (0, 0);
        Ok(Some((sender, step)))
    }
}

fn head(kind: u8, part: u32, parts: u32) -> [u8; HEAD_BYTES] {
    let mut head = [VERSION; HEAD_BYTES];
    head[1] = kind;
    head[2..6].copy_from_slice(&part.to_be_bytes());
    head[6..].copy_from_slice(&parts.to_be_bytes());
    head
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

/// Returns what a part is bound to: the last position before it, its head, and its fleet, which is not known before the first one.
fn place(fleet: &str, after: u64, head: [u8; HEAD_BYTES]) -> Vec<u8> {
    [&after.to_be_bytes()[..], &head, fleet.as_bytes()].concat()
}
