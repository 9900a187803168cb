//! The loop of the queries' thread: starts each query as a task of its own, and lets the tasks end before the thread does.

use std::sync::Arc;

use policy::QueryOutcome;
use policy::trajectory::{Area, CarrierAnswer, Unavailable};
use registry::{ConsentId, Flow, Phone};
use runtime::clock;
use runtime::host::Stop;
use tokio::sync::{mpsc, watch};

use super::state::{Ended, QueryContext, end_of};
use super::{QUERIES_MAX, QueryAnswer, QueryError};
use crate::carrier::CarriersAnswer;
use crate::registrar::{
    Giver, QueryPermit, Receipt, Receipted, Registrar, RegistrarError, RegistryChange, StartQuery,
    StartQueryByReceipt,
};

/// The right with which a query begins: the consent of the citizen's session, or the receipt that a device has read from the screen.
pub(super) enum Start {
    Consent(ConsentId, Phone),
    Receipt(Receipt),
}

/// A query to begin.
pub(super) struct Task {
    pub(super) start: Start,
    pub(super) ended: watch::Sender<Ended>,
}

/// Starts queries until it is asked to stop; ends after the last of them.
pub(super) async fn serve(context: Arc<QueryContext>, mut tasks: mpsc::Receiver<Task>, mut stop: Stop) {
    loop {
        let task = tokio::select! {
            biased;
            () = &mut stop => break,
            task = tasks.recv() => task,
        };
        let Some(task) = task else { break };
        let Ok(permit) = Arc::clone(&context.permits).try_acquire_owned() else {
            // The consent is still good: the caller may ask with it again.
            drop(Listed::new(&context, &task.start));
            task.ended.send_replace(Some(Err(QueryError::Busy)));
            continue;
        };
        let context = Arc::clone(&context);
        // Its permit is waited for below.
        actix_rt::spawn(async move {
            run(&context, task).await;
            drop(permit);
        });
    }
    tasks.close();
    let _all = context.permits.acquire_many(QUERIES_MAX as u32).await;
}

async fn run(context: &QueryContext, Task { start, ended }: Task) {
    let _listed = Listed::new(context, &start);
    let result = query(context, start).await;
    ended.send_replace(Some(result));
}

async fn query(context: &QueryContext, start: Start) -> Result<QueryAnswer, QueryError> {
    let registrar = &context.registrar;
    let now_s = clock::now_s();
    let permit: QueryPermit = match start {
        Start::Consent(consent, phone) => registrar.act(StartQuery { consent, phone, now_s }).await?,
        Start::Receipt(receipt) => match registrar.act(StartQueryByReceipt { receipt, now_s }).await? {
            Receipted::Ask(permit) => permit,
            Receipted::Shown(consent) => return answer_of_page(context, consent).await,
        },
    };
    let (consent, flow) = (permit.consent(), permit.flow());
    // Held until all have answered: carriers that are taken out of service end after that.
    let carriers = context.carriers.load_full();
    let asked = carriers.ask(permit).await;
    drop(carriers);
    let (detail, days, areas) = (asked.permit.detail(), asked.permit.days(), areas_of(&asked.answer));
    let now_s = clock::now_s();
    // The consent is used up, so the answer must not be lost: to ask again takes another consent.
    let kept = registrar
        .act_in_turn(FinishQuery { asked: Arc::new(asked), now_s })
        .await
        .map_err(|_| QueryError::Failed)?;
    let answered = |(outcome, giver)| QueryAnswer { outcome, detail, areas, days, giver };
    let answered = kept.map(answered).ok_or(QueryError::Consent)?;
    if flow == Flow::Scan {
        context.show(consent, &answered, now_s);
    }
    Ok(answered)
}

/// Returns the answer that the citizen's page has, or waits for. After a restart it is lost.
async fn answer_of_page(context: &QueryContext, consent: ConsentId) -> Result<QueryAnswer, QueryError> {
    let under_way = context.under_way().get(&consent).map(|under_way| under_way.ended.clone());
    match under_way {
        Some(ended) => end_of(ended).await,
        None => context.answer(consent).ok_or(QueryError::Consent),
    }
}

/// Takes the query off the list of those under way when it is dropped.
struct Listed<'a> {
    context: &'a QueryContext,
    consent: Option<ConsentId>,
}

impl<'a> Listed<'a> {
    const fn new(context: &'a QueryContext, start: &Start) -> Self {
        let consent = if let Start::Consent(consent, _) = start { Some(*consent) } else { None };
        Self { context, consent }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        if let Some(consent) = self.consent {
            self.context.under_way().remove(&consent);
        }
    }
}

/// The carriers' answer to a query, to be recorded. The reply is `None` if the consent was withdrawn meanwhile. That is not an error, which
/// would roll back the record of the carriers that were asked.
#[derive(Clone)]
pub(super) struct FinishQuery {
    pub(super) asked: Arc<CarriersAnswer>,
    pub(super) now_s: u64,
}

impl RegistryChange for FinishQuery {
    type Reply = Option<(QueryOutcome, Option<Giver>)>;
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<Self::Reply, RegistrarError> {
        let CarriersAnswer { permit, answer, attempts } = &*self.asked;
        match registrar.finish_query(permit, answer, attempts, self.now_s) {
            Err(RegistrarError::Consent) => Ok(None),
            kept => Ok(Some((kept?, registrar.giver(permit, self.now_s)?))),
        }
    }
}

/// Returns the areas of an answer, each once.
fn areas_of(answer: &CarrierAnswer) -> Vec<Area> {
    match answer {
        CarrierAnswer::Trajectory(trajectory) => {
            let mut areas = Vec::new();
            for visit in &trajectory.visits {
                if !areas.contains(&visit.area) {
                    areas.push(visit.area);
                }
            }
            areas
        }
        CarrierAnswer::NewNumber
        | CarrierAnswer::NotSubscriber
        | CarrierAnswer::Unanswerable
        | CarrierAnswer::Unavailable(
            Unavailable::TimedOut
            | Unavailable::Unreachable
            | Unavailable::Refused
            | Unavailable::Garbage
            | Unavailable::Busy
            | Unavailable::Paused,
        ) => Vec::new(),
    }
}
