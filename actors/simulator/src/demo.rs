//! Demo people: made-up people with a fixed story, one for each query outcome and each case worth showing. Their numbers lie in a
//! block of each range, and their documents in a division, that the city's people never get.

use jiff::civil::Date;
use policy::trajectory::{Area, Days, Visit, days_after, start_of};
use registry::Phone;

use super::numbers::{Holder, SimulatedCarrier, other};
use super::trajectory::{city, clip, country, home};

/// The first eight digits, after the range, that the city's people never get.
pub(crate) const BLOCK_FIRST: u32 = 99_990_000;

const HOUR_S: u64 = 3600;

/// The outcome of a query about a demo person, when every carrier that has to be asked is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// A stay in an epidemic area of the development policy: the form's field is locked.
    Stay,
    /// No stay, and the whole window is covered.
    Clean,
    /// No stay in the covered days, but not every day is covered.
    Partial,
    /// The number is too new.
    NewNumber,
    /// The carrier has no answer for such a number.
    Unanswerable,
    /// No carrier has the number.
    NotSubscriber,
}

/// A demo person.
#[derive(Clone, Copy, Debug)]
pub struct DemoPerson {
    /// The phone: eleven digits of an unassigned range.
    pub phone: &'static str,
    /// A valid identity number of an unassigned division.
    pub document: &'static str,
    /// The name.
    pub name: &'static str,
    /// The story in a few words.
    pub case: &'static str,
    /// The outcome of a query.
    pub expected: Expected,
    /// The carrier that answers for the number.
    pub carrier: Option<SimulatedCarrier>,
    story: Story,
}

impl DemoPerson {
    /// Returns the phone, parsed.
    pub fn parsed_phone(&self) -> Phone {
        Phone::parse(self.phone).expect("a constant number")
    }
}

/// The travel of a demo person, relative to the requested days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    Home,
    /// Away for some time, from eight in the morning, this many days before the last requested day.
    Away {
        place: Place,
        days_before_last: i32,
        minutes: u64,
    },
    /// Away until the window begins.
    AwayBefore(Place),
    /// Ported from another carrier this many days before the last requested day, or long ago.
    Ported {
        days_before_last: Option<i32>,
        then: Then,
    },
    New,
    Thing,
    Nobody,
}

