//! The correctness of a run's figures: the program runs against a stand-in that notes the times of each request and answer, and
//! the report is compared with these notes and the plan. `exits.rs` tests exit codes.
//!
//! No machine is fast or quiet enough to be relied on, so figures are compared only with what did happen, not with what should have.
//! The lower bound is always exact: an answer arrives after it was sent. The upper bound is exact if a device serves one person at a
//! time: an answer arrived before the next request. Otherwise the reported figure may be above by the lateness that both sides
//! measured themselves, and a little for lateness that they do not see.
#![allow(clippy::print_stdout, reason = "cargo shows what a test says when it fails")]
#![allow(clippy::unwrap_used, reason = "a test says what failed by panicking")]

mod support;

use std::time::{Duration, Instant};

use device::{Device, DeviceState, clock, wire};
use loadtest::outcome::{Quantiles, Report};
use loadtest::record::Both;
use loadtest::scenario::plan::{Plan, Visit};
use loadtest::scenario::{self, Kind, Scenario};
use protocol::{DeviceId, Epoch, RegionId, Scanned};

use support::city::{City, Ran};
use support::stand_in::{Handled, Manner};

const SEED: u64 = 11;
/// The precision: histograms keep three digits, the start of a run is in whole milliseconds, and clocks are read one after another.
const DIGITS: f64 = 0.002;
const CLOCKS_MS: f64 = 1.5;
/// The lateness that neither side sees, milliseconds: threads that wait for each other and for a processor.
const UNSEEN_MS: f64 = 100.0;
const MS: Duration = Duration::from_millis(1);

/// A scenario with scans only, whose people wait for long. Each test adds the rest.
const SCANS: &str = r#"
name = "scans"
about = "Scans against a stand-in whose times are known"
[city]
people = 3
gates = 3
[mix]
punch = 0.0
[retry]
patience_ms = 60_000
[generator]
late_p99_ms_max = 60_000.0
busy_share_max = 2.0
"#;

fn scenario(class: &str, count: u32, think_ms: u32, (rate, seconds): (f64, f64)) -> String {
    format!(
        "{SCANS}[[fleet]]\nclass = \"{class}\"\ncount = {count}\nthink_ms = {think_ms}\n\
         [[stage]]\nname = \"hold\"\nkind = \"step\"\nrate = {rate:?}\nseconds = {seconds:?}\n"
    )
}

/// The bounds of one person's latencies.
#[derive(Clone, Copy)]
struct Known {
    latency: (Duration, Option<Duration>),
    service: (Duration, Option<Duration>),
}

/// A run that passed, with its plan and the stand-in's notes.
struct Observed {
    plan: Vec<(Visit, Handled)>,
    report: Report,
    /// The bounds of the start of the run.
    start: (Instant, Instant),
    ended: Instant,
    late: Duration,
}

/// Runs it and pairs each visit with the stand-in's note: each device's people are scanned in their order.
fn observe(city: &City, text: &str) -> Observed {
    println!("seed {SEED}");
    let anchor = anchor();
    let Ran { code, report, said, ended } = city.run(text, SEED);
    let report = report.unwrap_or_else(|| panic!("{said}"));
    assert_eq!(code, 0, "{said}");
    let scenario: Scenario = scenario::parse(text, "test").unwrap();
    let seen = city.stand_in.seen();
    let mut notes: Vec<_> = (1..=u64::from(scenario.fleet[0].count))
        .map(|id| seen.handled[&DeviceId(id)].iter().copied())
        .collect();
    let pair = |visit: Visit| (visit, notes[visit.post as usize].next().expect("everybody was scanned"));
    let plan: Vec<_> = Plan::new(&scenario, SEED).map(pair).collect();
    assert!(notes.iter_mut().all(|rest| rest.next().is_none()), "somebody came who is not in the plan");
    // No person is sent early, so the first arrivals bound the start from above.
    let latest = plan.iter().map(|(visit, handled)| handled.arrived - visit.at).min().unwrap();
    let started: jiff::Timestamp = report.run.started.parse().unwrap();
    let earliest = anchor.0 + Duration::from_millis(started.as_millisecond() as u64 - anchor.1);
    assert!(earliest <= latest + MS, "{:?}", earliest - latest);
    let late = seen.late_max;
    drop(seen);
    Observed { plan, report, start: (earliest, latest), ended, late }
}

