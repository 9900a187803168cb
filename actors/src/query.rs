//! A trajectory query from end to end: the registrar uses the consent up, a carrier is asked, the registrar keeps what may be kept.
//! Runs on a thread of its own and goes on when who asked has left: a late answer still arrives with the form.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use hashlink::LruCache;
use policy::QueryOutcome;
use policy::trajectory::{Area, CarrierAnswer, Days, Unavailable};
use registry::periods::FORM_S_MAX;
use registry::{ConsentId, Detail, Flow, Phone};
use runtime::arbiter::{self, ArbiterThread, Pulse};
use runtime::clock;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::bounds;
use crate::carrier::{Asked, Carriers};
use crate::registrar::{Giver, QueryPermit, Receipt, Receipted, Registrar, RegistrarError, RegistrarHandle};

/// Queries under way: more than the carriers' permits together, so that these shed and not this.
const QUERIES_MAX: usize = bounds::QUERIES.entries();

/// Answers that citizens' pages show: beyond, the oldest is no more shown to staff who scan for it.
const SHOWN_MAX: usize = bounds::ANSWERS.entries();

/// Why there is no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Used, withdrawn, too old, another phone's.
    #[error("that consent is not good (any more); ask the citizen for another")]
    Consent,
    /// Not a receipt that this gateway made.
    #[error("that is no receipt of a consent to a query at a gate")]
    Receipt,
    /// Its time is over.
    #[error("the receipt's time is over; ask the citizen for another")]
    ReceiptExpired,
    /// Too many are under way.
    #[error("too many queries are under way; ask again in a moment")]
    Busy,
    /// The registrar could not keep it; nothing has happened, or the consent is used up and nothing came of it.
    #[error("the query failed; ask for another consent")]
    Failed,
}

impl From<RegistrarError> for QueryError {
    fn from(error: RegistrarError) -> Self {
        let known = [
            (matches!(error, RegistrarError::Consent), Self::Consent),
            (matches!(error, RegistrarError::Receipt), Self::Receipt),
            (matches!(error, RegistrarError::ReceiptExpired), Self::ReceiptExpired),
            (matches!(error, RegistrarError::Busy), Self::Busy),
        ];
        known.into_iter().find_map(|(is, error)| is.then_some(error)).unwrap_or(Self::Failed)
    }
}

/// The outcome of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its meaning for the window.
    pub outcome: QueryOutcome,
    /// The share of it that staff may see.
    pub detail: Detail,
    /// The place where the phone was, each area once. For showing now; kept nowhere.
    pub areas: Vec<Area>,
    /// The days that were asked for.
    pub days: Days,
    /// The phone's owner, of a query at a gate.
    pub giver: Option<Giver>,
}

type Came = Option<Result<Answered, QueryError>>;

struct UnderWay {
    phone: Phone,
    came: watch::Receiver<Came>,
}

/// Asks for trajectories; clones share what is under way.
#[derive(Clone)]
pub struct Queries(Arc<Inner>);

struct Inner {
    registrar: RegistrarHandle,
    /// Written by a reload; each query asks those that were there when it began.
    carriers: ArcSwap<Carriers>,
    permits: Arc<Semaphore>,
    tasks: mpsc::Sender<Task>,
    under_way: Mutex<HashMap<ConsentId, UnderWay>>,
    /// Answers that citizens' pages at a gate show, and since when, seconds since 1970 UTC: staff who scan the page's receipt get the same.
    /// In memory alone.
    shown: Mutex<LruCache<ConsentId, (u64, Answered)>>,
}

/// The way in which a query begins: with the citizen's session, or with what a device has read from the citizen's screen.
enum Start {
    Consent(ConsentId, Phone),
    Receipt(Receipt),
}

struct Task {
    start: Start,
    came: watch::Sender<Came>,
}

/// The thread on which queries run.
pub struct QueriesFront {
    front: ArbiterThread,
    stop: oneshot::Sender<()>,
}

impl QueriesFront {
    /// The handle that the watchdog pings.
    pub fn pulse(&self) -> Pulse {
        self.front.pulse()
    }

