//! Carriers that are slow, down, or answer wrongly, and actors that panic: the queries that this costs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use runtime::lock::lock;

use super::server::status;
use super::*;
use crate::carrier::breaker::RECENT;

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

/// Returns settings whose breaker never opens.
fn without_breaker() -> CarrierSettings {
    let breaker = BreakerPolicy { in_a_row_max: u32::MAX, recent_max: RECENT, ..BreakerPolicy::default() };
    CarrierSettings { breaker, ..settings() }
}

#[test]
fn queries_go_at_permits_by_latency_and_what_is_beyond_is_shed_at_once() {
    run(async {
        let server = Server::start(|_| Act::Gate).await;
        let carriers = start(&[&server]);
        for round in 1..=3 {
            let under_way: Vec<_> = (0..8).map(|_| ask(&carriers, "16300000001")).collect();
            until("all permits are on the wire at once", || server.count() == round * 8).await;
            for _ in 0..20 {
                assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Busy));
            }
            assert!(under_way.iter().all(|task| !task.is_finished()), "the carrier has not answered");
            server.open_gate(true);
            for task in under_way {
                assert!(is_trajectory(&task.await.expect("no panic").answer));
            }
            server.open_gate(false);
            until("the permits are back", || carriers.handles()[0].permits_in_use() == 0).await;
        }
        assert_eq!(server.count(), 24, "what was shed never left");
    });
}

#[test]
fn a_hanging_carrier_leaves_another_untouched() {
    run(async {
        let hanging = Server::start(|_| Act::Hang).await;
        let healthy = Server::start(|_| Act::Clean).await;
        let carriers = start(&[&hanging, &healthy]);
        let stuck: Vec<_> = (0..8).map(|_| ask(&carriers, "16300000001")).collect();
        until("the first carrier has no permit left", || hanging.count() == 8).await;
        for _ in 0..100 {
            let asked = carriers.ask(permit("16400000001")).await;
            assert!(is_trajectory(&asked.answer) && asked.attempts.len() == 1);
        }
        assert!(stuck.iter().all(|task| !task.is_finished()), "it hung all the while");
        for task in stuck {
            assert_eq!(task.await.expect("no panic").answer, unavailable(Unavailable::TimedOut));
        }
    });
}

#[test]
fn a_failing_carrier_is_left_alone_and_tried_by_one_query() {
    run(async {
        let server = Server::start(|_| Act::Close).await;
        let breaker = BreakerPolicy {
            open_first: Duration::from_millis(50),
            open_max: Duration::from_millis(50),
            ..BreakerPolicy::default()
        };
        let settings = CarrierSettings { breaker, ..settings() };
        let carriers = start_with(&configs(&[&server]), &settings).expect("starts");
        for _ in 0..5 {
            assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Unreachable));
        }
        assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Paused));
        assert_eq!(server.count(), 5, "an open breaker sends nothing");
        server.rule(|_| Act::Gate);
        let mut tasks = Vec::new();
        until("a trial is let through", || {
            tasks.push(ask(&carriers, "16300000001"));
            server.count() == 6
        })
        .await;
        for _ in 0..3 {
            assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Paused), "one alone");
        }
        server.open_gate(true);
        let mut answered = 0;
        for task in tasks {
            answered += usize::from(is_trajectory(&task.await.expect("no panic").answer));
        }
        assert_eq!((answered, server.count()), (1, 6));
        assert!(is_trajectory(&answer(&carriers, "16300000001").await), "it is closed again");
    });
}

#[test]
fn no_subscriber_no_answer_and_no_permission_are_no_failures_of_a_carrier() {
    run(async {
        let server = Server::start(|_| Act::Clean).await;
        let carriers = start(&[&server]);
        let rules: [fn() -> Act; 5] = [
            || Act::Say("not-subscriber"),
            || Act::Say("new-number"),
            || Act::Say("unanswerable"),
            || status(403, ""),
            || status(404, ""),
        ];
        for (n, rule) in rules.into_iter().enumerate() {
            server.rule(move |_| rule());
            for _ in 0..50 {
                let answer = answer(&carriers, "16300000001").await;
                assert_ne!(answer, unavailable(Unavailable::Paused), "rule {n}");
            }
        }
        assert_eq!(server.count(), 250);
    });
}

#[test]
fn garbage_opens_the_breaker() {
    run(async {
        let server = Server::start(|_| Act::Raw(server::json("<html></html>"))).await;
        let carriers = start(&[&server]);
        for _ in 0..5 {
            assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Garbage));
        }
        assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Paused));
    });
}

