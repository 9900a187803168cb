//! A gateway that follows: it applies the stream in order, and tries to lead when no gateway does and it has everything.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::consumer::pull::Ordered;
use futures_util::{FutureExt, StreamExt};
use registry::replication::{Step, StreamPlace, VERSION};
use runtime::clock;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout_at};

use crate::broker::{self, Broker};
use crate::envelope::Joiner;
use crate::lease::{self, Holder, Leader, Lease};
use crate::standing::Shared;
use crate::{FleetConfig, Member, Trouble, snapshot};

/// The interval at which the lease is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The most rows that are applied in one transaction, which holds up nothing but this gateway's own chores: about a second. Its page cache
/// and the pages as they were before take about 400 MB meanwhile, with the rows of people in a city of millions.
const ROWS_PER_TRANSACTION: usize = 50_000;
/// The longest wait for more messages that the stream has, before those that have come are applied: the lease is not looked at meanwhile.
const PATIENCE: Duration = Duration::from_millis(500);
/// The most messages that are asked for at once.
const MESSAGES_PER_PULL: i64 = 1_000;

/// The time without a message, while the stream has more, after which the messages are asked for anew: the server that sent them may have
/// died, and the client notices that only after a minute.
const SILENCE: Duration = Duration::from_secs(2);

const ORDERED: Trouble = Trouble::Deposed("operators gave an order about this gateway's part in the fleet");

/// The right to lead, with the position that the first change follows.
pub(crate) struct Office {
    pub(crate) lease: Lease,
    pub(crate) end: u64,
}

/// Follows until this gateway, the `candidate`, holds the lease and has applied everything.
pub(crate) async fn follow(
    broker: &Broker,
    shared: &Shared,
    member: &dyn Member,
    config: &FleetConfig,
    candidate: &Leader,
) -> Result<Office, Trouble> {
    shared.take_order(broker, member, config).await?;
    let place = begin(broker, shared, member, config).await?;
    let mut messages = messages(broker, place.position + 1).await?;
    let mut reading = Reading {
        broker,
        shared,
        member,
        read: place.position,
        applied: place.position,
        id: place.message.clone(),
        joiner: Joiner::new(place),
        heard: clock::now(),
        asked: None,
    };
    let mut held: Option<Lease> = None;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.ordered.notified() => return Err(ORDERED),
            message = messages.next() => reading.take(message, &mut messages).await?,
            _ = look.tick() => {
                let asked = clock::now();
                let (first, last) = broker.bounds().await?;
                // A broker may lose its end while this gateway is connected.
                compare_end(broker, (first, last), (reading.read, &reading.id)).await?;
                shared.note(|standing| standing.end = last);
                let has_all = reading.read == last;
                if reading.read < last && clock::since(reading.heard) > SILENCE {
                    messages = self::messages(broker, reading.read + 1).await?;
                    reading.heard = clock::now();
                }
                match &mut held {
                    Some(lease) => lease.renew().await?,
                    None => {
                        let holder = lease::holder(&broker.bucket).await?;
                        let is_free = holder.is_none();
                        note_holder(shared, holder);
                        if !is_free {
                            reading.ended(asked, last);
                        }
                        let may_try = is_free && has_all && !shared.rests();
                        if may_try && lease::may_be_taken(&broker.bucket, &candidate.name).await? {
                            held = Lease::take(&broker.bucket, candidate, &shared.token).await?;
                        }
                        // An earlier leader may have written until now.
                        continue;
                    }
                }
                if has_all && let Some(lease) = held.take() {
                    // It reads its own entry, as others do, for the time that it has.
                    note_holder(shared, lease::holder(&broker.bucket).await?);
                    return Ok(Office { lease, end: last });
                }
            }
        }
    }
}

/// Finds this gateway's place in the stream, by a snapshot if the stream begins behind it; returns it.
async fn begin(
    broker: &Broker,
    shared: &Shared,
    member: &dyn Member,
    config: &FleetConfig,
) -> Result<StreamPlace, Trouble> {
    // Before the registry is asked, whose disk may take nothing: the lag is told then, too.
    let (_, end) = broker.bounds().await?;
    shared.note(|standing| (standing.connected, standing.end) = (true, standing.end.max(end)));
    let mut place = member.position().await?;
    let (mut first, mut last) = broker.bounds().await?;
    // A registry without a place, or behind the trim.
    if last > 0 && place.position == 0 || place.position > 0 && first > place.position + 1 {
        shared.note(|standing| standing.position = place.position);
        snapshot::join(broker, shared, member, config).await?;
        place = member.position().await?;
        (first, last) = broker.bounds().await?;
    }
    shared.note(|standing| standing.position = place.position);
    compare_end(broker, (first, last), (place.position, &place.message)).await?;
    shared.note(|standing| (standing.end, standing.trouble) = (last, None));
    Ok(place)
}

/// Notes the end of the stream while a transaction waits for the disk, for ever: a follower that is slow tells how far it is behind.
async fn heed(broker: &Broker, shared: &Shared) -> Infallible {
    loop {
        sleep(LOOK).await;
        // Without an answer the end that is known is told.
        if let Ok((_, last)) = broker.bounds().await {
            shared.note(|standing| standing.end = standing.end.max(last));
        }
    }
}

