//! Jobs of many callers on a real registry, done together: each happens whole or not at all, whatever the others do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keys::Keys;
use policy::{Policy, PolicyInEffect};
use protocol::{Basis, Class, CodeId, Colour};
use registry::colours::Codes;
use registry::{DocumentKind, DocumentNumber, Person, Phone, Registry};
use runtime::clock;
use runtime::host::HostedThread;
use runtime::supervisor::RestartPolicy;

use super::*;
use crate::fault::FaultHook;
use crate::holders::{Allowed, ImportReport, import};
use crate::sms::ProvenPhone;

/// The first words of every step of the clock's chores.
const PIECE: &str = "a piece of the clock's work";

struct Bench {
    directory: tempfile::TempDir,
    keys: Keys,
    registry: Arc<Mutex<Registry>>,
    codes: Codes,
    handle: RegistrarHandle,
    front: HostedThread,
}

fn bench() -> Bench {
    bench_with(FaultHook::none())
}

fn bench_with(faults: FaultHook<str>) -> Bench {
    let restarts = RestartPolicy { intensity: usize::MAX, backoff_max: Duration::ZERO, ..Default::default() };
    bench_as(RegistrarConfig { restarts, ..Default::default() }, faults)
}

/// Returns a bench whose registrar has these settings and a key of its own.
fn bench_as(config: RegistrarConfig, faults: FaultHook<str>) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    Keys::init(&directory.path().join("keys")).unwrap();
    let keys = Keys::load(&directory.path().join("keys")).unwrap();
    let registry = Registry::open(&directory.path().join("registry.db"), &keys).unwrap();
    let (registry, codes) = (Arc::new(Mutex::new(registry)), Codes::new(0));
    codes.set_loaded();
    let policy = PolicyInEffect::new(Policy::development());
    let config = RegistrarConfig { signing_pkcs8: keys.signing_pkcs8().to_vec().into(), ..config };
    let (handle, front) =
        RegistrarHandle::start_with(Arc::clone(&registry), codes.clone(), policy, config, faults).unwrap();
    Bench { directory, keys, registry, codes, handle, front }
}

fn form(n: u32) -> Form {
    let person = Person {
        name: "Canary".to_owned(),
        document: DocumentNumber::parse(DocumentKind::Passport, &format!("CANARY{n}")).unwrap(),
        phone: Phone::parse(&format!("163{n:08}")).unwrap(),
        district: "360102".to_owned(),
        community: String::new(),
    };
    let proven = ProvenPhone::for_tests(&person.phone, now_s());
    Form { person, declared: Some(n.is_multiple_of(2)), consent: None, proven, guardian: None, along: false }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Returns the present time. The registrar deletes expired data by its own clock, so that forms have to be of today.
fn now_s() -> u64 {
    clock::now_ms() / 1000
}

#[test]
fn acts_that_wait_together_are_durable_together_and_memory_follows() {
    let bench = bench();
    let taken = run(async {
        let acts: Vec<_> = (0..500)
            .map(|n| {
                let handle = bench.handle.clone();
                tokio::spawn(async move { handle.act(SubmitForm { form: form(n), now_s: now_s() }).await })
            })
            .collect();
        let mut taken = Vec::new();
        for act in acts {
            taken.push(act.await.unwrap().unwrap());
        }
        taken
    });
    let registry = bench.registry.lock().unwrap();
    assert_eq!(registry.people().unwrap(), 500);
    for (n, taken) in taken.iter().enumerate() {
        let red = n.is_multiple_of(2);
        assert_eq!(taken.entry.colour(), if red { Colour::Red } else { Colour::Green });
        assert_eq!(bench.codes.get(taken.code), Some(taken.entry));
        assert_eq!(registry.code(taken.code).unwrap(), Some(taken.entry));
    }
    drop(registry);
    bench.front.stop().unwrap();
}

#[test]
fn an_act_that_is_refused_or_panics_leaves_no_trace_and_takes_nobody_with_it() {
    let bench = bench();
    let (good, refused, panicked) = run(async {
        let submit = |n: u32| {
            let handle = bench.handle.clone();
            tokio::spawn(async move { handle.act(SubmitForm { form: form(n), now_s: now_s() }).await })
        };
        let goods: Vec<_> = (0..50).map(submit).collect();
        let handle = bench.handle.clone();
        let refused = tokio::spawn(async move {
            let act = |registrar: &mut Registrar<'_>| {
                registrar.submit(&form(100), now_s())?;
                Err::<(), _>(RegistrarError::Consent)
            };
            handle.act(test_change(act)).await
        });
        let handle = bench.handle.clone();
        let panicked = tokio::spawn(async move {
            let act = |registrar: &mut Registrar<'_>| -> Result<(), RegistrarError> {
                registrar.submit(&form(101), now_s())?;
                panic!("told to")
            };
            handle.act(test_change(act)).await
        });
        let more: Vec<_> = (50..100).map(submit).collect();
        let mut good = 0;
        for act in goods.into_iter().chain(more) {
            good += usize::from(act.await.unwrap().is_ok());
        }
        (good, refused.await.unwrap(), panicked.await.unwrap())
    });
    assert!(matches!(refused, Err(RegistrarError::Consent)), "{refused:?}");
    assert!(matches!(panicked, Err(RegistrarError::Failed)), "{panicked:?}");
    assert_eq!(good, 100);
    assert_eq!(bench.registry.lock().unwrap().people().unwrap(), 100, "neither 100 nor 101");
    assert_eq!(bench.codes.len(), 100);
    // The actor goes on.
    run(bench.handle.act(SubmitForm { form: form(102), now_s: now_s() })).unwrap();
    bench.front.stop().unwrap();
}

