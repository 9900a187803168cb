//! The dashboards against a real system: a gateway with devices and citizens, a Prometheus that scrapes it, and every query
//! and variable of every dashboard, requested as Grafana does.

use std::rc::Rc;
use std::time::Duration;

use loadtest::citizens::Citizens;
use loadtest::quick;
use loadtest::scenario::Kind;
use protocol::metric;
use serde_json::Value;
use tests::prometheus::{dashboards, promtool};
use tests::walk::{Crew, device, endpoint};
use tests::watched::Prometheus;
use tests::{City, PATIENCE, block_on, wait_for};
use tokio::sync::watch;

const SEED: u64 = 11;
/// Grafana's values of its variables: scrapes are a second apart here, and a pixel is wide.
const RATE_INTERVAL: &str = "15s";
const RANGE_S: u32 = 3_600;
/// Citizens who are signed in, and receipts that they show at a gate: enough for a slow machine.
const PEOPLE: u32 = 4;
const RECEIPTS: u32 = 200;
const VISITS: [Kind; 3] = [Kind::Place, Kind::Code, Kind::Apply];
/// Seconds of a chart that are looked at: what was seen, and a while of it.
const SEEN_S: u64 = 30;
/// The buckets that are fast: from less than a clock can tell to a machine that stalls, in seconds.
const FAST_S: (f64, f64) = (1e-5, 5.0);
const FAST: [&str; 6] = [
    "load / Punch",
    "load / Verify",
    "load / Sync",
    "overview / Punch",
    "overview / Verify",
    "ledger / Time of a sync",
];
/// A development city's carriers answer whatever they are asked: there is no time of those that do not.
const NO_SILENCE: &str = "own=\"no\"";
/// A gateway alone has no metrics of a fleet.
const NO_FLEET: &str = "changtong_fleet_";
/// The panel that is queried first, because its receipts are used up and become too old.
const FIRST: &str = "regions / Time of a query";
/// Series that one gateway may have, whatever is connected to it.
const SERIES_MAX: usize = 2_000;

/// A query of a panel, with what its values have to be like.
struct PanelQuery {
    at: String,
    query: String,
    /// Of now only, as a number shows it; else over time.
    instant: bool,
    unit: String,
    min: Option<f64>,
    max: Option<f64>,
}

/// Returns every dashboard, by its file's name.
fn all() -> Vec<(String, Value)> {
    let directory = dashboards().join("grafana/dashboards");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a dashboard");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, serde_json::from_str(&text).expect("JSON"))
    };
    std::fs::read_dir(directory).expect("dashboards").map(read).collect()
}

/// Returns the query as Grafana sends it, with everything chosen.
fn substituted(query: &str) -> String {
    let chosen = ["instance", "region", "carrier"]
        .iter()
        .fold(query.to_owned(), |query, name| query.replace(&format!("=~\"${name}\""), "=~\".*\""));
    let asked = chosen.replace("$__rate_interval", RATE_INTERVAL).replace("$__range", &format!("{RANGE_S}s"));
    assert!(!asked.contains('$'), "a variable that Grafana would not know: {asked}");
    asked
}

fn panels() -> Vec<PanelQuery> {
    let mut asked = Vec::new();
    for (name, dashboard) in all() {
        for panel in dashboard["panels"].as_array().expect("panels") {
            let at = format!("{name} / {}", panel["title"].as_str().expect("a title"));
            let defaults = &panel["fieldConfig"]["defaults"];
            for target in panel["targets"].as_array().into_iter().flatten() {
                asked.push(PanelQuery {
                    at: at.clone(),
                    query: substituted(target["expr"].as_str().expect("a query")),
                    instant: target["instant"] == true && target["range"] != true,
                    unit: defaults["unit"].as_str().expect("a unit").to_owned(),
                    min: defaults["min"].as_f64(),
                    max: defaults["max"].as_f64(),
                });
            }
        }
    }
    assert!(asked.len() > 150, "{} queries", asked.len());
    asked.sort_by_key(|panel| panel.at != FIRST);
    for named in FAST.iter().chain([&FIRST]) {
        assert!(asked.iter().any(|panel| panel.at == *named), "there is no {named}");
    }
    asked
}

