//! The gateway's carrier actors against the simulators over real HTTPS: every story, every fault, and how many queries a second a
//! slow carrier gives.

use std::time::Duration;

use super::client::{Authority, SECRET, control};
use super::*;
use crate::carrier::{BreakerPolicy, CarrierConfig, CarrierSettings, Carriers, RECENT};
use crate::clock;
use crate::registrar::QueryPermit;
use crate::registry::{ConsentId, Flow, Phone};
use crate::trajectory::{Unavailable, day_of};

const PERMITS: usize = 16;

/// Carriers with a breaker that stays out of the way.
fn start() -> (Simulators, Carriers) {
    let authority = Authority::new();
    let simulators = Simulators::start(authority.config()).unwrap();
    let configs = SimulatedCarrier::ALL.map(|carrier| CarrierConfig {
        id: carrier.id().to_owned(),
        name: carrier.names().0.to_owned(),
        name_zh: carrier.names().1.to_owned(),
        url: simulators.url(carrier).to_owned(),
        authority_pem: Some(authority.pem.clone().into_bytes()),
        key_id: "gateway-1".to_owned(),
        secret: Zeroizing::new(SECRET.to_vec()),
        permits: PERMITS,
        deadline: Duration::from_secs(4),
        reserved: carrier.reserved_phone(),
        travel_page: String::new(),
        prefixes: carrier.prefixes().iter().map(|&prefix| prefix.to_owned()).collect(),
    });
    let breaker = BreakerPolicy { in_a_row_max: u32::MAX, recent_max: RECENT, ..BreakerPolicy::default() };
    let settings = CarrierSettings { breaker, ..CarrierSettings::default() };
    let carriers = Carriers::start_with(&configs, &settings).unwrap();
    (simulators, carriers)
}

fn permit(consent: i64, phone: &Phone) -> QueryPermit {
    let days = policy().window(day_of(clock::now_ms() / 1000));
    QueryPermit::for_tests(ConsentId(consent), Flow::Apply, phone.clone(), days)
}

fn run(test: impl Future<Output = ()>) {
    actix_rt::System::new().block_on(test);
}

#[test]
fn every_demo_person_gets_what_it_says_over_https_and_each_consent_is_one_query() {
    run(async {
        let (simulators, carriers) = start();
        let today = day_of(clock::now_ms() / 1000);
        for (consent, person) in (1..).zip(demo_people()) {
            let asked = carriers.ask(permit(consent, &person.parsed_phone())).await;
            let outcome = policy().outcome(&asked.answer, today);
            assert_eq!(expected_of(&outcome, &asked.answer), person.expected, "{}", person.case);
            let last = asked.attempts.last().map(|attempt| attempt.carrier.as_str());
            if let Some(carrier) = person.carrier {
                assert_eq!(last, Some(carrier.id()), "{}", person.case);
            }
        }
        assert_eq!(simulators.state().consents, demo_people().len() as u64);
        assert_eq!(carriers.stop(), Ok(()));
    });
}

#[test]
fn every_fault_of_a_carrier_is_no_answer_and_other_carriers_answer_on() {
    use Unavailable::{Busy, Garbage, Refused, TimedOut, Unreachable};
    run(async {
        let (simulators, carriers) = start();
        let clean = |carrier| {
            let found = demo_people().iter().find(|person| {
                person.expected == Expected::Clean
                    && person.phone.starts_with(SimulatedCarrier::prefixes(carrier)[0])
            });
            found.map(DemoPerson::parsed_phone).unwrap_or_else(|| carrier.reserved_phone())
        };
        let (mobile, unicom) = (clean(SimulatedCarrier::Mobile), SimulatedCarrier::Unicom.reserved_phone());
        for kind in FaultKind::ALL {
            let (expected, body) = match kind {
                FaultKind::None => (None, String::new()),
                FaultKind::Slow => (None, r#","ms":50"#.to_owned()),
                FaultKind::Down | FaultKind::WrongName => (Some(Unreachable), String::new()),
                FaultKind::Hang => (Some(TimedOut), String::new()),
                FaultKind::Status => (Some(Busy), String::new()),
                FaultKind::Garbage
                | FaultKind::Deep
                | FaultKind::Huge
                | FaultKind::AnotherNumber
                | FaultKind::AnotherRequest
                | FaultKind::OutsideWindow
                | FaultKind::UnknownArea
                | FaultKind::Redirect => (Some(Garbage), String::new()),
            };
            let order = format!(r#"{{"kind":"{}"{body}}}"#, kind.name());
            let (status, said) = control(simulators.control(), "PUT", "/carriers/china-mobile/fault", &order);
            assert_eq!(status, 200, "{said}");
            let answer = carriers.ask(permit(1, &mobile)).await.answer;
            match expected {
                None => assert!(matches!(answer, CarrierAnswer::Trajectory(_)), "{}", kind.name()),
                Some(why) => assert_eq!(answer, CarrierAnswer::Unavailable(why), "{}", kind.name()),
            }
            assert_ne!(answer, CarrierAnswer::Unavailable(Refused), "it was asked with a good signature");
            let other = carriers.ask(permit(2, &unicom)).await;
            assert!(matches!(other.answer, CarrierAnswer::Trajectory(_)), "beside {}", kind.name());
        }
    });
}

#[test]
fn a_carrier_that_takes_two_seconds_gives_permits_by_latency() {
    run(async {
        let (simulators, carriers) = start();
        let order = r#"{"kind":"slow","ms":2000}"#;
        assert_eq!(control(simulators.control(), "PUT", "/carriers/china-mobile/fault", order).0, 200);
        let phone = SimulatedCarrier::Mobile.reserved_phone();
        let begun = clock::now();
        let workers: Vec<_> = (0..PERMITS as i64)
            .map(|worker| {
                let (carriers, phone) = (carriers.clone(), phone.clone());
                actix_rt::spawn(async move {
                    for round in 0..2 {
                        let asked = carriers.ask(permit(worker * 2 + round, &phone)).await;
                        assert!(matches!(asked.answer, CarrierAnswer::Trajectory(_)), "{:?}", asked.attempts);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.expect("answered");
        }
        let took = clock::since(begun);
        println!("{:.1} queries/s with {PERMITS} permits and 2 s", 2.0 * PERMITS as f64 / took.as_secs_f64());
        // One at a time they would need 64 s.
        assert!(took < Duration::from_secs(20), "{took:?}");
    });
}
