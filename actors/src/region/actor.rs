//! The actor behind a region's handle: one message, one pass over its punches, one hand-over to the ledger. Nothing awaits here.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, Context, Handler, Message, Supervised};
use ledger::{AppendReply, LedgerHandle};
use metrics::Histogram;
use protocol::RegionId;
use runtime::clock;
use tokio::sync::OwnedSemaphorePermit;

use super::{Fault, RegionRequest, run};
use crate::judge::Judge;

/// A request, where its outcome goes, and the permit that bounds what waits here.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Punches {
    pub(super) request: RegionRequest,
    pub(super) reply: AppendReply,
    pub(super) permit: OwnedSemaphorePermit,
    /// When it was put into the mailbox.
    pub(super) sent: Instant,
}

pub(super) struct RegionActor {
    id: RegionId,
    judge: Arc<Judge>,
    ledger: LedgerHandle,
    /// The time that requests waited in the mailbox.
    waited: Histogram,
    fault: Option<Fault>,
}

impl RegionActor {
    pub(super) fn new(
        id: RegionId,
        judge: Arc<Judge>,
        ledger: LedgerHandle,
        waited: Histogram,
        fault: Option<Fault>,
    ) -> Self {
        Self { id, judge, ledger, waited, fault }
    }
}

/// Messages are bounded by permits; this only keeps actix's own bound out of the way.
const MAILBOX_MESSAGES: usize = 1 << 20;

impl Actor for RegionActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX_MESSAGES);
    }
}

/// There is nothing to bring back: what the actor holds are handles.
impl Supervised for RegionActor {}

impl Handler<Punches> for RegionActor {
    type Result = ();

    fn handle(&mut self, message: Punches, _: &mut Self::Context) {
        let Punches { request, reply, permit, sent } = message;
        self.waited.record(clock::since(sent));
        // Its connection is gone, or has dropped it: it is sent again, and perhaps with other punches under the same numbers.
        if reply.is_closed() {
            return;
        }
        if let Some(fault) = &self.fault {
            fault(&request);
        }
        let records = self.judge.records((self.id, request.device), &request.punches, request.received_ms);
        self.ledger.append(run(self.id, &request, records), reply);
        drop(permit);
    }
}
