//! Midnight: many colours end at once, and nobody waits for all of them.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::test_registry::TestRegistry;

#[test]
fn a_form_that_comes_at_a_midnight_of_50_000_causes_waits_for_one_piece_of_them() {
    let (armed, pieces) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (under_way, seen) = std::sync::mpsc::sync_channel(1);
    let (sent, go_on) = std::sync::mpsc::sync_channel::<()>(1);
    let (is_armed, count, go_on) = (Arc::clone(&armed), Arc::clone(&pieces), Mutex::new(go_on));
    let fault: Fault = Arc::new(move |step| {
        let is_piece = step == "a piece of the clock's work" && is_armed.load(Ordering::Acquire);
        if is_piece && count.fetch_add(1, Ordering::AcqRel) == 0 {
            // The form comes while the first piece is under way.
            under_way.send(()).unwrap();
            go_on.lock().unwrap().recv().unwrap();
        }
    });
    let bench = bench(Some(fault));
    {
        let mut registry = bench.registry.lock().unwrap();
        registry.insert_due(50_000, 100).unwrap();
        armed.store(true, Ordering::Release);
    }
    seen.recv().unwrap();
    let count = Arc::clone(&pieces);
    let (begun, due_s) = run(async {
        let act = bench.handle.act(move |registrar| {
            let begun = count.load(Ordering::Acquire);
            registrar.submit(&form(1), now_s())?;
            Ok((begun, registrar.registry.longest_due_s(u32::MAX)?))
        });
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

#[test]
fn the_clocks_work_goes_on_after_one_piece_of_it_panicked() {
    let armed = Arc::new(AtomicBool::new(false));
    let (is_armed, (panicked, seen)) = (Arc::clone(&armed), std::sync::mpsc::sync_channel(1));
    let fault: Fault = Arc::new(move |step| {
        if step == "a piece of the clock's work" && is_armed.swap(false, Ordering::AcqRel) {
            panicked.send(()).unwrap();
            panic!("a piece that fails once");
        }
    });
    let bench = bench(Some(fault));
    armed.store(true, Ordering::Release);
    seen.recv().unwrap();
    bench.registry.lock().unwrap_or_else(PoisonError::into_inner).insert_due(1, 100).unwrap();
    let end = clock::now() + Duration::from_secs(60);
    while bench.registry.lock().unwrap_or_else(PoisonError::into_inner).longest_due_s(u32::MAX).unwrap() > 0 {
        assert!(clock::now() < end, "nothing ends by the clock any more");
        std::thread::yield_now();
    }
    bench.front.stop().unwrap();
}