#[test]
fn only_what_did_no_harm_is_asked_again_once_and_within_the_budget() {
    run(async {
        let server = Server::start(|_| Act::Clean).await;
        let carriers = start_with(&configs(&[&server]), &without_breaker()).expect("starts");
        for _ in 0..9 {
            answer(&carriers, "16300000001").await;
        }
        // The tenth query has earned a retry: its second attempt succeeds.
        let failures = AtomicUsize::new(1);
        server.rule(move |_| match failures.swap(0, Ordering::Relaxed) {
            0 => Act::Clean,
            _ => status(503, ""),
        });
        assert!(is_trajectory(&answer(&carriers, "16300000001").await));
        assert_eq!(server.count(), 11);
        let not_again: [fn() -> Act; 4] =
            [|| Act::Close, || status(500, ""), || status(429, ""), || Act::Raw(server::json("{}"))];
        for act in not_again {
            server.rule(move |_| act());
            for _ in 0..20 {
                answer(&carriers, "16300000001").await;
            }
        }
        assert_eq!(server.count(), 11 + 80, "what may have been heard is not said twice");
        server.rule(|_| status(503, ""));
        let before = server.count();
        for _ in 0..100 {
            assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Busy));
        }
        let retries = server.count() - before - 100;
        // 90 queries since the last retry saved up nine, and the hundred earn ten.
        assert!((1..=18).contains(&retries), "{retries}");
    });
}

#[test]
fn a_carrier_that_is_down_is_unreachable() {
    run(async {
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", port.local_addr().expect("bound"));
        drop(port);
        let down = CarrierConfig { prefixes: vec!["163".to_owned()], ..config("down", "down", &url) };
        let carriers = start_with(&[down], &settings()).expect("starts");
        assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Unreachable));
    });
}

#[test]
fn a_redirect_is_not_followed() {
    run(async {
        let elsewhere = Server::start(|_| Act::Clean).await;
        let location = format!("location: {}/v1/trajectory\r\n", elsewhere.url);
        for code in [301, 302, 303, 307, 308] {
            let location = location.clone();
            let server = Server::start(move |_| status(code, &location)).await;
            let carriers = start(&[&server]);
            assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Garbage), "{code}");
            assert_eq!(server.count(), 1, "{code}");
        }
        assert_eq!(elsewhere.count(), 0);
    });
}

#[test]
fn a_body_of_a_hundred_megabytes_is_cut_off() {
    run(async {
        const STATED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n";
        for head in [CHUNKED, STATED] {
            let server = Server::start(move |_| Act::Flood(head)).await;
            let carriers = start(&[&server]);
            assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Garbage));
            until("the connection is cut", || server.flooded().is_some()).await;
            // The kernels' buffers of both ends hold some megabytes that are never read.
            assert!(server.flooded().is_some_and(|bytes| bytes < 20_000_000), "{:?}", server.flooded());
        }
    });
}

#[test]
fn what_is_not_http_is_garbage() {
    run(async {
        let many = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(200_000));
        let server = Server::start(|_| Act::Hang).await;
        let carriers = start_with(&configs(&[&server]), &without_breaker()).expect("starts");
        let texts = ["SSH-2.0-OpenSSH_8.9\r\n\r\n".to_owned(), "HTTP/1.1 abc\r\n\r\n".to_owned(), many];
        for text in texts {
            let sent = text.clone();
            server.rule(move |_| Act::Raw(sent.clone()));
            let answer = answer(&carriers, "16300000001").await;
            assert_eq!(answer, unavailable(Unavailable::Garbage), "{}", &text[..12]);
        }
        server.rule(|_| Act::Raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned()));
        assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Unreachable), "cut off");
    });
}

#[test]
fn a_panic_costs_its_own_query_and_nothing_else() {
    for (step, restarts) in [(Step::Handler, 1), (Step::Task, 0), (Step::Report, 1)] {
        run(async move {
            let told = Arc::new(AtomicBool::new(false));
            let fault_told = Arc::clone(&told);
            let faults = FaultHook::new(move |&at: &Step| {
                assert!(at != step || !fault_told.swap(false, Ordering::Relaxed), "told to panic");
            });
            let server = Server::start(|_| Act::Clean).await;
            let carriers = Carriers::start_with(&configs(&[&server]), &settings(), &faults).expect("starts");
            for round in 1..=20 {
                told.store(true, Ordering::Relaxed);
                let failed = carriers.ask(permit("16300000001")).await;
                match step {
                    // The answer was there before the report of it failed.
                    Step::Report => assert!(is_trajectory(&failed.answer)),
                    Step::Handler | Step::Task | Step::Timer => {
                        assert_eq!(failed.answer, unavailable(Unavailable::Refused));
                        assert_eq!(failed.attempts[0].outcome, "failed");
                    }
                }
                assert!(is_trajectory(&answer(&carriers, "16300000001").await), "the next is answered");
                assert_eq!(carriers.handles()[0].restarts(), round * restarts, "{step:?}");
            }
            until("every permit is back", || carriers.handles()[0].permits_in_use() == 0).await;
        });
    }
}

