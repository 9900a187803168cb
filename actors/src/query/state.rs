//! The state that the queries' handles and their loop share: registrar, carriers and permits, the queries under way, and the answers that
//! citizens' pages show. The last two are in memory alone and start empty.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;
use hashlink::LruCache;
use registry::periods::FORM_S_MAX;
use registry::{ConsentId, Phone};
use runtime::lock::lock;
use tokio::sync::{Semaphore, watch};

use super::{QUERIES_MAX, QueryAnswer, QueryError};
use crate::bounds;
use crate::carrier::Carriers;
use crate::registrar::RegistrarHandle;

/// Answers that citizens' pages show: above this number the oldest is no longer shown to staff who scan its receipt.
const SHOWN_MAX: usize = bounds::ANSWERS.entries();

/// The result of a query; `None` until it has ended.
pub(super) type Ended = Option<Result<QueryAnswer, QueryError>>;

/// A query under way.
pub(super) struct UnderWay {
    pub(super) phone: Phone,
    pub(super) ended: watch::Receiver<Ended>,
}

/// The shared context of queries.
pub(super) struct QueryContext {
    pub(super) registrar: RegistrarHandle,
    /// Written by a reload; each query asks the carriers that were there when it began.
    pub(super) carriers: ArcSwap<Carriers>,
    pub(super) permits: Arc<Semaphore>,
    under_way: Mutex<HashMap<ConsentId, UnderWay>>,
    /// The answers on citizens' pages at a gate, with the time since when, seconds since 1970 UTC: staff who scan the page's receipt get
    /// the same answer.
    shown: Mutex<LruCache<ConsentId, (u64, QueryAnswer)>>,
}

impl QueryContext {
    pub(super) fn new(registrar: RegistrarHandle, carriers: Carriers) -> Self {
        Self {
            registrar,
            carriers: ArcSwap::from_pointee(carriers),
            permits: Arc::new(Semaphore::new(QUERIES_MAX)),
            under_way: Mutex::default(),
            shown: Mutex::new(LruCache::new(SHOWN_MAX)),
        }
    }

    /// Returns the queries under way, by consent.
    pub(super) fn under_way(&self) -> MutexGuard<'_, HashMap<ConsentId, UnderWay>> {
        lock(&self.under_way)
    }

    /// Returns the answer that the citizen's page shows.
    pub(super) fn answer(&self, consent: ConsentId) -> Option<QueryAnswer> {
        self.shown().peek(&consent).map(|(_, answered)| answered.clone())
    }

    /// Ends the showing of an answer.
    pub(super) fn forget(&self, consent: ConsentId) {
        self.shown().remove(&consent);
    }

    /// Shows an answer from now on, and forgets those that are older than a form may be.
    pub(super) fn show(&self, consent: ConsentId, answered: &QueryAnswer, now_s: u64) {
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

    fn shown(&self) -> MutexGuard<'_, LruCache<ConsentId, (u64, QueryAnswer)>> {
        lock(&self.shown)
    }
}

/// Waits for the end of a query. A query whose task panicked, or that the gateway's end cut off, has failed.
pub(super) async fn end_of(mut ended: watch::Receiver<Ended>) -> Result<QueryAnswer, QueryError> {
    match ended.wait_for(Option::is_some).await {
        Ok(ended) => ended.clone().unwrap_or(Err(QueryError::Failed)),
        Err(_) => Err(QueryError::Failed),
    }
}