#[test]
fn a_panic_between_the_steps_of_a_form_undoes_all_of_them() {
    let left = Arc::new(AtomicUsize::new(usize::MAX));
    let steps = Arc::clone(&left);
    let faults = FaultHook::new(move |step: &str| {
        // Those two are the group's steps: the form is done by then. The clock's chores are none of its steps.
        let is_of_the_form = !["steps of the group", "durable"].contains(&step) && !step.starts_with(PIECE);
        if is_of_the_form && steps.fetch_sub(1, Ordering::Relaxed) == 0 {
            panic!("told to");
        }
    });
    let bench = bench_with(faults);
    let submit = |n| run(bench.handle.act(SubmitForm { form: form(n), now_s: now_s() }));
    submit(0).unwrap();
    let steps = usize::MAX - left.load(Ordering::Relaxed);
    assert!(steps > 5, "{steps} steps");
    for step in 0..steps {
        left.store(step, Ordering::Relaxed);
        assert!(matches!(submit(step as u32 + 1), Err(RegistrarError::Failed)), "step {step}");
        assert_eq!(bench.registry.lock().unwrap().people().unwrap(), 1, "step {step}");
        assert_eq!(bench.codes.len(), 1, "step {step}");
    }
    bench.front.stop().unwrap();
}

/// One in seven steps panics. No caller is told "done" about a form that is not, and a form that is told "failed" left nothing.
#[test]
fn panics_under_load_lose_nothing_that_was_promised_and_fail_nobody_else() {
    let seed = clock::now_ms();
    println!("seed {seed}");
    let random = Mutex::new(fastrand::Rng::with_seed(seed));
    let panics = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&panics);
    let faults = FaultHook::new(move |step: &str| {
        if step == "person" && random.lock().unwrap_or_else(PoisonError::into_inner).u8(..7) == 0 {
            told.fetch_add(1, Ordering::Relaxed);
            panic!("told to");
        }
    });
    let bench = bench_with(faults);
    let (tasks, forms) = (16, 40);
    let failed: usize = run(async {
        let tasks: Vec<_> = (0..tasks)
            .map(|task| {
                let handle = bench.handle.clone();
                tokio::spawn(async move {
                    let mut failed = 0;
                    for n in (0..forms).map(|form| task * forms + form) {
                        // Sent again until it is done, as a caller that is told "failed" does.
                        loop {
                            match handle.act(SubmitForm { form: form(n), now_s: now_s() }).await {
                                Ok(taken) if taken.is_new => break,
                                Err(RegistrarError::Failed) => failed += 1,
                                other => panic!("form {n}: {other:?}"),
                            }
                        }
                    }
                    failed
                })
            })
            .collect();
        let mut failed = 0;
        for task in tasks {
            failed += task.await.unwrap();
        }
        failed
    });
    let panics = panics.load(Ordering::Relaxed);
    assert!(panics > 20, "{panics} panics");
    assert_eq!(failed, panics, "each cost its own act, and no other");
    let restarts = usize::try_from(bench.handle.restarts()).unwrap();
    assert!(restarts > 0 && restarts <= panics, "{restarts} restarts of {panics} panics are counted");
    let registry = bench.registry.lock().unwrap();
    assert_eq!(registry.people().unwrap(), u64::from(tasks * forms));
    assert_eq!(bench.codes.len() as u64, u64::from(tasks * forms));
    registry.for_each_code(|code, entry| assert_eq!(bench.codes.get(code), Some(entry))).unwrap();
    drop(registry);
    bench.front.stop().unwrap();
}

