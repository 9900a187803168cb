//! Queries as their callers hold them: a consent or a receipt in, an answer out. Callers with the same consent share one query.

use std::sync::Arc;

use registry::{ConsentId, Phone};
use runtime::host::{HostedThread, host};
use tokio::sync::{mpsc, watch};

use super::actor::{Start, Task, serve};
use super::state::{Ended, QueryContext, UnderWay, end_of};
use super::{QUERIES_MAX, QueryAnswer, QueryError};
use crate::carrier::Carriers;
use crate::registrar::{Receipt, RegistrarHandle};

/// A handle of the queries; clones share those under way.
#[derive(Clone)]
pub struct Queries {
    pub(super) context: Arc<QueryContext>,
    tasks: mpsc::Sender<Task>,
}

impl Queries {
    /// Starts the queries' thread. To stop it lets the queries under way end, which the carriers' deadline bounds.
    ///
    /// # Errors
    /// No thread from the operating system.
    pub fn start(registrar: RegistrarHandle, carriers: Carriers) -> std::io::Result<(Self, HostedThread)> {
        let (tasks, receiver) = mpsc::channel(QUERIES_MAX);
        let context = Arc::new(QueryContext::new(registrar, carriers));
        let shared = Arc::clone(&context);
        let ((), thread) = host("queries", move |stop| ((), serve(shared, receiver, stop)))?;
        Ok((Self { context, tasks }, thread))
    }

    /// Sets the carriers of later queries; queries under way keep the carriers with which they began.
    pub fn ask_others(&self, carriers: Carriers) {
        self.context.carriers.store(Arc::new(carriers));
    }

    /// Returns the carrier that should know the number, by its place in the configuration.
    pub fn likely(&self, phone: &Phone) -> Option<usize> {
        self.context.carriers.load().likely(phone)
    }

    /// Asks with a consent of that phone. A caller with the same consent meanwhile gets the same answer.
    pub async fn ask(&self, consent: ConsentId, phone: &Phone) -> Result<QueryAnswer, QueryError> {
        let ended = self.join_or_send(consent, phone)?;
        end_of(ended).await
    }

    /// Asks with a receipt that a device has read from the citizen's screen. What the citizen's page has asked is not asked again.
    pub async fn ask_with_receipt(&self, receipt: &Receipt) -> Result<QueryAnswer, QueryError> {
        let (sender, ended) = watch::channel(None);
        self.send(Start::Receipt(*receipt), sender)?;
        end_of(ended).await
    }

    /// Returns the answer to a consent at a gate, while the citizen's page shows it.
    pub fn answer(&self, consent: ConsentId) -> Option<QueryAnswer> {
        self.context.answer(consent)
    }

    /// Ends the showing of the answer to that consent.
    pub fn forget(&self, consent: ConsentId) {
        self.context.forget(consent);
    }

    fn join_or_send(&self, consent: ConsentId, phone: &Phone) -> Result<watch::Receiver<Ended>, QueryError> {
        let mut all = self.context.under_way();
        match all.get(&consent) {
            Some(under_way) if under_way.phone == *phone => Ok(under_way.ended.clone()),
            Some(_) => Err(QueryError::Consent),
            None => {
                let (sender, ended) = watch::channel(None);
                self.send(Start::Consent(consent, phone.clone()), sender)?;
                all.insert(consent, UnderWay { phone: phone.clone(), ended: ended.clone() });
                Ok(ended)
            }
        }
    }

    fn send(&self, start: Start, ended: watch::Sender<Ended>) -> Result<(), QueryError> {
        self.tasks.try_send(Task { start, ended }).map_err(|_| QueryError::Busy)
    }
}
