//! The connection to the broker, the stream of the registry, and the bucket of the lease. An append is bound to its place: the stream takes
//! it behind one known message or not at all.

use std::future::Future;
use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
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
const BUCKET: &str = "CHANGTONG_FLEET";

/// The life of a lease that is not renewed: a leader that dies is replaced within this and a look at it.
pub(crate) const LEASE: Duration = Duration::from_secs(4);

/// The longest wait for an answer of the broker: shorter than the time between two renewals of the lease.
pub(crate) const REQUEST: Duration = Duration::from_millis(900);
/// The time within which an append has to be known to be in the stream or not: three requests, and less than the lease.
pub(crate) const APPEND: Duration = Duration::from_millis(2_700);
/// The pause between two tries of an append.
const PAUSE: Duration = Duration::from_millis(50);
/// The pause between two tries to connect.
const RECONNECT: Duration = Duration::from_millis(250);
/// The room for the headers of a message.
const HEADERS_BYTES: usize = 1024;

/// The connected broker.
pub(crate) struct Broker {
    client: Client,
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

impl Broker {
    /// Finds the stream and the bucket; the first gateway makes them.
    pub(crate) async fn open(client: Client, config: &FleetConfig) -> Result<Self, Trouble> {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(REQUEST);
        let refused = |error: &dyn std::fmt::Display| Trouble::Refused(error.to_string());
        let registry = stream::Config {
            name: REGISTRY_STREAM.to_owned(),
            description: Some("Sealed changes of the registry of one city's gateways".to_owned()),
            subjects: vec![SUBJECT.to_owned()],
            storage: stream::StorageType::File,
            num_replicas: config.replicas,
            deny_delete: true,
            ..stream::Config::default()
        };
        let stream = context.get_or_create_stream(registry).await.map_err(|error| refused(&error))?;
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
        context.get_or_create_stream(leases).await.map_err(|error| refused(&error))?;
        let bucket = context.get_key_value(BUCKET).await.map_err(|error| refused(&error))?;
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

    /// Appends a message behind `after`. If the answer is lost, the stream is asked what stands in that place, and the message is sent
    /// again only if nothing does: its id and its place let it in once.
    ///
    /// # Errors
    /// Another message stands there, or the stream does not answer in time.
    pub(crate) async fn append(&self, after: u64, id: &str, payload: Bytes) -> Result<(), NotNow> {
        let began = clock::now();
        loop {
            let message = PublishMessage::build()
                .payload(payload.clone())
                .message_id(id)
                .expected_stream(REGISTRY_STREAM)
                .expected_last_sequence(after);
            let published = async { self.context.send_publish(SUBJECT, message).await?.await };
            let refused = match tokio::time::timeout(REQUEST, published).await {
                Ok(Ok(ack)) if ack.sequence == after + 1 => return Ok(()),
                Ok(Ok(_)) => true,
                Ok(Err(error)) => error.kind() == PublishErrorKind::WrongLastSequence,
                Err(_) => false,
            };
            match self.at(after + 1).await {
                Ok(Some(found)) if found == id => return Ok(()),
                Ok(Some(_)) => return Err(NotNow::Fenced),
                Ok(None) if refused => return Err(NotNow::Fenced),
                Ok(None) | Err(_) if clock::since(began) >= APPEND => return Err(NotNow::Unconfirmed),
                Ok(None) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Returns the id of the message in a place of the stream; `None` if there is none yet.
    async fn at(&self, sequence: u64) -> Result<Option<String>, Trouble> {
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
