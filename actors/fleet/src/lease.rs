//! The lease of the leader: one key of a bucket whose entries expire. It decides who tries to lead; who may is decided by the stream, at
//! each append. A leader that cannot renew it in time stops to lead by its own clock, before the entry expires.

use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::jetstream;
use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store};
use keys::TokenFile;
use runtime::clock;
use serde::{Deserialize, Serialize};

use crate::Trouble;
use crate::broker::{BUCKET, LEASE, REQUEST, asked};

/// The interval of renewals: three may fail.
pub(crate) const RENEW: Duration = Duration::from_secs(1);
/// The time by which a leader stops before its entry can expire: clocks of two machines run unlike by far less within a lease.
const MARGIN: Duration = Duration::from_millis(500);

const KEY: &str = "leader";
/// The key of the name of the gateway that is to lead next. It expires as the lease does, and then any gateway may lead.
const NEXT: &str = "next";

/// A gateway that leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Its name.
    pub name: String,
    /// The address at which people find it.
    pub address: String,
}

/// The entry's content.
#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    leader: Leader,
    /// A random name of this term, so that a gateway knows its own entry from an earlier term's or a namesake's.
    term: String,
    /// The leader's newest token key; `None` in an earlier release's.
    #[serde(default)]
    token: Option<TokenFile>,
}

/// A lease that this gateway holds.
pub(crate) struct Lease {
    bucket: Store,
    content: Vec<u8>,
    revision: u64,
    /// The end of the right to lead, by this gateway's own clock.
    pub(crate) until: Instant,
    /// When the first renewal was sent that may have reached the broker without an answer.
    unanswered: Option<Instant>,
}

/// The holder of the lease.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) leader: Leader,
    /// Its newest token key; `None` if it does not tell.
    pub(crate) token: Option<TokenFile>,
    /// Seconds by which this gateway's clock is ahead of the broker's, which stamps each renewal; some seconds mean nothing.
    pub(crate) ahead_s: i64,
}

/// Reads who holds the lease.
pub(crate) async fn holder(bucket: &Store) -> Result<Option<Holder>, Trouble> {
    let found = asked(bucket.entry(KEY)).await?.filter(|found| found.operation == Operation::Put);
    Ok(found.and_then(|found| {
        let Entry { leader, token, .. } = serde_json::from_slice(&found.value).ok()?;
        let ahead_s = clock::now_s().cast_signed() - found.created.unix_timestamp();
        Some(Holder { leader, token, ahead_s })
    }))
}

/// Has the gateway of that name lead next.
pub(crate) async fn wish(client: &Client, name: &str) -> Result<(), Trouble> {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(REQUEST);
    let bucket = asked(context.get_key_value(BUCKET)).await?;
    asked(bucket.put(NEXT, name.to_owned().into())).await.map(drop)
}

/// Returns true if this gateway may take a lease that is free: no other one is to lead next.
pub(crate) async fn may_be_taken(bucket: &Store, name: &str) -> Result<bool, Trouble> {
    let next = asked(bucket.get(NEXT)).await?;
    Ok(next.is_none_or(|next| *next == *name.as_bytes()))
}

/// Returns the revision of the entry if it has this content.
async fn revision_of(bucket: &Store, content: &[u8]) -> Result<Option<u64>, Trouble> {
    let entry = asked(bucket.entry(KEY)).await?;
    Ok(entry.filter(|entry| entry.value == content).map(|entry| entry.revision))
}

impl Lease {
    /// Takes the lease if no gateway holds it; `None` if one does.
    ///
    /// # Errors
    /// The broker does not answer.
    pub(crate) async fn take(
        bucket: &Store,
        leader: &Leader,
        token: &TokenFile,
    ) -> Result<Option<Self>, Trouble> {
        let term = format!("{:016x}", fastrand::u64(..));
        let entry = Entry { leader: leader.clone(), term, token: Some(token.clone()) };
        let content = serde_json::to_vec(&entry).expect("an entry can be written");
        let from = clock::now();
        let created = tokio::time::timeout(REQUEST, bucket.create(KEY, content.clone().into())).await;
        let revision = match created {
            Ok(Ok(revision)) => revision,
            Ok(Err(error)) if error.kind() == CreateErrorKind::AlreadyExists => return Ok(None),
            // The entry may have been made, and its answer lost.
            Ok(Err(_)) | Err(_) => match revision_of(bucket, &content).await? {
                Some(revision) => revision,
                None => return Ok(None),
            },
        };
        let until = from + LEASE - MARGIN;
        Ok(Some(Self { bucket: bucket.clone(), content, revision, until, unanswered: None }))
    }

    /// Renews the lease. A renewal that reached the broker counts from when it was sent, also if its answer was lost.
    ///
    /// # Errors
    /// The broker does not answer, or another entry is in its place.
    pub(crate) async fn renew(&mut self) -> Result<(), Trouble> {
        let now = clock::now();
        match asked(self.bucket.update(KEY, self.content.clone().into(), self.revision)).await {
            Ok(revision) => (self.revision, self.until) = (revision, now + LEASE - MARGIN),
            Err(trouble) => {
                let sent = *self.unanswered.get_or_insert(now);
                let found = revision_of(&self.bucket, &self.content).await?;
                let revision = found.filter(|revision| *revision > self.revision).ok_or(trouble)?;
                (self.revision, self.until) = (revision, sent + LEASE - MARGIN);
            }
        }
        self.unanswered = None;
        Ok(())
    }

    /// Gives the lease back, so that another gateway leads at once.
    pub(crate) async fn give_back(self) {
        let deleted = self.bucket.delete_expect_revision(KEY, Some(self.revision));
        if let Err(error) = asked(deleted).await {
            tracing::warn!(%error, "the lease expires by itself; another gateway leads after that");
        }
    }
}
