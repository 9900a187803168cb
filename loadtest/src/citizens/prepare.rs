//! The preparation of a run over the pages: people who are signed in and have a code, places with a printed code, and
//! consent receipts.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Context;
use device::clock;
use device::fleet::Fleet;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::inbox::Inbox;
use super::kept::KeptConnections;
use super::people::People;
use super::{Citizen, Citizens, IDLE_MAX, KEPT_MAX, UNDER_WAY_MAX, pages_of, places};

/// The limit of people who are prepared at a time.
const PREPARING_MAX: usize = 16;
/// Consents of one citizen at a time; the gateway allows a phone six within a quarter of an hour.
const RECEIPTS_EACH: u32 = 3;
/// The number of places that are visited.
const PLACES: usize = 4;

impl Citizens {
    /// Signs people in, each with a new application, at least one, and gets consent receipts from them in turn. Needs a `LocalSet`;
    /// progress goes to `say`.
    ///
    /// # Errors
    /// It is no development city on loopback, or the pages refuse a request.
    pub async fn prepare(
        fleet: &Fleet,
        signed_in: u32,
        receipts: u32,
        seed: u64,
        say: &dyn Fn(&str),
    ) -> anyhow::Result<Self> {
        let pages = pages_of(fleet)?;
        let of_places = fleet.clone();
        let places = tokio::task::spawn_blocking(move || places::links(&of_places, PLACES)).await??;
        let citizens = Rc::new(Self::new(fleet, pages, places, seed));
        let people = signed_in.max(receipts.div_ceil(RECEIPTS_EACH)).max(1);
        say(&format!("signing {people} people in"));
        beside(people, |_| sign_in(Rc::clone(&citizens))).await.context("signing people in")?;
        say(&format!("getting {receipts} consent receipts"));
        beside(receipts, |n| consent(Rc::clone(&citizens), n)).await.context("getting receipts")?;
        Ok(Rc::into_inner(citizens).expect("everybody who was prepared is"))
    }

    fn new(fleet: &Fleet, pages: SocketAddr, places: Vec<String>, seed: u64) -> Self {
        let now_ms = clock::now_ms();
        Self {
            pages: Cell::new(pages),
            inbox: Inbox::new(fleet.http),
            people: People::new(seed, now_ms),
            citizens: RefCell::default(),
            accepted: RefCell::default(),
            places,
            kept: KeptConnections::new(KEPT_MAX, IDLE_MAX),
            under_way: Semaphore::new(UNDER_WAY_MAX),
            receipts: RefCell::default(),
        }
    }
}

async fn sign_in(citizens: Rc<Citizens>) -> anyhow::Result<()> {
    let person = citizens.people.next();
    let (connection, session) = citizens.apply(&person).await?.end();
    let mut all = citizens.citizens.borrow_mut();
    citizens.kept.keep(all.len() as u32, connection);
    all.push(Rc::new(Citizen { session, address: person.address() }));
    Ok(())
}

async fn consent(citizens: Rc<Citizens>, n: u32) -> anyhow::Result<()> {
    let shown = citizens.consent(citizens.owner(n)).await?;
    citizens.receipts.borrow_mut().push_back(shown);
    Ok(())
}

/// Runs `count` tasks, [`PREPARING_MAX`] at a time; the first error ends all.
async fn beside<F>(count: u32, one: impl Fn(u32) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + 'static,
{
    let mut under_way = JoinSet::new();
    for n in 0..count {
        if under_way.len() == PREPARING_MAX
            && let Some(done) = under_way.join_next().await
        {
            done??;
        }
        under_way.spawn_local(one(n));
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    Ok(())
}
