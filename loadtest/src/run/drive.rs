//! The open loop: every visit of the plan is handed over at its time, whatever is answered. Beside it, the intervals of the record
//! are closed, and it is watched how busy this thread is.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use super::crowd::{self, Ended};
use super::post::Inbox;
use super::shared::Shared;
use crate::clock;
use crate::cpu::{self, Usage};
use crate::pace::Timer;
use crate::plan::{Plan, Visit};
use crate::record::Seat;
use crate::scenario::Scenario;
use crate::scenario::curve::Curve;
use crate::view::View;

/// People who may wait at a time, over all posts: memory for more is better spent on finding out why nobody is answered.
const WAITING_MAX: u64 = 1_000_000;
/// The generator may be this far behind its plan; then the rest is given up, so that a run ends in about its time however fast it was to
/// go. Who is later than this measures nothing but itself: even in an hour's run the figures would be the generator's.
const BEHIND_MAX: Duration = Duration::from_secs(10);
/// A run has at most this many intervals, so that its report and its log stay small.
const INTERVALS_MAX: u32 = 600;

/// What drives a run.
pub(super) struct Drive<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) seed: u64,
    pub(super) shared: Rc<Shared>,
    pub(super) inboxes: Vec<Rc<Inbox>>,
    pub(super) start: Instant,
}

/// What was seen of the generator itself.
#[derive(Default)]
pub(super) struct Driven {
    /// How busy its thread was in its busiest stage, 0 to 1.
    pub(super) busy_share: Option<f64>,
    /// People who were handed over.
    pub(super) handed: u64,
    /// Why the plan did not come to its end.
    pub(super) unfinished: Option<String>,
}

/// How long the intervals of a run are.
pub(super) fn interval(scenario: &Scenario) -> Duration {
    let seconds = Curve::of(&scenario.stages).seconds();
    Duration::from_secs_f64((seconds / f64::from(INTERVALS_MAX)).ceil().max(1.0))
}

impl Drive<'_> {
    /// Hands everybody over, then says that nobody comes any more.
    pub(super) async fn all(self, view: &RefCell<View>) -> anyhow::Result<Driven> {
        let mut pages = JoinSet::new();
        let mut busy = Busy::new(self.scenario);
        let handed = self.hand_over(&mut pages);
        let (handed, unfinished) = {
            tokio::pin!(handed);
            loop {
                tokio::select! {
                    handed = &mut handed => break handed.context("keeping the schedule")?,
                    () = tokio::time::sleep(interval(self.scenario)) => self.tick(&mut busy, view),
                }
            }
        };
        self.inboxes.iter().for_each(|inbox| inbox.close());
        while let Some(page) = pages.join_next().await {
            page.context("a visit to the pages")?;
        }
        self.tick(&mut busy, view);
        Ok(Driven { busy_share: busy.most(), handed, unfinished })
    }

    /// How many people were let in, and why not all of them.
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

    fn tick(&self, busy: &mut Busy, view: &RefCell<View>) {
        let elapsed = clock::since(self.start);
        let mut record = self.shared.record.borrow_mut();
        record.tick(elapsed);
        busy.look(elapsed);
        view.borrow_mut().show(elapsed, &record, self.shared.waiting.get());
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

/// How busy this thread is, stage by stage.
struct Busy {
    curve: Curve,
    warm_up: Vec<bool>,
    spent: Vec<(Duration, Duration)>,
    last: Option<(Duration, Usage)>,
}

impl Busy {
    fn new(scenario: &Scenario) -> Self {
        Self {
            curve: Curve::of(&scenario.stages),
            warm_up: scenario.stages.iter().map(|stage| stage.warm_up).collect(),
            spent: vec![Default::default(); scenario.stages.len()],
            last: None,
        }
    }

    /// Books what was spent since the last look on the stage that goes on.
    fn look(&mut self, elapsed: Duration) {
        let Some(usage) = cpu::this_thread().and_then(Usage::of_thread) else { return };
        if let Some((before, last)) = self.last.replace((elapsed, usage))
            && let Some(cpu) = usage.since(&last)
        {
            let middle = (before + elapsed).as_secs_f64() / 2.0;
            let stage = (0..self.spent.len()).find(|stage| middle < self.curve.span(*stage).1);
            if let Some(stage) = stage {
                self.spent[stage].0 += cpu;
                self.spent[stage].1 += elapsed - before;
            }
        }
    }

    fn most(&self) -> Option<f64> {
        let stages = self.spent.iter().zip(&self.warm_up);
        let measured = stages.filter(|((_, wall), warm_up)| !**warm_up && !wall.is_zero());
        measured.map(|((cpu, wall), _)| cpu.as_secs_f64() / wall.as_secs_f64()).max_by(f64::total_cmp)
    }
}
