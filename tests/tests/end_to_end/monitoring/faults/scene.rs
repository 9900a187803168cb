//! A city, or a fleet of gateways, with a Prometheus beside it, and the course of a test: no alert, the fault, and each of its alerts with the expected
//! labels.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use device::Fleet;
use runtime::{clock, lock};
use tests::walk::Crew;
use tests::watched::{Alert, Prometheus};
use tests::{City, block_on, wait_for, wait_within};
use tokio::sync::oneshot;

/// The longest that an expression looks back before it is true, with as much again.
const PATIENCE: Duration = Duration::from_secs(240);
/// The one that is of Prometheus alone.
const OF_NO_GATEWAY: &str = "Watchdog/heartbeat";

/// An alert, and a label that tells which of several things it is about.
pub(crate) type Expected = (&'static str, &'static str);

/// A system that can be watched.
pub(crate) trait Watched {
    /// Returns the address that Prometheus asks.
    fn scraped(&self) -> SocketAddr;
}

impl Watched for City {
    fn scraped(&self) -> SocketAddr {
        self.fleet().http
    }
}

/// A fault and what it makes true.
pub(crate) struct Row<C: 'static = City> {
    /// The fault.
    pub(crate) fault: &'static str,
    /// Its alerts.
    pub(crate) alerts: &'static [Expected],
    /// True if it is cheap enough for every run.
    pub(crate) always: bool,
    /// Makes it, waits until the alerts are there, and heals what later faults need.
    pub(crate) make: fn(&mut Scene<C>, &Watch),
}

/// Faults that are made in the same city, one after the other.
pub(crate) struct Group<C: 'static = City> {
    /// The name in the output.
    pub(crate) name: &'static str,
    /// Makes the city.
    pub(crate) city: fn() -> C,
    /// Its faults.
    pub(crate) rows: &'static [Row<C>],
}

/// A city or a fleet that is watched.
pub(crate) struct Scene<C = City> {
    /// The city or the fleet.
    pub(crate) city: C,
    /// The watcher.
    pub(crate) prometheus: Arc<Prometheus>,
}

/// Waits for one fault's alerts.
pub(crate) struct Watch {
    prometheus: Arc<Prometheus>,
    alerts: &'static [Expected],
    instance: String,
    begun: Instant,
    seen: Mutex<BTreeMap<&'static str, f64>>,
}

impl<C: Watched> Scene<C> {
    /// Starts city and Prometheus, and waits until every rule has been evaluated on what was scraped.
    pub(crate) fn set(group: &Group<C>) -> Self {
        let city = (group.city)();
        let prometheus = Arc::new(Prometheus::start(city.scraped()));
        wait_for("a scrape", || (!prometheus.query("changtong_ready").is_empty()).then_some(()));
        let times = |alerts: &[Alert]| alerts.iter().map(|alert| alert.evaluated.clone()).collect::<Vec<_>>();
        let scraped = times(&prometheus.alerts());
        let later = |now: Vec<String>| {
            now.len() == scraped.len() && now.iter().zip(&scraped).all(|(now, then)| now > then)
        };
        wait_for("an evaluation", || later(times(&prometheus.alerts())).then_some(()));
        Self { city, prometheus }
    }

    /// Waits until no alert is active, then makes the fault; returns the alerts, the seconds until each, and its fault.
    pub(crate) fn play(&mut self, row: &Row<C>) -> Vec<(&'static str, f64, &'static str)> {
        eprintln!("  {} …", row.fault);
        for (id, _) in row.alerts.iter().filter(|(id, _)| *id != OF_NO_GATEWAY) {
            wait_within(PATIENCE, &format!("quiet of {id}"), || {
                self.alert(id).samples.is_empty().then_some(())
            });
        }
        let watch = Watch {
            prometheus: Arc::clone(&self.prometheus),
            alerts: row.alerts,
            instance: self.city.scraped().to_string(),
            begun: clock::now(),
            seen: Mutex::default(),
        };
        (row.make)(self, &watch);
        let seen = watch.seen.into_inner().expect("no thread has panicked");
        assert_eq!(seen.len(), row.alerts.len(), "{}: {seen:?}", row.fault);
        seen.into_iter().map(|(id, seconds)| (id, seconds, row.fault)).collect()
    }

    fn alert(&self, id: &str) -> Alert {
        let mut alerts = self.prometheus.alerts().into_iter();
        alerts.find(|alert| alert.id == id).unwrap_or_else(|| panic!("the rules have no {id}"))
    }

    /// Waits until what is scraped is this process's.
    pub(crate) fn wait_scraped(&self) {
        wait_for("a scrape", || (self.prometheus.query("changtong_ready") == [1.0]).then_some(()));
    }
}

impl Watch {
    /// Waits until each alert's expression gives a sample with the gateway's name and the label.
    pub(crate) fn come_true(&self) {
        for &(id, label) in self.alerts {
            self.comes_true(id, label);
        }
    }

    /// Does what [`Self::come_true`] does, without blocking the thread.
    pub(crate) async fn comes(&self) {
        for &(id, label) in self.alerts {
            let begun = clock::now();
            while !self.is_true(id, label) {
                assert!(clock::since(begun) < PATIENCE, "{id} {label} did not come true");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            self.note(id);
        }
    }

    fn comes_true(&self, id: &'static str, label: &str) {
        wait_within(PATIENCE, &format!("{id} {label}"), || self.is_true(id, label).then_some(()));
        self.note(id);
    }

    fn is_true(&self, id: &str, label: &str) -> bool {
        let instance = match id == OF_NO_GATEWAY {
            true => String::new(),
            false => format!("instance={} ", self.instance),
        };
        let is_it = |sample: &String| sample.contains(&instance) && sample.contains(label);
        self.prometheus.alerts().iter().any(|alert| alert.id == id && alert.samples.iter().any(is_it))
    }

    fn note(&self, id: &'static str) {
        let seconds = clock::since(self.begun).as_secs_f64();
        lock::lock(&self.seen).insert(id, seconds);
    }
}

/// Runs the chosen faults of these groups, and prints the alerts that became active.
pub(crate) fn play<C: Watched>(groups: &[Group<C>], all: bool) {
    let mut told = Vec::new();
    for group in groups {
        let rows: Vec<_> = group.rows.iter().filter(|row| all || row.always).collect();
        eprintln!("{}: {} of {} faults", group.name, rows.len(), group.rows.len());
        if rows.is_empty() {
            continue;
        }
        let mut scene = Scene::set(group);
        for row in rows {
            told.extend(scene.play(row));
        }
    }
    for (alert, seconds, fault) in &told {
        eprintln!("{alert:<26} {seconds:>6.1} s  {fault}");
    }
    assert!(!told.is_empty(), "no fault was made");
}

/// Runs those devices, which must be unused, during `work`; then they are disconnected, also those that still wait.
pub(crate) fn under_load(fleet: &Fleet, devices: Range<usize>, work: impl FnOnce()) {
    std::thread::scope(|scope| {
        let (end, ended) = oneshot::channel::<()>();
        let walking = scope.spawn(move || {
            block_on(async {
                let _crew = Crew::start(fleet, devices);
                let _ = ended.await;
            });
        });
        work();
        drop(end);
        walking.join().expect("the devices' thread does not fail");
    });
}
