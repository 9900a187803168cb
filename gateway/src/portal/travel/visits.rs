//! The queries that visitors have begun: consent, begin, outcome, and the fields that were typed meanwhile. In memory only, bounded, for
//! as long as a form is valid; after a restart the visitor is asked again.

use std::sync::{Mutex, MutexGuard};

use actors::bounds;
use actors::query::{QueryAnswer, QueryError};
use actors::sms::SessionId;
use hashlink::LruCache;
use metrics::{Counter, Gauge};
use policy::QueryOutcome;
use registry::ConsentId;
use registry::periods::FORM_S_MAX;
use runtime::lock::lock;

use super::fields::Fields;
use crate::portal::http::paths::Page;

/// A carrier's answer takes nine seconds at most; a query that is silent for longer has died.
const SILENT_S_MAX: u64 = 20;

/// The state of the query of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The visitor was not asked yet, or has not answered.
    NotAsked,
    /// The box was not ticked.
    NotTicked,
    /// Carriers are being asked.
    Waiting {
        /// Since when, seconds since 1970 UTC.
        since_s: u64,
    },
    /// The consent is given, and a checkpoint's device may ask with it instead of this page.
    Offered(ConsentId),
    /// The answer.
    Came(QueryAnswer),
    /// There is no outcome.
    Failed(QueryError),
    /// The visitor has taken the consent back.
    Withdrawn,
}

impl State {
    /// True if the visitor may agree to a query now: none is under way, and none was answered.
    pub(crate) const fn may_ask(&self) -> bool {
        match self {
            Self::NotAsked | Self::NotTicked | Self::Failed(_) | Self::Withdrawn => true,
            Self::Came(answered) => matches!(answered.outcome, QueryOutcome::Unavailable(_)),
            Self::Waiting { .. } | Self::Offered(_) => false,
        }
    }
}

struct Visit {
    page: Page,
    begun_s: u64,
    consent: Option<ConsentId>,
    state: State,
    draft: Option<Fields>,
}

/// By session, the one that began a visit longest ago first; of each its few visits, the oldest first.
type Visits = LruCache<[u8; 16], Vec<Visit>>;

/// The queries of all visitors. Pages write and read it; nothing rebuilds it.
pub(crate) struct Travels {
    visits: Mutex<Visits>,
    /// The number of times that a session had more than its share.
    limited: Counter,
    used: Gauge,
}

impl Default for Travels {
    fn default() -> Self {
        let visits = Mutex::new(LruCache::new(bounds::VISITS.entries()));
        Self { visits, limited: bounds::VISITS_SESSION.limited(), used: bounds::VISITS.used() }
    }
}

impl Travels {
    /// Returns the state of the query of that page.
    pub(crate) fn state(&self, session: SessionId, page: Page, now_s: u64) -> State {
        let visits = self.lock();
        match found(&visits, session, page, now_s).map(|visit| &visit.state) {
            None => State::NotAsked,
            Some(State::Waiting { since_s }) if now_s.saturating_sub(*since_s) > SILENT_S_MAX => {
                State::Failed(QueryError::Failed)
            }
            Some(state) => state.clone(),
        }
    }

    /// The consent on whose answer the form rests.
    pub(crate) fn consent(&self, session: SessionId, page: Page, now_s: u64) -> Option<ConsentId> {
        found(&self.lock(), session, page, now_s)?.consent
    }

    /// Claims the query of a page. Of forms that are sent at once one gets true and records the consent; until then the page waits.
    pub(crate) fn claim(&self, session: SessionId, page: Page, now_s: u64) -> bool {
        let mut claimed = false;
        self.begin(session, page, now_s, |visit| {
            let is_silent = matches!(visit.state, State::Waiting { since_s } if now_s.saturating_sub(since_s) > SILENT_S_MAX);
            claimed = visit.state.may_ask() || is_silent;
            if claimed {
                visit.consent = None;
                visit.state = State::Waiting { since_s: now_s };
            }
        });
        claimed
    }

    /// Notes a consent with which carriers are being asked.
    pub(crate) fn asked(&self, session: SessionId, page: Page, consent: ConsentId, now_s: u64) {
        self.begin(session, page, now_s, |visit| {
            visit.consent = Some(consent);
            visit.state = State::Waiting { since_s: now_s };
        });
    }

