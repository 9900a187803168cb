//! Operators' orders about the fleet itself, at the gateway that leads: which gateway is to lead, and that one has left for good.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream;
use tokio::sync::mpsc;

use crate::broker::{REQUEST, asked};
use crate::members::{self, Members};
use crate::standing::Shared;
use crate::{Trouble, lease, names};

/// The longest time that an order takes: some requests to the broker, one after the other.
const ORDER: Duration = Duration::from_secs(6);
/// The time for which a leader goes on after it was told to hand over: the end of the order is put on record meanwhile.
const HANDING_OVER: Duration = Duration::from_secs(1);

/// The reason for which an order about the fleet is refused.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// This gateway does not lead.
    #[error(
        "this gateway does not lead the fleet any more: `changtong fleet status` names the one that does"
    )]
    NotLeading,
    /// This gateway is the one that is named.
    #[error("{0} is the gateway that leads: name another one, or promote another one first")]
    Leads(String),
    /// No gateway of that name is in the fleet.
    #[error("no gateway of the fleet has the name {0}: `changtong fleet status` lists them")]
    Unknown(String),
    /// The gateway does not answer.
    #[error("{0} does not answer: start it, or promote another one")]
    Silent(String),
    /// The gateway that is to leave runs.
    #[error("{0} runs: stop it for good first, and do this again")]
    Runs(String),
    /// The fleet's thread is busy or ends.
    #[error(
        "another order about the fleet is under way, or the gateway ends: look at `changtong fleet status`, then try again"
    )]
    Busy,
    /// The broker does not answer.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

enum What {
    Promote(String),
    Remove(String),
}

struct Ordered {
    what: What,
    reply: SyncSender<Result<(), RosterError>>,
}

/// The way of orders to the fleet's thread; clones share it.
#[derive(Clone)]
pub struct Roster(mpsc::Sender<Ordered>);

/// The end of that way on the fleet's thread.
pub(crate) struct Desk(mpsc::Receiver<Ordered>);

/// Makes both ends.
pub(crate) fn open() -> (Roster, Desk) {
    let (sender, receiver) = mpsc::channel(1);
    (Roster(sender), Desk(receiver))
}

impl Roster {
    /// Has another gateway lead, about a second later. If it has not taken the lead some seconds after that, any gateway may. Blocks until
    /// the wish is with the broker.
    ///
    /// # Errors
    /// This gateway does not lead, the other one does not answer, or the broker does not.
    pub fn promote(&self, name: String) -> Result<(), RosterError> {
        self.order(What::Promote(name))
    }

    /// Takes a gateway that does not run from the list of gateways. Blocks until that is with the broker.
    ///
    /// # Errors
    /// It runs, it is not in the list, or the broker does not answer.
    pub fn remove(&self, name: String) -> Result<(), RosterError> {
        self.order(What::Remove(name))
    }

    fn order(&self, what: What) -> Result<(), RosterError> {
        let (reply, answer) = sync_channel(1);
        self.0.try_send(Ordered { what, reply }).map_err(|_| RosterError::Busy)?;
        answer.recv_timeout(ORDER).unwrap_or(Err(RosterError::Busy))
    }
}

impl Desk {
    /// Does what is ordered, for ever.
    pub(crate) async fn run(&mut self, client: &Client, shared: &Shared, list: impl Fn() -> Option<Members>) {
        while let Some(Ordered { what, reply }) = self.0.recv().await {
            let members = list();
            match what {
                What::Promote(name) => {
                    let done = promote(client, shared, members, &name).await;
                    let is_done = done.is_ok();
                    let _ = reply.send(done);
                    if is_done {
                        tracing::info!(name, "this gateway hands the lead over");
                        tokio::time::sleep(HANDING_OVER).await;
                        shared.handed_over.notify_one();
                    }
                }
                What::Remove(name) => {
                    let _ = reply.send(remove(client, shared, members, &name).await);
                }
            }
        }
        std::future::pending().await
    }
}

/// Refuses a name that is this gateway's, or no gateway's.
fn check(shared: &Shared, members: Option<Members>, name: &str) -> Result<(), RosterError> {
    let standing = shared.standing();
    if !standing.leads {
        return Err(RosterError::NotLeading);
    }
    if standing.name == name {
        return Err(RosterError::Leads(name.to_owned()));
    }
    if !members.unwrap_or_default().others(&standing.name).iter().any(|known| known == name) {
        return Err(RosterError::Unknown(name.to_owned()));
    }
    Ok(())
}

async fn promote(
    client: &Client,
    shared: &Shared,
    members: Option<Members>,
    name: &str,
) -> Result<(), RosterError> {
    check(shared, members, name)?;
    if !names::is_heard(client, shared.key(), name).await {
        return Err(RosterError::Silent(name.to_owned()));
    }
    Ok(lease::wish(client, name).await?)
}

async fn remove(
    client: &Client,
    shared: &Shared,
    members: Option<Members>,
    name: &str,
) -> Result<(), RosterError> {
    check(shared, members, name)?;
    if names::is_heard(client, shared.key(), name).await {
        return Err(RosterError::Runs(name.to_owned()));
    }
    let mut context = jetstream::new(client.clone());
    context.set_timeout(REQUEST);
    let bucket = asked(context.get_key_value(members::BUCKET)).await?;
    Ok(asked(bucket.delete(name)).await?)
}
