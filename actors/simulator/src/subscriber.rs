//! The simulated world: holder, carrier and start date of a made-up number are a pure function of seed, number and day. Nothing
//! is stored, so a city of any size costs nothing. Locations are in `trajectory`, people with a fixed story in `demo`.

use jiff::civil::Date;
use policy::trajectory::{CarrierAnswer, Days, Trajectory, day_of, days_after};

use super::demo;
use super::draws::{Salt, mix};
use super::numbers::{Holder, MadeUpNumber, SimulatedCarrier, other};
use super::trajectory::{Atlas, day_number};

/// Numbers without a subscriber.
const NOBODY_PER_MILLE: u64 = 2;
/// Numbers of IoT devices and resold numbers, which have no answer.
const UNANSWERABLE_PER_MILLE: u64 = 5;
/// Numbers that are ported to another carrier and back; half of them are away at any time.
const PORTING_PER_MILLE: u64 = 80;
/// The days for which a ported number stays.
const PORT_DAYS: i64 = 240;
/// Numbers that are given to a new subscriber again and again.
const RECYCLED_PER_MILLE: u64 = 60;
/// The days for which a recycled number has one subscriber.
const RECYCLED_DAYS: i64 = 300;
/// With fewer days of history a carrier answers "new number" and nothing else.
const HISTORY_DAYS_MIN: i64 = 3;
/// The days of history that a carrier keeps.
pub(super) const KEPT_DAYS: i32 = 30;

const DAY_S: u64 = 86_400;

/// The simulated world, from which every answer follows.
pub(super) struct World {
    seed: u64,
    atlas: Atlas,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, atlas: Atlas::new() }
    }

    /// Returns the carrier's answer about the number on `today`, for the requested days before it.
    pub(super) fn answer(
        &self,
        carrier: SimulatedCarrier,
        number: MadeUpNumber,
        asked: Days,
        today: Date,
    ) -> CarrierAnswer {
        let story = demo::story(number.digits);
        let holder = match story {
            Some(story) => story.holder(number.plan, asked),
            None if number.digits.to_string() == carrier.reserved() => Holder::Held(carrier, Date::MIN),
            None => self.holder(number, today),
        };
        let since = match holder {
            Holder::Held(holder, since) if holder == carrier => since,
            Holder::Unanswerable(holder) if holder == carrier => return CarrierAnswer::Unanswerable,
            Holder::Held(..) | Holder::Unanswerable(_) | Holder::Nobody => {
                return CarrierAnswer::NotSubscriber;
            }
        };
        let kept = days_after(today, -KEPT_DAYS);
        let yesterday = days_after(today, -1);
        let covered = Days { first: asked.first.max(since).max(kept), last: asked.last.min(yesterday) };
        let is_new =
            since > asked.first && day_number(covered.last) - day_number(since) < HISTORY_DAYS_MIN - 1;
        if is_new || covered.first > covered.last {
            return CarrierAnswer::NewNumber;
        }
        let visits = match story {
            Some(story) => story.visits(asked, covered),
            None => self.atlas.visits(mix(self.seed, number.digits, Salt::Trips), covered),
        };
        CarrierAnswer::Trajectory(Trajectory { covered, visits })
    }

    pub(super) fn holder(&self, number: MadeUpNumber, today: Date) -> Holder {
        let plan = number.plan;
        if number.is_of_things() {
            return Holder::Unanswerable(plan);
        }
        let draw = mix(self.seed, number.digits, Salt::Kind) % 1000;
        let phase = (mix(self.seed, number.digits, Salt::Phase) % 100_000) as i64;
        let mut limit = NOBODY_PER_MILLE;
        if draw < limit {
            return Holder::Nobody;
        }
        limit += UNANSWERABLE_PER_MILLE;
        if draw < limit {
            return Holder::Unanswerable(plan);
        }
        limit += PORTING_PER_MILLE;
        if draw < limit {
            let (turn, since) = turn(today, phase, PORT_DAYS);
            let away = 1 + (mix(self.seed, number.digits, Salt::Other) % 2) as usize;
            let holder = if turn % 2 == 0 { plan } else { other(plan, away) };
            return Holder::Held(holder, since);
        }
        limit += RECYCLED_PER_MILLE;
        if draw < limit {
            let (_, since) = turn(today, phase, RECYCLED_DAYS);
            return Holder::Held(plan, since);
        }
        Holder::Held(plan, Date::MIN)
    }
}

/// Divides time into periods of `days`; returns the period of `today` and its first day.
fn turn(today: Date, phase: i64, days: i64) -> (i64, Date) {
    let turn = (day_number(today) + phase).div_euclid(days);
    (turn, date_of(turn * days - phase))
}

fn date_of(number: i64) -> Date {
    day_of(u64::try_from(number).unwrap_or(0) * DAY_S)
}
