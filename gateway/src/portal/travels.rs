//! What this process remembers of queries that visitors have begun: which consent, since when, what came of it, and the fields that
//! were typed meanwhile. Only in memory, bounded, for as long as a form is good; after a restart the visitor is asked again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actors::query::{Answered, QueryError};
use actors::registrar::FORM_S_MAX;
use actors::registry::{ConsentId, Flow};
use actors::sms::SessionId;

use super::form::Fields;

/// Visits with a query or a draft at once, about 1 KB each; the oldest is asked again.
const VISITS_MAX: usize = 50_000;
/// A carrier's answer takes nine seconds at most; a query that is silent for longer has died.
const SILENT_S_MAX: u64 = 20;

/// The page on which the module stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Page {
    /// The first application.
    Apply,
    /// An application for a ward.
    Ward,
    /// The modification of one code, by its number within the session.
    Modify(u64),
    /// The success page of one punch, by a number that the place page chooses: each punch has a query of its own.
    Place(u64),
}

impl Page {
    /// Its name in paths.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Apply => "apply".to_owned(),
            Self::Ward => "ward".to_owned(),
            Self::Modify(code) => format!("modify-{code:016x}"),
            Self::Place(punch) => format!("place-{punch:016x}"),
        }
    }

    /// The page with that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let plain = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = |text: &str| plain(text).then(|| u64::from_str_radix(text, 16).ok()).flatten();
        match name.split_once('-') {
            None if name == "apply" => Some(Self::Apply),
            None if name == "ward" => Some(Self::Ward),
            Some(("modify", text)) => number(text).map(Self::Modify),
            Some(("place", text)) => number(text).map(Self::Place),
            Some(_) | None => None,
        }
    }

    /// What a consent given there is for.
    pub(crate) const fn flow(self) -> Flow {
        match self {
            Self::Apply | Self::Ward => Flow::Apply,
            Self::Modify(_) => Flow::Modify,
            Self::Place(_) => Flow::Scan,
        }
    }

    /// The form's own path; a place page has none and says where it is.
    pub(crate) fn form_path(self) -> Option<String> {
        match self {
            Self::Apply => Some("/apply".to_owned()),
            Self::Ward => Some("/apply/ward".to_owned()),
            Self::Modify(code) => Some(format!("/modify/{code:016x}")),
            Self::Place(_) => None,
        }
    }
}

/// Where the query of a page stands.
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
    /// What came.
    Came(Answered),
    /// There is no outcome.
    Failed(QueryError),
    /// The visitor has taken the consent back.
    Withdrawn,
}

type Key = ([u8; 16], Page);

struct Visit {
    begun_s: u64,
    consent: Option<ConsentId>,
    state: State,
    draft: Option<Fields>,
}

#[derive(Default)]
struct Inner {
    visits: HashMap<Key, Visit>,
    /// In the order in which they began; a visit that began anew stands here twice, and the older mark is passed over.
    order: VecDeque<(u64, Key)>,
}

/// The queries of all visitors. Pages write and read it; nothing rebuilds it.
#[derive(Default)]
pub(crate) struct Travels(Mutex<Inner>);

impl Travels {
    /// Where the query of that page stands.
    pub(crate) fn state(&self, session: SessionId, page: Page, now_s: u64) -> State {
        let inner = self.lock();
        let visit = inner.visits.get(&(session.0, page)).filter(|visit| is_good(visit, now_s));
        match visit.map(|visit| &visit.state) {
            None => State::NotAsked,
            Some(State::Waiting { since_s }) if now_s.saturating_sub(*since_s) > SILENT_S_MAX => {
                State::Failed(QueryError::Failed)
            }
            Some(state) => state.clone(),
        }
    }

    /// The consent on whose answer the form rests.
    pub(crate) fn consent(&self, session: SessionId, page: Page, now_s: u64) -> Option<ConsentId> {
        let inner = self.lock();
        inner.visits.get(&(session.0, page)).filter(|visit| is_good(visit, now_s))?.consent
    }

