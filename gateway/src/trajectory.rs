//! A checkpoint's share of a query: the least that its staff need, as the wire's types. The right to ask is checked by the caller; the
//! meaning of an answer is the policy's.

use actors::query::{Queries, QueryAnswer, QueryError};
use actors::registrar::{Giver, Receipt};
use jiff::civil::Date;
use policy::QueryOutcome;
use policy::trajectory::{Area, Days, Unavailable};
use protocol::codec::Bounded;
use protocol::limits::AREAS_MAX;
use protocol::trajectory::{Day, TrajectoryAnswer, TrajectoryReason, VisitedArea};
use registry::Detail;

/// Asks with a citizen's receipt, for a device or for staff with a phone: the answer has no more than the citizen allows. Also returns
/// the owner of the receipt, if a person is registered with that phone. Dropping the future stops the wait, not the query.
pub(crate) async fn ask(
    queries: &Queries,
    receipt: &Receipt,
) -> Result<(TrajectoryAnswer, Option<Giver>), QueryError> {
    let QueryAnswer { outcome, detail, areas, days, giver } = queries.ask_with_receipt(receipt).await?;
    let visited = if detail == Detail::Cities { &areas[..] } else { &[] };
    Ok((answer(&outcome, days, visited), giver))
}

/// Converts an outcome to the answer for a device and for the page that staff look at. `window` is the policy's; `visited` is in the order
/// of time, and empty unless the citizen allows cities to be shown.
pub(crate) fn answer(outcome: &QueryOutcome, window: Days, visited: &[Area]) -> TrajectoryAnswer {
    let (covered, last_stay_day) = match outcome {
        QueryOutcome::Stay(stay) => (None, day(stay.last_day)),
        QueryOutcome::Clean => (Some(window), Day::NONE),
        QueryOutcome::Partial { covered } => (*covered, Day::NONE),
        QueryOutcome::NewNumber
        | QueryOutcome::Unanswerable
        | QueryOutcome::Unavailable(_)
        | QueryOutcome::NotAsked => (None, Day::NONE),
    };
    TrajectoryAnswer {
        reason: reason(outcome),
        first_day: covered.map_or(Day::NONE, |days| day(days.first)),
        last_day: covered.map_or(Day::NONE, |days| day(days.last)),
        last_stay_day,
        areas: Bounded(latest(visited)),
    }
}

const fn reason(outcome: &QueryOutcome) -> TrajectoryReason {
    match outcome {
        QueryOutcome::Stay(_) => TrajectoryReason::StayFound,
        QueryOutcome::Clean => TrajectoryReason::Clean,
        QueryOutcome::Partial { .. } => TrajectoryReason::Partial,
        QueryOutcome::NewNumber => TrajectoryReason::NewNumber,
        QueryOutcome::Unanswerable => TrajectoryReason::Unanswerable,
        QueryOutcome::Unavailable(Unavailable::TimedOut) => TrajectoryReason::TimedOut,
        QueryOutcome::Unavailable(
            Unavailable::Unreachable
            | Unavailable::Refused
            | Unavailable::Garbage
            | Unavailable::Busy
            | Unavailable::Paused,
        ) => TrajectoryReason::Unavailable,
        QueryOutcome::NotAsked => TrajectoryReason::NotAsked,
    }
}

/// Returns each area once, and the last visited ones if there are more than an answer holds.
fn latest(visited: &[Area]) -> Vec<VisitedArea> {
    let mut areas = Vec::new();
    for area in visited.iter().rev() {
        let text = match area {
            Area::City(division) => division.to_string(),
            Area::Country(country) => country.to_string(),
        };
        if areas.len() < AREAS_MAX
            && let Some(area) = VisitedArea::parse(&text)
            && !areas.contains(&area)
        {
            areas.push(area);
        }
    }
    areas.reverse();
    areas
}

fn day(date: Date) -> Day {
    let (year, month, day) = (i32::from(date.year()), i32::from(date.month()), i32::from(date.day()));
    u32::try_from(year * 10_000 + month * 100 + day).ok().and_then(Day::from_number).unwrap_or(Day::NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::Stay;
    use policy::trajectory::{Country, Division};
    use protocol::trajectory::StayAnswer;

    fn days(first: &str, last: &str) -> Days {
        Days { first: first.parse().unwrap(), last: last.parse().unwrap() }
    }

    #[test]
    fn no_answer_is_never_told_as_no() {
        let unavailable = QueryOutcome::Unavailable;
        let stay = Stay { area: "湖北".to_owned(), last_day: "2020-02-20".parse().unwrap() };
        let partial = QueryOutcome::Partial { covered: Some(days("2020-02-15", "2020-02-23")) };
        for (outcome, reason, stay, days) in [
            (QueryOutcome::Stay(stay), "stay-found", StayAnswer::Yes, [0, 0, 20_200_220]),
            (QueryOutcome::Clean, "clean", StayAnswer::No, [20_200_210, 20_200_223, 0]),
            (partial, "partial", StayAnswer::Unknown, [20_200_215, 20_200_223, 0]),
            (QueryOutcome::Partial { covered: None }, "partial", StayAnswer::Unknown, [0; 3]),
            (QueryOutcome::NewNumber, "new-number", StayAnswer::Unknown, [0; 3]),
            (QueryOutcome::Unanswerable, "unanswerable", StayAnswer::Unknown, [0; 3]),
            (unavailable(Unavailable::TimedOut), "timed-out", StayAnswer::Unknown, [0; 3]),
            (unavailable(Unavailable::Unreachable), "unavailable", StayAnswer::Unknown, [0; 3]),
            (unavailable(Unavailable::Refused), "unavailable", StayAnswer::Unknown, [0; 3]),
            (unavailable(Unavailable::Garbage), "unavailable", StayAnswer::Unknown, [0; 3]),
            (unavailable(Unavailable::Busy), "unavailable", StayAnswer::Unknown, [0; 3]),
            (unavailable(Unavailable::Paused), "unavailable", StayAnswer::Unknown, [0; 3]),
            (QueryOutcome::NotAsked, "not-asked", StayAnswer::Unknown, [0; 3]),
        ] {
            let told = answer(&outcome, self::days("2020-02-10", "2020-02-23"), &[]);
            let said = [told.first_day, told.last_day, told.last_stay_day].map(Day::number);
            assert_eq!((told.reason.name(), told.stay(), said), (reason, stay, days), "{outcome:?}");
            assert!(told.areas.0.is_empty(), "{outcome:?}");
        }
    }

    #[test]
    fn areas_are_told_once_and_the_latest_if_there_are_many() {
        let city = |text: &str| Area::City(Division::parse(text).unwrap());
        let italy = Area::Country(Country::parse("IT").unwrap());
        let visited = [city("3601"), italy, city("4201"), italy];
        let told = |visited: &[Area]| latest(visited).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told(&visited), ["3601", "4201", "IT"]);
        let many: Vec<_> = (1000..1100).map(|number| city(&number.to_string())).collect();
        let told = told(&many);
        assert_eq!((told.len(), told[0].as_str(), told[63].as_str()), (64, "1036", "1099"));
    }
}
