//! The citizens of a load test: made-up people who show their codes, open places' pages, apply, and consent at their own pages over
//! HTTP, each from an address of their own. The plan decides who comes and when; the devices use the receipts.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use device::fleet::Fleet;
use protocol::receipt::RECEIPT_BYTES;
use tokio::sync::Semaphore;

use crate::http::{Connection, HttpError};
use crate::scenario::Kind;

pub(crate) mod browser;
mod error;
pub(crate) mod inbox;
mod kept;
mod people;
pub(crate) mod places;
mod prepare;
mod receipts;

use browser::{Browser, CODE_MARK, PLACE_MARK, Session};
use error::BrowserError;
use inbox::Inbox;
use kept::KeptConnections;
use people::{People, Person};
use receipts::Shown;

/// Limit of browsers with a connection at a time, well within a process's open files. The others wait, and their waiting counts as latency.
const UNDER_WAY_MAX: usize = 1_000;
/// Connections that are kept between visits, as phones keep theirs.
const KEPT_MAX: usize = 512;
/// The pages close what is idle for 45 seconds.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// The limit of applicants who are looked for at the end.
const ACCEPTED_MAX: usize = 1_000;
/// The redirect target of a first application's form.
const APPLIED: &str = "/code?did=applied";

/// A consent receipt, as its QR code holds it.
pub type Receipt = [u8; RECEIPT_BYTES];

/// The reason why a visit did not end with its page. A closed set: reports count by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// The gateway refused it: too many requests, or too many from one visitor.
    Busy,
    /// Not within the visitor's patience.
    Timeout,
    /// An answer with another status than that page's.
    Status,
    /// No connection, or it broke.
    Connection,
    /// An answer as expected, with something else in it.
    WrongPage,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Busy, Self::Timeout, Self::Status, Self::Connection, Self::WrongPage];

    /// Returns the name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Connection => "connection",
            Self::WrongPage => "wrong-page",
        }
    }

    fn of(error: &BrowserError) -> Self {
        match error {
            BrowserError::Http(HttpError::Timeout(_)) => Self::Timeout,
            BrowserError::Http(HttpError::Connection(_)) => Self::Connection,
            BrowserError::Http(HttpError::Invalid(_)) | BrowserError::WrongPage { .. } => Self::WrongPage,
            BrowserError::Status { status: 429 | 503, .. } => Self::Busy,
            BrowserError::Status { .. } => Self::Status,
        }
    }
}

/// The citizens of one run. One thread's: visits run beside each other on a `LocalSet`.
pub struct Citizens {
    /// The pages of the gateway that leads.
    pages: Cell<SocketAddr>,
    inbox: Inbox,
    people: People,
    /// The citizens who are signed in; only preparation adds to them.
    citizens: RefCell<Vec<Rc<Citizen>>>,
    /// The links in places' printed codes.
    places: Vec<String>,
    /// The first applicants whose application was acknowledged.
    accepted: RefCell<Vec<Rc<Citizen>>>,
    kept: KeptConnections,
    under_way: Semaphore,
    receipts: RefCell<VecDeque<Shown>>,
}

/// A citizen who is signed in and has a code.
struct Citizen {
    session: Session,
    address: Ipv4Addr,
}

impl Citizens {
    /// Makes one visit of a person: opens the page and checks that it is the right one. An application is a new person's, from the first
    /// page to the one that shows the new code; of the others the person is one of those who are signed in.
    ///
    /// # Errors
    /// The reason; nothing is tried again.
    ///
    /// # Panics
    /// On kinds that only devices ask for.
    pub async fn visit(&self, kind: Kind, person: u32, luck: u64, patience: Duration) -> Result<(), Refusal> {
        let visit = async {
            let _permit = self.under_way.acquire().await.expect("it is never closed");
            match kind {
                Kind::Code => self.look(person, "/code", CODE_MARK).await,
                Kind::Place => {
                    let link = &self.places[(luck % self.places.len() as u64) as usize];
                    self.look(person, &format!("/p/{link}"), PLACE_MARK).await
                }
                Kind::Apply => self.apply(&self.people.next()).await.map(drop),
                Kind::Verify | Kind::Punch | Kind::Query => unreachable!("a device's business"),
            }
        };
        match tokio::time::timeout(patience, visit).await {
            Ok(visited) => visited.map_err(|error| Refusal::of(&error)),
            Err(_) => Err(Refusal::Timeout),
        }
    }