    /// The visitor agrees. Of forms that are sent at once one gets true, and records the consent; until then the page waits.
    pub(crate) fn claim(&self, session: SessionId, page: Page, now_s: u64) -> bool {
        let mut claimed = false;
        self.begin(session, page, now_s, |visit| {
            claimed = match visit.state {
                State::NotAsked | State::NotTicked | State::Failed(_) | State::Withdrawn => true,
                State::Waiting { since_s } => now_s.saturating_sub(since_s) > SILENT_S_MAX,
                State::Offered(_) | State::Came(_) => false,
            };
            if claimed {
                visit.consent = None;
                visit.state = State::Waiting { since_s: now_s };
            }
        });
        claimed
    }

    /// The visitor agreed, and carriers are being asked.
    pub(crate) fn asked(&self, session: SessionId, page: Page, consent: ConsentId, now_s: u64) {
        self.begin(session, page, now_s, |visit| {
            visit.consent = Some(consent);
            visit.state = State::Waiting { since_s: now_s };
        });
    }

    /// The visitor agreed, and a device at the gate is to ask.
    pub(crate) fn offered(&self, session: SessionId, page: Page, consent: ConsentId, now_s: u64) {
        self.begin(session, page, now_s, |visit| {
            visit.consent = Some(consent);
            visit.state = State::Offered(consent);
        });
    }

    /// Something else happened on the page: a box not ticked, a consent taken back.
    pub(crate) fn is_now(&self, session: SessionId, page: Page, state: State, now_s: u64) {
        self.begin(session, page, now_s, |visit| {
            visit.consent = None;
            visit.state = state;
        });
    }

