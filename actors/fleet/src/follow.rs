//! A gateway that follows: it applies the stream in order, and tries to lead when no gateway does and it has everything.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::consumer::{DeliverPolicy, ReplayPolicy};
use futures_util::{FutureExt, StreamExt};
use keys::ids::KeyId;
use registry::replication::Step;
use tokio::time::{MissedTickBehavior, interval};

use crate::broker::{Broker, asked};
use crate::envelope::{Joiner, Sender};
use crate::lease::{self, Leader, Lease};
use crate::standing::Shared;
use crate::{Member, Trouble};

/// The interval at which the lease is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The most rows that are applied in one transaction, which holds up nothing but this gateway's own chores: about a tenth of a second.
const ROWS_PER_TRANSACTION: usize = 10_000;
/// The most messages that are asked for at once.
const MESSAGES_PER_PULL: i64 = 1_000;

/// The right to lead, with the position that the first change follows.
pub(crate) struct Office {
    pub(crate) lease: Lease,
    pub(crate) end: u64,
}

/// This gateway as the leader that it may be.
pub(crate) struct Candidate<'a> {
    pub(crate) leader: &'a Leader,
    pub(crate) process: &'a str,
}

/// Follows until this gateway holds the lease and has applied everything.
pub(crate) async fn follow(
    broker: &Broker,
    shared: &Shared,
    member: &dyn Member,
    candidate: &Candidate<'_>,
) -> Result<Office, Trouble> {
    let place = member.position().await?;
    let position = place.position;
    let (first, last) = broker.bounds().await?;
    check(position, first, last)?;
    shared.note(|standing| {
        (standing.position, standing.end) = (position, last);
        (standing.connected, standing.trouble) = (true, None);
    });
    let mut messages = messages(broker, position + 1).await?;
    let mut reading = Reading { shared, member, joiner: Joiner::new(place), read: position };
    let mut held: Option<Lease> = None;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = messages.next() => reading.take(message, &mut messages).await?,
            _ = look.tick() => {
                let (_, last) = broker.bounds().await?;
                shared.note(|standing| standing.end = last);
                let has_all = reading.read == last;
                match &mut held {
                    Some(lease) => lease.renew().await?,
                    None => {
                        let leader = lease::holder(&broker.bucket).await?;
                        let is_free = leader.is_none();
                        shared.note(|standing| standing.leader = leader);
                        if is_free && has_all {
                            held = Lease::take(&broker.bucket, candidate.leader, candidate.process).await?;
                        }
                        // An earlier leader may have written until now.
                        continue;
                    }
                }
                if has_all && let Some(lease) = held.take() {
                    return Ok(Office { lease, end: last });
                }
            }
        }
    }
}

fn check(position: u64, first: u64, last: u64) -> Result<(), Trouble> {
    if position > last {
        return Err(Trouble::StreamLost { last, position });
    }
    if first > position + 1 {
        return Err(Trouble::BehindTheTrim { first, position });
    }
    Ok(())
}

async fn messages(broker: &Broker, from: u64) -> Result<Ordered, Trouble> {
    let config = OrderedConfig {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
        replay_policy: ReplayPolicy::Instant,
        max_batch: MESSAGES_PER_PULL,
        ..OrderedConfig::default()
    };
    let consumer = asked(broker.stream.create_consumer(config)).await?;
    asked(consumer.messages()).await
}

type Received =
    Option<Result<async_nats::jetstream::Message, async_nats::jetstream::consumer::pull::OrderedError>>;

/// The stream as far as it is read.
struct Reading<'a> {
    shared: &'a Shared,
    member: &'a dyn Member,
    joiner: Joiner,
    /// The last message that was read.
    read: u64,
}

impl Reading<'_> {
    /// Applies a message, with those that have come meanwhile.
    async fn take(&mut self, first: Received, messages: &mut Ordered) -> Result<(), Trouble> {
        let (mut steps, mut rows) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(received) = next {
            if let Some(step) = self.read(received)? {
                rows += step.changes.rows();
                steps.push(step);
            }
            next = if rows < ROWS_PER_TRANSACTION { messages.next().now_or_never() } else { None };
        }
        let Some(upto) = steps.last().map(|step| step.upto) else { return Ok(()) };
        self.member.apply(steps).await?;
        self.shared.note(|standing| {
            standing.position = upto;
            standing.end = standing.end.max(upto);
        });
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
        let complete = self.joiner.push(self.shared.key(), sequence, &message.payload)?;
        self.read = sequence;
        let Some((sender, step)) = complete else { return Ok(None) };
        compare_keys(&self.shared.keys, &sender)?;
        Ok(Some(step))
    }
}

/// Refuses a leader whose keys are not this gateway's. A key that one of both lacks is being rotated.
fn compare_keys(here: &[KeyId], sender: &Sender) -> Result<(), Trouble> {
    let differs = |(file, id): &&(String, String)| here.iter().any(|key| key.file == *file && key.id != *id);
    match sender.keys.iter().find(differs) {
        None => Ok(()),
        Some((file, _)) => Err(Trouble::OtherKey { leader: sender.name.clone(), file: file.clone() }),
    }
}
