//! The stream of pieces at the broker: what is whole there, the reading of a snapshot in order, and the sending of one behind the last.

use std::collections::VecDeque;
use std::future::IntoFuture;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::pull::Ordered;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{self, RawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context};
use bytes::Bytes;
use futures_util::StreamExt;
use keys::fleet::FleetKey;

use super::piece::{self, HEAD_BYTES_MAX, Head};
use crate::broker::{self, Broker, HEADERS_BYTES, asked};
use crate::{FleetConfig, Trouble};

/// The stream of the snapshots' pieces.
pub const SNAPSHOT_STREAM: &str = "CHANGTONG_SNAPSHOTS";
const SUBJECT: &str = "changtong.snapshot";

/// The longest piece: a change that the leader appends meanwhile waits for some of them at the broker's disk.
const PIECE_BYTES_MAX: usize = 512 * 1024;
/// The most pieces on their way, which bounds the memory.
const WINDOW: usize = 4;
/// The longest wait for a piece, sent or read: a broker whose leader changes needs seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The stream of pieces.
pub(crate) struct Shelf {
    client: Client,
    context: Context,
    stream: Stream,
}

/// A whole snapshot at the broker.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// The head of its last piece.
    pub(crate) head: Head,
    /// The places of its pieces in their stream.
    pub(super) first: u64,
    pub(super) last: u64,
}

/// Returns true for a snapshot behind which a stream with these bounds goes on.
pub(crate) fn usable(head: &Head, (first, last): (u64, u64)) -> bool {
    head.position + 1 >= first && head.position <= last
}

/// Returns false for a snapshot at whose place the stream with these bounds has another message.
pub(super) async fn continues(broker: &Broker, head: &Head, (first, _): (u64, u64)) -> Result<bool, Trouble> {
    if head.position < first || head.message.is_empty() {
        return Ok(true);
    }
    Ok(broker.at(head.position).await?.is_none_or(|found| found == head.message))
}

impl Shelf {
    /// Finds the stream, or makes it.
    pub(crate) async fn open(client: Client, config: &FleetConfig) -> Result<Self, Trouble> {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(PATIENCE);
        let settings = stream::Config {
            name: SNAPSHOT_STREAM.to_owned(),
            description: Some("Sealed snapshots of the registry of one city's gateways".to_owned()),
            subjects: vec![SUBJECT.to_owned()],
            storage: stream::StorageType::File,
            num_replicas: config.replicas,
            deny_delete: true,
            ..stream::Config::default()
        };
        let stream = context.get_or_create_stream(settings).await.map_err(broker::refused)?;
        Ok(Self { client, context, stream })
    }

    /// Returns the bytes of a file that a piece takes.
    pub(super) fn room(&self) -> usize {
        let over = HEADERS_BYTES + HEAD_BYTES_MAX + keys::fleet::SEAL_BYTES + 16;
        PIECE_BYTES_MAX.min(self.client.max_payload().saturating_sub(over)).max(1)
    }

    /// Returns the whole snapshots, the newest first: two, if there are two. Their heads are as the broker has them, unless `key` is given:
    /// then the last piece of each opens with it.
    pub(crate) async fn whole(&self, key: Option<&FleetKey>) -> Result<Vec<Stored>, Trouble> {
        let state = asked(self.stream.get_info()).await?.state;
        let (mut found, mut at) = (Vec::new(), state.last_sequence);
        while at >= state.first_sequence.max(1) && found.len() < 2 {
            let payload = self.payload(at).await?.unwrap_or_default();
            let head = match key {
                Some(key) => piece::open(key, &payload).map(|(head, _)| head),
                None => piece::head(&payload),
            };
            let Some(head) = head else {
                at -= 1;
                continue;
            };
            let first = at.saturating_sub(u64::from(head.piece)).max(1);
            if head.piece + 1 == head.pieces
                && first >= state.first_sequence
                && at - first == u64::from(head.piece)
            {
                found.push(Stored { head, first, last: at });
            }
            at = first - 1;
        }
        Ok(found)
    }