/// Notes who leads, how this gateway's clock differs from the broker's, and a token key that one of both lacks.
fn note_holder(shared: &Shared, holder: Option<Holder>) {
    let compared = holder.as_ref().and_then(|holder| Some((&holder.leader.name, holder.token.as_ref()?)));
    let lacking = compared.and_then(|(name, token)| shared.lacking(name, token));
    shared.note(|standing| {
        standing.lacking = lacking;
        standing.ahead_s = holder.as_ref().map_or(standing.ahead_s, |holder| holder.ahead_s);
        standing.leader = holder.map(|holder| holder.leader);
    });
}

/// Refuses a stream that ends before what was read, or has another message there.
async fn compare_end(
    broker: &Broker,
    (first, last): (u64, u64),
    (read, id): (u64, &str),
) -> Result<(), Trouble> {
    if read > last {
        return Err(Trouble::StreamLost { last, position: read });
    }
    if read >= first && !id.is_empty() && broker.at(read).await?.is_some_and(|found| found != id) {
        return Err(Trouble::OtherStream { position: read });
    }
    Ok(())
}

async fn messages(broker: &Broker, from: u64) -> Result<Ordered, Trouble> {
    broker::messages(&broker.stream, from, MESSAGES_PER_PULL).await
}

type Received =
    Option<Result<async_nats::jetstream::Message, async_nats::jetstream::consumer::pull::OrderedError>>;

/// The stream as far as it is read.
struct Reading<'a> {
    broker: &'a Broker,
    shared: &'a Shared,
    member: &'a dyn Member,
    joiner: Joiner,
    /// The last message that was read.
    read: u64,
    /// The last message whose step was applied.
    applied: u64,
    /// Its id; empty if an earlier release noted the position.
    id: String,
    /// When that was, or when it was applied.
    heard: Instant,
    /// A moment under a leader, with the end of the stream then, which is not applied yet.
    asked: Option<(Instant, u64)>,
}

impl Reading<'_> {
    /// Notes where the stream ended at a moment under a leader. An end that is not reached yet is kept: behind a leader that writes all the
    /// time, each new one would be missed, too.
    fn ended(&mut self, moment: Instant, last: u64) {
        self.compare();
        self.asked.get_or_insert((moment, last));
        self.compare();
    }

    /// Tells the moment whose changes are all applied.
    fn compare(&mut self) {
        if let Some((moment, _)) = self.asked.take_if(|(_, last)| *last <= self.applied) {
            self.shared.has_all_of(moment);
        }
    }

    /// Applies a message, with those that have come meanwhile. Behind the known end of the stream more are waited for: in a large registry
    /// a large transaction takes little more time than a small one.
    async fn take(&mut self, first: Received, messages: &mut Ordered) -> Result<(), Trouble> {
        let (mut steps, mut rows, end) = (Vec::new(), 0, self.shared.standing().end);
        let (mut next, mut refused, until) = (Some(first), None, (clock::now() + PATIENCE).into());
        while let Some(received) = next {
            match self.read(received) {
                Ok(Some(step)) => {
                    // It is refused, with all of its transaction.
                    if step.changes.version != VERSION {
                        self.apply(std::mem::take(&mut steps)).await?;
                    }
                    rows += step.changes.rows();
                    steps.push(step);
                }
                Ok(None) => {}
                // What came before it is good.
                Err(trouble) => {
                    refused = Some(trouble);
                    break;
                }
            }
            next = match () {
                () if rows >= ROWS_PER_TRANSACTION => None,
                () if self.read < end => timeout_at(until, messages.next()).await.ok(),
                () => messages.next().now_or_never(),
            };
        }
        self.apply(steps).await?;
        refused.map_or(Ok(()), Err)
    }

    /// Applies steps in one transaction.
    async fn apply(&mut self, steps: Vec<Step>) -> Result<(), Trouble> {
        let Some(upto) = steps.last().map(|step| step.upto.position) else { return Ok(()) };
        tokio::select! {
            applied = self.member.apply(steps) => applied?,
            never = heed(self.broker, self.shared) => match never {},
        }
        // The time of applying is not the broker's.
        (self.heard, self.applied) = (clock::now(), upto);
        self.shared.note(|standing| {
            standing.position = upto;
            standing.end = standing.end.max(upto);
        });
        self.compare();
        Ok(())
    }

    fn read(&mut self, received: Received) -> Result<Option<Step>, Trouble> {
        let message = match received {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(Trouble::Broker(error.to_string())),
            None => return Err(Trouble::Broker("the stream's messages ended".to_owned())),
        };
        let sequence = message.info().map_err(|error| Trouble::Broker(error.to_string()))?.stream_sequence;
        if sequence != self.read + 1 {
            return Err(Trouble::Broker(format!("message {sequence} came after {}", self.read)));
        }
        let id = message.headers.as_ref().and_then(|headers| headers.get(NATS_MESSAGE_ID));
        let id = id.map(|id| id.as_str()).unwrap_or_default();
        let complete = self.joiner.push(self.shared.key(), sequence, id, &message.payload)?;
        (self.read, self.id, self.heard) = (sequence, id.to_owned(), clock::now());
        let Some((sender, step)) = complete else { return Ok(None) };
        self.shared.compare_keys(&sender)?;
        Ok(Some(step))
    }
}
