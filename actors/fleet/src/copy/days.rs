//! The day keys beside the copy, sealed to the recovery key: one message for each day, in the stream before any batch of that day. When
//! the log has forgotten a day, its message is overwritten and removed. A message that was sealed to another recovery key is replaced while
//! the day's key exists.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{self, Stream};
use futures_util::TryStreamExt;
use keys::recovery::{RecoveryKey, RecoverySecret};
use ledger::{day_key, days_with_keys, is_forgotten};
use runtime::clock;
use zeroize::Zeroizing;

use super::store::{DAY, DAYS_STREAM, Store};
use super::{PunchLog, unreadable};
use crate::broker::{REQUEST, asked};
use crate::{FleetConfig, Trouble};

const SUBJECT: &str = "changtong.days.";
/// The header with the id of the recovery key that a day's key is sealed to.
const SEALED_TO: &str = "Changtong-Recovery-Key";
/// The interval at which forgotten days, and days whose keys the stream lacks, are looked for.
const LOOK: Duration = Duration::from_secs(10);

/// The sealed day keys of this gateway.
pub(super) struct SealedDays {
    context: Context,
    stream: Stream,
    name: String,
    /// `None` if no key is sealed any more: those that are there are removed with their days.
    key: Option<RecoveryKey>,
    /// The days whose keys are in the stream.
    sent: BTreeSet<String>,
    /// The time of the last look.
    looked: Option<Instant>,
}

/// The day keys of a gateway that could be read.
pub(super) struct Opened {
    /// The keys, by the names of their days.
    pub(super) keys: Vec<(String, Zeroizing<[u8; 32]>)>,
    /// The number of keys that are sealed to another recovery key.
    pub(super) others: usize,
}

impl SealedDays {
    /// Finds the stream, or makes it if there is a key, and brings it up to date; `None` without both.
    pub(super) async fn open(
        store: &Store,
        config: &FleetConfig,
        log: &PunchLog,
    ) -> Result<Option<Self>, Trouble> {
        let (context, key) = (store.context.clone(), log.recovery.clone());
        let stream = if key.is_some() {
            let settings = stream::Config {
                name: DAYS_STREAM.to_owned(),
                description: Some("The gateways' day keys, sealed to the recovery key".to_owned()),
                subjects: vec![format!("{SUBJECT}>")],
                storage: stream::StorageType::File,
                num_replicas: config.replicas,
                max_messages_per_subject: 1,
                // Those of a gateway that is lost, which removes none.
                max_age: DAY * (log.retention_days + 2),
                ..stream::Config::default()
            };
            asked(context.get_or_create_stream(settings)).await?
        } else {
            match tokio::time::timeout(REQUEST, context.get_stream(DAYS_STREAM)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) if is_missing(&error) => return Ok(None),
                Ok(Err(error)) => return Err(Trouble::Broker(error.to_string())),
                Err(_) => return Err(Trouble::Broker("no answer in time".to_owned())),
            }
        };
        let name = config.name.clone();
        let mut days = Self { context, stream, name, key, sent: BTreeSet::new(), looked: None };
        days.keep_up(log).await?;
        Ok(Some(days))
    }

    /// Sends the keys of these days, as far as they exist and are not there.
    pub(super) async fn send(&mut self, days: &[String], log: &PunchLog) -> Result<(), Trouble> {
        let Some(recovery) = &self.key else { return Ok(()) };
        for day in days {
            if self.sent.contains(day) {
                continue;
            }
            let Some(key) = day_key(&log.day_keys, day).map_err(unreadable)? else { continue };
            let sealed = recovery.seal(place(&self.name, day).as_bytes(), &*key);
            let mut headers = HeaderMap::new();
            headers.insert(SEALED_TO, recovery.id());
            let subject = subject(&self.name, day);
            let published = self.context.publish_with_headers(subject, headers, sealed.into());
            asked(asked(published).await?.into_future()).await?;
            self.sent.insert(day.clone());
        }
        Ok(())
    }

    /// Does what [`Self::keep_up`] does, now and then.
    pub(super) async fn look(&mut self, log: &PunchLog) -> Result<(), Trouble> {
        if self.looked.is_some_and(|looked| clock::since(looked) < LOOK) {
            return Ok(());
        }
        self.keep_up(log).await
    }

    /// Removes the keys of days that the log has forgotten, and those that are sealed to another recovery key; the broker overwrites them.
    /// Then sends all that the stream lacks.
    async fn keep_up(&mut self, log: &PunchLog) -> Result<(), Trouble> {
        self.looked = Some(clock::now());
        let there: BTreeSet<String> = names(&self.stream, &self.name).await?.into_iter().collect();
        let id = self.key.as_ref().map(RecoveryKey::id);
        let known = std::mem::take(&mut self.sent);
        for day in there {
            let is_forgotten = is_forgotten(&log.directory, &day).map_err(unreadable)?;
            if !is_forgotten && known.contains(&day) {
                self.sent.insert(day);
                continue;
            }
            let message = sealed(&self.stream, &self.name, &day).await?;
            let sealed_to = message.headers.get(SEALED_TO).map(|id| id.as_str());
            // Without its key a day is not sealed again, so what is there stays until it is forgotten.
            let is_replaced = id.is_some() && sealed_to != id.as_deref() && has_key(log, &day)?;
            if is_forgotten || is_replaced {
                asked(self.stream.delete_message(message.sequence)).await?;
                let why = if is_forgotten { "its day is forgotten" } else { "there is another recovery key" };
                tracing::info!(day, why, "the sealed key of a day is removed from the broker");
            } else {
                self.sent.insert(day);
            }
        }
        let days = days_with_keys(&log.day_keys).map_err(unreadable)?;
        self.send(&days, log).await
    }
}

