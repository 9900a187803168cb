//! The stream of one gateway's copy: its settings, its end, and the sending of one message behind the other.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{self, Stream};
use async_nats::jetstream::{self, Context};
use bytes::Bytes;
use ledger::{SealedBatches, TailRoom};

use super::message;
use crate::broker::asked;
use crate::{FleetConfig, Trouble};

/// The beginning of the name of a gateway's stream, before the gateway's.
pub const COPY_STREAM: &str = "CHANGTONG_PUNCHES_";
const COPY_SUBJECT: &str = "changtong.punches.";
/// The stream of the sealed day keys of all gateways.
pub const DAYS_STREAM: &str = "CHANGTONG_DAYS";

/// The longest wait for an acknowledgement: a broker whose leader changes needs seconds.
const ACK: Duration = Duration::from_secs(5);
/// The part of a message that batches may fill: headers repeat their marks.
const BATCHES_PART: usize = 2;
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// A message on its way; resolves with the LSN up to which the copy is whole.
pub(super) type Flight = Pin<Box<dyn Future<Output = Result<u64, Trouble>> + Send>>;

/// The stream of a gateway's copy.
pub(super) struct Store {
    client: Client,
    pub(super) context: Context,
    stream: Stream,
    name: String,
    /// The position of the last message that was sent.
    sent: u64,
}

impl Store {
    /// Finds the gateway's stream, or makes it. Messages end with the retention and the rest of their day.
    pub(super) async fn open(
        client: &Client,
        config: &FleetConfig,
        retention_days: u32,
    ) -> Result<Self, Trouble> {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(ACK);
        let name = config.name.clone();
        let settings = stream::Config {
            name: format!("{COPY_STREAM}{name}"),
            description: Some("A gateway's punch log, sealed with its day keys".to_owned()),
            subjects: vec![format!("{COPY_SUBJECT}{name}")],
            storage: stream::StorageType::File,
            num_replicas: config.replicas,
            max_age: DAY * (retention_days + 1),
            deny_delete: true,
            ..stream::Config::default()
        };
        let stream = asked(context.get_or_create_stream(&settings)).await?;
        if stream.cached_info().config.max_age != settings.max_age {
            asked(context.update_stream(&settings)).await?;
        }
        Ok(Self { client: client.clone(), context, stream, name, sent: 0 })
    }

    /// Returns what a message takes, `most` bytes of batches at most.
    pub(super) fn room(&self, most: usize) -> TailRoom {
        TailRoom { bytes: most.min(self.client.max_payload() / BATCHES_PART), marks: message::MARKS_MAX }
    }

    /// Goes to the end of the stream; returns what its last message holds, `None` if it holds none.
    pub(super) async fn end(&mut self) -> Result<Option<SealedBatches>, Trouble> {
        let state = asked(self.stream.get_info()).await?.state;
        self.sent = state.last_sequence;
        if state.messages == 0 {
            return Ok(None);
        }
        let last = asked(self.stream.get_raw_message(state.last_sequence)).await?;
        let read = message::read(&last.headers, &last.payload);
        let unknown = || {
            let last = state.last_sequence;
            Trouble::Copy(format!(
                "message {last} of {COPY_STREAM}{} has a format of another release",
                self.name
            ))
        };
        read.map(Some).ok_or_else(unknown)
    }

    /// Sends a message behind the last one. It is in the stream when the returned future says so, with all messages before it.
    pub(super) async fn send(&mut self, batches: SealedBatches) -> Result<Flight, Trouble> {
        let (after, whole) = (self.sent, batches.whole_up_to());
        let message = PublishMessage::build()
            .headers(message::headers(&batches))
            .message_id(message::id(&self.name, &batches))
            .payload(Bytes::from(batches.bytes))
            .expected_stream(format!("{COPY_STREAM}{}", self.name))
            .expected_last_sequence(after);
        let sent = self.context.send_publish(format!("{COPY_SUBJECT}{}", self.name), message);
        let acknowledged = asked(sent).await?.into_future();
        self.sent += 1;
        // From now on, not from when it is waited for.
        let acknowledged = tokio::time::timeout(ACK, acknowledged);
        Ok(Box::pin(async move {
            let acknowledged =
                acknowledged.await.map_err(|_| Trouble::Broker("no answer in time".to_owned()))?;
            let ack = acknowledged.map_err(|error: PublishError| Trouble::Broker(error.to_string()))?;
            if ack.sequence == after + 1 {
                Ok(whole)
            } else {
                Err(Trouble::Broker(format!(
                    "a message of the copy is at {} and not behind {after}",
                    ack.sequence
                )))
            }
        }))
    }
}
