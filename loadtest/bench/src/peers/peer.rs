//! The compared systems: their names, their durability and the work that they do.

use clap::ValueEnum;

/// The compared systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Peer {
    /// The running development city.
    Gateway,
    /// Raw QUIC that sends all bytes back: the floor.
    Echo,
    /// Redis: a script of GET and XADD.
    Redis,
    /// NATS JetStream as Debian has it: publish with acknowledgement.
    Nats,
    /// A current NATS JetStream that syncs before it acknowledges.
    NatsSynced,
    /// PostgreSQL: insert with a look-up, returning the colour.
    Postgres,
    /// A gateway in a fleet, with a second copy at three brokers for which no answer waits.
    FleetDisk,
    /// A gateway in a fleet that acknowledges a punch when the second copy has it, too.
    FleetReplicated,
    /// Three servers of a current NATS JetStream, of which a majority syncs before one acknowledges.
    NatsThree,
}

impl Peer {
    /// All peers, in the order of the report.
    pub const ALL: [Self; 9] = [
        Self::Gateway,
        Self::FleetDisk,
        Self::FleetReplicated,
        Self::Echo,
        Self::Redis,
        Self::Nats,
        Self::NatsSynced,
        Self::NatsThree,
        Self::Postgres,
    ];

    pub(super) fn has_three_brokers(self) -> bool {
        matches!(self, Self::FleetDisk | Self::FleetReplicated | Self::NatsThree)
    }

    /// Returns its name in a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "Changtong",
            Self::Echo => "raw QUIC echo",
            Self::Redis => "Redis",
            Self::Nats => "NATS JetStream",
            Self::NatsSynced => "NATS synced",
            Self::Postgres => "PostgreSQL",
            Self::FleetDisk => "fleet, disk",
            Self::FleetReplicated => "fleet, replicated",
            Self::NatsThree => "NATS three synced",
        }
    }

    /// Returns a text: the durability when it answers.
    pub fn durable(self) -> &'static str {
        match self {
            Self::Gateway => "yes, synced",
            Self::Echo => "keeps nothing",
            Self::Redis => "yes, appendfsync always",
            Self::Nats => "no, acks before fsync",
            Self::NatsSynced => "yes, sync_interval always",
            Self::Postgres => "yes, synchronous commit",
            Self::FleetDisk => "yes, synced; copied after",
            Self::FleetReplicated => "yes, own disk and 2 others",
            Self::NatsThree => "yes, on two of three disks",
        }
    }

    /// Returns a text: the way in which it does the work, and the parts that it leaves out.
    pub fn work(self) -> &'static str {
        match self {
            Self::Gateway => {
                "opens the sealed token, looks the colour up, appends, answers; refuses what came before"
            }
            Self::Echo => "the same bytes back: what QUIC, TLS and the kernel cost",
            Self::Redis => "one script a punch, GET and XADD; plain codes, doubles not refused",
            Self::Nats => "publish with ack; no look-up; doubles not refused",
            Self::NatsSynced => "publish with ack, a sync for each message; no look-up; doubles not refused",
            Self::FleetDisk => {
                "as Changtong; a second copy at three brokers of its own, which no answer waits for"
            }
            Self::FleetReplicated => "as Changtong; an answer waits for the second copy, too",
            Self::NatsThree => {
                "publish with ack of a majority that has synced; no look-up; doubles not refused"
            }
            Self::Postgres => {
                "one statement, INSERT with a look-up, a batch is one transaction; plain codes, doubles not refused"
            }
        }
    }
}
