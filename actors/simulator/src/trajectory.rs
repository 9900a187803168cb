//! The visits of a made-up phone: at home in Nanchang, with a trip in some weeks, over the real divisions of the country. Pure:
//! the same draw and days give the same visits, and a day's visits do not depend on the requested window.

use jiff::civil::Date;
use policy::trajectory::{Area, Country, Days, Division, Visit, days_after, start_of};

use super::draws::scramble;

const CITIES: &str = include_str!("../../data/cities.csv");

/// The home of all made-up people.
const HOME: &str = "3601";
const HOME_PROVINCE: &str = "36";
const HUBEI: &str = "42";
/// The provinces around Jiangxi, without Hubei.
const NEIGHBOURS: [&str; 5] = ["33", "34", "35", "43", "44"];
const COUNTRIES: [&str; 12] = ["HK", "MO", "TW", "JP", "KR", "TH", "SG", "IT", "IR", "US", "GB", "AU"];

/// Weeks with a trip.
const TRIPS_PER_MILLE: u64 = 150;
/// The destinations of trips: these, and the rest of the country up to 1000.
const IN_PROVINCE_PER_MILLE: u64 = 520;
const NEIGHBOUR_PER_MILLE: u64 = 330;
const HUBEI_PER_MILLE: u64 = 18;
const ABROAD_PER_MILLE: u64 = 12;
/// Trips on which the phone is in the city for less than four hours.
const SHORT_PER_MILLE: u64 = 250;

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 3600;
const DAY_S: u64 = 24 * HOUR_S;
const UTC_AHEAD_S: u64 = 8 * HOUR_S;
const WEEK_DAYS: i64 = 7;
/// The latest hour of the week at which a trip begins: even the longest one ends within the week.
const LEAVE_HOUR_MAX: u64 = 90;
const WAY_HOURS_MAX: u64 = 6;
const WAY_ABROAD_HOURS_MAX: u64 = 12;
const SHORT_MINUTES: (u64, u64) = (20, 239);
const LONG_MINUTES: (u64, u64) = (240, 52 * 60);
const _: () = assert!(
    LEAVE_HOUR_MAX * 60 + 2 * WAY_ABROAD_HOURS_MAX * 60 + LONG_MINUTES.1 < WEEK_DAYS as u64 * 24 * 60
);
const _: () =
    assert!(IN_PROVINCE_PER_MILLE + NEIGHBOUR_PER_MILLE + HUBEI_PER_MILLE + ABROAD_PER_MILLE < 1000);

/// The cities, grouped by distance.
pub(super) struct Atlas {
    province: Vec<Division>,
    neighbours: Vec<Division>,
    hubei: Vec<Division>,
    rest: Vec<Division>,
}

/// A trip from home and back, as Unix seconds.
struct Trip {
    area: Area,
    leave_s: u64,
    arrive_s: u64,
    depart_s: u64,
    back_s: u64,
}

/// A sequence of draws from a seed.
struct Draws(u64);

impl Draws {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = scramble(self.0);
        self.0 % below
    }

    fn between(&mut self, (low, high): (u64, u64)) -> u64 {
        low + self.next(high - low + 1)
    }

    fn one<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.next(from.len() as u64) as usize]
    }
}

impl Atlas {
    pub(super) fn new() -> Self {
        let mut atlas =
            Self { province: Vec::new(), neighbours: Vec::new(), hubei: Vec::new(), rest: Vec::new() };
        let codes = CITIES.lines().skip(1).filter_map(|line| line.split(',').next());
        for code in codes.filter(|code| *code != HOME) {
            let province = &code[..2];
            let group = match province {
                HOME_PROVINCE => &mut atlas.province,
                HUBEI => &mut atlas.hubei,
                near if NEIGHBOURS.contains(&near) => &mut atlas.neighbours,
                _ => &mut atlas.rest,
            };
            group.push(division(code));
        }
        atlas
    }

    /// Returns the visits of one phone on these days.
    pub(super) fn visits(&self, draw: u64, covered: Days) -> Vec<Visit> {
        let weeks =
            day_number(covered.first).div_euclid(WEEK_DAYS)..=day_number(covered.last).div_euclid(WEEK_DAYS);
        let trips = weeks.filter_map(|week| self.trip(draw, week));
        let mut visits = Vec::new();
        let mut home_s = 0;
        for trip in trips {
            visits.push(Visit { area: home(), from_s: home_s, until_s: trip.leave_s });
            visits.push(Visit { area: trip.area, from_s: trip.arrive_s, until_s: trip.depart_s });
            home_s = trip.back_s;
        }
        visits.push(Visit { area: home(), from_s: home_s, until_s: u64::MAX });
        clip(visits, covered)
    }

    /// Returns the trip of a week, if there is one.
    fn trip(&self, draw: u64, week: i64) -> Option<Trip> {
        let mut draws = Draws(draw ^ scramble(week as u64));
        if draws.next(1000) >= TRIPS_PER_MILLE {
            return None;
        }
        let area = self.destination(&mut draws);
        let way_hours_max = match area {
            Area::City(_) => WAY_HOURS_MAX,
            Area::Country(_) => WAY_ABROAD_HOURS_MAX,
        };
        let way_s = draws.between((1, way_hours_max)) * HOUR_S;
        let minutes = if draws.next(1000) < SHORT_PER_MILLE { SHORT_MINUTES } else { LONG_MINUTES };
        let stay_s = draws.between(minutes) * MINUTE_S;
        // Weeks are counted from 1 January 1970 in China.
        let week_s = (week * WEEK_DAYS) as u64 * DAY_S - UTC_AHEAD_S;
        let leave_s = week_s + draws.between((6, LEAVE_HOUR_MAX)) * HOUR_S;
        let arrive_s = leave_s + way_s;
        let depart_s = arrive_s + stay_s;
        Some(Trip { area, leave_s, arrive_s, depart_s, back_s: depart_s + way_s })
    }

    fn destination(&self, draws: &mut Draws) -> Area {
        let mut limit = IN_PROVINCE_PER_MILLE;
        let draw = draws.next(1000);
        if draw < limit {
            return Area::City(draws.one(&self.province));
        }
        limit += NEIGHBOUR_PER_MILLE;
        if draw < limit {
            return Area::City(draws.one(&self.neighbours));
        }
        limit += HUBEI_PER_MILLE;
        if draw < limit {
            return Area::City(draws.one(&self.hubei));
        }
        limit += ABROAD_PER_MILLE;
        if draw < limit {
            return country(draws.one(&COUNTRIES));
        }
        Area::City(draws.one(&self.rest))
    }
}

/// Returns the days since 1970 in China.
pub(super) fn day_number(day: Date) -> i64 {
    ((start_of(day) + UTC_AHEAD_S) / DAY_S) as i64
}

pub(super) fn home() -> Area {
    city(HOME)
}

pub(super) fn city(code: &str) -> Area {
    Area::City(division(code))
}

pub(super) fn country(code: &str) -> Area {
    Area::Country(Country::parse(code).expect("a constant of two capitals"))
}

fn division(code: &str) -> Division {
    Division::parse(code).expect("the table of cities has four digits a row")
}

/// Clips visits to the covered days.
pub(super) fn clip(visits: Vec<Visit>, covered: Days) -> Vec<Visit> {
    let (first_s, end_s) = (start_of(covered.first), start_of(days_after(covered.last, 1)));
    let clipped = visits.into_iter().map(|visit| Visit {
        area: visit.area,
        from_s: visit.from_s.max(first_s),
        until_s: visit.until_s.min(end_s),
    });
    clipped.filter(|visit| visit.from_s < visit.until_s).collect()
}
