//! Several gateways of one city. One of them leads and changes the registry; its changes go through a stream of NATS JetStream to all
//! others, which apply them in order. Consensus, durability and the lease are the broker's; nothing of them is made here.
//!
//! - [`envelope`]: a changeset as sealed messages, and back. Pure.
//! - `standing`: what this gateway knows of the fleet; the outbox of its registry.
//! - `broker`: the connection, the stream, and an append whose answer may be lost. `lease`: who tries to lead.
//! - `copy`: the second copy of this gateway's punches, and the reading of a lost gateway's.
//! - `members`: the list of all gateways. `names`: a name that two of them have. `roster`: who leads and who belongs, by order.
//! - `peers`: a device's numbers at the others. `calls`: sealed requests to another gateway.
//! - `snapshot`: what gateways join by, and the trimming of the stream. `refill`: a stream made anew after the broker is lost. `orders`: both,
//!   by order.
//! - `follow`, `lead`: the two lives of a gateway. `run`: the thread that lives them.

mod broker;
mod calls;
mod copy;
pub mod envelope;
mod follow;
mod lead;
mod lease;
mod members;
mod names;
mod orders;
mod peers;
mod refill;
mod reports;
mod roster;
mod run;
mod snapshot;
mod standing;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use ledger::Missing;
use protocol::{DeviceId, Epoch, GatewayAddress, Sequence};
use registry::replication::{Step, StreamPlace};

pub use broker::REGISTRY_STREAM;
pub use calls::{CallError, Calls, Heard, Pieces, Take};
pub use copy::{COPY_STREAM, DAYS_STREAM, PunchLog, RecoverError, recover};
pub use lease::Leader;
pub use orders::Orders;
pub use peers::Peers;
pub use reports::{Joined, Place, Refilled};
pub use roster::{Roster, RosterError};
pub use run::{Fleet, Running};
pub use snapshot::{Rhythm, SNAPSHOT_STREAM};
pub use standing::{CopyStanding, Lacking, SnapshotStanding, Standing};

/// The settings of a gateway's part in a fleet.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// This gateway's name, unlike any other of the fleet.
    pub name: String,
    /// The address that operators and citizens are sent to while this gateway leads.
    pub address: String,
    /// The address that devices are told; `None` if they are not to know this gateway.
    pub device_address: Option<GatewayAddress>,
    /// The gateway's data directory.
    pub data: PathBuf,
    /// The broker's servers: `nats://host:port`, or `tls://host:port`.
    pub servers: Vec<String>,
    /// The number of servers that hold each change.
    pub replicas: usize,
    /// When the leader stores another snapshot.
    pub snapshots: Rhythm,
    /// The user at the broker, and its password.
    pub user: Option<(String, String)>,
    /// The certificates that the broker's are checked with, a file; `None` for those of the system.
    pub authority: Option<PathBuf>,
    /// The certificate by which this gateway is known to the broker, and its key: files.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// The answer of the gateway around.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send>>;

/// Work of the gateway around on the fleet's thread.
pub type Work = Pin<Box<dyn Future<Output = ()>>>;

/// The gateway around: its registry's one writer, and the memory that follows it.
pub trait Member: Send + Sync + 'static {
    /// Returns the position up to which the registry has the stream, after all changes that are under way.
    fn position(&self) -> Answer<StreamPlace>;

    /// Applies steps in one transaction; resolves when they are durable and the memory has followed.
    fn apply(&self, steps: Vec<Step>) -> Answer<()>;

    /// Copies the registry to a new file, beside its writer; returns the place in the stream that the copy has.
    fn copy(&self, to: PathBuf) -> Answer<StreamPlace>;

    /// Returns an error if the registry is in no fleet and has people of its own, which no other registry may replace.
    fn may_join(&self) -> Answer<()>;

    /// Puts a copy of another member's registry in the place of this one, off the caller's thread, while the outbox holds the writer; resolves
    /// with the number of people. The memory follows before the next answer to [`Self::position`].
    fn adopt(&self, from: PathBuf, place: StreamPlace) -> Answer<u64>;

    /// Makes the first change of a leader.
    fn take_office(&self) -> Answer<()>;

    /// Returns the highest number of each device's epoch in this gateway's punch log, in the order given.
    fn marks(&self, of: Vec<(DeviceId, Epoch)>) -> Answer<Vec<Sequence>>;

    /// Records punches that no gateway's log has as lost; resolves when that is durable.
    fn miss(&self, missing: Missing) -> Answer<()>;

    /// Answers a request of another gateway. The future runs on the fleet's thread: what takes long is done elsewhere. It is dropped when
    /// nobody takes the answer any more.
    fn answer(&self, from: String, request: Vec<u8>, pieces: Pieces) -> Work;
}

