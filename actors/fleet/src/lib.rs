//! Several gateways of one city. One of them leads and changes the registry; its changes go through a stream of NATS JetStream to all
//! others, which apply them in order. Consensus, durability and the lease are the broker's; nothing of them is made here.
//!
//! - [`envelope`]: a changeset as sealed messages, and back. Pure.
//! - `standing`: what this gateway knows of the fleet; the outbox of its registry.
//! - `broker`: the connection, the stream, and an append whose answer may be lost. `lease`: who tries to lead.
//! - `follow`, `lead`: the two lives of a gateway. `run`: the thread that lives them.

mod broker;
pub mod envelope;
mod follow;
mod lead;
mod lease;
mod run;
mod standing;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use registry::replication::{Step, StreamPlace};

pub use broker::REGISTRY_STREAM;
pub use lease::Leader;
pub use run::{Fleet, Running};
pub use standing::Standing;

/// The settings of a gateway's part in a fleet.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// This gateway's name, unlike any other of the fleet.
    pub name: String,
    /// The address that operators and citizens are sent to while this gateway leads.
    pub address: String,
    /// The broker's servers: `nats://host:port`, or `tls://host:port`.
    pub servers: Vec<String>,
    /// The number of servers that hold each change.
    pub replicas: usize,
    /// The user at the broker, and its password.
    pub user: Option<(String, String)>,
    /// The certificates that the broker's are checked with, a file; `None` for those of the system.
    pub authority: Option<PathBuf>,
    /// The certificate by which this gateway is known to the broker, and its key: files.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// The answer of the gateway around.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send>>;

/// The gateway around: its registry's one writer, and the memory that follows it.
pub trait Member: Send + Sync + 'static {
    /// Returns the position up to which the registry has the stream, after all changes that are under way.
    fn position(&self) -> Answer<StreamPlace>;

    /// Applies steps in one transaction; resolves when they are durable and the memory has followed.
    fn apply(&self, steps: Vec<Step>) -> Answer<()>;

    /// Makes the first change of a leader.
    fn take_office(&self) -> Answer<()>;
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
    /// The stream begins behind what this registry has.
    #[error(
        "the stream begins at {first}, and this registry ends at {position}: stop this gateway, put a copy of another gateway's data in the \
         place of `data` but the punch log, and start it"
    )]
    BehindTheTrim {
        /// The first position in the stream.
        first: u64,
        /// The registry's position.
        position: u64,
    },
    /// The stream ends before what this registry has.
    #[error(
        "the stream ends at {last}, and this registry has up to {position}: this is another stream, or the broker has lost its data; do not \
         delete any registry, and restore the broker's data"
    )]
    StreamLost {
        /// The last position in the stream.
        last: u64,
        /// The registry's position.
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
    /// The gateway around cannot do it now.
    #[error("{0}")]
    Gateway(String),
    /// Another gateway leads, or may.
    #[error("{0}")]
    Deposed(&'static str),
}

#[cfg(test)]
mod tests;
