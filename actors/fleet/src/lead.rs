//! A gateway that leads: it renews its lease and appends what its registrar changes, one changeset after the other, until one of both
//! fails.

use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;
use registry::replication::{NotNow, Sent};
use runtime::clock;
use runtime::host::Stop;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::broker::Broker;
use crate::follow::Office;
use crate::lease::{Lease, RENEW};
use crate::orders::LEADS;
use crate::standing::{Append, Shared};
use crate::{FleetConfig, Member, Trouble, snapshot};

const UNCERTAIN: Trouble =
    Trouble::Deposed("a change of this gateway is not certain; the stream tells what happened");

const HANDED_OVER: Trouble = Trouble::Deposed("another gateway is to lead, by an operator's order");

/// The pause after a renewal that failed.
const AGAIN: Duration = Duration::from_millis(200);

/// Leads until this gateway may not any more; returns why, or `None` if it is asked to end. Gives the lease back if it is still good.
pub(crate) async fn lead(
    broker: &Broker,
    shared: &Shared,
    (member, config): (&dyn Member, &FleetConfig),
    office: Office,
    appends: &mut mpsc::Receiver<Append>,
    stop: &mut Pin<&mut Stop>,
) -> Option<Trouble> {
    let Office { mut lease, end } = office;
    // What is left of an earlier term, whose callers have been told that they failed.
    while appends.try_recv().is_ok() {}
    let _ = shared.deposed.notified().now_or_never();
    let _ = shared.handed_over.notified().now_or_never();
    shared.lead(lease.until, end, broker.part_bytes());
    shared.refuse_order(LEADS);
    let trouble = tokio::select! {
        trouble = renew(&mut lease, shared) => Some(trouble),
        trouble = serve(broker, shared, appends) => Some(trouble),
        trouble = async {
            if let Err(error) = member.take_office().await {
                return error;
            }
            snapshot::keep(broker, shared, member, config).await
        } => Some(trouble),
        () = shared.deposed.notified() => Some(UNCERTAIN),
        () = stop => None,
    };
    shared.step_down();
    // A registrar that waits is told at once.
    while appends.try_recv().is_ok() {}
    if clock::now() < lease.until {
        lease.give_back().await;
    }
    trouble
}

async fn renew(lease: &mut Lease, shared: &Shared) -> Trouble {
    let mut due = interval(RENEW);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        while let Err(error) = lease.renew().await {
            shared.note(|standing| standing.connected = false);
            if clock::now() >= lease.until {
                return error;
            }
            sleep(AGAIN).await;
        }
        shared.lead_until(lease.until);
        shared.note(|standing| standing.connected = true);
    }
}

/// Appends what the registrar changes. A gateway that hands over does so between two changes: callers of the one under way are told what
/// became of it.
async fn serve(broker: &Broker, shared: &Shared, appends: &mut mpsc::Receiver<Append>) -> Trouble {
    loop {
        let append = tokio::select! {
            append = appends.recv() => append,
            () = shared.handed_over.notified() => return HANDED_OVER,
        };
        let Some(Append { after, parts, deadline, reply }) = append else {
            return Trouble::Deposed("the gateway ends");
        };
        let mut sent = Sent { position: after, message: String::new() };
        let mut result = Ok(());
        for part in parts {
            sent.message = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
            result = broker.append(sent.position, &sent.message, part, deadline).await;
            if result.is_err() {
                break;
            }
            sent.position += 1;
        }
        let failed = result.as_ref().err().cloned();
        let is_heard = reply.send(result.map(|()| sent)).is_ok();
        match failed {
            Some(NotNow::Fenced) => return Trouble::Deposed("another gateway has appended to the stream"),
            Some(_) => return Trouble::Deposed("the stream did not confirm a change in time"),
            None if !is_heard => return Trouble::Deposed("a change was confirmed too late"),
            None => {}
        }
    }
}