/// Reads both clocks at one moment.
fn anchor() -> (Instant, u64) {
    let ms = clock::now_ms();
    loop {
        let (now, then) = (clock::now(), clock::now_ms());
        if then != ms && clock::since(now) < MS / 10 {
            return (now, then);
        }
    }
}

impl Observed {
    /// Returns the bounds from the notes. `one_at_a_time` is the pause of a device that scans the next person only when it has
    /// the answer for the one before.
    fn known(&self, one_at_a_time: Option<Duration>) -> Vec<Known> {
        let (earliest, latest) = self.start;
        let mut known = Vec::new();
        for (index, (visit, handled)) in self.plan.iter().enumerate() {
            let before = index.checked_sub(1).map(|before| self.plan[before].1);
            let after = self.plan.get(index + 1).map(|(_, after)| after.arrived);
            let bounds = one_at_a_time.map(|pause| {
                let heard = after.map_or(self.ended, |after| after - pause);
                let sent = before.map_or(earliest, |before| before.answered + pause);
                (heard, sent.max(earliest + visit.at))
            });
            known.push(Known {
                latency: (
                    handled.answered.saturating_duration_since(latest + visit.at),
                    bounds.map(|(heard, _)| heard - (earliest + visit.at)),
                ),
                service: (
                    handled.answered - handled.arrived,
                    bounds.map(|(heard, sent)| heard.saturating_duration_since(sent)),
                ),
            });
        }
        known
    }

    fn scans(&self) -> (&Quantiles, &Quantiles) {
        let scans = &self.report.total[&Kind::Verify];
        (&scans.latency, &scans.service)
    }

    /// Returns the slack of a figure without an exact upper bound, milliseconds.
    fn slack_ms(&self) -> f64 {
        self.report.generator.late.max_ms + self.late.as_secs_f64() * 1000.0 + UNSEEN_MS
    }
}

/// Returns quantiles as a run reports them.
fn quantiles(all: impl Iterator<Item = Duration>) -> [f64; 5] {
    let mut histogram = Both::default().latency_us;
    all.for_each(|one| histogram += one.as_micros() as u64);
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    [at(0.5), at(0.9), at(0.99), at(0.999), histogram.max() as f64 / 1000.0]
}

fn reported(all: &Quantiles) -> [f64; 5] {
    [all.p50_ms, all.p90_ms, all.p99_ms, all.p999_ms, all.max_ms]
}

/// Asserts that each reported quantile lies between the bounds' quantiles.
fn check_between(what: &str, low: [f64; 5], reported: [f64; 5], high: [f64; 5]) {
    println!("{what}, ms: at least {low:?}, reported {reported:?}, at most {high:?}");
    for ((low, reported), high) in low.into_iter().zip(reported).zip(high) {
        assert!(reported >= low * (1.0 - DIGITS) - CLOCKS_MS, "{what}: {reported} ms is less than {low} ms");
        assert!(
            reported <= high * (1.0 + DIGITS) + CLOCKS_MS,
            "{what}: {reported} ms is more than {high} ms"
        );
    }
}

/// The rate is one and a half times the device's: the queue grows from person to person, and so must the reported latency.
#[test]
fn a_line_that_grows_is_reported_as_it_grew() {
    let (delay, think) = (10 * MS, 2 * MS);
    let city = City::start("handheld", Manner { delay, ..Manner::default() });
    let observed = observe(&city, &scenario("handheld", 1, 2, (110.0, 4.0)));
    let known = observed.known(Some(think));
    let (latency, service) = observed.scans();
    let high = |bounds: fn(&Known) -> Option<Duration>| quantiles(known.iter().filter_map(bounds));
    let low = quantiles(known.iter().map(|one| one.latency.0));
    check_between("latency", low, reported(latency), high(|one| one.latency.1));
    let low = quantiles(known.iter().map(|one| one.service.0));
    check_between("service time", low, reported(service), high(|one| one.service.1));
    assert!(service.p50_ms >= 10.0 && latency.p99_ms > 2.0 * service.p50_ms, "{latency:?} {service:?}");
}

