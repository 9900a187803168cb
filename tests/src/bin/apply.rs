//! Applies and then modifies on a registry of its own, and ends by SIGKILL after a given number of steps. `apply DIRECTORY STEPS`;
//! with more steps than there are it runs to its end.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use actors::fault::FaultHook;
use actors::registrar::{Form, RegistrarConfig, RegistrarHandle};
use keys::Keys;
use policy::trajectory::{
    Area, CarrierAnswer, Days, Division, Trajectory, Visit, day_of, days_after, start_of,
};
use policy::{DEVELOPMENT, Policy, PolicyInEffect};
use registry::colours::Codes;
use registry::{
    Attempt, Beneficiary, ConsentTerms, Detail, DocumentKind, DocumentNumber, Flow, Person, Phone, Registry,
};
use tests::people::prove;

/// Noon of a day in 2020.
const NOW_S: u64 = 1_582_516_800;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let directory = words.next().expect("a directory");
    let left = AtomicU64::new(words.next().expect("a number of steps").parse()?);
    let faults = FaultHook::new(move |_: &str| {
        if left.fetch_sub(1, Ordering::Relaxed) == 0 {
            let this = rustix::process::getpid();
            rustix::process::kill_process(this, rustix::process::Signal::KILL).expect("one may kill oneself");
        }
    });
    let directory = Path::new(&directory);
    let keys = Keys::load(&directory.join("keys"))?;
    let registry = Registry::open(&directory.join("registry.db"), &keys)?;
    let codes = Codes::new(0);
    registry.load_codes(&codes)?;
    let proven = prove(&keys, &person().phone, NOW_S);
    let policy = PolicyInEffect::new(Policy::parse(DEVELOPMENT, Path::new("policy.toml"))?);
    let (registry, config) = (Arc::new(Mutex::new(registry)), RegistrarConfig::default());
    let (registrar, front) = RegistrarHandle::start_with(registry, codes, policy, config, faults)?;
    for (flow, answer, declared) in [(Flow::Apply, clean(), None), (Flow::Modify, hubei(), Some(true))] {
        let proven = proven.clone();
        registrar.act_blocking(move |registrar| {
            let agreed =
                ConsentTerms { flow, beneficiary: Beneficiary::Owner, detail: Detail::Stay, text: "1" };
            let consent = registrar.consent(&proven, agreed, NOW_S)?;
            let permit = registrar.start_query(consent, &person().phone, NOW_S)?;
            let attempt = Attempt { carrier: "china-mobile".to_owned(), outcome: "answered", took_ms: 1 };
            registrar.finish_query(&permit, &answer, &[attempt], NOW_S)?;
            let person = person();
            registrar.submit(
                &Form { person, declared, consent: Some(consent), proven, guardian: None, along: false },
                NOW_S,
            )
        })?;
    }
    front.stop().map_err(anyhow::Error::msg)
}

fn person() -> Person {
    Person {
        name: "Made Up".to_owned(),
        document: DocumentNumber::parse(DocumentKind::Passport, "MADEUP1").expect("a passport"),
        phone: Phone::parse("16300000001").expect("a made-up number"),
        district: "360102".to_owned(),
        community: String::new(),
    }
}

fn clean() -> CarrierAnswer {
    let today = day_of(NOW_S);
    let covered = Days { first: days_after(today, -30), last: today };
    CarrierAnswer::Trajectory(Trajectory { covered, visits: Vec::new() })
}

fn hubei() -> CarrierAnswer {
    let today = day_of(NOW_S);
    let from_s = start_of(days_after(today, -3));
    let area = Area::City(Division::parse("4201").expect("Wuhan"));
    let visits = vec![Visit { area, from_s, until_s: from_s + 6 * 3600 }];
    CarrierAnswer::Trajectory(Trajectory { covered: Days { first: today, last: today }, visits })
}