    async fn payload(&self, sequence: u64) -> Result<Option<Bytes>, Trouble> {
        match tokio::time::timeout(PATIENCE, self.stream.get_raw_message(sequence)).await {
            Ok(Ok(message)) => Ok(Some(message.payload)),
            Ok(Err(error)) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Ok(Err(error)) => Err(Trouble::Broker(error.to_string())),
            Err(_) => Err(Trouble::Broker("no answer in time".to_owned())),
        }
    }

    /// Sends pieces behind the last one, as `next` gives them; returns the places of the first and the last. Another gateway that sends, too,
    /// ends it.
    pub(super) async fn send<F: Future<Output = Result<Option<Vec<u8>>, Trouble>>>(
        &self,
        mut next: impl FnMut() -> F,
    ) -> Result<(u64, u64), Trouble> {
        let before = asked(self.stream.get_info()).await?.state.last_sequence;
        let (mut sent, mut flights) = (before, VecDeque::new());
        loop {
            let piece = if flights.len() < WINDOW { next().await? } else { None };
            if let Some(piece) = piece {
                let message = PublishMessage::build()
                    .payload(piece.into())
                    .expected_stream(SNAPSHOT_STREAM)
                    .expected_last_sequence(sent);
                sent += 1;
                flights.push_back((sent, asked(self.context.send_publish(SUBJECT, message)).await?));
                continue;
            }
            let Some((place, flight)) = flights.pop_front() else { return Ok((before + 1, sent)) };
            let ack = tokio::time::timeout(PATIENCE, flight.into_future()).await;
            let ack = ack.map_err(|_| Trouble::Broker("no answer in time".to_owned()))?;
            let ack = ack.map_err(|error| Trouble::Broker(error.to_string()))?;
            if ack.sequence != place {
                return Err(Trouble::Broker("a piece of a snapshot came to another place".to_owned()));
            }
        }
    }

    /// Begins to read a snapshot.
    pub(super) async fn read<'a>(
        &self,
        key: &'a FleetKey,
        stored: &'a Stored,
    ) -> Result<Pieces<'a>, Trouble> {
        let messages = broker::messages(&self.stream, stored.first, WINDOW as i64).await?;
        Ok(Pieces { key, stored, messages, next: 0 })
    }

    /// Removes everything.
    pub(crate) async fn clear(&self) -> Result<(), Trouble> {
        asked(self.stream.purge().into_future()).await.map(drop)
    }

    /// Removes everything before a snapshot.
    pub(super) async fn drop_before(&self, stored: &Stored) -> Result<(), Trouble> {
        broker::purge_before(&self.stream, stored.first).await
    }
}

/// The pieces of a snapshot, read in their order.
pub(super) struct Pieces<'a> {
    key: &'a FleetKey,
    stored: &'a Stored,
    messages: Ordered,
    next: u32,
}

impl Pieces<'_> {
    /// Returns the content of the next piece; `None` behind the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        let Stored { head, first, .. } = self.stored;
        if self.next == head.pieces {
            return Ok(None);
        }
        let received = tokio::time::timeout(PATIENCE, self.messages.next()).await;
        let received = received.map_err(|_| Trouble::Broker("no answer in time".to_owned()))?;
        let message = received.ok_or_else(|| Trouble::Broker("the snapshot's pieces ended".to_owned()))?;
        let message = message.map_err(|error| Trouble::Broker(error.to_string()))?;
        let at = message.info().map_err(|error| Trouble::Broker(error.to_string()))?.stream_sequence;
        let damaged =
            |what: &'static str| Trouble::Snapshot { position: head.position, piece: self.next, what };
        if at != first + u64::from(self.next) {
            return Err(damaged("is missing"));
        }
        let (found, plain) = piece::open(self.key, &message.payload)
            .ok_or_else(|| damaged("does not open with this gateway's fleet.key"))?;
        if found != head.of(self.next) {
            return Err(damaged("is another snapshot's, or in another place"));
        }
        self.next += 1;
        Ok(Some(plain))
    }
}