/// Many requests in flight, each answered after 40 ms: the report shows 40 ms and lateness.
#[test]
fn a_known_delay_is_reported() {
    let city = City::start("gate", Manner { delay: 40 * MS, ..Manner::default() });
    let observed = observe(&city, &scenario("gate", 3, 0, (300.0, 3.0)));
    let known = observed.known(None);
    let above = |low: [f64; 5]| low.map(|ms| ms + observed.slack_ms());
    let (latency, service) = observed.scans();
    let low = quantiles(known.iter().map(|one| one.latency.0));
    check_between("latency", low, reported(latency), above(low));
    let low = quantiles(known.iter().map(|one| one.service.0));
    check_between("service time", low, reported(service), above(low));
    assert!(latency.p50_ms >= 39.9 && service.p50_ms >= 39.9, "{latency:?} {service:?}");
}

/// Ten seconds with a stall of one second. A tenth of all people come in that second, and each waits for the rest of it: their latencies are
/// spread evenly over 0 to 1 s, so the 95th percentile of all is half of it and the 99th nine tenths. A closed loop
/// meets the stall once, whatever its length, and its 99th percentile does not show it.
#[test]
fn a_standstill_of_a_second_is_in_the_99th_percentile_and_a_closed_loop_would_miss_it() {
    let stall = |after| Manner { stall: Some((after, 1000 * MS)), ..Manner::default() };
    let city = City::start("gate", stall(4000 * MS));
    let observed = observe(&city, &scenario("gate", 3, 0, (300.0, 10.0)));
    let low = quantiles(observed.known(None).into_iter().map(|one| one.latency.0));
    let (latency, _) = observed.scans();
    check_between("latency", low, reported(latency), low.map(|ms| ms + observed.slack_ms()));
    let p95_ms = at(&observed.report, 0.95);
    println!("95th percentile {p95_ms} ms");
    assert!(latency.p99_ms >= 850.0, "nine tenths of the second: {latency:?}");
    assert!(p95_ms >= 400.0, "half of the second: {p95_ms}");
    assert!(latency.p99_ms <= 900.0 + 50.0 + observed.slack_ms(), "{latency:?}");
    assert!(p95_ms <= 500.0 + 100.0 + observed.slack_ms(), "{p95_ms}");

    let city = City::start("gate", stall(200 * MS));
    let closed = closed_loop(&city);
    println!("a closed loop, ms: {closed:?}");
    assert!(closed[4] >= 999.0, "it met the standstill: {closed:?}");
    assert!(closed[2] * 2.0 < latency.p99_ms, "and does not know: {closed:?}");
}

/// Returns the latency at that share of people, from the report's curve.
fn at(report: &Report, share: f64) -> f64 {
    let curve = &report.total[&Kind::Verify].curve;
    let next = curve.partition_point(|(quantile, _)| *quantile < share);
    let ((from, low), (to, high)) = (curve[next - 1], curve[next]);
    low + (high - low) * (share - from) / (to - from)
}

/// Runs a closed loop: returns the quantiles that it would report.
fn closed_loop(city: &City) -> [f64; 5] {
    const ASKS_MIN: usize = 1000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = wire::endpoint(city.stand_in.quic).unwrap();
        let row = city.fleet.device(DeviceId(1)).unwrap();
        let mut device = Device::new(&endpoint, &city.fleet, row, DeviceState::new(Epoch(1))).unwrap();
        device.connect().await.unwrap();
        let mut took = Vec::new();
        while took.len() < ASKS_MIN || took.iter().max() < Some(&(999 * MS)) {
            let asked = clock::now();
            device.verify(RegionId(1), vec![Scanned::Nothing]).await.unwrap();
            took.push(clock::since(asked));
        }
        quantiles(took.into_iter())
    })
}

#[test]
fn the_same_seed_sends_the_same_people_to_the_same_devices() {
    let text = scenario("gate", 3, 0, (400.0, 0.5)).replace("punch = 0.0", "punch = 5.0");
    let mut runs = Vec::new();
    for seed in [SEED, SEED, SEED + 1] {
        let city = City::start("gate", Manner::default());
        let Ran { code, report, said, .. } = city.run(&text, seed);
        assert_eq!(code, 0, "{said}");
        let mut punches = city.stand_in.seen().punches.clone();
        punches.sort_unstable();
        runs.push((report.unwrap().run.plan_sha256, punches));
    }
    assert!(runs[0].1.len() > 10);
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].0 != runs[2].0 && runs[0].1 != runs[2].1, "another seed sends others");
}