impl PanelQuery {
    /// Returns the error in a value, if there is one.
    fn objects(&self, value: f64) -> Option<String> {
        let (low, high) = match self.unit.as_str() {
            "s" if FAST.contains(&self.at.as_str()) => FAST_S,
            "s" => (0.0, 60.0),
            "dtdurations" => (-1e9, 1e9),
            "bytes" => (1e3, 1e14),
            "Bps" => (0.0, 1e9),
            "cps" => (0.0, 1e5),
            "bool_yes_no" => (0.0, 1.0),
            "none" => (0.0, 1_024.0),
            "short" => (0.0, 1e7),
            "percentunit" => (f64::NEG_INFINITY, 1.0),
            "suffix: ×" => (0.0, 1e5),
            unit => panic!("{}: the test does not know {unit}", self.at),
        };
        let (low, high) = (self.min.unwrap_or(low).max(low), self.max.unwrap_or(high).min(high));
        // Rates of two scrapes may differ in the last digit.
        let slack = 1e-9;
        (!(low - slack..=high + slack).contains(&value)).then(|| format!("{value} {}", self.unit))
    }

    /// Waits until there is a series with a number, and looks at all of them.
    fn check(&self, prometheus: &Prometheus) {
        wait_for(&format!("{}: {}", self.at, self.query), || {
            let values = match self.instant {
                true => prometheus.query(&self.query),
                false => prometheus.query_range(&self.query, SEEN_S),
            };
            let (open, numbers): (Vec<f64>, Vec<f64>) = values.into_iter().partition(|value| value.is_nan());
            // There is no median wait without waiting people.
            assert!(open.is_empty() || self.query.contains("histogram_quantile("), "{}: NaN", self.at);
            let wrong = numbers.iter().find_map(|&value| self.objects(value));
            assert!(wrong.is_none(), "{}: {wrong:?}: {}", self.at, self.query);
            let is_of_a_fleet = self.query.contains(NO_FLEET);
            assert!(numbers.is_empty() || !is_of_a_fleet, "{}: there is no fleet", self.at);
            (!numbers.is_empty() || is_of_a_fleet || self.query.contains(NO_SILENCE)).then_some(())
        });
    }
}

/// Returns true until the end is sent, or its sender is dropped.
fn goes_on(end: &watch::Receiver<bool>) -> bool {
    end.has_changed().is_ok() && !*end.borrow()
}