/// The reason for which a gateway cannot follow or lead now. It tries again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The broker does not answer.
    #[error("the broker does not answer: {0}")]
    Broker(String),
    /// The broker refuses what a fleet needs.
    #[error(
        "the broker refuses: {0}; give the fleet's user the rights that the reference of [fleet] lists, and JetStream"
    )]
    Refused(String),
    /// There is nothing by which this gateway can join.
    #[error(
        "the stream has messages {first} to {last}, and no snapshot by which this gateway can join: start the gateway that leads, which stores one"
    )]
    NoSnapshot {
        /// The first position in the stream.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A snapshot that is not as it was made.
    #[error(
        "piece {piece} of the snapshot at position {position} {what}: the broker's data were changed or are damaged, or the keys of this gateway \
         are others. Nothing was replaced; compare the keys, and restart the gateway that leads, which stores another snapshot if it cannot use this one"
    )]
    Snapshot {
        /// The snapshot's place in the stream.
        position: u64,
        /// The piece, from 0.
        piece: u32,
        /// The fault.
        what: &'static str,
    },
    /// The stream is not made anew.
    #[error("{0}")]
    Refill(String),
    /// The stream ends before what this registry has.
    #[error(
        "the stream ends at {last}, and this registry has up to {position}: the broker has lost its data, or another gateway has filled it again. Restore \
         them and do not delete any registry; if they are lost on all of its servers, order `changtong fleet refill` at the gateway with the highest \
         position. If that was done, this gateway has changes that no other one has: `changtong fleet join` keeps a copy of them"
    )]
    StreamLost {
        /// The last position in the stream.
        last: u64,
        /// The registry's position.
        position: u64,
    },
    /// The stream has another message in the place up to which this registry has it.
    #[error(
        "message {position} of the stream is not the one that this registry has: the broker has lost the end of its data, and another gateway has gone \
         on. Compare the gateways by `changtong fleet status`, then order `changtong fleet join` here, which keeps a copy of this gateway's registry for its \
         last orders"
    )]
    OtherStream {
        /// The place.
        position: u64,
    },
    /// A message that this gateway cannot read.
    #[error(transparent)]
    Envelope(#[from] envelope::EnvelopeError),
    /// The leader has another key.
    #[error(
        "{leader} has another {file} than this gateway: copy the fleet's key files to all of its gateways"
    )]
    OtherKey {
        /// The leader's name.
        leader: String,
        /// The key's file.
        file: String,
    },
    /// Another running gateway has this gateway's name.
    #[error(
        "another gateway that runs has the name {name}, and has run for longer: give this one a name of its own in [fleet]; until then it \
         neither follows nor leads, and its punches have no second copy"
    )]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The stream of a gateway's copy has what its log does not have.
    #[error(
        "the stream {COPY_STREAM}{0} is another log's, or this log has lost its end. Read it with `changtong fleet recover {0}`, then give \
         this gateway another `name`; never delete the stream before"
    )]
    OtherLog(String),
    /// The second copy of the punches does not go on.
    #[error("{0}")]
    Copy(String),
    /// The gateway around cannot do it now.
    #[error("{0}")]
    Gateway(String),
    /// Another gateway leads, or may.
    #[error("{0}")]
    Deposed(&'static str),
}

#[cfg(test)]
mod tests;
