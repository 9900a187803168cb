//! The metrics of carriers: outcomes, the parts of a query's time, and that a probe is no citizen's query.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use protocol::metric;

use super::*;

/// A recorder with the values by "name carrier outcome"; of a histogram the last value.
#[derive(Clone, Default)]
struct Values(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

struct Last(Arc<AtomicU64>);

impl HistogramFn for Last {
    fn record(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

impl Values {
    fn value(&self, key: &Key) -> Arc<AtomicU64> {
        let known = metric::ALL.iter().find(|metric| metric.name == key.name()).expect("a known name");
        let labels: Vec<_> = key.labels().map(metrics::Label::key).collect();
        assert_eq!(labels, known.labels, "{}", known.name);
        let values = key.labels().map(metrics::Label::value);
        let name = [key.name()].into_iter().chain(values).collect::<Vec<_>>().join(" ");
        let mut all = self.0.lock().expect("no panic");
        Arc::clone(all.entry(name).or_default())
    }

    fn count(&self, name: &str) -> u64 {
        self.0.lock().expect("no panic").get(name).expect(name).load(Ordering::Relaxed)
    }

    fn number(&self, name: &str) -> f64 {
        f64::from_bits(self.count(name))
    }
}

impl Recorder for Values {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Last(self.value(key))))
    }
}

fn start_counted(servers: &[&Server], settings: &CarrierSettings) -> (Carriers, Values) {
    start_failing(servers, settings, &FaultHook::none())
}

fn start_failing(
    servers: &[&Server],
    settings: &CarrierSettings,
    faults: &FaultHook<Step>,
) -> (Carriers, Values) {
    let values = Values::default();
    let carriers =
        metrics::with_local_recorder(&values, || Carriers::start_with(&configs(servers), settings, faults));
    (carriers.expect("starts"), values)
}

#[test]
fn queries_are_counted_by_carrier_and_outcome_and_times_by_whose_they_are() {
    run(async {
        let mobile = Server::start(|_| Act::Say("not-subscriber")).await;
        let unicom = Server::start(|_| Act::Clean).await;
        let (carriers, values) = start_counted(&[&mobile, &unicom], &settings());
        for n in 0..3 {
            answer(&carriers, &format!("1630000000{n}")).await;
        }
        mobile.rule(|_| Act::Close);
        answer(&carriers, "16300000009").await;
        for (outcome, expected) in [
            ("china-mobile not-subscriber", 3),
            ("china-mobile unreachable", 1),
            ("china-mobile trajectory", 0),
            ("china-unicom trajectory", 3),
            ("china-unicom unreachable", 0),
        ] {
            assert_eq!(
                values.count(&format!("{} {outcome}", metric::CARRIER_QUERIES)),
                expected,
                "{outcome}"
            );
        }
        let own = values.number(&format!("{} china-unicom", metric::CARRIER_OWN_SECONDS));
        assert_eq!(own, 1.5, "as the carrier's header says");
        let wire =
            |carrier: &str, own| values.number(&format!("{} {carrier} {own}", metric::CARRIER_SECONDS));
        assert!(wire("china-unicom", "yes") > 0.0 && wire("china-unicom", "yes") < 30.0);
        assert_eq!(wire("china-unicom", "no"), 0.0);
        assert!(wire("china-mobile", "no") > 0.0, "the connection was closed on it");
    });
}

#[test]
fn the_time_of_a_carrier_that_only_hangs_is_told_apart() {
    run(async {
        let server = Server::start(|_| Act::Hang).await;
        let deadline = Duration::from_millis(50);
        let hanging: Vec<_> =
            configs(&[&server]).into_iter().map(|config| CarrierConfig { deadline, ..config }).collect();
        let values = Values::default();
        let carriers = metrics::with_local_recorder(&values, || start_with(&hanging, &settings()));
        let carriers = carriers.expect("starts");
        assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::TimedOut));
        let wire = |own| values.number(&format!("{} china-mobile {own}", metric::CARRIER_SECONDS));
        assert!(wire("no") >= deadline.as_secs_f64() * 0.9, "all of it was spent");
        let own = values.number(&format!("{} china-mobile", metric::CARRIER_OWN_SECONDS));
        assert_eq!((wire("yes"), own), (0.0, 0.0));
    });
}