/// Runs devices that punch, one that repeats all other requests, and citizens on the pages, until `end` turns true. Returns how
/// many punches were acknowledged, and how many scans verified.
async fn bustle(city: &City, end: watch::Receiver<bool>) -> (u64, u64) {
    let fleet = city.fleet();
    let crew = Crew::start(&fleet, 0..4);
    let citizens = Citizens::prepare(&fleet, PEOPLE, RECEIPTS, SEED, &|said| eprintln!("{said}")).await;
    let citizens = Rc::new(citizens.expect("a development city"));
    let visiting = tokio::task::spawn_local(visit(Rc::clone(&citizens), end.clone()));
    let mut gate = device(&endpoint(&fleet), &fleet, 5);
    let (_, region) = fleet.devices[5].places().next().expect("a place");
    let mut verified = 0;
    while goes_on(&end) {
        gate.ping().await.expect("a pong");
        let scans = vec![protocol::Scanned::Nothing; 3];
        verified += scans.len() as u64;
        gate.verify(region, scans).await.expect("verdicts");
        if let Some(receipt) = citizens.take_receipt() {
            // On a slow machine a receipt may have grown old: the refusal is counted as well.
            let _ = gate.ask_trajectory(region, receipt).await;
        }
        gate.disconnect();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    visiting.await.expect("every visit ends well");
    let done = crew.end().await;
    // Each receipt comes from a check-in, which is a punch of the pages.
    let acknowledged: u64 = done.iter().map(|walker| walker.progress().acknowledged).sum();
    (acknowledged + u64::from(RECEIPTS), verified)
}

/// Makes one visit after the other, each kind at least once; each opens its page.
async fn visit(citizens: Rc<Citizens>, end: watch::Receiver<bool>) {
    for (turn, kind) in VISITS.into_iter().cycle().enumerate() {
        if turn >= VISITS.len() && !goes_on(&end) {
            return;
        }
        let person = u32::try_from(turn).expect("few visits") % PEOPLE;
        citizens.visit(kind, person, turn as u64, PATIENCE).await.expect("the page");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn every_query_of_every_dashboard_has_data_and_totals_are_what_was_sent() {
    let city = City::start(500, 10);
    let prometheus = Prometheus::start(city.fleet().http);
    // What was there before the first scrape would be missing from every growth.
    wait_for("a scrape", || (!prometheus.query(metric::READY).is_empty()).then_some(()));
    let ((punched, verified), prometheus) = block_on(async {
        let (end, ended) = watch::channel(false);
        let looking = tokio::task::spawn_blocking(move || {
            panels().iter().for_each(|panel| panel.check(&prometheus));
            variables(&prometheus);
            end.send_replace(true);
            prometheus
        });
        let sent = bustle(&city, ended).await;
        (sent, looking.await.expect("every query has data"))
    });
    totals(&city, &prometheus, punched, verified);
    reported(&city);
}

/// Compares what the load generator reports of a run with what the counters grew by.
fn reported(city: &City) {
    let options = quick::Options {
        devices: 4,
        seconds: 5,
        rate: 200,
        data: city.data(),
        seed: SEED,
        queries: quick::queries::Options::default(),
    };
    let counters = || {
        let [punches, duplicates, verifies] =
            [metric::PUNCHES, metric::DUPLICATES, metric::VERIFIES].map(|name| city.metric(name, ""));
        [punches - duplicates, duplicates, verifies, city.metric(metric::REQUESTS, "busy")]
    };
    let before = counters();
    let outcome = quick::run(&options).expect("a run");
    let after = counters();
    let [recorded, duplicates, verified, busy] = std::array::from_fn(|at| (after[at] - before[at]) as u64);
    let stopped = &outcome.stopped;
    assert!(stopped.is_empty() && outcome.unacknowledged == 0, "{stopped:?}");
    assert!(outcome.tally.acknowledged > 500, "{}", outcome.tally.acknowledged);
    assert_eq!((recorded, verified), (outcome.tally.acknowledged, outcome.verified.0));
    assert_eq!(busy, outcome.counts.busy, "told to wait");
    assert!(duplicates <= outcome.resent, "{duplicates} of {} that were sent again", outcome.resent);
}

/// Checks that every variable has values: the regions are the city's.
fn variables(prometheus: &Prometheus) {
    let mut seen = 0;
    for (name, dashboard) in all() {
        for variable in dashboard["templating"]["list"].as_array().expect("variables") {
            let Some(definition) = variable["definition"].as_str() else { continue };
            let inside = definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (selector, label) = inside.and_then(|inside| inside.rsplit_once(", ")).expect("a selector");
            let values = prometheus.label_values(&substituted(selector), label);
            assert!(!values.is_empty(), "{name}: {definition}");
            seen += 1;
        }
    }
    assert!(seen > all().len(), "{seen} variables");
}

/// Compares what Prometheus adds up with what was sent.
fn totals(city: &City, prometheus: &Prometheus, punched: u64, verified: u64) {
    let sum = |name: &str| format!("sum({name})");
    let recorded = format!("{} - {}", sum(metric::PUNCHES), sum(metric::DUPLICATES));
    for (what, query, expected) in
        [("punches", recorded, punched), ("verifies", sum(metric::VERIFIES), verified)]
    {
        wait_for(what, || (prometheus.query(&query) == [expected as f64]).then_some(()));
    }
    let frames = city.metric(metric::REQUESTS, "answered");
    let waited =
        [metric::PUNCH_SECONDS, metric::VERIFY_SECONDS].map(|name| city.metric(&format!("{name}_count"), ""));
    assert_eq!(frames, waited.iter().sum::<f64>(), "one sample for each frame that was answered");
    // Prometheus fills in what it did not see at both ends of the window.
    let panels = panels();
    for (title, expected) in [("load / Punches so far", punched), ("load / Verifies so far", verified)] {
        let panel = panels.iter().find(|panel| panel.at == title).expect("such a panel");
        let [shown] = prometheus.query(&panel.query)[..] else { panic!("{title} shows one number") };
        let off = (shown - expected as f64).abs() / expected as f64;
        assert!(off < 0.1, "{title}: {shown} of {expected}");
    }
}

#[test]
fn hundreds_of_devices_add_no_series() {
    const DEVICES: u64 = 300;
    let city = City::start(1_000, DEVICES);
    let fleet = city.fleet();
    let series = |city: &City| {
        let (_, metrics) = city.get("/metrics").expect("metrics");
        promtool(&["check", "metrics"], &metrics);
        metrics.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count()
    };
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut devices: Vec<_> =
            (0..DEVICES as usize).map(|index| device(&endpoint, &fleet, index)).collect();
        let mut counted = Vec::new();
        for (index, device) in devices.iter_mut().enumerate() {
            let (place, region) = fleet.devices[index].places().next().expect("a place");
            device.punch(region, tests::walk::punch(place), 0);
            device.settle().await.expect("an acknowledgement");
            device.ping().await.expect("a pong");
            if index == 99 {
                counted.push(series(&city));
            }
        }
        counted.push(series(&city));
        eprintln!("series with 100 and {DEVICES} devices: {counted:?}");
        assert!(counted[1] <= SERIES_MAX, "{counted:?}");
        // Regions whose first device came late have no series more than the others.
        assert!(counted[1] <= counted[0] + 40, "{counted:?}");
    });
}
