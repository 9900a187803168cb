//! The one who holds a made-up number, with which carrier, since when: a pure function of seed, number and day. Nothing is stored, so a
//! city of any size costs nothing. Where the phone was is `trajectory`'s; the few people with a fixed story are `demo`'s.

use jiff::civil::Date;
use policy::trajectory::{CarrierAnswer, Days, Trajectory, day_of, days_after, start_of};
use registry::Phone;

use super::demo;
use super::trajectory::Atlas;

/// Numbers without any subscriber.
const NOBODY_PER_MILLE: u64 = 2;
/// Numbers of things and of some resale, which have no answer.
const UNANSWERABLE_PER_MILLE: u64 = 5;
/// Numbers that are taken to another carrier and, later, back. Half of them are away at any time.
const PORTING_PER_MILLE: u64 = 80;
/// A ported number stays this long, then moves on.
const PORT_DAYS: i64 = 240;
/// Numbers that get a new subscriber again and again.
const RECYCLED_PER_MILLE: u64 = 60;
/// A recycled number is somebody's for this long.
const RECYCLED_DAYS: i64 = 300;
/// With less history than this a carrier says "new number" and shows nothing.
const HISTORY_DAYS_MIN: i64 = 3;
/// Carriers keep no more days than this.
pub(super) const KEPT_DAYS: i32 = 30;

const DAY_S: u64 = 86_400;
const UTC_AHEAD_S: u64 = 8 * 3600;

/// The carriers of the notice, simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SimulatedCarrier {
    /// China Mobile.
    Mobile,
    /// China Unicom.
    Unicom,
    /// China Telecom.
    Telecom,
}

impl SimulatedCarrier {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Mobile, Self::Unicom, Self::Telecom];

    /// The name in configuration and metrics.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Mobile => "china-mobile",
            Self::Unicom => "china-unicom",
            Self::Telecom => "china-telecom",
        }
    }

    /// Its names, English and Chinese.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Mobile => ("China Mobile", "中国移动"),
            Self::Unicom => ("China Unicom", "中国联通"),
            Self::Telecom => ("China Telecom", "中国电信"),
        }
    }

    /// The one with that id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|carrier| carrier.id() == id)
    }

    /// The made-up ranges that it is given in development.
    pub const fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Mobile => &["163", "169"],
            Self::Unicom => &["164"],
            Self::Telecom => &["168"],
        }
    }

    /// The number that only probes ask for.
    pub const fn reserved(self) -> &'static str {
        match self {
            Self::Mobile => "16399999999",
            Self::Unicom => "16499999999",
            Self::Telecom => "16899999999",
        }
    }

    /// [`Self::reserved`], read.
    pub fn reserved_phone(self) -> Phone {
        Phone::parse(self.reserved()).expect("a constant number")
    }

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Mobile => 0,
            Self::Unicom => 1,
            Self::Telecom => 2,
        }
    }
}

/// Eleven digits of a range that nobody has been given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct MadeUpNumber {
    digits: u64,
    /// By its range.
    plan: SimulatedCarrier,
}

impl MadeUpNumber {
    /// `None` for anything that could be a real number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != 11 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let gave =
            |carrier: &SimulatedCarrier| carrier.prefixes().iter().any(|prefix| text.starts_with(prefix));
        let plan = SimulatedCarrier::ALL.into_iter().find(gave)?;
        Some(Self { digits: text.parse().ok()?, plan })
    }

    fn is_of_things(self) -> bool {
        self.digits / 100_000_000 == 169
    }
}

/// The one who holds a number on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Nobody.
    Nobody,
    /// A thing, or a resale: the carrier has it and cannot say where it was.
    Unanswerable(SimulatedCarrier),
    /// A subscriber of this carrier, whose history there begins on that day.
    Held(SimulatedCarrier, Date),
}

/// The simulated world: everything that carriers know follows from it.
pub(super) struct World {
    seed: u64,
    atlas: Atlas,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, atlas: Atlas::new() }
    }

    /// Says what the carrier says about the number on `today`, about the asked days that lie before it.
    pub(super) fn answer(
        &self,
        carrier: SimulatedCarrier,
        number: MadeUpNumber,
        asked: Days,
        today: Date,
    ) -> CarrierAnswer {
        let story = demo::story(number.digits);
        let line = match story {
            Some(story) => story.line(number.plan, asked),
            None if number.digits.to_string() == carrier.reserved() => Line::Held(carrier, Date::MIN),
            None => self.line(number, today),
        };
        let since = match line {
            Line::Held(holder, since) if holder == carrier => since,
            Line::Unanswerable(holder) if holder == carrier => return CarrierAnswer::Unanswerable,
            Line::Held(..) | Line::Unanswerable(_) | Line::Nobody => return CarrierAnswer::NotSubscriber,
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

    pub(super) fn line(&self, number: MadeUpNumber, today: Date) -> Line {
        let plan = number.plan;
        if number.is_of_things() {
            return Line::Unanswerable(plan);
        }
        let draw = mix(self.seed, number.digits, Salt::Kind) % 1000;
        let phase = (mix(self.seed, number.digits, Salt::Phase) % 100_000) as i64;
        let mut limit = NOBODY_PER_MILLE;
        if draw < limit {
            return Line::Nobody;
        }
        limit += UNANSWERABLE_PER_MILLE;
        if draw < limit {
            return Line::Unanswerable(plan);
        }
        limit += PORTING_PER_MILLE;
        if draw < limit {
            let (turn, since) = turn(today, phase, PORT_DAYS);
            let away = 1 + (mix(self.seed, number.digits, Salt::Other) % 2) as usize;
            let holder = if turn % 2 == 0 { plan } else { other(plan, away) };
            return Line::Held(holder, since);
        }
        limit += RECYCLED_PER_MILLE;
        if draw < limit {
            let (_, since) = turn(today, phase, RECYCLED_DAYS);
            return Line::Held(plan, since);
        }
        Line::Held(plan, Date::MIN)
    }
}

/// The carrier so many places further.
pub(super) const fn other(carrier: SimulatedCarrier, places: usize) -> SimulatedCarrier {
    SimulatedCarrier::ALL[(carrier.index() + places) % SimulatedCarrier::ALL.len()]
}

/// Time goes in turns of so many days: which one `today` is in, and its first day.
fn turn(today: Date, phase: i64, days: i64) -> (i64, Date) {
    let turn = (day_number(today) + phase).div_euclid(days);
    (turn, date_of(turn * days - phase))
}

/// Days since 1970 in China.
pub(super) fn day_number(day: Date) -> i64 {
    ((start_of(day) + UTC_AHEAD_S) / DAY_S) as i64
}

fn date_of(number: i64) -> Date {
    day_of(u64::try_from(number).unwrap_or(0) * DAY_S)
}

/// Draws about one number do not depend on each other.
#[derive(Clone, Copy)]
pub(super) enum Salt {
    Kind = 1,
    Phase = 2,
    Other = 3,
    Trips = 4,
}

fn mix(seed: u64, number: u64, salt: Salt) -> u64 {
    scramble(scramble(seed ^ salt as u64) ^ number)
}

/// The finalizer of SplitMix64: neighbours in, strangers out.
pub(super) const fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