    /// Notes a consent with which a device at the gate may ask.
    pub(crate) fn offered(&self, session: SessionId, page: Page, consent: ConsentId, now_s: u64) {
        self.begin(session, page, now_s, |visit| {
            visit.consent = Some(consent);
            visit.state = State::Offered(consent);
        });
    }

    /// Sets another state: a box not ticked, a failure.
    pub(crate) fn is_now(&self, session: SessionId, page: Page, state: State, now_s: u64) {
        self.begin(session, page, now_s, |visit| {
            visit.consent = None;
            visit.state = state;
        });
    }

    /// Notes that the consent was taken back, wherever that was done: its answer is gone at once from every page that had it, and what still comes is
    /// not kept.
    pub(crate) fn taken_back(&self, consent: ConsentId) {
        let mut visits = self.lock();
        let of_it = visits.iter_mut().flat_map(|(_, mine)| mine.iter_mut());
        for visit in of_it.filter(|visit| visit.consent == Some(consent)) {
            visit.consent = None;
            visit.state = State::Withdrawn;
        }
    }

    /// Ends a query. Nothing is kept if the visitor has taken the consent back, or has begun another.
    pub(crate) fn came(
        &self,
        session: SessionId,
        page: Page,
        consent: ConsentId,
        came: Result<QueryAnswer, QueryError>,
    ) {
        let mut visits = self.lock();
        let mine =
            visits.peek_mut(&session.0).and_then(|mine| mine.iter_mut().find(|visit| visit.page == page));
        let Some(visit) = mine else { return };
        if visit.consent != Some(consent) {
            return;
        }
        visit.state = match came {
            Ok(mut answered) => {
                if page.form_path().is_some() {
                    // A form needs the outcome alone.
                    answered.areas.clear();
                }
                State::Came(answered)
            }
            Err(error) => State::Failed(error),
        };
    }

    /// Keeps what was typed, until the page is drawn again.
    pub(crate) fn keep(&self, session: SessionId, page: Page, fields: Fields, now_s: u64) {
        self.begin(session, page, now_s, |visit| visit.draft = Some(fields));
    }

    /// Returns the fields that were typed before.
    pub(crate) fn draft(&self, session: SessionId, page: Page, now_s: u64) -> Option<Fields> {
        found(&self.lock(), session, page, now_s)?.draft.clone()
    }

    /// Forgets the query of a form that was taken: another form has another.
    pub(crate) fn done(&self, session: SessionId, page: Page) {
        if let Some(mine) = self.lock().peek_mut(&session.0) {
            mine.retain(|visit| visit.page != page);
        }
    }

    fn begin(&self, session: SessionId, page: Page, now_s: u64, change: impl FnOnce(&mut Visit)) {
        let mut visits = self.lock();
        forget(&mut visits, now_s);
        let mut mine = visits.remove(&session.0).unwrap_or_default();
        let old = mine.iter().position(|visit| visit.page == page).map(|at| mine.remove(at));
        let new = || Visit { page, begun_s: now_s, consent: None, state: State::NotAsked, draft: None };
        let mut visit = old.filter(|visit| is_good(visit, now_s)).unwrap_or_else(new);
        change(&mut visit);
        if matches!(visit.state, State::Waiting { since_s } if since_s == now_s) {
            visit.begun_s = now_s;
        }
        if mine.len() >= bounds::VISITS_SESSION.entries() {
            self.limited.increment(1);
            mine.remove(0);
        }
        mine.push(visit);
        visits.insert(session.0, mine);
        self.used.set(visits.len() as f64);
    }

    fn lock(&self) -> MutexGuard<'_, Visits> {
        lock(&self.visits)
    }
}

fn found(visits: &Visits, session: SessionId, page: Page, now_s: u64) -> Option<&Visit> {
    let mine = visits.peek(&session.0)?;
    mine.iter().find(|visit| visit.page == page && is_good(visit, now_s))
}

/// Sessions whose visits are all too old go; what is good goes only when there are too many sessions.
fn forget(visits: &mut Visits, now_s: u64) {
    let is_over = |mine: &[Visit]| !mine.iter().any(|visit| is_good(visit, now_s));
    while visits.iter().next().is_some_and(|(_, mine)| is_over(mine)) {
        visits.remove_lru();
    }
}

fn is_good(visit: &Visit, now_s: u64) -> bool {
    now_s.saturating_sub(visit.begun_s) <= FORM_S_MAX
}

#[cfg(test)]
mod tests;
