//! Operators' orders about a gateway's part in its fleet: to join anew, and to make the stream anew. The fleet's thread does them between
//! following and following, also while it cannot follow.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use registry::replication::Outbox;
use runtime::lock::lock;

use crate::broker::Broker;
use crate::refill::refill;
use crate::reports::{Joined, Order, Refilled};
use crate::snapshot;
use crate::standing::Shared;
use crate::{FleetConfig, Member, Trouble};

/// The longest wait for an order: a large registry takes minutes.
const WAIT: Duration = Duration::from_secs(3_600);

/// The refusal of an order at a gateway that leads.
pub(crate) const LEADS: &str = "this gateway leads the fleet: there is nothing to mend here";

/// The way of orders to the fleet's thread; clones share it.
#[derive(Clone)]
pub struct Orders(pub(crate) Arc<Shared>);

impl Orders {
    /// Keeps a copy of the registry in that new file and joins anew by the newest snapshot. Blocks until it is done.
    ///
    /// # Errors
    /// This gateway leads, the broker is away, or it has no snapshot that can be used.
    pub fn join(&self, kept: PathBuf) -> Result<Joined, Trouble> {
        self.give(|reply| Order::Join(kept, reply))
    }

    /// Makes the registry's stream anew, empty, behind this gateway's position. Blocks until it is done.
    ///
    /// # Errors
    /// The stream is not lost, another gateway has more, or the broker is away.
    pub fn refill(&self) -> Result<Refilled, Trouble> {
        self.give(Order::Refill)
    }

    fn give<T>(&self, order: impl FnOnce(SyncSender<Result<T, Trouble>>) -> Order) -> Result<T, Trouble> {
        if self.0.refusal().is_none() {
            return Err(Trouble::Gateway(LEADS.to_owned()));
        }
        if !self.0.standing().connected {
            return Err(Trouble::Broker("see `changtong fleet status`".to_owned()));
        }
        let (reply, answer) = sync_channel(1);
        *lock(&self.0.order) = Some(order(reply));
        self.0.ordered.notify_one();
        // It may have begun to lead in between.
        if self.0.refusal().is_none() {
            self.0.refuse_order(LEADS);
        }
        answer.recv_timeout(WAIT).unwrap_or_else(|error| {
            let why = match error {
                RecvTimeoutError::Timeout => {
                    lock(&self.0.order).take();
                    "not done within an hour: the order is withdrawn if it has not begun; see `changtong fleet status`"
                }
                RecvTimeoutError::Disconnected => "the gateway ends, or another order came after this one",
            };
            Err(Trouble::Gateway(why.to_owned()))
        })
    }
}

impl Order {
    fn refuse(self, why: &str) {
        let trouble = Trouble::Gateway(why.to_owned());
        // An operator who has gone learns nothing.
        match self {
            Self::Join(_, reply) => drop(reply.try_send(Err(trouble))),
            Self::Refill(reply) => drop(reply.try_send(Err(trouble))),
        }
    }
}

impl Shared {
    /// Refuses the order that waits, if there is one.
    pub(crate) fn refuse_order(&self, why: &str) {
        let order = lock(&self.order).take();
        order.into_iter().for_each(|order| order.refuse(why));
    }

    /// Does the order that waits, if there is one.
    pub(crate) async fn take_order(
        &self,
        broker: &Broker,
        member: &dyn Member,
        config: &FleetConfig,
    ) -> Result<(), Trouble> {
        let order = lock(&self.order).take();
        match order {
            None => Ok(()),
            Some(Order::Join(kept, reply)) => {
                let joined = async {
                    member.copy(kept).await?;
                    snapshot::join(broker, self, member, config).await
                };
                answer(&reply, joined.await)
            }
            Some(Order::Refill(reply)) => answer(&reply, refill(broker, self, member, config).await),
        }
    }
}

/// Answers; the trouble is also this gateway's.
fn answer<T>(reply: &SyncSender<Result<T, Trouble>>, done: Result<T, Trouble>) -> Result<(), Trouble> {
    let trouble = done.as_ref().err().cloned();
    // An operator who has gone reads the log.
    let _ = reply.try_send(done);
    trouble.map_or(Ok(()), Err)
}