    /// Sends everybody to the gateway that leads now.
    pub(crate) fn lead(&self, fleet: &Fleet) {
        self.pages.set(fleet.pages.unwrap_or(self.pages.get()));
        self.inbox.move_to(fleet.http);
        self.kept.close();
    }

    /// Looks for the codes of those whose applications were acknowledged; returns the number of all of them and of those without a code.
    pub(crate) async fn look_for_accepted(&self) -> (u64, u64) {
        let accepted = self.accepted.borrow().clone();
        let mut lost = 0;
        for citizen in &accepted {
            let looked = async {
                let connection = self.connect(citizen).await?;
                Browser::resume(connection, self.pages.get(), citizen.session.clone())
                    .check("/code", CODE_MARK)
                    .await
            };
            lost += u64::from(looked.await.is_err());
        }
        (accepted.len() as u64, lost)
    }

    /// Returns every phone, document and name that was used, for the search for leaks. Not kept anywhere: made again from their numbers.
    pub fn canaries(&self) -> Vec<String> {
        self.people.all().flat_map(Person::secrets).collect()
    }

    /// Returns the address from which the next application comes.
    pub fn next_address(&self) -> Ipv4Addr {
        self.people.next_address()
    }

    async fn look(&self, person: u32, path: &str, mark: &str) -> Result<(), BrowserError> {
        let (owner, citizen) = (self.owner(person), self.citizen(person));
        if let Some(connection) = self.kept.take(owner) {
            match self.look_on(connection, owner, &citizen, (path, mark)).await {
                Err(error) if error.is_loss() => {}
                looked => return looked,
            }
        }
        let connection = self.connect(&citizen).await?;
        self.look_on(connection, owner, &citizen, (path, mark)).await
    }

    async fn look_on(
        &self,
        connection: Connection,
        owner: u32,
        citizen: &Citizen,
        (path, mark): (&str, &str),
    ) -> Result<(), BrowserError> {
        let mut browser = Browser::resume(connection, self.pages.get(), citizen.session.clone());
        let looked = browser.check(path, mark).await.map(drop);
        if !matches!(looked, Err(BrowserError::Http(_))) {
            self.kept.keep(owner, browser.end().0);
        }
        looked
    }

    /// Signs in a new person and applies; returns the browser.
    async fn apply(&self, person: &Person) -> Result<Browser, BrowserError> {
        let mut browser = Browser::open(self.pages.get(), Some(person.address())).await?;
        browser.sign_in(&self.inbox, &person.phone, "/apply").await?;
        let leads = browser.apply(&person.form(), "/").await?;
        if leads != APPLIED {
            return Err(BrowserError::WrongPage { path: "/apply".to_owned() });
        }
        self.accept(Citizen { session: browser.session(), address: person.address() });
        browser.check(APPLIED, CODE_MARK).await?;
        Ok(browser)
    }

    fn accept(&self, citizen: Citizen) {
        let mut accepted = self.accepted.borrow_mut();
        if accepted.len() < ACCEPTED_MAX {
            accepted.push(Rc::new(citizen));
        }
    }

    fn owner(&self, person: u32) -> u32 {
        person % self.citizens.borrow().len() as u32
    }

    fn citizen(&self, person: u32) -> Rc<Citizen> {
        Rc::clone(&self.citizens.borrow()[self.owner(person) as usize])
    }

    async fn connect(&self, citizen: &Citizen) -> Result<Connection, HttpError> {
        Connection::open(self.pages.get(), Some(citizen.address)).await
    }
}

/// Returns the address of the pages of a development city on this machine; nothing else is put under load.
///
/// # Errors
/// The city has none, or is elsewhere.
pub(crate) fn pages_of(fleet: &Fleet) -> anyhow::Result<SocketAddr> {
    let pages = fleet.pages.context("this city has no pages")?;
    let is_here = [pages, fleet.http].iter().all(|address| address.ip().is_loopback());
    ensure!(is_here, "only a development city on loopback is put under load, not one at {pages}");
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_fail_has_its_reason() {
        let status = |status| BrowserError::Status { path: "/".to_owned(), status };
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        for (error, expected) in [
            (status(429), "busy"),
            (status(503), "busy"),
            (status(500), "status"),
            (status(303), "status"),
            (HttpError::Timeout("the response").into(), "timeout"),
            (HttpError::Connection(reset).into(), "connection"),
            (HttpError::Invalid("it is no text".into()).into(), "wrong-page"),
            (BrowserError::WrongPage { path: "/".to_owned() }, "wrong-page"),
        ] {
            assert_eq!(Refusal::of(&error).name(), expected, "{error}");
        }
        assert!(Refusal::ALL.is_sorted());
    }
}
