//! The open loop: each visit of the plan is handed over at its time, whatever is answered, to a device's post or to the pages.

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

/// The limit of people who wait at a time, over all posts: beyond it the gateway answers none, and the run ends.
const WAITING_MAX: u64 = 1_000_000;
/// The largest lateness of the generator, after which the rest of the plan is given up, so that a run ends in about its time at any rate.
/// Beyond it the figures would be the generator's, even in an hour's run.
const BEHIND_MAX: Duration = Duration::from_secs(10);

/// The hand-over of a run's visits.
pub(super) struct Drive<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) seed: u64,
    pub(super) shared: Rc<Shared>,
    pub(super) inboxes: Vec<Rc<Inbox>>,
    pub(super) start: Instant,
}

/// The result of the hand-over.
#[derive(Default)]
pub(super) struct Driven {
    /// People who were handed over.
    pub(super) handed: u64,
    /// The reason why the plan did not come to its end, if so.
    pub(super) unfinished: Option<String>,
}

impl Drive<'_> {
    /// Hands all visits over, then closes the posts.
    pub(super) async fn all(self) -> anyhow::Result<Driven> {
        let mut pages = JoinSet::new();
        let (handed, unfinished) = self.hand_over(&mut pages).await.context("keeping the schedule")?;
        self.inboxes.iter().for_each(|inbox| inbox.close());
        while let Some(page) = pages.join_next().await {
            page.context("a visit to the pages")?;
        }
        Ok(Driven { handed, unfinished })
    }

    /// Hands visits over; returns their number, and the reason why not all of them, if so.
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

    /// Returns the reason to give up the rest of the plan, if there is one.
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

/// Visits a page, and tries again after a while if it does not come.
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
