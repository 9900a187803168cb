//! The rules of a scenario beyond its layout: each rule with where it is broken, for people to mend. Pure.

use super::curve::Curve;
use super::{Event, Kind, PostClass, Scenario, Stage, StageKind, Threshold, What};

/// A run longer than a day is a mistake.
const SECONDS_MAX: f64 = 86_400.0;
/// Nobody offers more than this from one machine, people a second.
const RATE_MAX: f64 = 10_000_000.0;
/// No city is larger.
const PEOPLE_MAX: u32 = 30_000_000;
/// Whoever has tried so often has gone home.
const TRIES_MAX: u8 = 100;
/// The devices of a development city beside its gates, of each other class.
const BESIDE_GATES: u32 = 10;

/// One step into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(&'static str),
    Index(usize),
}

/// A broken rule, and where.
pub(super) struct Fault {
    pub(super) at: Vec<Step>,
    pub(super) text: String,
}

fn fault(at: &[Step], text: impl Into<String>) -> Result<(), Fault> {
    Err(Fault { at: at.to_vec(), text: text.into() })
}

/// The first rule that is broken.
pub(super) fn check(scenario: &Scenario) -> Result<(), Fault> {
    let city = &scenario.city;
    if !(1..=PEOPLE_MAX).contains(&city.people) {
        return fault(&[Step::Key("city"), Step::Key("people")], format!("people is 1 to {PEOPLE_MAX}"));
    }
    check_shares(scenario)?;
    check_fleet(scenario)?;
    let mut seconds = 0.0;
    for (index, stage) in scenario.stages.iter().enumerate() {
        check_stage(scenario, stage, index)?;
        seconds += stage.seconds;
    }
    if scenario.stages.iter().all(|stage| stage.warm_up) {
        return fault(&[Step::Key("stage")], "a stage that is no warm-up is missing");
    }
    check_receipts(scenario)?;
    if seconds > SECONDS_MAX {
        return fault(&[Step::Key("stage")], format!("the stages last {seconds} s, {SECONDS_MAX} at most"));
    }
    for (index, event) in scenario.events.iter().enumerate() {
        check_event(event, &[Step::Key("event"), Step::Index(index)], seconds)?;
    }
    let at = |what| scenario.events.iter().position(|event| event.what == what);
    if let (Some(_), Some(index)) = (at(What::FillDisk), at(What::Kill).or(at(What::Terminate))) {
        let text =
            "the small disk of fill-disk ends with its gateway: kill and terminate are for another scenario";
        return fault(&[Step::Key("event"), Step::Index(index)], text);
    }
    for (index, threshold) in scenario.thresholds.iter().enumerate() {
        check_threshold(scenario, threshold, &[Step::Key("threshold"), Step::Index(index)])?;
    }
    Ok(())
}

fn check_shares(scenario: &Scenario) -> Result<(), Fault> {
    let shares = Kind::ALL.map(|kind| scenario.mix.share(kind));
    if shares.iter().any(|share| !(0.0..=1e9).contains(share)) || shares.iter().sum::<f64>() <= 0.0 {
        return fault(&[Step::Key("mix")], "the shares of mix are 0 or more, one of them more");
    }
    let population = &scenario.population;
    if !(0.0..=3.0).contains(&population.skew) {
        return fault(&[Step::Key("population"), Step::Key("skew")], "skew is 0 to 3");
    }
    if scenario.mix.code > 0.0 && population.signed_in == 0 {
        return fault(&[Step::Key("mix"), Step::Key("code")], "showing codes takes population.signed_in");
    }
    if scenario.retry.times_max > TRIES_MAX {
        let text = format!("nobody tries more than {TRIES_MAX} times");
        return fault(&[Step::Key("retry"), Step::Key("times_max")], text);
    }
    if !(0.0..=1.0).contains(&scenario.retry.again) {
        return fault(&[Step::Key("retry"), Step::Key("again")], "again is a share, 0 to 1");
    }
    Ok(())
}

/// Chance may bring a few more queries than the mean.
fn check_receipts(scenario: &Scenario) -> Result<(), Fault> {
    let shares: f64 = Kind::ALL.iter().map(|kind| scenario.mix.share(*kind)).sum();
    let mean = Curve::of(&scenario.stages).people() * scenario.mix.query / shares;
    let wanted = (mean + 4.0 * mean.sqrt()).ceil();
    if wanted <= f64::from(scenario.population.receipts) {
        return Ok(());
    }
    let text = format!(
        "about {mean:.0} queries come, each with a receipt: population.receipts is at least {wanted}"
    );
    fault(&[Step::Key("mix"), Step::Key("query")], text)
}

