//! Applications a second that the registrar makes durable: `cargo run --release -p actors --example registrar_rate -- APPLICATIONS
//! CALLERS`. Beside it, in the same run, the time of a group and the number of its changes.

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

use std::sync::{Arc, Mutex};

use actors::registrar::{Form, RegistrarConfig, RegistrarHandle, SubmitForm};
use actors::sms::{Asker, ProvenPhone, SessionId, SmsCodes, SmsLimits};
use keys::Keys;
use policy::{Policy, PolicyInEffect};
use registry::colours::Codes;
use registry::{DocumentKind, DocumentNumber, Person, Phone, Registry};
use runtime::clock;

/// Proves a phone as a citizen does: a code is sent to the made-up number, and typed.
fn prove(codes: &mut SmsCodes, phone: &Phone, n: u32, now_s: u64) -> ProvenPhone {
    let asker = Asker { session: SessionId([7; 16]), client: n.to_be_bytes().into(), known: true };
    let sent = codes.request(asker, phone, u64::from(n), now_s).expect("sent");
    codes.check(asker, phone, sent.digits(), now_s).expect("the right code")
}

fn form(n: u32, codes: &mut SmsCodes, now_s: u64) -> Form {
    let document = DocumentNumber::parse(DocumentKind::Passport, &format!("MADEUP{n}")).expect("a passport");
    let phone = Phone::parse(&format!("163{n:08}")).expect("a made-up number");
    let proven = prove(codes, &phone, n, now_s);
    let (name, district) = ("Made Up".to_owned(), "360102".to_owned());
    let person = Person { name, document, phone, district, community: String::new() };
    Form {
        person,
        declared: Some(n.is_multiple_of(100)),
        consent: None,
        proven,
        guardian: None,
        along: false,
    }
}

fn main() {
    let number = |at, otherwise: u32| {
        std::env::args().nth(at).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (applications, callers) = (number(1, 50_000), number(2, 256));
    // Beside the program: a temporary directory may be in memory, where a sync costs nothing.
    let beside = std::env::current_exe().expect("a program has a place");
    let directory = tempfile::tempdir_in(beside.parent().expect("in a directory")).expect("a directory");
    Keys::init(&directory.path().join("keys")).expect("keys");
    let keys = Keys::load(&directory.path().join("keys")).expect("keys");
    let registry = Registry::open(&directory.path().join("registry.db"), &keys).expect("a registry");
    let codes = Codes::new(applications as usize);
    codes.set_loaded();
    let policy = PolicyInEffect::new(Policy::development());
    let config =
        RegistrarConfig { signing_pkcs8: keys.signing_pkcs8().to_vec().into(), ..Default::default() };
    let (handle, front) = RegistrarHandle::start(registry, codes.clone(), policy, config).expect("a thread");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sms = Arc::new(Mutex::new(SmsCodes::new(&keys, SmsLimits::default())));
    let start = clock::now();
    let mut slowest_ms = Vec::new();
    runtime.block_on(async {
        let caller = |caller: u32| {
            let (handle, sms) = (handle.clone(), Arc::clone(&sms));
            tokio::spawn(async move {
                let mut took = Vec::new();
                for n in (caller..applications).step_by(callers as usize) {
                    let now_s = clock::now_s();
                    let form = form(n, &mut sms.lock().expect("no panic"), now_s);
                    let begun = clock::now();
                    handle.act(SubmitForm { form, now_s }).await.expect("taken");
                    took.push(clock::since(begun).as_secs_f64() * 1000.0);
                }
                took
            })
        };
        let tasks: Vec<_> = (0..callers).map(caller).collect();
        for task in tasks {
            slowest_ms.extend(task.await.expect("no panic"));
        }
    });
    let seconds = clock::since(start).as_secs_f64();
    front.stop().expect("ends well");
    assert_eq!(codes.len(), applications as usize);
    slowest_ms.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| slowest_ms[((slowest_ms.len() - 1) as f64 * share) as usize];
    println!(
        "{applications} applications, {callers} callers: {:.0}/s durable",
        f64::from(applications) / seconds
    );
    println!("  from act to durable and seen: p50 {:.1} ms, p99 {:.1} ms", at(0.5), at(0.99));
}
