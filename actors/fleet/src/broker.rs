//! The connection to the broker, the stream of the registry, and the bucket of the lease. An append is bound to its place: the stream takes
//! it behind one known message or not at all.

use std::future::{Future, IntoFuture};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::consumer::{DeliverPolicy, ReplayPolicy};
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{self, RawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use registry::replication::NotNow;
use runtime::clock;

use crate::{FleetConfig, Trouble};

/// The stream of the registry's changes.
pub const REGISTRY_STREAM: &str = "CHANGTONG_REGISTRY";
const SUBJECT: &str = "changtong.registry";
/// The bucket of the lease.
pub(crate) const BUCKET: &str = "CHANGTONG_FLEET";

/// The life of a lease that is not renewed: a leader that dies is replaced within this and a look at it.
pub(crate) const LEASE: Duration = Duration::from_secs(4);

/// The longest wait for an answer of the broker: shorter than the time between two renewals of the lease.
pub(crate) const REQUEST: Duration = Duration::from_millis(900);
/// The time within which a message has to be known to be in the stream or not: three requests, and less than the lease.
const APPEND: Duration = Duration::from_millis(2_700);
/// The bytes a second that a stream takes at least, far less than three servers that sync each message: a changeset of many messages is
/// given up when it is slower.
const BYTES_A_SECOND_MIN: u64 = 4 << 20;
/// The pause between two tries of an append.
const PAUSE: Duration = Duration::from_millis(50);
/// The pause between two tries to connect.
const RECONNECT: Duration = Duration::from_millis(250);
/// The room for the headers of a message.
pub(crate) const HEADERS_BYTES: usize = 1024;

/// Returns the time within which a changeset of so many bytes has to be in the stream.
pub(crate) fn append_time(bytes: usize) -> Duration {
    APPEND + Duration::from_millis(bytes as u64 * 1_000 / BYTES_A_SECOND_MIN)
}

/// The status of an answer of servers that have no majority.
const UNAVAILABLE: usize = 503;

/// The connected broker.
pub(crate) struct Broker {
    pub(crate) client: Client,
    context: Context,
    pub(crate) stream: Stream,
    pub(crate) bucket: Store,
}

/// Awaits an answer of the broker.
pub(crate) async fn asked<T, E: std::fmt::Display>(
    request: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(answer) => answer.map_err(|error| Trouble::Broker(error.to_string())),
        Err(_) => Err(Trouble::Broker("no answer in time".to_owned())),
    }
}

/// Reads a stream's messages from that place on, in order, so many at once.
pub(crate) async fn messages(stream: &Stream, from: u64, max_batch: i64) -> Result<Ordered, Trouble> {
    let config = OrderedConfig {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
        replay_policy: ReplayPolicy::Instant,
        max_batch,
        ..OrderedConfig::default()
    };
    let consumer = asked(stream.create_consumer(config)).await?;
    asked(consumer.messages()).await
}

/// Removes a stream's messages before that place. A purge before the first place would remove all.
pub(crate) async fn purge_before(stream: &Stream, sequence: u64) -> Result<(), Trouble> {
    if sequence <= 1 {
        return Ok(());
    }
    asked(stream.purge().sequence(sequence).into_future()).await.map(drop)
}

