//! The actix actor of a region: one message, one pass over its punches, one hand-over to the punch log. Nothing awaits here.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, Context, Handler, Message, Supervised};
use ledger::{AppendOutcome, Run};
use protocol::Punch;
use runtime::clock;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::state::RegionState;

/// A request to judge a run of punches and have it recorded.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct JudgePunches {
    pub(super) run: Run<Punch>,
    /// The receiver of the punch log's outcome.
    pub(super) reply: oneshot::Sender<AppendOutcome>,
    /// Bounds what waits in the mailbox.
    pub(super) permit: OwnedSemaphorePermit,
    /// The time when it was put into the mailbox.
    pub(super) sent: Instant,
}

pub(super) struct RegionActor(Arc<RegionState>);

impl RegionActor {
    pub(super) const fn new(state: Arc<RegionState>) -> Self {
        Self(state)
    }
}

/// Permits bound the messages; this only keeps actix's own bound above theirs.
const MAILBOX_MESSAGES: usize = 1 << 20;

impl Actor for RegionActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX_MESSAGES);
    }
}

/// A restart has nothing to bring back: the actor holds only the shared state.
impl Supervised for RegionActor {}

impl Handler<JudgePunches> for RegionActor {
    type Result = ();

    fn handle(&mut self, message: JudgePunches, _: &mut Self::Context) {
        let JudgePunches { run, reply, permit, sent } = message;
        let Self(state) = self;
        state.metrics.waited.record(clock::since(sent));
        // Its connection is gone or has dropped it: the device sends it again, perhaps with other punches under the same numbers.
        if reply.is_closed() {
            return;
        }
        state.faults.reached(&run);
        state.ledger.append(state.judged(run), reply);
        drop(permit);
    }
}