    /// Takes no more queries and lets those under way come to their end, which the carriers' deadline bounds.
    pub fn stop(self) -> Result<(), String> {
        let _ = self.stop.send(());
        self.front.join()
    }
}

impl Queries {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub fn start(registrar: RegistrarHandle, carriers: Carriers) -> std::io::Result<(Self, QueriesFront)> {
        let (tasks, receiver) = mpsc::channel(QUERIES_MAX);
        let permits = Arc::new(Semaphore::new(QUERIES_MAX));
        let carriers = ArcSwap::from_pointee(carriers);
        let (under_way, shown) = (Mutex::default(), Mutex::new(LruCache::new(SHOWN_MAX)));
        let queries = Self(Arc::new(Inner { registrar, carriers, permits, tasks, under_way, shown }));
        let (stop, stopped) = oneshot::channel();
        let mine = queries.clone();
        let front = arbiter::spawn("queries", move || mine.serve(receiver, stopped))?;
        Ok((queries, QueriesFront { front, stop }))
    }

    /// Has later queries ask these; those under way come to their end with the carriers that they began with.
    pub fn ask_others(&self, carriers: Carriers) {
        self.0.carriers.store(Arc::new(carriers));
    }

    /// The carrier that ought to know the number, by its place in the configuration.
    pub fn likely(&self, phone: &Phone) -> Option<usize> {
        self.0.carriers.load().likely(phone)
    }

    /// Asks with a consent of that phone. Whoever asks again with it meanwhile gets the same answer.
    pub async fn ask(&self, consent: ConsentId, phone: &Phone) -> Result<Answered, QueryError> {
        let came = self.join_or_send(consent, phone)?;
        wait(came).await
    }

    /// The answer to a consent at a gate, while it is shown.
    pub fn answer(&self, consent: ConsentId) -> Option<Answered> {
        self.shown().peek(&consent).map(|(_, answered)| answered.clone())
    }

    /// The answer to that consent is shown to nobody any more.
    pub fn forget(&self, consent: ConsentId) {
        self.shown().remove(&consent);
    }

    /// Asks with a receipt that a device has read from the citizen's screen. What the citizen's page has asked already is not asked again.
    pub async fn ask_with_receipt(&self, receipt: &Receipt) -> Result<Answered, QueryError> {
        let (sender, came) = watch::channel(None);
        self.send(Start::Receipt(*receipt), sender)?;
        wait(came).await
    }

    fn join_or_send(&self, consent: ConsentId, phone: &Phone) -> Result<watch::Receiver<Came>, QueryError> {
        let mut all = self.under_way();
        match all.get(&consent) {
            Some(under_way) if under_way.phone == *phone => Ok(under_way.came.clone()),
            Some(_) => Err(QueryError::Consent),
            None => {
                let (sender, came) = watch::channel(None);
                self.send(Start::Consent(consent, phone.clone()), sender)?;
                all.insert(consent, UnderWay { phone: phone.clone(), came: came.clone() });
                Ok(came)
            }
        }
    }

    fn send(&self, start: Start, came: watch::Sender<Came>) -> Result<(), QueryError> {
        self.0.tasks.try_send(Task { start, came }).map_err(|_| QueryError::Busy)
    }

    async fn serve(self, mut tasks: mpsc::Receiver<Task>, mut stopped: oneshot::Receiver<()>) {
        loop {
            let task = tokio::select! {
                biased;
                _ = &mut stopped => break,
                task = tasks.recv() => task,
            };
            let Some(task) = task else { break };
            let Ok(permit) = Arc::clone(&self.0.permits).try_acquire_owned() else {
                // The consent is still good: it may be asked with again.
                drop(self.leave(&task.start));
                task.came.send_replace(Some(Err(QueryError::Busy)));
                continue;
            };
            let mine = self.clone();
            // Its end is waited for below, by its permit.
            actix_rt::spawn(async move {
                mine.run(task).await;
                drop(permit);
            });
        }
        tasks.close();
        let _all = self.0.permits.acquire_many(QUERIES_MAX as u32).await;
    }

    async fn run(&self, task: Task) {
        let Task { start, came } = task;
        let _leave = self.leave(&start);
        let result = self.query(start).await;
        came.send_replace(Some(result));
    }