/// Panics at one carrier, at every step, while both are asked all the time.
#[test]
fn panics_under_load_cost_their_own_queries_and_another_carrier_nothing() {
    run(async {
        let seed = clock::now_ms();
        println!("seed {seed}");
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        let panics = Arc::new([const { AtomicUsize::new(0) }; 2]);
        let told = Arc::clone(&panics);
        let faults = FaultHook::new(move |&at: &Step| {
            let is_mobile = std::thread::current().name() == Some("carrier-china-mobile");
            if is_mobile && lock(&random).u8(..8) == 0 {
                told[usize::from(at == Step::Report)].fetch_add(1, Ordering::Relaxed);
                panic!("told to");
            }
        });
        let server = Server::start(|_| Act::Clean).await;
        let other = Server::start(|_| Act::Clean).await;
        let both = configs(&[&server, &other]);
        let carriers = Carriers::start_with(&both, &settings(), &faults).expect("starts");
        let tasks = ["163", "163", "163", "164", "164", "164"].map(|prefix| {
            let carriers = carriers.clone();
            actix_rt::spawn(async move {
                let mut failed = 0;
                for n in 0..100 {
                    let said = answer(&carriers, &format!("{prefix}000000{n:02}")).await;
                    if !is_trajectory(&said) {
                        assert_eq!(said, unavailable(Unavailable::Refused), "{prefix} {n}");
                        failed += 1;
                    }
                }
                (prefix, failed)
            })
        });
        let mut failed = 0;
        for task in tasks {
            let (prefix, lost) = task.await.expect("no panic");
            assert!(prefix == "163" || lost == 0, "another carrier's queries: {lost}");
            failed += lost;
        }
        // A report that fails comes after its answer.
        let [asked, reports] = [0, 1].map(|kind| panics[kind].load(Ordering::Relaxed));
        assert!(asked > 10 && reports > 10, "{asked} and {reports} panics");
        assert_eq!(failed, asked, "each cost its own query, and no other");
        let restarts = carriers.handles().iter().map(CarrierHandle::restarts).collect::<Vec<_>>();
        assert!(restarts[0] >= reports as u64 && restarts[1] == 0, "{restarts:?}");
        until("every permit is back", || carriers.handles()[0].permits_in_use() == 0).await;
    });
}

#[test]
fn an_actor_that_keeps_failing_is_parked_answers_busy_and_is_tried_again() {
    run(async {
        let told = Arc::new(AtomicBool::new(true));
        let fault_told = Arc::clone(&told);
        let faults = FaultHook::new(move |&at: &Step| {
            assert!(at != Step::Handler || !fault_told.load(Ordering::Relaxed), "told to panic");
        });
        let restarts =
            RestartPolicy { intensity: 2, parked_for: Duration::from_secs(1), ..settings().restarts };
        let server = Server::start(|_| Act::Clean).await;
        let settings = CarrierSettings { restarts, ..settings() };
        let carriers = Carriers::start_with(&configs(&[&server]), &settings, &faults).expect("starts");
        for _ in 0..2 {
            assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Refused));
        }
        answer(&carriers, "16300000001").await;
        until("it is parked", || carriers.handles()[0].is_parked()).await;
        assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Paused));
        told.store(false, Ordering::Relaxed);
        until("it is tried again", || !carriers.handles()[0].is_parked()).await;
        assert!(is_trajectory(&answer(&carriers, "16300000001").await));
    });
}

#[test]
fn whoever_leaves_takes_no_permit_along() {
    run(async {
        let server = Server::start(|_| Act::Gate).await;
        let carriers = start(&[&server]);
        let left = ask(&carriers, "16300000001");
        until("it is on the wire", || server.count() == 1).await;
        left.abort();
        assert_eq!(carriers.handles()[0].permits_in_use(), 1, "the call goes on, and so does its permit");
        server.open_gate(true);
        until("the permit is back", || carriers.handles()[0].permits_in_use() == 0).await;
    });
}
