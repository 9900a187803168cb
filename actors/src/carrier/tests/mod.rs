//! Carriers over real sockets, against a small server that does what the test tells it.

mod counted;
mod faults;
mod flow;
mod renewed;
mod server;
mod simulated;
mod tls;

use std::sync::Arc;

use policy::trajectory::{CarrierAnswer, Days, Unavailable};
use registry::{ConsentId, Flow};
use runtime::clock;

use super::*;
use crate::fault::FaultHook;
use crate::registrar::QueryPermit;

pub(super) use server::{Act, Server};

pub(super) const SECRET: &[u8] = b"a secret for tests, long enough.";

pub(super) fn config(id: &str, name: &str, url: &str) -> CarrierConfig {
    CarrierConfig {
        id: id.to_owned(),
        name: name.to_owned(),
        name_zh: String::new(),
        url: url.to_owned(),
        authority_pem: None,
        key_id: "key-1".to_owned(),
        secret: Zeroizing::new(SECRET.to_vec()),
        permits: 8,
        deadline: Duration::from_secs(4),
        reserved: Phone::parse("16399999999").expect("a number"),
        travel_page: String::new(),
        prefixes: Vec::new(),
    }
}

/// Returns the configurations: carrier 0 has the prefix 163, carrier 1 has 164, carrier 2 has 168.
pub(super) fn configs(servers: &[&Server]) -> Vec<CarrierConfig> {
    let rows = [("china-mobile", "163"), ("china-unicom", "164"), ("china-telecom", "168")];
    let config = |(server, (id, prefix)): (&&Server, (&str, &str))| CarrierConfig {
        prefixes: vec![prefix.to_owned()],
        ..config(id, id, &server.url)
    };
    servers.iter().zip(rows).map(config).collect()
}

/// Returns settings without probes, in which no actor is parked.
pub(super) fn settings() -> CarrierSettings {
    let restarts = RestartPolicy {
        backoff_first: Duration::from_micros(10),
        backoff_max: Duration::from_micros(100),
        intensity: usize::MAX,
        ..RestartPolicy::default()
    };
    CarrierSettings { restarts, probe_every: Duration::from_secs(3600), ..CarrierSettings::default() }
}

/// Starts carriers without injected faults.
pub(super) fn start_with(
    configs: &[CarrierConfig],
    settings: &CarrierSettings,
) -> Result<Carriers, CarrierError> {
    Carriers::start_with(configs, settings, &FaultHook::none())
}

pub(super) fn start(servers: &[&Server]) -> Carriers {
    start_with(&configs(servers), &settings()).expect("carriers start")
}

pub(super) fn permit(number: &str) -> QueryPermit {
    let day = |text: &str| text.parse().expect("a day");
    let days = Days { first: day("2020-02-10"), last: day("2020-02-23") };
    QueryPermit::for_tests(ConsentId(7), Flow::Apply, Phone::parse(number).expect("a number"), days)
}

/// Asks in a task of its own.
pub(super) fn ask(carriers: &Carriers, number: &str) -> tokio::task::JoinHandle<CarriersAnswer> {
    let (carriers, permit) = (carriers.clone(), permit(number));
    actix_rt::spawn(async move { carriers.ask(permit).await })
}

pub(super) async fn answer(carriers: &Carriers, number: &str) -> CarrierAnswer {
    carriers.ask(permit(number)).await.answer
}

pub(super) fn is_trajectory(answer: &CarrierAnswer) -> bool {
    matches!(answer, CarrierAnswer::Trajectory(_))
}

pub(super) const fn unavailable(why: Unavailable) -> CarrierAnswer {
    CarrierAnswer::Unavailable(why)
}

pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = clock::now() + Duration::from_secs(30);
    while !condition() {
        assert!(clock::now() < deadline, "it did not come true: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(super) fn run(test: impl Future<Output = ()>) {
    actix_rt::System::new().block_on(test);
}
