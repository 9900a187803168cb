//! A region as its callers hold it: takes a permit, sends a run of punches to the actor, and resolves with the punch log's outcome,
//! whatever happens to the actor meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ledger::{AppendOutcome, LedgerPort, Run};
use protocol::message::BusyReason;
use protocol::{Punch, RegionId};
use runtime::clock;
use runtime::supervisor::{ActorRef, supervise};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

use super::actor::{JudgePunches, RegionActor};
use super::state::{RegionState, RunKey};
use super::{RegionConfig, RegionOutcome};
use crate::fault::FaultHook;
use crate::judge::Judge;
use crate::tap::Passing;

/// A handle of a region; clones share one actor.
#[derive(Clone)]
pub struct RegionHandle(Arc<Inner>);

struct Inner {
    actor: ActorRef<RegionActor>,
    state: Arc<RegionState>,
}

/// A run of punches on its way through a region; resolves with its outcome. Dropping it leaves the run unrecorded if the actor has not
/// judged it yet.
pub struct PendingRun(Pending);

enum Pending {
    /// Not taken; counted already.
    Refused(BusyReason),
    Sent(Sent),
}

/// The part of a run that is needed when its outcome comes.
struct Sent {
    region: RegionHandle,
    key: RunKey,
    punches: usize,
    /// True if it was judged punch by punch, without the actor.
    is_alone: bool,
    /// Kept while a tap is open.
    passing: Option<Passing>,
    outcome: oneshot::Receiver<AppendOutcome>,
}

impl PendingRun {
    /// Makes a run that is not taken; the device sends it again later.
    pub(crate) const fn refused(reason: BusyReason) -> Self {
        Self(Pending::Refused(reason))
    }
}

impl Future for PendingRun {
    type Output = RegionOutcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<RegionOutcome> {
        match &mut self.0 {
            Pending::Refused(reason) => Poll::Ready(RegionOutcome::Busy(*reason)),
            Pending::Sent(sent) => Pin::new(&mut sent.outcome).poll(context).map(|outcome| sent.end(outcome)),
        }
    }
}

impl RegionHandle {
    /// Starts the region's actor on the current arbiter. `faults` is called with each run before it is judged.
    pub(crate) fn start(
        id: RegionId,
        judge: Arc<Judge>,
        ledger: LedgerPort,
        config: &RegionConfig,
        faults: FaultHook<Run<Punch>>,
    ) -> Self {
        let state = Arc::new(RegionState::new(id, judge, ledger, config, faults));
        let parked = config.parked.of(id);
        let shared = Arc::clone(&state);
        let actor = supervise(format!("region-{id}"), config.restarts, parked, move || {
            RegionActor::new(Arc::clone(&shared))
        });
        Self(Arc::new(Inner { actor, state }))
    }

    /// Returns the region's number.
    pub fn id(&self) -> RegionId {
        self.0.state.id
    }

    /// Returns true while the region's actor is parked because it kept failing.
    pub fn is_parked(&self) -> bool {
        self.0.actor.is_parked()
    }

    /// Sends a run of this region's punches, whose places were checked against the device's rights, to be judged and recorded. It resolves
    /// when the punches are durable or were refused, never later than the punch log answers. Runs reach the log in the order of the calls.
    pub fn punch(&self, run: Run<Punch>) -> PendingRun {
        let state = &self.0.state;
        let (key, punches) = ((run.device, run.epoch, run.first), run.punches.len());
        let passing = state.taps.passing(&run.punches);
        let is_alone = state.has_failed_too_often(key);
        let sent = if is_alone { Ok(self.record_one_by_one(run)) } else { self.send(run) };
        match sent {
            Ok(outcome) => {
                let region = self.clone();
                PendingRun(Pending::Sent(Sent { region, key, punches, is_alone, passing, outcome }))
            }
            Err(reason) => {
                state.metrics.refused(&RegionOutcome::Busy(reason), punches);
                PendingRun::refused(reason)
            }
        }
    }

    fn send(&self, run: Run<Punch>) -> Result<oneshot::Receiver<AppendOutcome>, BusyReason> {
        let actor = self.0.actor.addr().ok_or(BusyReason::Parked)?;
        let permit = self.0.state.permit(run.punches.len()).ok_or(BusyReason::Region)?;
        let (reply, outcome) = oneshot::channel();
        let message = JudgePunches { run, reply, permit, sent: clock::now() };
        actor.try_send(message).map_err(|_| BusyReason::Region)?;
        Ok(outcome)
    }

    fn record_one_by_one(&self, run: Run<Punch>) -> oneshot::Receiver<AppendOutcome> {
        let state = &self.0.state;
        let (reply, outcome) = oneshot::channel();
        state.ledger.append(state.judged_one_by_one(run), reply);
        outcome
    }
}

impl Sent {
    /// Settles the run's failures, counts it, and shows it to taps. Without an outcome, the actor or the log has failed.
    fn end(&self, outcome: Result<AppendOutcome, RecvError>) -> RegionOutcome {
        let state = &self.region.0.state;
        if !self.is_alone {
            state.show_permits();
        }
        let outcome = match outcome {
            Ok(outcome) => {
                if !self.is_alone || matches!(outcome, AppendOutcome::Recorded(_)) {
                    state.succeeded(self.key);
                }
                RegionOutcome::Ledger(outcome)
            }
            Err(_) if self.is_alone => RegionOutcome::Ledger(AppendOutcome::Down),
            Err(_) if self.region.is_parked() => RegionOutcome::Busy(BusyReason::Parked),
            Err(_) => {
                state.failed(self.key);
                RegionOutcome::Busy(BusyReason::Failed)
            }
        };
        if let RegionOutcome::Ledger(AppendOutcome::Recorded(runs)) = &outcome {
            state.metrics.recorded(runs);
            if let Some(passing) = &self.passing {
                state.taps.punches(state.id, self.key.0, passing, runs);
            }
        }
        state.metrics.refused(&outcome, self.punches);
        outcome
    }
}