    const fn leave(&self, start: &Start) -> Leave<'_> {
        let consent = if let Start::Consent(consent, _) = start { Some(*consent) } else { None };
        Leave { queries: self, consent }
    }

    async fn query(&self, start: Start) -> Result<Answered, QueryError> {
        let now_s = clock::now_ms() / 1000;
        let permit: QueryPermit = match start {
            Start::Consent(consent, phone) => {
                self.0.registrar.act(move |registrar| registrar.start_query(consent, &phone, now_s)).await?
            }
            Start::Receipt(receipt) => {
                let start =
                    move |registrar: &mut Registrar<'_>| registrar.start_query_by_receipt(&receipt, now_s);
                match self.0.registrar.act(start).await? {
                    Receipted::Ask(permit) => permit,
                    Receipted::Shown(consent) => return self.shown_before(consent).await,
                }
            }
        };
        let (consent, flow) = (permit.consent(), permit.flow());
        // Held until all is answered: carriers that are taken out of service end after that.
        let carriers = self.0.carriers.load_full();
        let asked = carriers.ask(permit).await;
        drop(carriers);
        let (detail, days, areas) = (asked.permit.detail(), asked.permit.days(), areas_of(&asked.answer));
        let (now_s, asked) = (clock::now_ms() / 1000, Arc::new(asked));
        let finish = move |registrar: &mut Registrar<'_>| finish(registrar, &asked, now_s);
        // The consent is used up, and what was found must not be lost with it; whoever is told to ask again needs another.
        let came = self.0.registrar.act_in_turn(finish).await.map_err(|_| QueryError::Failed)?;
        let answered = |(outcome, giver)| Answered { outcome, detail, areas, days, giver };
        let answered = came.map(answered).ok_or(QueryError::Consent)?;
        if flow == Flow::Scan {
            self.keep(consent, &answered, now_s);
        }
        Ok(answered)
    }

    /// The answer that the citizen's page has, or waits for.
    async fn shown_before(&self, consent: ConsentId) -> Result<Answered, QueryError> {
        let under_way = self.under_way().get(&consent).map(|under_way| under_way.came.clone());
        if let Some(came) = under_way {
            return wait(came).await;
        }
        // After a restart nobody knows it any more.
        self.answer(consent).ok_or(QueryError::Consent)
    }

    fn keep(&self, consent: ConsentId, answered: &Answered, now_s: u64) {
        let mut shown = self.shown();
        while let Some((_, (since_s, _))) = shown.iter().next()
            && since_s + FORM_S_MAX < now_s
        {
            shown.remove_lru();
        }
        if shown.len() >= SHOWN_MAX {
            bounds::ANSWERS.limited().increment(1);
        }
        shown.insert(consent, (now_s, answered.clone()));
        bounds::ANSWERS.used().set(shown.len() as f64);
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, LruCache<ConsentId, (u64, Answered)>> {
        self.0.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashMap<ConsentId, UnderWay>> {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the query off the list of those under way, however it ends.
struct Leave<'a> {
    queries: &'a Queries,
    consent: Option<ConsentId>,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some(consent) = self.consent {
            self.queries.under_way().remove(&consent);
        }
    }
}

/// Takes the answer; `None` if the consent was taken back meanwhile. That is no error of the act, which would be undone: who was
/// asked stays on record.
fn finish(
    registrar: &mut Registrar<'_>,
    asked: &Asked,
    now_s: u64,
) -> Result<Option<(QueryOutcome, Option<Giver>)>, RegistrarError> {
    let Asked { permit, answer, attempts } = asked;
    match registrar.finish_query(permit, answer, attempts, now_s) {
        Err(RegistrarError::Consent) => Ok(None),
        kept => Ok(Some((kept?, registrar.giver(permit, now_s)?))),
    }
}

async fn wait(mut came: watch::Receiver<Came>) -> Result<Answered, QueryError> {
    match came.wait_for(Option::is_some).await {
        Ok(came) => came.clone().unwrap_or(Err(QueryError::Failed)),
        // The task panicked, or the gateway ends.
        Err(_) => Err(QueryError::Failed),
    }
}

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

#[cfg(test)]
mod tests;