/// To set and to clear a cause are the same kind of job: when the caller is answered, memory has followed.
#[test]
fn green_comes_back_as_fast_as_red_is_set() {
    let bench = bench();
    let by = || registry::operator::Signers { authority: "cdc".to_owned(), operators: "li-na".to_owned() };
    let until = policy::trajectory::days_after(policy::trajectory::day_of(now_s()), 7);
    let code = run(bench.handle.act(SubmitForm { form: form(1), now_s: now_s() })).unwrap().code;
    let shown = || bench.codes.get(code).unwrap().colour();
    assert_eq!(shown(), Colour::Green);
    for _ in 0..50 {
        let red = run(bench.handle.act(test_change(move |registrar| {
            registrar.add_cause(code, policy::CauseKind::Diagnosis, &by(), until, now_s())
        })));
        assert_eq!(shown(), Colour::Red);
        let clear = test_change(move |registrar| registrar.clear_cause(red.unwrap(), &by(), now_s()));
        run(bench.handle.act(clear)).unwrap();
        assert_eq!(shown(), Colour::Green, "no later than red was");
    }
    bench.front.stop().unwrap();
}

#[test]
fn green_comes_back_by_the_clock_without_being_asked() {
    let bench = bench();
    let code = CodeId::issue(1, 7).unwrap();
    let entry = CodeEntry::new(Colour::Red, Basis::Declared, Class::Person, 100, 1);
    {
        let registry = bench.registry.lock().unwrap();
        registry.add_person(&form(1).person, code, entry).unwrap();
    }
    bench.codes.put(code, entry);
    let end = Duration::from_secs(30);
    let green = async {
        while bench.codes.get(code).unwrap().colour() != Colour::Green {
            tokio::task::yield_now().await;
        }
    };
    run(async { tokio::time::timeout(end, green).await }).expect("the clock turns every second");
    bench.front.stop().unwrap();
}

/// A moment of 2020.
const PAST_S: u64 = 1_582_500_000;

/// Retention does not wait for the next query: in a quiet city there is none.
#[test]
fn answers_whose_time_is_over_are_forgotten_without_another_query() {
    let bench = bench();
    let phone = form(1).person.phone;
    let day = |text: &str| text.parse::<jiff::civil::Date>().unwrap();
    let stay = policy::Stay { area: "hubei".to_owned(), last_day: day("2020-02-20") };
    let is_kept = || bench.registry.lock().unwrap().stay_of(&phone, PAST_S).unwrap().is_some();
    bench.registry.lock().unwrap().keep_stay(&phone, &stay, PAST_S + 60).unwrap();
    let gone = async {
        while is_kept() {
            tokio::task::yield_now().await;
        }
    };
    run(async { tokio::time::timeout(Duration::from_secs(30), gone).await }).expect("2020 is over");
    bench.front.stop().unwrap();
}