fn has_key(log: &PunchLog, day: &str) -> Result<bool, Trouble> {
    Ok(day_key(&log.day_keys, day).map_err(unreadable)?.is_some())
}

fn is_missing(error: &async_nats::jetstream::context::GetStreamError) -> bool {
    /// The status of an answer about what does not exist.
    const NOT_FOUND: usize = 404;
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.code() == NOT_FOUND)
}

async fn sealed(stream: &Stream, name: &str, day: &str) -> Result<StreamMessage, Trouble> {
    asked(stream.get_last_raw_message_by_subject(&subject(name, day))).await
}

/// Reads a gateway's day keys with the private half.
///
/// # Errors
/// The broker does not answer, or all keys are sealed to another recovery key.
pub(super) async fn open(context: &Context, name: &str, secret: &RecoverySecret) -> Result<Opened, Trouble> {
    let stream = asked(context.get_stream(DAYS_STREAM)).await?;
    let mut found = Opened { keys: Vec::new(), others: 0 };
    for day in names(&stream, name).await? {
        let sealed = sealed(&stream, name, &day).await?;
        let opened = secret.open(place(name, &day).as_bytes(), &sealed.payload);
        match opened.and_then(|key| key.first_chunk::<32>().copied()) {
            Some(key) => found.keys.push((day, Zeroizing::new(key))),
            None => found.others += 1,
        }
    }
    if found.keys.is_empty() && found.others > 0 {
        return Err(Trouble::Copy(format!(
            "the keys of {} days were sealed to another recovery key than the one of this file",
            found.others
        )));
    }
    Ok(found)
}

/// Returns the days whose keys the stream has of a gateway.
async fn names(stream: &Stream, name: &str) -> Result<Vec<String>, Trouble> {
    let prefix = format!("{SUBJECT}{name}.");
    let subjects = asked(stream.info_with_subjects(format!("{prefix}*"))).await?;
    let all: Vec<(String, usize)> =
        subjects.try_collect().await.map_err(|error| Trouble::Broker(error.to_string()))?;
    Ok(all.into_iter().filter_map(|(subject, _)| Some(subject.strip_prefix(&prefix)?.to_owned())).collect())
}

fn subject(name: &str, day: &str) -> String {
    format!("{SUBJECT}{name}.{day}")
}

/// Returns the place that a key is sealed for.
fn place(name: &str, day: &str) -> String {
    format!("{name} {day}")
}
