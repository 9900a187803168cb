//! The list of the fleet's gateways: a bucket with an entry for each, which its gateway writes and all others watch. An entry stays when its
//! gateway is away; it ends when operators delete it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::kv::Operation;
use async_nats::jetstream::{self, stream};
use futures_util::StreamExt;
use protocol::GatewayAddress;
use protocol::limits::GATEWAYS_MAX;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, interval_at};

use crate::broker::{REQUEST, asked};
use crate::{FleetConfig, Trouble};

/// The bucket of the gateways' entries.
pub(crate) const BUCKET: &str = "CHANGTONG_MEMBERS";

/// The interval at which a gateway looks for its own entry.
const LOOK: Duration = Duration::from_secs(2);

/// A gateway's entry; the key is its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// The address for devices; `None` if devices are not to know it.
    devices: Option<String>,
}

/// The gateways of a fleet, each with its address for devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members(BTreeMap<String, Option<GatewayAddress>>);

impl Members {
    /// Returns the names of all gateways.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Returns the names of all gateways but this one.
    pub(crate) fn others(&self, own: &str) -> Vec<String> {
        self.0.keys().filter(|name| *name != own).cloned().collect()
    }

    /// Returns the addresses for devices, as many as a list of the protocol has.
    pub(crate) fn addresses(&self) -> Vec<GatewayAddress> {
        self.0.values().flatten().take(GATEWAYS_MAX).cloned().collect()
    }

    fn take(&mut self, name: String, operation: Operation, value: &[u8]) {
        match operation {
            Operation::Put => {
                // Of an entry that a later release has written otherwise, the name is what counts.
                let entry = serde_json::from_slice::<Entry>(value).ok();
                let address = entry.and_then(|entry| entry.devices).and_then(|text| text.parse().ok());
                self.0.insert(name, address);
            }
            Operation::Delete | Operation::Purge => drop(self.0.remove(&name)),
        }
    }
}

/// Writes this gateway's entry, and follows the list until the broker fails.
pub(crate) async fn follow(
    client: &Client,
    config: &FleetConfig,
    list: &watch::Sender<Option<Members>>,
) -> Trouble {
    match try_follow(client, config, list).await {
        Ok(()) => Trouble::Broker("the list of gateways ended".to_owned()),
        Err(trouble) => trouble,
    }
}

async fn try_follow(
    client: &Client,
    config: &FleetConfig,
    list: &watch::Sender<Option<Members>>,
) -> Result<(), Trouble> {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(REQUEST);
    let members = stream::Config {
        name: format!("KV_{BUCKET}"),
        description: Some("The gateways of the fleet".to_owned()),
        subjects: vec![format!("$KV.{BUCKET}.>")],
        storage: stream::StorageType::File,
        num_replicas: config.replicas,
        max_messages_per_subject: 1,
        discard: stream::DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        ..stream::Config::default()
    };
    let refused = |error: &dyn std::fmt::Display| Trouble::Refused(error.to_string());
    context.get_or_create_stream(members).await.map_err(|error| refused(&error))?;
    let bucket = context.get_key_value(BUCKET).await.map_err(|error| refused(&error))?;
    let entry = Entry { devices: config.device_address.as_ref().map(ToString::to_string) };
    let content = serde_json::to_vec(&entry).expect("an entry can be written");
    let found = asked(bucket.get(&config.name)).await?;
    if found.as_deref() != Some(&content) {
        asked(bucket.put(&config.name, content.clone().into())).await?;
    }
    let mut entries = asked(bucket.watch_with_history(">")).await?;
    // A bucket that lost its content says nothing of gateways that are away: only an operator's deletion takes a name out.
    let mut known = list.borrow().clone().unwrap_or_default();
    let mut missing = Some(known.clone());
    let mut look = interval_at(Instant::now() + LOOK, LOOK);
    loop {
        let entry = tokio::select! {
            entry = entries.next() => entry,
            // A broker that lost its data, or an operator, may have removed the entry, and a watch of a bucket that is gone says nothing.
            _ = look.tick() => match asked(bucket.get(&config.name)).await?.as_deref() == Some(&content) {
                true => continue,
                false => {
                    return Err(Trouble::Broker("this gateway is missing from the list of gateways".to_owned()));
                }
            },
        };
        let Some(entry) = entry else { return Ok(()) };
        let entry = entry.map_err(|error| Trouble::Broker(error.to_string()))?;
        if let Some(missing) = &mut missing {
            missing.0.remove(&entry.key);
        }
        known.take(entry.key, entry.operation, &entry.value);
        // A part of the list would take gateways for gone that are there.
        if entry.seen_current {
            for (name, address) in missing.take().unwrap_or_default().0 {
                tracing::warn!(name, "a gateway is missing from the list of gateways, and is entered again");
                let entry = Entry { devices: address.map(|address| address.to_string()) };
                let content = serde_json::to_vec(&entry).expect("an entry can be written");
                // One that has come back meanwhile has entered itself.
                let _ = asked(bucket.create(name, content.into())).await;
            }
            list.send_if_modified(|list| {
                let is_new = list.as_ref() != Some(&known);
                *list = Some(known.clone());
                is_new
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_an_address_counts_as_a_gateway_and_a_deleted_one_does_not() {
        let mut members = Members::default();
        for (name, value) in [
            ("north", r#"{"devices":"gw1.example:7443"}"#),
            ("south", r#"{"devices":null}"#),
            ("west", r#"{"devices":"nowhere"}"#),
            ("east", "of a later release"),
        ] {
            members.take(name.to_owned(), Operation::Put, value.as_bytes());
        }
        assert_eq!(members.others("north"), ["east", "south", "west"]);
        assert_eq!(members.addresses(), ["gw1.example:7443".parse().unwrap()]);
        members.take("west".to_owned(), Operation::Delete, b"");
        members.take("north".to_owned(), Operation::Purge, b"");
        assert_eq!((members.others("north").len(), members.addresses().len()), (2, 0));
    }
}
