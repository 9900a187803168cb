//! The acts that operators request, and their answers. Each is one JSON line on the operators' socket; when no gateway runs, the command
//! performs the act on the registry itself.

use std::time::Duration;

use anyhow::{Context, bail};
use fleet::Standing;
use registry::audit::Growth;
use registry::operator::{Order, Signature};
use registry::{AuditReport, ConsentReport, OrderReport};
use serde::{Deserialize, Serialize};

use super::counter::{Answered, CounterAct};
use super::orders::{self, Answer, Progress, RegionLine};
use super::{OperatorContext, Vitals};
use crate::across::Logs;
use crate::ending;
use crate::policies::PolicyLine;
use crate::status::{Devices, Status};

/// The timeout of one read or write on the operators' socket; `client::call` waits for answers without one.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// An act that can be requested.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub(crate) enum Act {
    /// The list of every policy that is or was in effect.
    Policies,
    /// The region table.
    Regions,
    /// A new check of every decision. The answer names no person.
    VerifyDecisions,
    /// A signature of the decisions, and the proof that they begin with the first `since` decisions; without `since`, a checkpoint to keep,
    /// which also has the length of the order log. The answer names no person.
    Checkpoint { since: Option<u64> },
    /// A new check of every consent. The answer names no person.
    VerifyConsents,
    /// A new check of every order. The answer names no person.
    VerifyOrders,
    /// A new check of the punch logs of all gateways of the fleet. The answer names no person.
    VerifyLogs,
    /// The gateway's id, which an order has to contain.
    Gateway,
    /// The same id, for the first operator: makes the registry if there is none yet.
    Begin,
    /// The stage and the metrics of the running process.
    Vitals,
    /// The state of the running process, in one answer.
    Status,
    /// The standing of the running process in its fleet.
    Fleet,
    /// An act of a citizen at the counter, who has their phone with them.
    Counter(CounterAct),
    /// Any other act: an order that operators have signed.
    Order { order: Order, signatures: Vec<Signature> },
}

/// The answer to an act.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Done {
    Ordered(Answer),
    Policies(Vec<PolicyLine>),
    Regions(Vec<RegionLine>),
    Audited(AuditReport),
    Checkpoint(Growth),
    Orders(OrderReport),
    Logs(Logs),
    Gateway(String),
    Consents(ConsentReport),
    Vitals {
        stage: String,
        metrics: String,
    },
    Status(Box<Status>),
    Fleet(Standing),
    Counter(Answered),
    Refused(String),
    /// The progress of a long act; more answers follow.
    #[serde(untagged)]
    Progress(Progress),
}

/// Performs the act, logs it, and passes the final answer to `tell`. `uid` is the peer's user id as the kernel reports it.
pub(super) fn perform(act: &Act, admin: &OperatorContext, uid: u32, tell: &mut dyn FnMut(&Done) -> bool) {
    let done = match act {
        Act::Policies => admin.read(|registry| {
            let rows = registry.policies()?;
            Ok(Done::Policies(rows.into_iter().map(PolicyLine::from).collect()))
        }),
        Act::Regions => admin.read(|registry| {
            Ok(Done::Regions(registry.regions()?.into_iter().map(RegionLine::from).collect()))
        }),
        Act::VerifyDecisions => verify_decisions(admin),
        Act::Checkpoint { since } => checkpoint(admin, *since).map(Done::Checkpoint),
        Act::VerifyOrders => admin
            .reader()
            .and_then(|registry| Ok(Done::Orders(registry.verify_orders(&admin.keys.signing_public())?))),
        Act::VerifyLogs => verify_logs(admin).map(Done::Logs),
        Act::Gateway | Act::Begin => admin.read(|registry| Ok(Done::Gateway(registry.gateway_id()?))),
        Act::VerifyConsents => {
            admin.reader().and_then(|registry| Ok(Done::Consents(registry.verify_consents()?)))
        }
        Act::Vitals => admin.running().map(|running| {
            let Vitals { readiness, metrics, .. } = &running.vitals;
            Done::Vitals { stage: readiness.text().trim().to_owned(), metrics: metrics.render() }
        }),
        Act::Status => admin.running().and_then(|running| {
            let enrolled = admin.read(|registry| Ok(registry.devices_enrolled()?))?;
            let devices = Devices { connected: admin.fleet.connected(), enrolled };
            Ok(Done::Status(Box::new(running.vitals.status(devices))))
        }),
        Act::Fleet => admin.running().and_then(|running| {
            let peers = running.peers.as_ref();
            let peers = peers.context("this gateway is in no fleet: its configuration has no [fleet]")?;
            Ok(Done::Fleet(peers.standing()))
        }),
        Act::Counter(act) => match admin.running.as_ref().and_then(|running| running.counter.as_ref()) {
            Some(counter) => counter.perform(act).map(Done::Counter),
            None => Err(anyhow::anyhow!("the counter needs a running gateway with a message service")),
        },
        Act::Order { order, signatures } => {
            let mut told = |progress: &Progress| tell(&Done::Progress(progress.clone()));
            orders::forward::give(order, signatures, admin, &mut told).map(Done::Ordered)
        }
    };
    match &done {
        Ok(Done::Vitals { .. } | Done::Status(_) | Done::Fleet(_) | Done::Gateway(_)) => {
            tracing::debug!(uid, ?act, "admin")
        }
        Ok(_) => tracing::info!(uid, ?act, "admin"),
        Err(error) => tracing::warn!(uid, ?act, %error, "admin: refused"),
    }
    tell(&done.unwrap_or_else(|error| Done::Refused(ending::words_of(&error))));
}

fn verify_logs(admin: &OperatorContext) -> anyhow::Result<Logs> {
    admin.running()?;
    let others = admin.others()?.context("this gateway is in no fleet: leave --fleet out")?;
    let (directory, days) = &admin.log;
    others.verify(ledger::verify(directory, days, &admin.keys.signing_public()).map_err(Into::into))
}

fn verify_decisions(admin: &OperatorContext) -> anyhow::Result<Done> {
    Ok(Done::Audited(admin.reader()?.verify_decisions(&admin.keys.signing_public())?))
}

fn checkpoint(admin: &OperatorContext, since: Option<u64>) -> anyhow::Result<Growth> {
    let signed = admin.sign_decisions()?;
    let registry = admin.reader()?;
    let size = since.unwrap_or(signed.size);
    if size > signed.size {
        bail!(
            "{} decisions are signed here and not {size}: that size is another gateway's, or decisions were taken out since",
            signed.size
        );
    }
    let growth = registry.growth(size)?.context("nothing is signed")?;
    match since {
        Some(_) => Ok(growth),
        None => {
            Ok(Growth { checkpoint: registry.checkpoint_to_keep()?.context("nothing is signed")?, ..growth })
        }
    }
}