fn check_fleet(scenario: &Scenario) -> Result<(), Fault> {
    for (index, posts) in scenario.fleet.iter().enumerate() {
        let at = |key| [Step::Key("fleet"), Step::Index(index), Step::Key(key)];
        if posts.count == 0 {
            return fault(&at("count"), "count is 1 or more");
        }
        if !(posts.weight > 0.0 && posts.weight <= 1e6) {
            return fault(&at("weight"), "weight is above 0");
        }
        let (there, name) = match posts.class {
            PostClass::Gate => (scenario.city.gates, "gates"),
            PostClass::Handheld => (BESIDE_GATES, "handhelds"),
            PostClass::Concentrator => (BESIDE_GATES, "concentrators"),
        };
        let same = scenario.fleet.iter().filter(|other| other.class == posts.class);
        let wanted: u32 = same.map(|other| other.count).fold(0, u32::saturating_add);
        if wanted > there {
            return fault(&at("count"), format!("the city has {there} {name}, and {wanted} take part"));
        }
    }
    let devices_asked = Kind::ALL.iter().any(|kind| kind.of_devices() && scenario.mix.share(*kind) > 0.0);
    if devices_asked && scenario.fleet.is_empty() {
        return fault(&[Step::Key("fleet")], "devices are asked for and [[fleet]] is missing");
    }
    Ok(())
}

fn check_stage(scenario: &Scenario, stage: &Stage, index: usize) -> Result<(), Fault> {
    let whole = [Step::Key("stage"), Step::Index(index)];
    let at = |key| [whole[0], whole[1], Step::Key(key)];
    if !(stage.seconds > 0.0 && stage.seconds <= SECONDS_MAX) {
        return fault(&at("seconds"), format!("seconds is above 0, {SECONDS_MAX} at most"));
    }
    if scenario.stages[..index].iter().any(|other| other.name == stage.name) {
        return fault(&at("name"), "two stages have this name");
    }
    if stage.warm_up && scenario.stages[..index].iter().any(|before| !before.warm_up) {
        return fault(&at("warm_up"), "a warm-up comes first");
    }
    match (stage.kind, stage.rate) {
        (StageKind::Hold, None) if index > 0 => Ok(()),
        (StageKind::Hold, _) => fault(&whole, "a hold keeps the rate before it: the first stage is a step"),
        (StageKind::Step | StageKind::Ramp | StageKind::Spike, None) => {
            fault(&whole, "rate is missing, people a second")
        }
        (StageKind::Step | StageKind::Ramp | StageKind::Spike, Some(rate)) => {
            if (0.0..=RATE_MAX).contains(&rate) {
                return Ok(());
            }
            fault(&at("rate"), format!("rate is 0 to {RATE_MAX} people a second"))
        }
    }
}

fn check_event(event: &Event, whole: &[Step; 2], seconds: f64) -> Result<(), Fault> {
    let at = |key| [whole[0], whole[1], Step::Key(key)];
    if !(0.0..=seconds).contains(&event.at_s) {
        return fault(&at("at_s"), format!("the run ends after {seconds} s"));
    }
    if event.for_s.is_some_and(|for_s| !(0.0..=SECONDS_MAX).contains(&for_s)) {
        return fault(&at("for_s"), "for_s is 0 or more");
    }
    let missing = match event.what {
        What::Kill | What::FillDisk if event.for_s.is_none() => Some("for_s, when it is over"),
        What::Carrier if event.carrier.is_none() => Some("carrier"),
        What::Carrier if event.mode.is_none() => Some("mode"),
        What::Network if event.network.is_none() => Some("network"),
        What::Colours if event.count.is_none() => Some("count"),
        What::Carrier
        | What::Kill
        | What::Terminate
        | What::FillDisk
        | What::Network
        | What::Rebind
        | What::Disconnect
        | What::Colours => None,
    };
    missing.map_or(Ok(()), |missing| fault(whole, format!("this event lacks {missing}")))
}

fn check_threshold(scenario: &Scenario, threshold: &Threshold, whole: &[Step; 2]) -> Result<(), Fault> {
    let at = |key| [whole[0], whole[1], Step::Key(key)];
    if scenario.mix.share(threshold.of) <= 0.0 {
        return fault(&at("of"), format!("nobody asks for {} here", threshold.of.name()));
    }
    if threshold.max.is_none() && threshold.min.is_none() {
        return fault(whole, "a threshold needs max or min");
    }
    if let Some(name) = &threshold.stage
        && !scenario.stages.iter().any(|stage| stage.name == *name && !stage.warm_up)
    {
        return fault(&at("stage"), format!("there is no stage {name:?} that is no warm-up"));
    }
    Ok(())
}