#[test]
fn who_comes_when_too_many_wait_is_told_so() {
    let bench = bench();
    let held = bench.registry.lock().unwrap();
    let mut waiting = Vec::new();
    let busy = run(async {
        for n in 0..=JOBS_MAX as u32 {
            let mut act = Box::pin(bench.handle.act(SubmitForm { form: form(n), now_s: now_s() }));
            // The first poll sends it.
            match std::future::poll_fn(|cx| std::task::Poll::Ready(act.as_mut().poll(cx))).await {
                std::task::Poll::Ready(Err(RegistrarError::Busy)) => return true,
                std::task::Poll::Ready(other) => panic!("{other:?}"),
                std::task::Poll::Pending => waiting.push(act),
            }
        }
        false
    });
    assert!(busy);
    assert_eq!(waiting.len(), JOBS_MAX);
    drop(held);
    let done = run(async {
        let mut done = 0;
        for act in waiting {
            done += usize::from(act.await.is_ok());
        }
        done
    });
    assert_eq!(done, JOBS_MAX);
    bench.front.stop().unwrap();
}

#[test]
fn an_import_lets_others_have_their_turn() {
    let bench = bench();
    let (csv, rejects) =
        (bench.directory.path().join("holders.csv"), bench.directory.path().join("rejects.csv"));
    let mut text = "name,document_kind,document,phone,district,colour,basis,until,qr_text\n".to_owned();
    for n in 1000..7000 {
        text.push_str(&format!("Canary,passport,CANARY{n},163{n:08},360102,green,declared,,EARLIER-{n}\n"));
    }
    std::fs::write(&csv, text).unwrap();
    let allowed = Allowed { sha256: crate::holders::sha256(&csv).unwrap(), colours: false, dry_run: false };
    let mut taken = 0;
    let mut progress = |_: &ImportReport| {
        bench.handle.act_blocking(SubmitForm { form: form(taken), now_s: now_s() }).unwrap();
        taken += 1;
    };
    let files = (csv.as_path(), rejects.as_path());
    let report = import(&bench.handle, &bench.keys, files, allowed, &mut progress).unwrap();
    assert_eq!((report.people, report.rejected), (6000, 0));
    assert!(taken >= 3, "{taken} forms were taken in between");
    assert_eq!(bench.codes.len(), 6000 + taken as usize);
    bench.front.stop().unwrap();
}

#[test]
fn a_document_that_is_refused_counts_as_a_try_although_nothing_else_of_the_act_stays() {
    let bench = bench();
    let stranger = Form { person: Person { phone: form(2).person.phone, ..form(1).person }, ..form(2) };
    run(async {
        bench.handle.act(SubmitForm { form: form(1), now_s: now_s() }).await.unwrap();
        let send = || {
            let sent = stranger.clone();
            bench.handle.act(SubmitForm { form: sent, now_s: now_s() })
        };
        for _ in 0..DOCUMENT_TRIES_MAX {
            let refused = send().await;
            assert!(matches!(refused, Err(RegistrarError::OtherPhone)), "{refused:?}");
        }
        let refused = send().await;
        assert!(matches!(refused, Err(RegistrarError::Tries)), "{refused:?}");
    });
    bench.front.stop().unwrap();
}

#[test]
fn a_change_behind_a_new_policy_of_its_group_is_made_by_that_policy() {
    let bench = bench();
    let text = policy::DEVELOPMENT.replace("version = \"2020-02-24\"", "version = \"next\"");
    let next = Policy::parse(&text, std::path::Path::new("policy.toml")).unwrap();
    let version = |registrar: &mut Registrar<'_>| Ok(registrar.policy()?.version().to_owned());
    // Both wait while the registry is held, and so make one group.
    let held = bench.registry.lock().unwrap();
    let (replaced, before, after) = run(async {
        let before = bench.handle.act(test_change(version));
        let replaced = bench.handle.act(test_change(move |registrar: &mut Registrar<'_>| {
            registrar.replace_policy(next);
            Ok(())
        }));
        let after = bench.handle.act(test_change(version));
        let release = async { drop(held) };
        let (before, replaced, after, ()) = tokio::join!(before, replaced, after, release);
        (replaced, before.unwrap(), after.unwrap())
    });
    replaced.unwrap();
    assert_eq!((&before[..], &after[..]), ("2020-02-24", "next"));
    bench.front.stop().unwrap();
}

mod midnight;
