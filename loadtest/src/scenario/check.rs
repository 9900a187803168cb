//! The rules of a scenario beyond its layout. A broken rule is reported with its place in the file. Pure.

use super::curve::Curve;
use super::{Event, Kind, PostClass, Scenario, Stage, StageKind, Threshold, What};
use crate::brokers::SERVERS;
use crate::impair::Conditions;

/// The longest run, seconds: a day.
const SECONDS_MAX: f64 = 86_400.0;
/// The highest rate, people a second: one machine offers no more.
const RATE_MAX: f64 = 10_000_000.0;
/// The largest city.
const PEOPLE_MAX: u32 = 30_000_000;
/// The limit of tries of a person.
const TRIES_MAX: u8 = 100;
/// The number of devices of each other class that a development city has beside its gates.
const BESIDE_GATES: u32 = 10;
/// The largest fleet of gateways on one machine.
const GATEWAYS_MAX: u32 = 5;

/// A step of a path into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(&'static str),
    Index(usize),
}

/// A broken rule with its path in the file.
pub(super) struct Violation {
    pub(super) at: Vec<Step>,
    pub(super) text: String,
}

fn broken(at: &[Step], text: impl Into<String>) -> Result<(), Violation> {
    Err(Violation { at: at.to_vec(), text: text.into() })
}

/// Returns the first broken rule as an error.
pub(super) fn check(scenario: &Scenario) -> Result<(), Violation> {
    let city = &scenario.city;
    if !(1..=PEOPLE_MAX).contains(&city.people) {
        return broken(
            &[Step::Key("city"), Step::Key("people")],
            format!("people must be 1 to {PEOPLE_MAX}"),
        );
    }
    check_gateways(scenario)?;
    check_shares(scenario)?;
    check_fleet(scenario)?;
    let mut seconds = 0.0;
    for (index, stage) in scenario.stages.iter().enumerate() {
        check_stage(scenario, stage, index)?;
        seconds += stage.seconds;
    }
    if scenario.stages.iter().all(|stage| stage.warm_up) {
        return broken(&[Step::Key("stage")], "at least one stage must not be a warm-up");
    }
    check_receipts(scenario)?;
    if seconds > SECONDS_MAX {
        return broken(
            &[Step::Key("stage")],
            format!("the stages last {seconds} s; at most {SECONDS_MAX} are allowed"),
        );
    }
    for (index, event) in scenario.events.iter().enumerate() {
        check_event(event, &[Step::Key("event"), Step::Index(index)], seconds)?;
    }
    let at = |what| scenario.events.iter().position(|event| event.what == what);
    if let (Some(_), Some(index)) = (at(What::FillDisk), at(What::Kill).or(at(What::Terminate))) {
        let text =
            "fill-disk cannot be used together with kill or terminate: the small disk ends with its gateway";
        return broken(&[Step::Key("event"), Step::Index(index)], text);
    }
    for (index, threshold) in scenario.thresholds.iter().enumerate() {
        check_threshold(scenario, threshold, &[Step::Key("threshold"), Step::Index(index)])?;
    }
    Ok(())
}

/// Checks that a fleet has the faults of a fleet, and a gateway alone has others.
fn check_gateways(scenario: &Scenario) -> Result<(), Violation> {
    let gateways = scenario.city.gateways;
    if !(1..=GATEWAYS_MAX).contains(&gateways) {
        let text = format!("gateways must be 1 to {GATEWAYS_MAX}");
        return broken(&[Step::Key("city"), Step::Key("gateways")], text);
    }
    let is_fleet = gateways > 1;
    if is_fleet && scenario.network != Conditions::default() {
        return broken(
            &[Step::Key("network")],
            "a simulated network leads to one gateway: leave gateways out",
        );
    }
    for (index, event) in scenario.events.iter().enumerate() {
        let of_one = matches!(event.what, What::FillDisk | What::Network | What::Rebind);
        let text = match is_fleet {
            true if of_one => "this event is of one gateway: leave gateways of the city out",
            false if event.what.is_of_fleets() || event.gateway.is_some() => {
                "this event is of a fleet: give the city gateways = 3"
            }
            true | false => continue,
        };
        return broken(&[Step::Key("event"), Step::Index(index)], text);
    }
    Ok(())
}

fn check_shares(scenario: &Scenario) -> Result<(), Violation> {
    let shares = Kind::ALL.map(|kind| scenario.mix.share(kind));
    if shares.iter().any(|share| !(0.0..=1e9).contains(share)) || shares.iter().sum::<f64>() <= 0.0 {
        return broken(&[Step::Key("mix")], "the shares of mix must be 0 or more, and one above 0");
    }
    let population = &scenario.population;
    if !(0.0..=3.0).contains(&population.skew) {
        return broken(&[Step::Key("population"), Step::Key("skew")], "skew must be 0 to 3");
    }
    if scenario.mix.code > 0.0 && population.signed_in == 0 {
        return broken(&[Step::Key("mix"), Step::Key("code")], "a share of code needs population.signed_in");
    }
    if scenario.retry.times_max > TRIES_MAX {
        let text = format!("times_max must be at most {TRIES_MAX}");
        return broken(&[Step::Key("retry"), Step::Key("times_max")], text);
    }
    if !(0.0..=1.0).contains(&scenario.retry.again) {
        return broken(&[Step::Key("retry"), Step::Key("again")], "again must be 0 to 1");
    }
    Ok(())
}

