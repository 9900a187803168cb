//! The leader's part: a copy of the registry, made beside its writer, goes to the broker in pieces and is read back; only then the stream is
//! trimmed behind the snapshot before.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use registry::replication::VERSION;
use ring::digest::{Context, Digest, SHA256};
use runtime::clock;
use runtime::lock::lock;
use tokio::time::sleep;

use super::piece::{self, Head, Manifest};
use super::shelf::{Shelf, Stored, continues, usable};
use super::{Rhythm, aside, file, outgoing, remove};
use crate::broker::{self, Broker};
use crate::standing::{Shared, SnapshotStanding};
use crate::{FleetConfig, Member, Trouble};

/// The interval at which a leader looks whether a snapshot is due.
const LOOK: Duration = Duration::from_millis(500);
/// The pause after one that failed.
const RETRY: Duration = Duration::from_secs(2);
/// The first snapshots that may fail before another gateway gets its turn to lead.
const FIRST_TRIES_MAX: u32 = 3;
/// The time for which a gateway that could not store its first snapshot leaves the lead to others.
const REST: Duration = Duration::from_secs(30);

/// Stores snapshots while this gateway leads. Returns the trouble of a gateway that cannot store its first one.
pub(crate) async fn keep(
    broker: &Broker,
    shared: &Shared,
    member: &dyn Member,
    config: &FleetConfig,
) -> Trouble {
    let mut newest: Option<(Stored, Instant)> = None;
    // A snapshot behind which the stream is not trimmed yet.
    let mut untrimmed: Option<Stored> = None;
    let (mut looked, mut failed) = (false, 0);
    loop {
        let done = async {
            if !looked {
                // A connection of its own: pieces are large.
                let shelf = Shelf::open(broker::connect(config).await?, config).await?;
                newest = joinable(broker, &shelf, shared, member).await?.map(|stored| (stored, clock::now()));
                looked = true;
                // It takes changes while it stores another one that is due.
                if let Some((stored, _)) = &newest {
                    tell(shared, stored);
                }
            }
            if is_due(newest.as_ref(), shared.standing().position, config.snapshots) {
                let stored = make(shared, member, config).await?;
                newest = Some((stored.clone(), clock::now()));
                untrimmed = Some(stored);
            }
            if let Some((stored, _)) = &newest {
                tell(shared, stored);
            }
            if let Some(stored) = &untrimmed {
                trim(broker, shared, config, stored).await?;
                untrimmed = None;
            }
            Ok(())
        };
        let done: Result<(), Trouble> = done.await;
        let Err(trouble) = done else {
            failed = 0;
            sleep(LOOK).await;
            continue;
        };
        tracing::warn!(%trouble, "a snapshot for other gateways is not stored, or the stream is not trimmed behind it; it is tried again");
        if newest.is_none() {
            failed += 1;
            let text = format!("others cannot join yet, so no change is taken: {trouble}");
            if failed == FIRST_TRIES_MAX {
                shared.rest(REST);
                return Trouble::Gateway(text);
            }
            shared.note(|standing| standing.trouble = Some(text));
        }
        sleep(RETRY).await;
    }
}

fn tell(shared: &Shared, stored: &Stored) {
    let Head { position, made_s, .. } = stored.head;
    shared.joinable(SnapshotStanding { position, made_s });
}

/// Returns the newest whole snapshot by which others can join this stream.
async fn joinable(
    broker: &Broker,
    shelf: &Shelf,
    shared: &Shared,
    member: &dyn Member,
) -> Result<Option<Stored>, Trouble> {
    let (bounds, fleet) = (broker.bounds().await?, member.position().await?.fleet);
    for stored in shelf.whole(Some(shared.key())).await? {
        let head = &stored.head;
        let is_ours = head.version == VERSION && head.fleet == fleet;
        if is_ours && usable(head, bounds) && continues(broker, head, bounds).await? {
            return Ok(Some(stored));
        }
    }
    Ok(None)
}

fn is_due(newest: Option<&(Stored, Instant)>, position: u64, rhythm: Rhythm) -> bool {
    let Some((stored, seen)) = newest else { return true };
    let Rhythm { messages, pause, at_latest } = rhythm;
    // Another gateway's clock may be ahead.
    let age = Duration::from_secs(clock::now_s().saturating_sub(stored.head.made_s)).max(clock::since(*seen));
    age >= at_latest || age >= pause && position.saturating_sub(stored.head.position) >= messages
}