    /// The query has come to its end. Nothing is kept if the visitor has taken the consent back, or has begun another.
    pub(crate) fn came(
        &self,
        session: SessionId,
        page: Page,
        consent: ConsentId,
        came: Result<Answered, QueryError>,
    ) {
        let mut inner = self.lock();
        let Some(visit) = inner.visits.get_mut(&(session.0, page)) else { return };
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

    /// What was typed before.
    pub(crate) fn draft(&self, session: SessionId, page: Page, now_s: u64) -> Option<Fields> {
        let inner = self.lock();
        inner.visits.get(&(session.0, page)).filter(|visit| is_good(visit, now_s))?.draft.clone()
    }

    /// The form was taken: its query was for this form, and another form has another.
    pub(crate) fn done(&self, session: SessionId, page: Page) {
        self.lock().visits.remove(&(session.0, page));
    }

    fn begin(&self, session: SessionId, page: Page, now_s: u64, change: impl FnOnce(&mut Visit)) {
        let key = (session.0, page);
        let mut inner = self.lock();
        inner.make_room(now_s);
        let old = inner.visits.remove(&key).filter(|visit| is_good(visit, now_s));
        let is_new = old.is_none();
        let new = || Visit { begun_s: now_s, consent: None, state: State::NotAsked, draft: None };
        let mut visit = old.unwrap_or_else(new);
        change(&mut visit);
        if matches!(visit.state, State::Waiting { since_s } if since_s == now_s) && visit.begun_s != now_s {
            visit.begun_s = now_s;
            inner.order.push_back((now_s, key));
        } else if is_new {
            inner.order.push_back((now_s, key));
        }
        inner.visits.insert(key, visit);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Forgets what is too old, and the oldest if there is still too much.
    fn make_room(&mut self, now_s: u64) {
        while let Some(&(begun_s, key)) = self.order.front()
            && (self.order.len() >= VISITS_MAX || now_s.saturating_sub(begun_s) > FORM_S_MAX)
        {
            self.order.pop_front();
            if self.visits.get(&key).is_some_and(|visit| visit.begun_s == begun_s) {
                self.visits.remove(&key);
            }
        }
    }
}

fn is_good(visit: &Visit, now_s: u64) -> bool {
    now_s.saturating_sub(visit.begun_s) <= FORM_S_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use actors::policy::Outcome;
    use actors::registry::Detail;
    use actors::trajectory::Days;

    const ME: SessionId = SessionId([1; 16]);
    const OTHER: SessionId = SessionId([2; 16]);

    fn clean() -> Result<Answered, QueryError> {
        let days = Days { first: "2020-02-10".parse().unwrap(), last: "2020-02-23".parse().unwrap() };
        let (outcome, detail) = (Outcome::Clean, Detail::Stay);
        Ok(Answered { outcome, detail, areas: Vec::new(), days, giver: None })
    }

    #[test]
    fn a_consent_that_is_sent_twice_at_once_is_recorded_once() {
        let travels = Travels::default();
        assert!(travels.claim(ME, Page::Apply, 100));
        assert!(!travels.claim(ME, Page::Apply, 100), "the first is being recorded");
        assert!(travels.claim(ME, Page::Ward, 100) && travels.claim(OTHER, Page::Apply, 100));
        travels.asked(ME, Page::Apply, ConsentId(1), 100);
        assert!(!travels.claim(ME, Page::Apply, 101), "carriers are being asked");
        travels.came(ME, Page::Apply, ConsentId(1), clean());
        assert!(!travels.claim(ME, Page::Apply, 102), "it was answered");
        travels.is_now(ME, Page::Apply, State::Withdrawn, 103);
        assert!(travels.claim(ME, Page::Apply, 104), "and another one is given");
        assert!(travels.claim(ME, Page::Apply, 105 + SILENT_S_MAX), "one that was never recorded is over");
    }

    #[test]
    fn pages_have_names_that_are_read_back() {
        for page in [Page::Apply, Page::Ward, Page::Modify(7), Page::Place(u64::MAX)] {
            assert_eq!(Page::parse(&page.name()), Some(page));
        }
        for bad in ["", "apply-", "modify", "modify-7", "place-", "place-+00000000000000a", "else"] {
            assert_eq!(Page::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_reaches_the_page_that_asked_and_no_other() {
        let travels = Travels::default();
        travels.asked(ME, Page::Apply, ConsentId(1), 100);
        assert_eq!(travels.state(ME, Page::Apply, 101), State::Waiting { since_s: 100 });
        travels.came(ME, Page::Apply, ConsentId(1), clean());
        assert!(matches!(travels.state(ME, Page::Apply, 109), State::Came(_)));
        for (session, page) in [(ME, Page::Ward), (ME, Page::Place(1)), (OTHER, Page::Apply)] {
            assert_eq!(travels.state(session, page, 109), State::NotAsked, "{page:?}");
            assert_eq!(travels.consent(session, page, 109), None);
        }
        travels.done(ME, Page::Apply);
        assert_eq!(travels.consent(ME, Page::Apply, 110), None);
    }

    #[test]
    fn an_answer_after_the_consent_was_taken_back_is_not_kept() {
        let travels = Travels::default();
        travels.asked(ME, Page::Apply, ConsentId(1), 100);
        travels.is_now(ME, Page::Apply, State::Withdrawn, 101);
        travels.came(ME, Page::Apply, ConsentId(1), clean());
        assert_eq!(travels.state(ME, Page::Apply, 102), State::Withdrawn);
        travels.asked(ME, Page::Apply, ConsentId(2), 103);
        travels.came(ME, Page::Apply, ConsentId(1), clean());
        assert_eq!(travels.state(ME, Page::Apply, 104), State::Waiting { since_s: 103 });
    }

    #[test]
    fn a_query_that_died_does_not_wait_for_ever_and_an_old_one_is_forgotten() {
        let travels = Travels::default();
        travels.asked(ME, Page::Apply, ConsentId(1), 100);
        let dead = travels.state(ME, Page::Apply, 101 + SILENT_S_MAX);
        assert_eq!(dead, State::Failed(QueryError::Failed));
        assert_eq!(travels.state(ME, Page::Apply, 101 + FORM_S_MAX), State::NotAsked);
        travels.keep(OTHER, Page::Apply, Fields::default(), 101 + FORM_S_MAX);
        assert_eq!(travels.lock().visits.len(), 1, "what is old makes room");
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let travels = Travels::default();
        for number in 0..VISITS_MAX as u64 + 100 {
            travels.asked(ME, Page::Place(number), ConsentId(1), 100);
        }
        let inner = travels.lock();
        assert!(inner.visits.len() <= VISITS_MAX && inner.order.len() <= VISITS_MAX);
        assert!(inner.visits.contains_key(&(ME.0, Page::Place(VISITS_MAX as u64 + 99))));
    }
}