/// Connects, once; the client connects again by itself.
pub(crate) async fn connect(config: &FleetConfig) -> Result<Client, Trouble> {
    let mut options = ConnectOptions::new()
        .name(format!("changtong {}", config.name))
        .request_timeout(Some(REQUEST))
        .connection_timeout(Duration::from_secs(2))
        .ping_interval(Duration::from_secs(2))
        .reconnect_delay_callback(|_| RECONNECT);
    if let Some((user, password)) = &config.user {
        options = options.user_and_password(user.clone(), password.clone());
    }
    if let Some(authority) = &config.authority {
        options = options.add_root_certificates(authority.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &config.certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
    }
    options.connect(config.servers.clone()).await.map_err(|error| Trouble::Broker(error.to_string()))
}

/// Returns what it means that a stream cannot be made or found: a broker without a majority does not answer.
pub(crate) fn refused(error: CreateStreamError) -> Trouble {
    match error.kind() {
        // What a user may not ask for is not answered either.
        CreateStreamErrorKind::TimedOut => Trouble::Broker(
            "no answer about its streams; if it lasts, give the fleet's user the rights that the reference of [fleet] lists".to_owned(),
        ),
        CreateStreamErrorKind::JetStream(error) if error.code() == UNAVAILABLE => Trouble::Broker(error.to_string()),
        CreateStreamErrorKind::JetStream(_)
        | CreateStreamErrorKind::JetStreamUnavailable
        | CreateStreamErrorKind::EmptyStreamName
        | CreateStreamErrorKind::InvalidStreamName
        | CreateStreamErrorKind::DomainAndExternalSet
        | CreateStreamErrorKind::Response
        | CreateStreamErrorKind::NotFound
        | CreateStreamErrorKind::ResponseParse => Trouble::Refused(error.to_string()),
    }
}

impl Broker {
    /// Finds the stream and the bucket; the first gateway makes them.
    pub(crate) async fn open(client: Client, config: &FleetConfig) -> Result<Self, Trouble> {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(REQUEST);
        let registry = stream::Config {
            name: REGISTRY_STREAM.to_owned(),
            description: Some("Sealed changes of the registry of one city's gateways".to_owned()),
            subjects: vec![SUBJECT.to_owned()],
            storage: stream::StorageType::File,
            num_replicas: config.replicas,
            deny_delete: true,
            ..stream::Config::default()
        };
        let stream = context.get_or_create_stream(registry).await.map_err(refused)?;
        // The bucket as the client would make it, without the question about the account, which servers of 2.9 answer otherwise.
        let leases = stream::Config {
            name: format!("KV_{BUCKET}"),
            description: Some("The lease of the gateway that leads".to_owned()),
            subjects: vec![format!("$KV.{BUCKET}.>")],
            storage: stream::StorageType::File,
            num_replicas: config.replicas,
            max_messages_per_subject: 1,
            max_age: LEASE,
            duplicate_window: LEASE,
            discard: stream::DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            ..stream::Config::default()
        };
        context.get_or_create_stream(leases).await.map_err(refused)?;
        let bucket = asked(context.get_key_value(BUCKET)).await?;
        Ok(Self { client, context, stream, bucket })
    }

    /// Returns the most bytes of a message.
    pub(crate) fn part_bytes(&self) -> usize {
        self.client.max_payload().saturating_sub(HEADERS_BYTES)
    }

    /// Returns the first and the last position of the stream.
    pub(crate) async fn bounds(&self) -> Result<(u64, u64), Trouble> {
        let state = asked(self.stream.get_info()).await?.state;
        Ok((state.first_sequence, state.last_sequence))
    }

    /// Returns the number of messages in the stream, without an empty one that [`Self::begin_behind`] left, and its last position.
    pub(crate) async fn content(&self) -> Result<(u64, u64), Trouble> {
        let state = asked(self.stream.get_info()).await?.state;
        let is_left = match state.messages {
            1 => asked(self.stream.get_raw_message(state.last_sequence)).await?.payload.is_empty(),
            _ => false,
        };
        Ok((state.messages - u64::from(is_left), state.last_sequence))
    }

    /// Removes the messages before that position.
    pub(crate) async fn trim(&self, position: u64) -> Result<(), Trouble> {
        purge_before(&self.stream, position).await
    }

    /// Has a stream without changes go on behind that position. A purge beyond the end sets its next place; then two empty messages take the last
    /// two places and leave them again, because some servers compare an expected place with a message's.
    ///
    /// # Errors
    /// The broker does not answer, or knows its new place only after a restart, as servers before 2.10 do.
    pub(crate) async fn begin_behind(&self, position: u64) -> Result<(), Trouble> {
        let (_, last) = self.content().await?;
        let before = position - 1;
        let empty = || PublishMessage::build().expected_stream(REGISTRY_STREAM);
        if before > last {
            self.trim(before).await?;
            let first = asked(async { self.context.send_publish(SUBJECT, empty()).await?.await }).await;
            first.map_err(|trouble| {
                let old =
                    "several servers before 2.10 cannot do this: update nats-server, and order it again";
                Trouble::Refill(format!("{trouble}; {old}"))
            })?;
        }
        let second = empty().expected_last_sequence(before);
        match asked(async { self.context.send_publish(SUBJECT, second).await?.await }).await {
            Ok(ack) if ack.sequence == position => self.trim(position + 1).await,
            Ok(_) => Err(Trouble::Refill(format!(
                "delete the stream {REGISTRY_STREAM} at the broker, and order it again"
            ))),
            Err(trouble) => Err(Trouble::Refill(format!(
                "the broker's servers, before 2.10, know the new place of the stream only after a restart: restart them, and order it again ({trouble})"
            ))),
        }
    }

    /// Appends a message behind `after`. If the answer is lost, the stream is asked what stands in that place, and the message is sent
    /// again only if nothing does: its id and its place let it in once.
    ///
    /// # Errors
    /// Another message stands there, or the stream does not answer until `deadline`.
    pub(crate) async fn append(
        &self,
        after: u64,
        id: &str,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<(), NotNow> {
        loop {
            let message = PublishMessage::build()
                .payload(payload.clone())
                .message_id(id)
                .expected_stream(REGISTRY_STREAM)
                .expected_last_sequence(after);
            let published = async { self.context.send_publish(SUBJECT, message).await?.await };
            if let Ok(Ok(ack)) = tokio::time::timeout(REQUEST, published).await
                && ack.sequence == after + 1
            {
                return Ok(());
            }
            // A refusal alone proves nothing: an earlier try may be on its way into this very place.
            match self.at(after + 1).await {
                Ok(Some(found)) if found == id => return Ok(()),
                Ok(Some(_)) => return Err(NotNow::Fenced),
                Ok(None) | Err(_) if clock::now() >= deadline => return Err(NotNow::Unconfirmed),
                Ok(None) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Returns the id of the message in a place of the stream; `None` if there is none yet.
    pub(crate) async fn at(&self, sequence: u64) -> Result<Option<String>, Trouble> {
        let found = tokio::time::timeout(REQUEST, self.stream.get_raw_message(sequence)).await;
        match found {
            Ok(Ok(message)) => {
                let id = message.headers.get(async_nats::header::NATS_MESSAGE_ID);
                Ok(Some(id.map(|id| id.as_str().to_owned()).unwrap_or_default()))
            }
            Ok(Err(error)) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Ok(Err(error)) => Err(Trouble::Broker(error.to_string())),
            Err(_) => Err(Trouble::Broker("no answer in time".to_owned())),
        }
    }
}