/// Stores a snapshot and reads it back.
async fn make(shared: &Shared, member: &dyn Member, config: &FleetConfig) -> Result<Stored, Trouble> {
    let begun = clock::now();
    let shelf = Shelf::open(broker::connect(config).await?, config).await?;
    let path = outgoing(config);
    remove(&path)?;
    let place = member.copy(path.clone()).await?;
    let head = Head {
        id: fastrand::u128(..).to_be_bytes(),
        version: VERSION,
        fleet: place.fleet,
        position: place.position,
        message: place.message,
        made_s: clock::now_s(),
        piece: 0,
        pieces: 0,
    };
    let stored = send(&shelf, shared, head, path.clone()).await;
    remove(&path)?;
    let (stored, digest) = stored?;
    if read_back(&shelf, shared, &stored).await?.as_ref() != digest.as_ref() {
        let what = "is not what was sent";
        return Err(Trouble::Snapshot { position: stored.head.position, piece: 0, what });
    }
    let seconds = clock::since(begun).as_secs_f64();
    tracing::info!(
        position = stored.head.position,
        pieces = stored.head.pieces,
        seconds,
        "a snapshot is stored"
    );
    Ok(stored)
}

/// The file that is sent.
struct Source {
    file: File,
    digest: Context,
    /// The bytes that are left.
    left: u64,
    piece: u32,
}

/// Sends a file in pieces; returns where they are, and the digest of what was sent.
async fn send(
    shelf: &Shelf,
    shared: &Shared,
    head: Head,
    path: PathBuf,
) -> Result<(Stored, Digest), Trouble> {
    let room = shelf.room();
    let opened = path.clone();
    let (source, left) = aside(move || {
        let file_of = File::open(&opened).map_err(file("opening", &opened))?;
        let left = file_of.metadata().map_err(file("reading", &opened))?.len();
        Ok((Source { file: file_of, digest: Context::new(&SHA256), left, piece: 0 }, left))
    })
    .await?;
    let pieces = u32::try_from(left.div_ceil(room as u64)).ok().and_then(|pieces| pieces.checked_add(1));
    let pieces = pieces.ok_or_else(|| Trouble::Gateway("the registry has too many pieces".to_owned()))?;
    let head = Head { pieces, ..head };
    let manifest = Manifest { sender: shared.sender(true), bytes: left }.encode();
    let source = Arc::new(Mutex::new(source));
    let key = Arc::clone(shared.shared_key());
    let next = || {
        let (source, key, head, path) = (Arc::clone(&source), Arc::clone(&key), head.clone(), path.clone());
        let manifest = manifest.clone();
        aside(move || {
            let mut source = lock(&source);
            let head = head.of(source.piece);
            let plain = match source.piece {
                0 => manifest,
                _ if source.left == 0 => return Ok(None),
                _ => source.read(room).map_err(file("reading", &path))?,
            };
            source.piece += 1;
            source.digest.update(&plain);
            let sealed = piece::seal(&key, &head, &plain);
            sealed.map(Some).map_err(|error| Trouble::Gateway(error.to_string()))
        })
    };
    let (first, last) = shelf.send(next).await?;
    let digest = lock(&source).digest.clone().finish();
    Ok((Stored { head: head.of(pieces - 1), first, last }, digest))
}

impl Source {
    fn read(&mut self, room: usize) -> std::io::Result<Vec<u8>> {
        let mut plain = vec![0; self.left.min(room as u64) as usize];
        self.file.read_exact(&mut plain)?;
        self.left -= plain.len() as u64;
        Ok(plain)
    }
}

async fn read_back(shelf: &Shelf, shared: &Shared, stored: &Stored) -> Result<Digest, Trouble> {
    let mut pieces = shelf.read(shared.key(), stored).await?;
    let mut digest = Context::new(&SHA256);
    while let Some(plain) = pieces.next().await? {
        digest.update(&plain);
    }
    Ok(digest.finish())
}

/// Trims the stream up to the snapshot before this one, so that a gateway that is a little behind goes on, and drops what is older than both.
async fn trim(
    broker: &Broker,
    shared: &Shared,
    config: &FleetConfig,
    stored: &Stored,
) -> Result<(), Trouble> {
    let shelf = Shelf::open(broker.client.clone(), config).await?;
    let whole = shelf.whole(Some(shared.key())).await?;
    let Some(before) = whole.iter().find(|other| other.last < stored.first) else { return Ok(()) };
    shelf.drop_before(before).await?;
    broker.trim(before.head.position).await
}
