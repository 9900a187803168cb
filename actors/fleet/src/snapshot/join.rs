//! The joiner's part: the newest snapshot behind which the stream goes on is read into a side file, and takes the place of the registry.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use registry::RegistryError;
use registry::replication::{StreamPlace, VERSION};
use runtime::clock;
use runtime::lock::lock;

use super::piece::Manifest;
use super::shelf::{Shelf, Stored, continues, usable};
use super::{aside, file, incoming, remove};
use crate::broker::Broker;
use crate::reports::Joined;
use crate::standing::Shared;
use crate::{FleetConfig, Member, Trouble};

/// Joins by the newest snapshot that can be used; a damaged one leaves its turn to the one before.
pub(crate) async fn join(
    broker: &Broker,
    shared: &Shared,
    member: &dyn Member,
    config: &FleetConfig,
) -> Result<Joined, Trouble> {
    member.may_join().await?;
    let begun = clock::now();
    let known = member.position().await?;
    let shelf = Shelf::open(broker.client.clone(), config).await?;
    let bounds = broker.bounds().await?;
    let mut trouble = Trouble::NoSnapshot { first: bounds.0, last: bounds.1 };
    for stored in shelf.whole(None).await? {
        if !usable(&stored.head, bounds) || !continues(broker, &stored.head, bounds).await? {
            continue;
        }
        if stored.head.version != VERSION {
            let other = RegistryError::OtherRelease { found: stored.head.version, known: VERSION };
            trouble = Trouble::Gateway(other.to_string());
            continue;
        }
        match adopt(&shelf, shared, member, config, (&known, &stored)).await {
            Ok((people, bytes)) => {
                let (position, seconds) = (stored.head.position, clock::since(begun).as_secs_f64());
                tracing::info!(position, people, bytes, seconds, "this gateway has joined by a snapshot");
                return Ok(Joined { position, people, bytes, seconds });
            }
            Err(damaged @ Trouble::Snapshot { .. }) => {
                tracing::warn!(trouble = %damaged, "a snapshot is refused");
                trouble = damaged;
            }
            Err(other) => return Err(other),
        }
    }
    Err(trouble)
}

async fn adopt(
    shelf: &Shelf,
    shared: &Shared,
    member: &dyn Member,
    config: &FleetConfig,
    (known, stored): (&StreamPlace, &Stored),
) -> Result<(u64, u64), Trouble> {
    let path = incoming(config);
    remove(&path)?;
    let received = receive(shelf, shared, (known, stored), path.clone()).await;
    let adopted = match received {
        Err(trouble) => Err(trouble),
        Ok(bytes) => {
            // A task of its own: the writer is held until the pages are copied, also if the thread turns to something else meanwhile.
            let (joining, adoption) = (shared.join(), member.adopt(path.clone(), stored.head.place()));
            let people = tokio::spawn(async move {
                let _joining = joining;
                adoption.await
            });
            let ended = |error: tokio::task::JoinError| Trouble::Gateway(error.to_string());
            people.await.map_err(ended).flatten().map(|people| (people, bytes))
        }
    };
    remove(&path)?;
    adopted
}

/// Writes a snapshot into a file; returns its length.
async fn receive(
    shelf: &Shelf,
    shared: &Shared,
    (known, stored): (&StreamPlace, &Stored),
    path: PathBuf,
) -> Result<u64, Trouble> {
    let damaged = |what| Trouble::Snapshot { position: stored.head.position, piece: 0, what };
    let mut pieces = shelf.read(shared.key(), stored).await?;
    let manifest = pieces.next().await?.and_then(|plain| Manifest::decode(&plain));
    let Manifest { sender, bytes } = manifest.ok_or_else(|| damaged("is another release's"))?;
    if !known.fleet.is_empty() && known.fleet != stored.head.fleet {
        return Err(damaged("is another fleet's than this registry's"));
    }
    shared.compare_keys(&sender)?;
    let new = path.clone();
    let open = move || {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(&new).map_err(file("making", &new))
    };
    let out: Arc<Mutex<File>> = Arc::new(Mutex::new(aside(open).await?));
    let mut written = 0;
    while let Some(plain) = pieces.next().await? {
        written += plain.len() as u64;
        let (out, path) = (Arc::clone(&out), path.clone());
        aside(move || lock(&out).write_all(&plain).map_err(file("writing", &path))).await?;
    }
    if written == bytes { Ok(bytes) } else { Err(damaged("has another length than the pieces")) }
}