#[test]
fn shed_lost_and_retried_queries_and_the_breaker_are_seen() {
    run(async {
        let told = Arc::new(AtomicBool::new(true));
        let fault_told = Arc::clone(&told);
        let faults = FaultHook::new(move |&at: &Step| {
            assert!(at != Step::Handler || !fault_told.swap(false, Ordering::Relaxed), "told to panic");
        });
        let server = Server::start(|_| Act::Clean).await;
        let (carriers, values) = start_failing(&[&server], &settings(), &faults);
        for _ in 0..11 {
            answer(&carriers, "16300000001").await;
        }
        let queries =
            |outcome: &str| values.count(&format!("{} china-mobile {outcome}", metric::CARRIER_QUERIES));
        assert_eq!((queries("failed"), queries("trajectory")), (1, 10));
        let retries = format!("{} china-mobile", metric::CARRIER_RETRIES);
        let breaker = format!("{} china-mobile", metric::CARRIER_BREAKER);
        assert_eq!((values.count(&retries), values.number(&breaker)), (0, 0.0));
        server.rule(|_| server::status(503, ""));
        for _ in 0..6 {
            answer(&carriers, "16300000001").await;
        }
        assert_eq!((values.count(&retries), values.number(&breaker)), (1, 2.0));
        assert_eq!((queries("busy"), server.count()), (4, 10 + 5), "one of them twice");
        assert_eq!(queries("paused"), 2, "nothing is sent through an open breaker");
        let permits = format!("{} china-mobile", metric::CARRIER_PERMITS_IN_USE);
        until("no permit is in use", || values.number(&permits) == 0.0).await;
    });
}

#[test]
fn a_probe_asks_for_the_reserved_number_and_is_no_citizens_query() {
    run(async {
        let server = Server::start(|_| Act::Say("unanswerable")).await;
        let settings = CarrierSettings { probe_every: Duration::from_millis(5), ..settings() };
        let (carriers, values) = start_counted(&[&server], &settings);
        until("probes come", || server.count() >= 3).await;
        let seen = &server.seen()[0];
        assert_eq!(seen.field("msisdn"), "16399999999");
        assert_eq!((seen.field("purpose"), seen.field("consent")), ("probe".to_owned(), "0".repeat(32)));
        let up = format!("{} china-mobile", metric::CARRIER_PROBE_UP);
        until("it is up", || values.number(&up) == 1.0).await;
        assert_eq!(values.number(&format!("{} china-mobile", metric::CARRIER_PROBE_OWN_SECONDS)), 1.5);
        assert!(values.number(&format!("{} china-mobile", metric::CARRIER_PROBE_SECONDS)) > 0.0);
        server.rule(|_| Act::Close);
        until("it is down", || values.number(&up) == 0.0).await;
        for (name, value) in values.0.lock().expect("no panic").iter() {
            let citizens = [metric::CARRIER_QUERIES, metric::CARRIER_SECONDS, metric::CARRIER_OWN_SECONDS];
            if citizens.iter().any(|citizens| name.starts_with(&format!("{citizens} "))) {
                assert_eq!(value.load(Ordering::Relaxed), 0, "{name}");
            }
        }
        drop(carriers);
    });
}

#[test]
fn a_probe_finds_out_that_a_carrier_works_again_before_a_citizen_does() {
    run(async {
        let server = Server::start(|_| Act::Close).await;
        let breaker = BreakerPolicy { open_first: Duration::from_millis(20), ..BreakerPolicy::default() };
        let settings = CarrierSettings { breaker, probe_every: Duration::from_millis(5), ..settings() };
        let (carriers, values) = start_counted(&[&server], &settings);
        let standing = format!("{} china-mobile", metric::CARRIER_BREAKER);
        until("probes open the breaker", || values.number(&standing) == 2.0).await;
        server.rule(|_| Act::Say("unanswerable"));
        until("probes close it", || values.number(&standing) == 0.0).await;
        server.rule(|_| Act::Clean);
        assert!(is_trajectory(&answer(&carriers, "16300000001").await));
    });
}

#[test]
fn a_panic_in_a_timer_restarts_the_actor_and_costs_no_query() {
    run(async {
        let server = Server::start(|_| Act::Clean).await;
        let told = Arc::new(AtomicBool::new(true));
        let fault_told = Arc::clone(&told);
        let faults = FaultHook::new(move |&at: &Step| {
            assert!(at != Step::Timer || !fault_told.swap(false, Ordering::Relaxed), "told to panic");
        });
        let settings = CarrierSettings { probe_every: Duration::from_millis(5), ..settings() };
        let (carriers, _) = start_failing(&[&server], &settings, &faults);
        until("it is restarted", || carriers.handles()[0].restarts() == 1).await;
        assert!(is_trajectory(&answer(&carriers, "16300000001").await));
        let before = server.count();
        until("probes go on", || server.count() > before).await;
        assert_eq!(carriers.handles()[0].restarts(), 1);
    });
}

#[test]
fn a_carrier_that_came_back_is_told_of_although_its_first_life_ends_later() {
    run(async {
        let server = Server::start(|_| Act::Clean).await;
        let values = Values::default();
        let permits = || values.number(&format!("{} china-mobile", metric::CARRIER_PERMITS_MAX));
        metrics::with_local_recorder(&values, || {
            let carriers = Carriers::start(&configs(&[&server])).expect("good");
            let gone = carriers.renew(&[]).expect("none");
            let back = gone.renew(&configs(&[&server])).expect("good");
            carriers.retire(&gone).expect("no panic");
            gone.retire(&back).expect("no panic");
            assert!(permits() > 0.0, "it is in effect");
            let none = back.renew(&[]).expect("none");
            back.retire(&none).expect("no panic");
            assert_eq!(permits(), 0.0, "now it is gone");
        });
    });
}
