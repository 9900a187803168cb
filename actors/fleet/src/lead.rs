//! A gateway that leads: it renews its lease and appends what its registrar changes, one changeset after the other, until one of both
//! fails.

use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;
use registry::replication::NotNow;
use runtime::clock;
use runtime::host::Stop;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::broker::Broker;
use crate::follow::Office;
use crate::lease::{Lease, RENEW};
use crate::standing::{Append, Shared};
use crate::{Member, Trouble};

const UNCERTAIN: Trouble =
    Trouble::Deposed("a change of this gateway is not certain; the stream tells what happened");

/// The pause after a renewal that failed.
const AGAIN: Duration = Duration::from_millis(200);

/// Leads until this gateway may not any more; returns why, or `None` if it is asked to end. Gives the lease back if it is still good.
pub(crate) async fn lead(
    broker: &Broker,
    shared: &Shared,
    member: &dyn Member,
    office: Office,
    appends: &mut mpsc::Receiver<Append>,
    stop: &mut Pin<&mut Stop>,
) -> Option<Trouble> {
    let Office { mut lease, end } = office;
    // What is left of an earlier term, whose callers have been told that they failed.
    while appends.try_recv().is_ok() {}
    let _ = shared.deposed.notified().now_or_never();
    shared.lead(lease.until, end, broker.part_bytes());
    let trouble = tokio::select! {
        trouble = renew(&mut lease, shared) => Some(trouble),
        trouble = serve(broker, appends) => Some(trouble),
        trouble = take_office(member) => Some(trouble),
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

/// Makes the first change, and waits for ever afterwards.
async fn take_office(member: &dyn Member) -> Trouble {
    match member.take_office().await {
        Err(error) => error,
        Ok(()) => std::future::pending().await,
    }
}

async fn serve(broker: &Broker, appends: &mut mpsc::Receiver<Append>) -> Trouble {
    while let Some(Append { after, parts, reply }) = appends.recv().await {
        let mut end = after;
        let mut result = Ok(());
        for part in parts {
            let id = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
            result = broker.append(end, &id, part).await;
            if result.is_err() {
                break;
            }
            end += 1;
        }
        let failed = result.as_ref().err().cloned();
        let is_heard = reply.send(result.map(|()| end)).is_ok();
        match failed {
            Some(NotNow::Fenced) => return Trouble::Deposed("another gateway has appended to the stream"),
            Some(_) => return Trouble::Deposed("the stream did not confirm a change in time"),
            None if !is_heard => return Trouble::Deposed("a change was confirmed too late"),
            None => {}
        }
    }
    Trouble::Deposed("the gateway ends")
}
