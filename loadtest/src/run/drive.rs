//! The open loop: every visit of the plan is handed over at its time, whatever is answered, to a device's post or to the pages.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bench::pace::Timer;
use device::clock;
use tokio::task::JoinSet;

use super::crowd::{self, Ended};
use super::post::Inbox;
use super::shared::Shared;
use crate::record::Seat;
use crate::scenario::Scenario;
use crate::scenario::plan::{Plan, Visit};

/// People who may wait at a time, over all posts: memory for more is better spent on finding out why nobody is answered.
const WAITING_MAX: u64 = 1_000_000;
/// The generator may be this far behind its plan; then the rest is given up, so that a run ends in about its time however fast it was to
/// go. Who is later than this measures nothing but itself: even in an hour's run the figures would be the generator's.
const BEHIND_MAX: Duration = Duration::from_secs(10);

/// The drive of a run.
pub(super) struct Drive<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) seed: u64,
    pub(super) shared: Rc<Shared>,
    pub(super) inboxes: Vec<Rc<Inbox>>,
    pub(super) start: Instant,
}

/// The observations of the generator itself.
#[derive(Default)]
pub(super) struct Driven {
    /// People who were handed over.
    pub(super) handed: u64,
    /// Why the plan did not come to its end.
    pub(super) unfinished: Option<String>,
}

impl Drive<'_> {
    /// Hands everybody over, then says that nobody comes any more.
    pub(super) async fn all(self) -> anyhow::Result<Driven> {
        let mut pages = JoinSet::new();
        let (handed, unfinished) = self.hand_over(&mut pages).await.context("keeping the schedule")?;
        self.inboxes.iter().for_each(|inbox| inbox.close());
        while let Some(page) = pages.join_next().await {
            page.context("a visit to the pages")?;
        }
        Ok(Driven { handed, unfinished })
    }

    /// Says how many people were let in, and why not all of them.
    async fn hand_over(&self, pages: &mut JoinSet<()>) -> std::io::Result<(u64, Option<String>)> {
        let mut timer = Timer::new()?;
        let mut handed = 0;
        for visit in Plan::new(self.scenario, self.seed) {
            let intended = self.start + visit.at;
            timer.until(intended).await?;
            if let Some(why) = self.gives_up(intended) {
                return Ok((handed, Some(why)));
            }
            handed += 1;
            if visit.kind.of_devices() {
                self.inboxes[visit.post as usize].visit(visit, intended);
            } else {
                while pages.try_join_next().is_some() {}
                pages.spawn_local(see_page(Rc::clone(&self.shared), visit, intended));
            }
        }
        Ok((handed, None))
    }

    /// Why nobody else is let in, if so.
    fn gives_up(&self, intended: Instant) -> Option<String> {
        let why = if clock::since(intended) > BEHIND_MAX {
            format!("the generator was {} s behind its plan", BEHIND_MAX.as_secs())
        } else if self.shared.waiting.get() >= WAITING_MAX {
            format!("{WAITING_MAX} people waited")
        } else {
            return None;
        };
        Some(format!("{why}: the rest was not let in"))
    }
}

/// Somebody opens a page, and again after a while if it does not come.
async fn see_page(shared: Rc<Shared>, visit: Visit, intended: Instant) {
    let patience = Duration::from_millis(shared.retry.patience_ms.into());
    let seat = Seat { kind: visit.kind, stage: visit.stage };
    shared.offered(&visit, clock::since(intended));
    let mut tries = 1;
    let ended = loop {
        let sent = Some(clock::now());
        shared.record.borrow_mut().tried(seat);
        let Some(citizens) = &shared.citizens else {
            break Ended { seat, intended, sent, reason: Some("no-citizens") };
        };
        match citizens.visit(visit.kind, visit.person, visit.luck, patience).await {
            Ok(()) => break Ended { seat, intended, sent, reason: None },
            Err(refusal) => match crowd::after(&shared.retry, visit.luck, tries) {
                Some(think) => tokio::time::sleep(think).await,
                None => break Ended { seat, intended, sent, reason: Some(refusal.name()) },
            },
        }
        tries += 1;
    };
    shared.ended(&ended, clock::now());
}
