//! The gateway's carrier actors against the simulated carriers: each made-up person gets the answer of their story, and every fault is a
//! missing answer, never a "no".

use std::net::SocketAddr;

use jiff::civil::Date;
use policy::trajectory::{CarrierAnswer, Unavailable, day_of};
use policy::{Policy, QueryOutcome};
use rcgen::{CertificateParams, Issuer, KeyPair};
use simulator::{
    CarrierFault, Expected, FaultKind, Latency, SimulatedCarrier, SimulatedConfig, SimulatorConfig,
    Simulators, TlsIdentity, demo_people,
};

use super::*;

/// An authority made for one test, and the certificates it signed for the simulators.
struct Authority {
    pem: String,
    own: TlsIdentity,
    other_host: TlsIdentity,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let sign = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new([name.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap().pem();
            TlsIdentity { certificate, key: Zeroizing::new(key.serialize_pem()) }
        };
        Self { own: sign("localhost"), other_host: sign("elsewhere.example"), pem }
    }

    fn simulators(&self) -> Simulators {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let carriers = SimulatedCarrier::ALL.map(|carrier| SimulatedConfig {
            carrier,
            address: loopback,
            key_id: "gateway-1".to_owned(),
            secret: Zeroizing::new(SECRET.to_vec()),
            latency: Latency::NONE,
        });
        let (tls, other_host) = (self.own.clone(), self.other_host.clone());
        Simulators::start(SimulatorConfig { seed: 2020, control: loopback, tls, other_host, carriers })
            .unwrap()
    }
}

fn policy() -> Policy {
    Policy::development()
}

fn expected_of(outcome: &QueryOutcome, answer: &CarrierAnswer) -> Expected {
    match outcome {
        QueryOutcome::Stay(_) => Expected::Stay,
        QueryOutcome::Clean => Expected::Clean,
        QueryOutcome::Partial { .. } => Expected::Partial,
        QueryOutcome::NewNumber => Expected::NewNumber,
        QueryOutcome::Unanswerable if *answer == CarrierAnswer::NotSubscriber => Expected::NotSubscriber,
        QueryOutcome::Unanswerable => Expected::Unanswerable,
        QueryOutcome::Unavailable(_) | QueryOutcome::NotAsked => {
            panic!("a simulated carrier always has an answer")
        }
    }
}

fn carriers(authority: &Authority, simulators: &Simulators, deadline: Duration) -> Carriers {
    carriers_with(authority, simulators, deadline, 4)
}

fn carriers_with(
    authority: &Authority,
    simulators: &Simulators,
    deadline: Duration,
    permits: usize,
) -> Carriers {
    let config = |carrier: SimulatedCarrier| CarrierConfig {
        id: carrier.id().to_owned(),
        name: carrier.names().0.to_owned(),
        name_zh: carrier.names().1.to_owned(),
        url: simulators.url(carrier).to_owned(),
        authority_pem: Some(authority.pem.clone().into_bytes()),
        key_id: "gateway-1".to_owned(),
        secret: Zeroizing::new(SECRET.to_vec()),
        permits,
        deadline,
        reserved: carrier.reserved_phone(),
        travel_page: String::new(),
        prefixes: carrier.prefixes().iter().map(|&prefix| prefix.to_owned()).collect(),
    };
    let settings = CarrierSettings { probe_every: Duration::from_secs(3600), ..CarrierSettings::default() };
    start_with(&SimulatedCarrier::ALL.map(config), &settings).expect("carriers start")
}

fn permit(phone: Phone, today: Date) -> QueryPermit {
    QueryPermit::for_tests(ConsentId(7), Flow::Apply, phone, policy().window(today))
}

#[test]
fn the_gateway_hears_of_every_demo_person_what_it_says() {
    let authority = Authority::new();
    let simulators = authority.simulators();
    actix_rt::System::new().block_on(async {
        let carriers = carriers(&authority, &simulators, Duration::from_secs(4));
        let today = day_of(clock::now_s());
        for person in demo_people() {
            let answer = carriers.ask(permit(person.parsed_phone(), today)).await.answer;
            let outcome = policy().outcome(&answer, today);
            assert_eq!(expected_of(&outcome, &answer), person.expected, "{}", person.case);
        }
        carriers.stop().unwrap();
    });
    // The number of no subscriber was asked for at all three.
    assert!(SimulatedCarrier::ALL.iter().all(|&carrier| simulators.counts(carrier).queries > 0));
    assert_eq!(simulators.state().consents, 1, "all of them under the same consent");
    assert!(SimulatedCarrier::ALL.iter().all(|&carrier| simulators.counts(carrier).refused_signatures == 0));
}

