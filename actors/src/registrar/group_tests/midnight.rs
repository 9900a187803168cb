//! Midnight: many colours end at once, and no job waits for all of them.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::test_registry::TestRegistry;

#[test]
fn a_form_that_comes_at_a_midnight_of_50_000_causes_waits_for_one_piece_of_them() {
    let (armed, pieces) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (under_way, seen) = std::sync::mpsc::sync_channel(1);
    let (sent, go_on) = std::sync::mpsc::sync_channel::<()>(1);
    let (is_armed, count, go_on) = (Arc::clone(&armed), Arc::clone(&pieces), Mutex::new(go_on));
    let faults = FaultHook::new(move |step: &str| {
        let is_piece = step.starts_with(PIECE) && is_armed.load(Ordering::Acquire);
        if is_piece && count.fetch_add(1, Ordering::AcqRel) == 0 {
            // The form comes while the first piece is under way.
            under_way.send(()).unwrap();
            go_on.lock().unwrap().recv().unwrap();
        }
    });
    let bench = bench_with(faults);
    {
        let mut registry = bench.registry.lock().unwrap();
        registry.insert_due(50_000, 100).unwrap();
        armed.store(true, Ordering::Release);
    }
    seen.recv().unwrap();
    let count = Arc::clone(&pieces);
    let (begun, due_s) = run(async {
        let act = bench.handle.act(test_change(move |registrar| {
            let begun = count.load(Ordering::Acquire);
            registrar.submit(&form(1), now_s())?;
            Ok((begun, registrar.registry.longest_due_s(u32::MAX)?))
        }));
        let mut act = std::pin::pin!(act);
        // The first poll sends it.
        let first = std::future::poll_fn(|context| std::task::Poll::Ready(act.as_mut().poll(context))).await;
        assert!(first.is_pending());
        sent.send(()).unwrap();
        act.await.unwrap()
    });
    assert_eq!(begun, 1, "pieces of the clock's work before it");
    assert!(due_s > 0, "most of them are still due");
    bench.front.stop().unwrap();
}

/// Waits until nothing is due any more.
fn wait_until_settled(bench: &Bench) {
    let end = clock::now() + Duration::from_secs(60);
    let registry = || bench.registry.lock().unwrap_or_else(PoisonError::into_inner);
    while registry().longest_due_s(u32::MAX).unwrap() > 0 {
        assert!(clock::now() < end, "nothing ends by the clock any more");
        std::thread::yield_now();
    }
}

/// Makes `count` codes due, those included that were due before.
fn insert_due(bench: &Bench, count: u32) {
    let mut registry = bench.registry.lock().unwrap_or_else(PoisonError::into_inner);
    registry.insert_due(count.into(), 100).unwrap();
}

/// The first chore of a turn panics: all others of that turn wait behind it.
#[test]
fn the_clocks_work_goes_on_after_one_piece_of_it_panicked() {
    let armed = AtomicBool::new(true);
    let (panicked, seen) = std::sync::mpsc::sync_channel(1);
    let faults = FaultHook::new(move |step: &str| {
        if step.starts_with(PIECE) && armed.swap(false, Ordering::AcqRel) {
            panicked.send(step.to_owned()).unwrap();
            panic!("a piece that fails once");
        }
    });
    // Tried again at the next turn: the test does not wait for the rest.
    let chore_rests = Duration::ZERO;
    let bench = bench_as(RegistrarConfig { chore_rests, ..Default::default() }, faults);
    assert!(seen.recv().unwrap().ends_with(": end causes"), "the first of its turn");
    insert_due(&bench, 1);
    wait_until_settled(&bench);
    bench.front.stop().unwrap();
}

/// It is tried again after a while; forms are taken, and what is due ends, however often it fails.
#[test]
fn a_chore_that_panics_each_time_rests_and_holds_up_nobody_else() {
    let panics = Arc::new(AtomicUsize::new(0));
    let (count, (panicked, seen)) = (Arc::clone(&panics), std::sync::mpsc::sync_channel(1));
    let faults = FaultHook::new(move |step: &str| {
        if step.starts_with(PIECE) && step.ends_with(": revise") {
            count.fetch_add(1, Ordering::AcqRel);
            let _ = panicked.try_send(());
            panic!("a chore that fails each time");
        }
    });
    // One failure of the actor would park it.
    let restarts = RestartPolicy { intensity: 0, ..Default::default() };
    let bench = bench_as(RegistrarConfig { restarts, ..Default::default() }, faults);
    seen.recv().unwrap();
    for n in [1, 3] {
        run(bench.handle.act(SubmitForm { form: form(n), now_s: now_s() })).expect("forms are taken");
        // A turn of the clock, and another one after it.
        insert_due(&bench, n);
        wait_until_settled(&bench);
    }
    assert_eq!(panics.load(Ordering::Acquire), 1, "it rests");
    assert_eq!(bench.handle.restarts(), 0, "and the actor has not failed");
    bench.front.stop().unwrap();
}