/// The travel after a number was ported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Home,
    Wuhan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    City(&'static str),
    Country(&'static str),
}

const WUHAN: Place = Place::City("4201");

const fn away(place: Place, days_before_last: i32, minutes: u64) -> Story {
    Story::Away { place, days_before_last, minutes }
}

const fn ported(days_before_last: Option<i32>, then: Then) -> Story {
    Story::Ported { days_before_last, then }
}

const fn person(
    [phone, document, name, case]: [&'static str; 4],
    expected: Expected,
    carrier: Option<SimulatedCarrier>,
    story: Story,
) -> DemoPerson {
    DemoPerson { phone, document, name, case, expected, carrier, story }
}

const PEOPLE: &[DemoPerson] = &[
    person(
        ["16399990001", "39990219900101901X", "王一", "clean"],
        Expected::Clean,
        Some(SimulatedCarrier::Mobile),
        Story::Home,
    ),
    person(
        ["16499990001", "399902199002029025", "李一", "clean"],
        Expected::Clean,
        Some(SimulatedCarrier::Unicom),
        Story::Home,
    ),
    person(
        ["16899990001", "399902199003039030", "张一", "clean"],
        Expected::Clean,
        Some(SimulatedCarrier::Telecom),
        Story::Home,
    ),
    person(
        ["16399990002", "399902199004049046", "王二", "thirty hours in Wuhan"],
        Expected::Stay,
        Some(SimulatedCarrier::Mobile),
        away(WUHAN, 5, 30 * 60),
    ),
    person(
        ["16499990002", "399902199005059051", "李二", "three days in Italy"],
        Expected::Stay,
        Some(SimulatedCarrier::Unicom),
        away(Place::Country("IT"), 7, 72 * 60),
    ),
    person(
        ["16399990003", "399902199006069067", "王三", "four hours in Wuhan exactly"],
        Expected::Stay,
        Some(SimulatedCarrier::Mobile),
        away(WUHAN, 4, 240),
    ),
    person(
        ["16399990004", "399902199007079072", "王四", "a minute less than four hours in Wuhan"],
        Expected::Clean,
        Some(SimulatedCarrier::Mobile),
        away(WUHAN, 4, 239),
    ),
    person(
        ["16499990003", "399902199008089088", "李三", "an hour in Italy"],
        Expected::Stay,
        Some(SimulatedCarrier::Unicom),
        away(Place::Country("IT"), 6, 60),
    ),
    person(
        ["16899990002", "399902199009099093", "张二", "in Wuhan until the window begins"],
        Expected::Clean,
        Some(SimulatedCarrier::Telecom),
        Story::AwayBefore(WUHAN),
    ),
    person(
        ["16899990003", "399902199010109105", "张三", "in Wuhan to this day"],
        Expected::Stay,
        Some(SimulatedCarrier::Telecom),
        away(WUHAN, 30, 60 * 24 * 60),
    ),
    person(
        ["16499990004", "399902199011119110", "李四", "two days in Hong Kong"],
        Expected::Clean,
        Some(SimulatedCarrier::Unicom),
        away(Place::Country("HK"), 6, 48 * 60),
    ),
    person(
        ["16399990005", "399902199012129126", "王五", "ported long ago"],
        Expected::Clean,
        Some(SimulatedCarrier::Unicom),
        ported(None, Then::Home),
    ),
    person(
        ["16899990004", "399902199001139134", "张四", "ported in the window"],
        Expected::Partial,
        Some(SimulatedCarrier::Mobile),
        ported(Some(5), Then::Home),
    ),
    person(
        ["16499990005", "39990219900214914X", "李五", "ported in the window, then in Wuhan"],
        Expected::Stay,
        Some(SimulatedCarrier::Telecom),
        ported(Some(8), Then::Wuhan),
    ),
    person(
        ["16399990006", "399902199003159155", "王六", "new number"],
        Expected::NewNumber,
        Some(SimulatedCarrier::Mobile),
        Story::New,
    ),
    person(
        ["16999990001", "399902199004169160", "赵一", "a thing's number"],
        Expected::Unanswerable,
        Some(SimulatedCarrier::Mobile),
        Story::Thing,
    ),
    person(
        ["16499990006", "399902199005179176", "李六", "nobody's number"],
        Expected::NotSubscriber,
        None,
        Story::Nobody,
    ),
];

/// Returns all demo people.
pub fn demo_people() -> &'static [DemoPerson] {
    PEOPLE
}

pub(super) fn story(digits: u64) -> Option<Story> {
    PEOPLE.iter().find(|person| person.phone.parse() == Ok(digits)).map(|person| person.story)
}

impl Story {
    /// Returns the number's holder.
    pub(super) fn holder(self, plan: SimulatedCarrier, asked: Days) -> Holder {
        match self {
            Self::Home | Self::Away { .. } | Self::AwayBefore(_) => Holder::Held(plan, Date::MIN),
            Self::Ported { days_before_last, then: _ } => {
                let since = days_before_last.map_or(Date::MIN, |days| days_after(asked.last, -days));
                Holder::Held(other(plan, 1), since)
            }
            Self::New => Holder::Held(plan, asked.last),
            Self::Thing => Holder::Unanswerable(plan),
            Self::Nobody => Holder::Nobody,
        }
    }

    /// Returns the phone's visits on the covered days.
    pub(super) fn visits(self, asked: Days, covered: Days) -> Vec<Visit> {
        let morning = |days: i32| start_of(days_after(asked.last, -days)) + 8 * HOUR_S;
        let visits = match self {
            Self::Home | Self::New | Self::Thing | Self::Nobody => stay_home(),
            Self::Away { place, days_before_last, minutes } => {
                excursion(place, morning(days_before_last), minutes)
            }
            Self::AwayBefore(place) => {
                let begin_s = start_of(asked.first);
                vec![
                    Visit { area: place.area(), from_s: 0, until_s: begin_s },
                    Visit { area: home(), from_s: begin_s, until_s: u64::MAX },
                ]
            }
            Self::Ported { days_before_last: _, then: Then::Home } => stay_home(),
            Self::Ported { days_before_last: _, then: Then::Wuhan } => excursion(WUHAN, morning(3), 20 * 60),
        };
        clip(visits, covered)
    }
}

fn stay_home() -> Vec<Visit> {
    vec![Visit { area: home(), from_s: 0, until_s: u64::MAX }]
}

/// Returns a stay with three hours of travel before and after.
fn excursion(place: Place, from_s: u64, minutes: u64) -> Vec<Visit> {
    let until_s = from_s + minutes * 60;
    vec![
        Visit { area: home(), from_s: 0, until_s: from_s - 3 * HOUR_S },
        Visit { area: place.area(), from_s, until_s },
        Visit { area: home(), from_s: until_s + 3 * HOUR_S, until_s: u64::MAX },
    ]
}

impl Place {
    fn area(self) -> Area {
        match self {
            Self::City(code) => city(code),
            Self::Country(code) => country(code),
        }
    }
}