/// Checks that there are receipts for some more queries than the mean.
fn check_receipts(scenario: &Scenario) -> Result<(), Violation> {
    let shares: f64 = Kind::ALL.iter().map(|kind| scenario.mix.share(*kind)).sum();
    let mean = Curve::of(&scenario.stages).people() * scenario.mix.query / shares;
    let wanted = (mean + 4.0 * mean.sqrt()).ceil();
    if wanted <= f64::from(scenario.population.receipts) {
        return Ok(());
    }
    let text = format!(
        "about {mean:.0} queries come, each with a receipt: population.receipts must be at least {wanted}"
    );
    broken(&[Step::Key("mix"), Step::Key("query")], text)
}

fn check_fleet(scenario: &Scenario) -> Result<(), Violation> {
    for (index, posts) in scenario.fleet.iter().enumerate() {
        let at = |key| [Step::Key("fleet"), Step::Index(index), Step::Key(key)];
        if posts.count == 0 {
            return broken(&at("count"), "count must be 1 or more");
        }
        if !(posts.weight > 0.0 && posts.weight <= 1e6) {
            return broken(&at("weight"), "weight must be above 0");
        }
        let (there, name) = match posts.class {
            PostClass::Gate => (scenario.city.gates, "gates"),
            PostClass::Handheld => (BESIDE_GATES, "handhelds"),
            PostClass::Concentrator => (BESIDE_GATES, "concentrators"),
        };
        let same = scenario.fleet.iter().filter(|other| other.class == posts.class);
        let wanted: u32 = same.map(|other| other.count).fold(0, u32::saturating_add);
        if wanted > there {
            return broken(
                &at("count"),
                format!("the city has {there} {name}, but {wanted} are to take part"),
            );
        }
    }
    let devices_asked = Kind::ALL.iter().any(|kind| kind.of_devices() && scenario.mix.share(*kind) > 0.0);
    if devices_asked && scenario.fleet.is_empty() {
        return broken(&[Step::Key("fleet")], "the mix needs devices, and [[fleet]] is missing");
    }
    Ok(())
}

fn check_stage(scenario: &Scenario, stage: &Stage, index: usize) -> Result<(), Violation> {
    let whole = [Step::Key("stage"), Step::Index(index)];
    let at = |key| [whole[0], whole[1], Step::Key(key)];
    if !(stage.seconds > 0.0 && stage.seconds <= SECONDS_MAX) {
        return broken(&at("seconds"), format!("seconds must be above 0, and at most {SECONDS_MAX}"));
    }
    if scenario.stages[..index].iter().any(|other| other.name == stage.name) {
        return broken(&at("name"), "two stages have this name");
    }
    if stage.warm_up && scenario.stages[..index].iter().any(|before| !before.warm_up) {
        return broken(&at("warm_up"), "warm-up stages must be the first ones");
    }
    match (stage.kind, stage.rate) {
        (StageKind::Hold, None) if index > 0 => Ok(()),
        (StageKind::Hold, _) => {
            broken(&whole, "a hold keeps the rate before it: it has no rate, and is not the first stage")
        }
        (StageKind::Step | StageKind::Ramp | StageKind::Spike, None) => {
            broken(&whole, "rate is missing, people a second")
        }
        (StageKind::Step | StageKind::Ramp | StageKind::Spike, Some(rate)) => {
            if (0.0..=RATE_MAX).contains(&rate) {
                return Ok(());
            }
            broken(&at("rate"), format!("rate must be 0 to {RATE_MAX} people a second"))
        }
    }
}

fn check_event(event: &Event, whole: &[Step; 2], seconds: f64) -> Result<(), Violation> {
    let at = |key| [whole[0], whole[1], Step::Key(key)];
    if !(0.0..=seconds).contains(&event.at_s) {
        return broken(&at("at_s"), format!("the run ends after {seconds} s"));
    }
    if event.for_s.is_some_and(|for_s| !(0.0..=SECONDS_MAX).contains(&for_s)) {
        return broken(&at("for_s"), "for_s must be 0 or more");
    }
    let missing = match event.what {
        What::Kill | What::FillDisk | What::Brokers | What::Cut if event.for_s.is_none() => {
            Some("for_s, its length")
        }
        What::Carrier if event.carrier.is_none() => Some("carrier"),
        What::Carrier if event.mode.is_none() => Some("mode"),
        What::Network if event.network.is_none() => Some("network"),
        What::Colours if event.count.is_none() => Some("count"),
        What::Brokers if !(1..SERVERS as u32).contains(&event.count.unwrap_or(0)) => {
            Some("count, 1 or 2 of the three brokers")
        }
        What::Carrier
        | What::Kill
        | What::Terminate
        | What::FillDisk
        | What::Network
        | What::Rebind
        | What::Disconnect
        | What::Colours
        | What::Roll
        | What::Brokers
        | What::Cut => None,
    };
    missing.map_or(Ok(()), |missing| broken(whole, format!("this event lacks {missing}")))
}

fn check_threshold(scenario: &Scenario, threshold: &Threshold, whole: &[Step; 2]) -> Result<(), Violation> {
    let at = |key| [whole[0], whole[1], Step::Key(key)];
    if scenario.mix.share(threshold.of) <= 0.0 {
        return broken(&at("of"), format!("the mix has no {}", threshold.of.name()));
    }
    if threshold.max.is_none() && threshold.min.is_none() {
        return broken(whole, "a threshold needs max or min");
    }
    if let Some(name) = &threshold.stage
        && !scenario.stages.iter().any(|stage| stage.name == *name && !stage.warm_up)
    {
        return broken(&at("stage"), format!("there is no stage {name:?}, or it is a warm-up"));
    }
    Ok(())
}