#[test]
fn no_fault_is_heard_as_an_answer() {
    use FaultKind::{
        AnotherNumber, AnotherRequest, Deep, Down, Garbage, Hang, Huge, OutsideWindow, Redirect, Slow,
        Status, UnknownArea, WrongName,
    };
    let status = |status| CarrierFault { status, ..CarrierFault::of(Status) };
    let held = |kind| CarrierFault { ms: 20_000, ..CarrierFault::of(kind) };
    let rows = [
        (CarrierFault::of(Down), Unavailable::Unreachable),
        (CarrierFault::of(WrongName), Unavailable::Unreachable),
        (held(Hang), Unavailable::TimedOut),
        (held(Slow), Unavailable::TimedOut),
        (status(500), Unavailable::Refused),
        (status(403), Unavailable::Refused),
        (status(429), Unavailable::Busy),
        (status(503), Unavailable::Busy),
        (CarrierFault::of(Garbage), Unavailable::Garbage),
        (CarrierFault::of(Deep), Unavailable::Garbage),
        (CarrierFault::of(Huge), Unavailable::Garbage),
        (CarrierFault::of(AnotherNumber), Unavailable::Garbage),
        (CarrierFault::of(AnotherRequest), Unavailable::Garbage),
        (CarrierFault::of(OutsideWindow), Unavailable::Garbage),
        (CarrierFault::of(UnknownArea), Unavailable::Garbage),
        (CarrierFault::of(Redirect), Unavailable::Garbage),
    ];
    assert!(
        FaultKind::ALL
            .iter()
            .all(|&kind| kind == FaultKind::None || rows.iter().any(|row| row.0.kind == kind))
    );
    let authority = Authority::new();
    let simulators = authority.simulators();
    actix_rt::System::new().block_on(async {
        let today = day_of(clock::now_s());
        let clean = demo_people()[0];
        for (fault, why) in rows {
            // Actors of their own: a breaker that is open would answer in the carrier's place.
            let carriers = carriers(&authority, &simulators, Duration::from_millis(1500));
            simulators.set_fault(SimulatedCarrier::Mobile, fault).await.unwrap();
            let answer = carriers.ask(permit(clean.parsed_phone(), today)).await.answer;
            assert_eq!(answer, CarrierAnswer::Unavailable(why), "{} {}", fault.kind.name(), fault.status);
            simulators.set_fault(SimulatedCarrier::Mobile, CarrierFault::NONE).await.unwrap();
            carriers.stop().unwrap();
        }
        let carriers = carriers(&authority, &simulators, Duration::from_secs(4));
        let answer = carriers.ask(permit(clean.parsed_phone(), today)).await.answer;
        assert_eq!(policy().outcome(&answer, today), QueryOutcome::Clean);
        carriers.stop().unwrap();
    });
    assert_eq!(simulators.counts(SimulatedCarrier::Mobile).followed, 0, "no redirect was followed");
}

#[test]
fn simulators_end_promptly_while_a_request_hangs() {
    let authority = Authority::new();
    let simulators = authority.simulators();
    let start = clock::now();
    actix_rt::System::new().block_on(async {
        let hang = CarrierFault { ms: 60_000, ..CarrierFault::of(FaultKind::Hang) };
        simulators.set_fault(SimulatedCarrier::Mobile, hang).await.unwrap();
        let carriers = carriers(&authority, &simulators, Duration::from_millis(300));
        let phone = demo_people()[0].parsed_phone();
        let answer = carriers.ask(permit(phone, day_of(clock::now_s()))).await.answer;
        assert_eq!(answer, CarrierAnswer::Unavailable(Unavailable::TimedOut));
        simulators.stop();
        carriers.stop().unwrap();
    });
    assert!(clock::since(start) < Duration::from_secs(30), "{:?}", clock::since(start));
}

#[test]
fn a_carrier_that_takes_two_seconds_gives_permits_by_latency() {
    const PERMITS: usize = 16;
    let authority = Authority::new();
    let simulators = authority.simulators();
    actix_rt::System::new().block_on(async {
        let slow = CarrierFault { ms: 2000, ..CarrierFault::of(FaultKind::Slow) };
        simulators.set_fault(SimulatedCarrier::Mobile, slow).await.unwrap();
        let carriers = carriers_with(&authority, &simulators, Duration::from_secs(4), PERMITS);
        let begun = clock::now();
        let workers: Vec<_> = (0..PERMITS)
            .map(|_| {
                let carriers = carriers.clone();
                let phone = SimulatedCarrier::Mobile.reserved_phone();
                actix_rt::spawn(async move {
                    let mut answered = 0;
                    while answered < 2 {
                        assert!(clock::since(begun) < Duration::from_secs(60), "busy for a minute");
                        let asked = carriers.ask(permit(phone.clone(), day_of(clock::now_s()))).await;
                        // A permit comes back just after its answer.
                        if asked.answer == CarrierAnswer::Unavailable(Unavailable::Busy) {
                            tokio::task::yield_now().await;
                            continue;
                        }
                        assert!(matches!(asked.answer, CarrierAnswer::Trajectory(_)), "{:?}", asked.attempts);
                        answered += 1;
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
        assert!(took < Duration::from_secs(32), "{took:?}");
        carriers.stop().unwrap();
    });
}
