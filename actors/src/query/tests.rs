//! Queries on a real registrar, without carriers: shedding, withdrawal, and a registrar that is busy or fails.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use keys::Keys;
use policy::trajectory::{CarrierAnswer, Unavailable};
use policy::{Policy, PolicyInEffect};
use registry::colours::Codes;
use registry::{Attempt, Beneficiary, ConsentId, ConsentTerms, Flow, Phone, Registry};
use runtime::clock;
use runtime::host::HostedThread;
use runtime::lock::lock;

use super::actor::FinishQuery;
use super::*;
use crate::carrier::{Carriers, CarriersAnswer};
use crate::fault::FaultHook;
use crate::registrar::{
    AtGate, GiveConsent, OpenReceipt, QueryPermit, RegistrarConfig, RegistrarHandle, StartQuery,
    WithdrawConsent, test_change,
};
use crate::sms::ProvenPhone;

struct Bench {
    _directory: tempfile::TempDir,
    registry: Arc<Mutex<Registry>>,
    registrar: RegistrarHandle,
    front: HostedThread,
}

impl Bench {
    fn new() -> Self {
        Self::with(FaultHook::none())
    }

    fn with(faults: FaultHook<str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Keys::init(&directory.path().join("keys")).unwrap();
        let keys = Keys::load(&directory.path().join("keys")).unwrap();
        let registry = Registry::open(&directory.path().join("registry.db"), &keys).unwrap();
        let (registry, codes) = (Arc::new(Mutex::new(registry)), Codes::new(0));
        let policy = PolicyInEffect::new(Policy::development());
        let config = RegistrarConfig {
            signing_pkcs8: keys.signing_pkcs8().to_vec().into(),
            ..RegistrarConfig::default()
        };
        let (registrar, front) =
            RegistrarHandle::start_with(Arc::clone(&registry), codes, policy, config, faults).unwrap();
        Self { _directory: directory, registry, registrar, front }
    }

    fn consent(&self, flow: Flow) -> ConsentId {
        let now_s = now_s();
        let proven = ProvenPhone::for_tests(&phone(), now_s);
        let agreed = ConsentTerms { flow, beneficiary: Beneficiary::Owner, detail: Detail::Stay, text: "1" };
        self.registrar.act_blocking(GiveConsent { proven, agreed, now_s }).unwrap()
    }

    fn start_query(&self, consent: ConsentId) -> QueryPermit {
        self.registrar.act_blocking(StartQuery { consent, phone: phone(), now_s: now_s() }).unwrap()
    }
}

fn phone() -> Phone {
    Phone::parse("16300000001").unwrap()
}

