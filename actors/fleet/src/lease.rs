//! The lease of the leader: one key of a bucket whose entries expire. It decides who tries to lead; who may is decided by the stream, at
//! each append. A leader that cannot renew it in time stops to lead by its own clock, before the entry expires.

use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{CreateErrorKind, Store};
use runtime::clock;
use serde::{Deserialize, Serialize};

use crate::Trouble;
use crate::broker::{LEASE, REQUEST, asked};

/// The interval of renewals: three may fail.
pub(crate) const RENEW: Duration = Duration::from_secs(1);
/// The time by which a leader stops before its entry can expire: clocks of two machines run unlike by far less within a lease.
const MARGIN: Duration = Duration::from_millis(500);

const KEY: &str = "leader";

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
    /// The process, so that a gateway knows its own entry from an earlier process's or a namesake's.
    process: String,
}

/// A lease that this gateway holds.
pub(crate) struct Lease {
    bucket: Store,
    content: Vec<u8>,
    revision: u64,
    /// The end of the right to lead, by this gateway's own clock.
    pub(crate) until: Instant,
}

/// Reads who holds the lease.
pub(crate) async fn holder(bucket: &Store) -> Result<Option<Leader>, Trouble> {
    let entry = asked(bucket.get(KEY)).await?;
    Ok(entry.and_then(|content| serde_json::from_slice::<Entry>(&content).ok()).map(|entry| entry.leader))
}

impl Lease {
    /// Takes the lease if no gateway holds it; `None` if one does.
    pub(crate) async fn take(
        bucket: &Store,
        leader: &Leader,
        process: &str,
    ) -> Result<Option<Self>, Trouble> {
        let entry = Entry { leader: leader.clone(), process: process.to_owned() };
        let content = serde_json::to_vec(&entry).expect("an entry can be written");
        let from = clock::now();
        let created = tokio::time::timeout(REQUEST, bucket.create(KEY, content.clone().into())).await;
        match created {
            Ok(Ok(revision)) => {
                Ok(Some(Self { bucket: bucket.clone(), content, revision, until: from + LEASE - MARGIN }))
            }
            Ok(Err(error)) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
            Ok(Err(error)) => Err(Trouble::Broker(error.to_string())),
            Err(_) => Err(Trouble::Broker("no answer about the lease".to_owned())),
        }
    }

    /// Renews the lease.
    ///
    /// # Errors
    /// The broker does not answer, or another entry is in its place.
    pub(crate) async fn renew(&mut self) -> Result<(), Trouble> {
        let from = clock::now();
        self.revision = asked(self.bucket.update(KEY, self.content.clone().into(), self.revision)).await?;
        self.until = from + LEASE - MARGIN;
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
