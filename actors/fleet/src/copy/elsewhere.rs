//! The marks of each device at other gateways, folded from the headers of their copies: a device that comes from one of them has lost
//! nothing. Written by the fleet's thread, read by any; a restart reads the last hours again.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::{self, Context};
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, TryStreamExt};
use protocol::{DeviceId, Epoch, Sequence};
use runtime::clock;
use runtime::lock::lock;
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval};

use super::message;
use super::store::COPY_STREAM;
use crate::broker::{self, asked};
use crate::peers::FoldedMarks;
use crate::{FleetConfig, Trouble};

/// The time before a start from which on other gateways' copies are read. A device that was away from its gateway for longer is not known.
const READ_BACK_S: u64 = 2 * 3_600;
/// The interval at which other gateways' streams are looked for.
const FOUND: Duration = Duration::from_secs(2);
/// The most devices that are kept: ten times those of a city. Others are not known.
const DEVICES_MAX: usize = 1_000_000;

/// The highest punch of a device that another gateway has recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    /// That gateway's name.
    gateway: Arc<str>,
    /// The device's epoch.
    epoch: u32,
    /// The highest recorded sequence of that epoch.
    sequence: u64,
}

/// The marks of all other gateways; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elsewhere(Arc<Mutex<HashMap<u64, Vec<Held>>>>);

impl Elsewhere {
    /// Takes the marks of a message of a gateway's copy.
    fn fold(&self, gateway: &Arc<str>, headers: &HeaderMap) {
        let mut all = lock(&self.0);
        for (device, epoch, sequence) in message::marks(headers) {
            if all.len() >= DEVICES_MAX && !all.contains_key(&device) {
                continue;
            }
            // A device is at one gateway, or at a few.
            let of_device = all.entry(device).or_default();
            match of_device.iter_mut().find(|held| held.gateway == *gateway) {
                Some(known) if (known.epoch, known.sequence) < (epoch, sequence) => {
                    (known.epoch, known.sequence) = (epoch, sequence);
                }
                Some(_) => {}
                None => of_device.push(Held { gateway: Arc::clone(gateway), epoch, sequence }),
            }
        }
    }
}

impl FoldedMarks for Elsewhere {
    fn marks(&self, device: DeviceId, epoch: Epoch) -> Vec<(Arc<str>, Sequence)> {
        let all = lock(&self.0);
        let held = all.get(&device.0).into_iter().flatten().filter(|held| held.epoch == epoch.0);
        held.map(|held| (Arc::clone(&held.gateway), Sequence(held.sequence))).collect()
    }
}

type Reader<'a> = Pin<Box<dyn Future<Output = String> + Send + 'a>>;

/// Reads the headers of all other gateways' copies, for ever.
pub(crate) async fn follow(config: &FleetConfig, elsewhere: &Elsewhere) -> Infallible {
    let own = format!("{COPY_STREAM}{}", config.name);
    let (mut context, mut known) = (None, BTreeSet::new());
    let mut readers: FuturesUnordered<Reader<'_>> = FuturesUnordered::new();
    let mut due = interval(FOUND);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // One that ended is found again.
            Some(ended) = readers.next() => drop(known.remove(&ended)),
            _ = due.tick() => {
                // The trouble of a broker that is away is told by the copy itself.
                let Ok(names) = find(config, &mut context).await else { continue };
                for name in names.into_iter().filter(|name| *name != own) {
                    if known.insert(name.clone()) && let Some(context) = context.clone() {
                        readers.push(Box::pin(async move {
                            let ended = read(&context, &name, elsewhere).await;
                            tracing::debug!(name, ?ended, "another gateway's copy is not read for now");
                            name
                        }));
                    }
                }
            }
        }
    }
}

/// Returns the names of all copies' streams. Connects before.
async fn find(config: &FleetConfig, context: &mut Option<Context>) -> Result<Vec<String>, Trouble> {
    let context = match context {
        Some(context) => context,
        None => context.insert(jetstream::new(broker::connect(config).await?)),
    };
    let names: Vec<String> = asked(context.stream_names().try_collect()).await?;
    Ok(names.into_iter().filter(|name| name.starts_with(COPY_STREAM)).collect())
}

/// Reads the headers of one copy until there is trouble.
async fn read(context: &Context, name: &str, elsewhere: &Elsewhere) -> Result<(), Trouble> {
    let gateway: Arc<str> = name.strip_prefix(COPY_STREAM).unwrap_or(name).into();
    let stream = asked(context.get_stream(name)).await?;
    let from_s = i64::try_from(clock::now_s().saturating_sub(READ_BACK_S)).unwrap_or(0);
    let start_time = OffsetDateTime::from_unix_timestamp(from_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let config = OrderedConfig {
        deliver_policy: DeliverPolicy::ByStartTime { start_time },
        headers_only: true,
        ..OrderedConfig::default()
    };
    let consumer = asked(stream.create_consumer(config)).await?;
    let mut messages = asked(consumer.messages()).await?;
    while let Some(received) = messages.next().await {
        let received = received.map_err(|error| Trouble::Broker(error.to_string()))?;
        if let Some(headers) = &received.headers {
            elsewhere.fold(&gateway, headers);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ledger::SealedBatches;

    use super::*;

    #[test]
    fn the_highest_mark_of_a_device_stands_whatever_comes_after_it() {
        let elsewhere = Elsewhere::default();
        let mark = |device: u64, epoch: u32, sequence: u64| {
            [&device.to_le_bytes()[..], &epoch.to_le_bytes(), &sequence.to_le_bytes()].concat()
        };
        for (gateway, marks) in [
            ("south", [mark(1, 1, 90), mark(2, 1, 7)].concat()),
            ("west", [mark(1, 1, 100), mark(2, 2, 1)].concat()),
            ("south", [mark(1, 1, 95), mark(2, 1, 400)].concat()),
        ] {
            let batches = SealedBatches { first: 1, last: 1, marks, ..SealedBatches::default() };
            elsewhere.fold(&gateway.into(), &message::headers(&batches));
        }
        elsewhere.fold(&"east".into(), &HeaderMap::new());
        let marks = elsewhere.marks(DeviceId(1), Epoch(1));
        assert_eq!(marks, [("south".into(), Sequence(95)), ("west".into(), Sequence(100))]);
        assert_eq!(elsewhere.marks(DeviceId(2), Epoch(2)), [("west".into(), Sequence(1))]);
        assert_eq!(elsewhere.marks(DeviceId(2), Epoch(1)), [("south".into(), Sequence(400))]);
        assert_eq!(elsewhere.marks(DeviceId(3), Epoch(1)), []);
    }
}