fn now_s() -> u64 {
    clock::now_s()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_query_that_was_shed_may_be_asked_again() {
    let bench = Bench::new();
    let consent = bench.consent(Flow::Apply);
    let carriers = Carriers::start(&[]).unwrap();
    let (queries, front) = Queries::start(bench.registrar.clone(), carriers).unwrap();
    run(async {
        let permits = Arc::clone(&queries.context.permits);
        let all = permits.acquire_many_owned(QUERIES_MAX as u32).await.unwrap();
        assert_eq!(queries.ask(consent, &phone()).await, Err(QueryError::Busy));
        drop(all);
        let answered = queries.ask(consent, &phone()).await.expect("the consent was not used");
        assert_eq!(answered.outcome, QueryOutcome::Unavailable(Unavailable::Unreachable));
    });
    front.stop().unwrap();
    assert!(queries.context.under_way().is_empty());
    bench.front.stop().unwrap();
}

#[test]
fn who_was_asked_stays_on_record_when_the_consent_is_taken_back_meanwhile() {
    let bench = Bench::new();
    let consent = bench.consent(Flow::Apply);
    let permit = bench.start_query(consent);
    bench.registrar.act_blocking(WithdrawConsent { consent, phone: phone() }).unwrap();
    let attempts = vec![Attempt { carrier: "mobile".to_owned(), outcome: "new-number", took_ms: 5 }];
    let asked = Arc::new(CarriersAnswer { permit, answer: CarrierAnswer::NewNumber, attempts });
    let finished = bench.registrar.act_blocking(FinishQuery { asked, now_s: now_s() }).unwrap();
    assert_eq!(finished, None, "nothing of the answer is kept");
    let report = bench.registry.lock().unwrap().verify_consents().unwrap();
    assert_eq!(report.attempts, [("mobile".to_owned(), 1)]);
    assert_eq!((report.used, report.withdrawn, report.answered), (1, 1, 0));
    bench.front.stop().unwrap();
}

#[test]
fn what_a_carrier_answered_is_kept_though_the_registrar_is_busy_when_it_comes() {
    let bench = Bench::new();
    let consent = bench.consent(Flow::Apply);
    let permit = bench.start_query(consent);
    let asked = Arc::new(CarriersAnswer { permit, answer: CarrierAnswer::NewNumber, attempts: Vec::new() });
    let finish = FinishQuery { asked, now_s: now_s() };
    run(async {
        let held = bench.registry.lock().unwrap();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut waiting = Vec::new();
        loop {
            let mut act = Box::pin(bench.registrar.act(test_change(|_| Ok(()))));
            match act.as_mut().poll(&mut context) {
                std::task::Poll::Pending => waiting.push(act),
                std::task::Poll::Ready(result) => {
                    assert!(matches!(result, Err(RegistrarError::Busy)), "{result:?}");
                    break;
                }
            }
        }
        let refused = Box::pin(bench.registrar.act(finish.clone())).as_mut().poll(&mut context);
        assert!(matches!(refused, std::task::Poll::Ready(Err(RegistrarError::Busy))));
        let mut kept = Box::pin(bench.registrar.act_in_turn(finish));
        assert!(kept.as_mut().poll(&mut context).is_pending());
        drop(held);
        assert_eq!(kept.await.unwrap().map(|(outcome, _)| outcome), Some(QueryOutcome::NewNumber));
    });
    let outcome = test_change(move |registrar| {
        registrar.outcome(Some(consent), (&phone(), Beneficiary::Owner), now_s())
    });
    assert_eq!(bench.registrar.act_blocking(outcome).unwrap(), QueryOutcome::NewNumber);
    bench.front.stop().unwrap();
}

#[test]
fn an_answer_whose_registrar_dies_after_it_is_durable_is_kept_once() {
    let dies = Arc::new(AtomicBool::new(false));
    let faults = {
        let dies = Arc::clone(&dies);
        FaultHook::new(move |step: &str| {
            assert!(step != "durable" || !dies.swap(false, Ordering::Relaxed), "a bug");
        })
    };
    let bench = Bench::with(faults);
    let consent = bench.consent(Flow::Apply);
    let permit = bench.start_query(consent);
    let attempt = |outcome| Attempt { carrier: "mobile".to_owned(), outcome, took_ms: 5 };
    let attempts = vec![attempt("timed-out"), attempt("new-number")];
    let asked = Arc::new(CarriersAnswer { permit, answer: CarrierAnswer::NewNumber, attempts });
    let now_s = now_s();
    dies.store(true, Ordering::Relaxed);
    let came = run(bench.registrar.act_in_turn(FinishQuery { asked, now_s })).unwrap();
    assert_eq!(came.map(|(outcome, _)| outcome), Some(QueryOutcome::NewNumber));
    assert!(!dies.load(Ordering::Relaxed) && bench.registrar.restarts() == 1, "it was done twice");
    let report = lock(&bench.registry).verify_consents().unwrap();
    assert_eq!(report.attempts, [("mobile".to_owned(), 2)], "and is on record once");
    bench.front.stop().unwrap();
}

#[test]
fn staff_get_the_answer_that_the_page_has_once_and_no_carrier_is_asked_again() {
    let bench = Bench::new();
    let consent = bench.consent(Flow::Scan);
    let carriers = Carriers::start(&[]).unwrap();
    let (queries, front) = Queries::start(bench.registrar.clone(), carriers).unwrap();
    let receipt = || {
        let (phone, now_s) = (phone(), now_s());
        bench.registrar.act_blocking(OpenReceipt { consent, phone, now_s }).unwrap()
    };
    let shown = run(queries.ask(consent, &phone())).unwrap();
    let AtGate::Open(open) = receipt() else { panic!("staff may scan it") };
    assert_eq!(run(queries.ask_with_receipt(&open)), Ok(shown.clone()), "the same");
    assert_eq!(run(queries.ask_with_receipt(&open)), Err(QueryError::Consent), "once");
    assert!(matches!(receipt(), AtGate::Scanned(_)), "and the page says when");
    assert_eq!(queries.answer(consent), Some(shown));
    queries.forget(consent);
    assert_eq!(queries.answer(consent), None);
    front.stop().unwrap();
    bench.front.stop().unwrap();
}
