//! Once an interval, from the first visit until the last person has left, the record's interval is closed, the view redrawn, and this
//! thread's load measured.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bench::cpu::{self, Usage};
use device::clock;

use super::shared::Shared;
use super::view::View;
use crate::scenario::Scenario;
use crate::scenario::curve::Curve;

/// The limit of intervals of a run, so that its report and its log stay small.
const INTERVALS_MAX: u32 = 600;

pub(super) struct Ticker {
    shared: Rc<Shared>,
    view: Rc<RefCell<View>>,
    start: Instant,
    interval: Duration,
    busy: Busy,
}

impl Ticker {
    pub(super) fn new(
        scenario: &Scenario,
        shared: &Rc<Shared>,
        view: &Rc<RefCell<View>>,
        start: Instant,
    ) -> Self {
        let seconds = Curve::of(&scenario.stages).seconds();
        Self {
            shared: Rc::clone(shared),
            view: Rc::clone(view),
            start,
            interval: Duration::from_secs_f64((seconds / f64::from(INTERVALS_MAX)).ceil().max(1.0)),
            busy: Busy::new(scenario),
        }
    }

    /// Ticks while the work goes on, and once more at its end, for the last interval.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = tokio::time::sleep(self.interval) => self.tick(),
            }
        };
        self.tick();
        done
    }

    /// Returns the load of the thread in its busiest stage, 0 to 1.
    pub(super) fn busy_share(&self) -> Option<f64> {
        self.busy.most()
    }

    fn tick(&mut self) {
        let elapsed = clock::since(self.start);
        let mut record = self.shared.record.borrow_mut();
        record.tick(elapsed);
        self.busy.look(elapsed);
        self.view.borrow_mut().show(elapsed, &record, self.shared.waiting.get());
    }
}

/// The load of this thread in each stage.
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

    /// Adds the time since the last look to the current stage.
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
