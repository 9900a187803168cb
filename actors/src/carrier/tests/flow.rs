//! Queries that go well, and those that have to go on to another carrier.

use ring::{digest, hmac};

use super::server::status;
use super::*;

#[test]
fn a_query_is_signed_and_says_what_the_interface_asks_for() {
    run(async {
        let server = Server::start(|_| Act::Clean).await;
        let carriers = start(&[&server]);
        let asked = carriers.ask(permit("16300000001")).await;
        assert!(is_trajectory(&asked.answer));
        assert_eq!(asked.attempts.len(), 1);
        assert_eq!(
            (asked.attempts[0].carrier.as_str(), asked.attempts[0].outcome),
            ("china-mobile", "trajectory")
        );
        answer(&carriers, "16300000001").await;
        let [first, second] = server.seen().try_into().ok().expect("two requests");
        assert_eq!(first.head.lines().next(), Some("POST /v1/trajectory HTTP/1.1"));
        assert_eq!(first.field("purpose"), "apply");
        assert_eq!(first.field("consent"), second.field("consent"), "one consent, one name");
        assert_ne!(first.field("consent"), format!("{:032x}", 7), "which is not its number");
        assert_ne!(first.header("changtong-request"), second.header("changtong-request"));
        let (date, request) = (first.header("changtong-date"), first.header("changtong-request"));
        let age_s = (clock::now_s()).abs_diff(date.parse().expect("seconds"));
        assert!(age_s < 60 && request.len() == 32);
        let body = hex::encode(digest::digest(&digest::SHA256, first.body.as_bytes()));
        let signed = format!("changtong-carrier 1\nPOST\n/v1/trajectory\n{date}\n{request}\n{body}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
        let tag = hex::encode(hmac::sign(&key, signed.as_bytes()));
        assert_eq!(first.header("changtong-signature"), format!("key-1:{tag}"));
    });
}

#[test]
fn a_ported_number_goes_on_and_is_remembered() {
    run(async {
        let mobile = Server::start(|_| Act::Say("not-subscriber")).await;
        let unicom = Server::start(|_| Act::Say("not-subscriber")).await;
        let telecom = Server::start(|_| Act::Clean).await;
        let carriers = start(&[&mobile, &unicom, &telecom]);
        let asked = carriers.ask(permit("16300000001")).await;
        assert!(is_trajectory(&asked.answer));
        let outcomes: Vec<_> = asked.attempts.iter().map(|attempt| attempt.outcome).collect();
        assert_eq!(outcomes, ["not-subscriber", "not-subscriber", "trajectory"]);
        let asked = carriers.ask(permit("16300000001")).await;
        assert_eq!((asked.attempts.len(), asked.attempts[0].carrier.as_str()), (1, "china-telecom"));
        assert_eq!((mobile.count(), unicom.count(), telecom.count()), (1, 1, 2));
        assert_eq!(
            mobile.seen()[0].field("consent"),
            telecom.seen()[0].field("consent"),
            "one query, one name"
        );
        let asked = carriers.ask(permit("16300000002")).await;
        assert_eq!(asked.attempts.len(), 3, "another number was not ported");
        // It is ported back.
        telecom.rule(|_| Act::Say("not-subscriber"));
        mobile.rule(|_| Act::Clean);
        for expected in [2, 1] {
            let asked = carriers.ask(permit("16300000001")).await;
            assert!(is_trajectory(&asked.answer));
            assert_eq!(asked.attempts.len(), expected);
        }
    });
}

#[test]
fn a_number_that_nobody_knows_is_nobodys_subscriber() {
    run(async {
        let servers = [
            Server::start(|_| Act::Say("not-subscriber")).await,
            Server::start(|_| Act::Say("not-subscriber")).await,
            Server::start(|_| Act::Say("not-subscriber")).await,
        ];
        let carriers = start(&[&servers[0], &servers[1], &servers[2]]);
        for number in ["16300000001", "14900000001"] {
            let asked = carriers.ask(permit(number)).await;
            assert_eq!((asked.answer, asked.attempts.len()), (CarrierAnswer::NotSubscriber, 3));
        }
        assert_eq!(servers.map(|server| server.count()), [2, 2, 2]);
    });
}

#[test]
fn a_carrier_without_an_answer_is_never_taken_for_not_a_subscriber() {
    run(async {
        let mobile = Server::start(|_| Act::Say("not-subscriber")).await;
        let unicom = Server::start(|_| status(500, "")).await;
        let telecom = Server::start(|_| Act::Say("not-subscriber")).await;
        let carriers = start(&[&mobile, &unicom, &telecom]);
        for number in ["16300000001", "14900000001"] {
            let asked = carriers.ask(permit(number)).await;
            assert_eq!((asked.answer, asked.attempts.len()), (unavailable(Unavailable::Refused), 3));
        }
        telecom.rule(|_| Act::Clean);
        assert!(is_trajectory(&answer(&carriers, "16300000001").await), "but a later one's answer is taken");
    });
}

#[test]
fn an_outage_is_not_made_the_other_carriers_load() {
    run(async {
        let mobile = Server::start(|_| Act::Close).await;
        let unicom = Server::start(|_| Act::Say("not-subscriber")).await;
        let carriers = start(&[&mobile, &unicom]);
        for _ in 0..20 {
            let asked = carriers.ask(permit("16300000001")).await;
            assert!(matches!(asked.answer, CarrierAnswer::Unavailable(_)) && asked.attempts.len() == 1);
        }
        assert_eq!(unicom.count(), 0);
    });
}

#[test]
fn one_deadline_holds_for_all_carriers_and_a_late_turn_is_not_held_against_a_carrier() {
    run(async {
        let mobile = Server::start(|_| Act::Say("not-subscriber")).await;
        let unicom = Server::start(|_| Act::Hang).await;
        let telecom = Server::start(|_| Act::Clean).await;
        let settings = CarrierSettings { query_max: Duration::from_millis(400), ..settings() };
        let carriers = start_with(&configs(&[&mobile, &unicom, &telecom]), &settings).expect("starts");
        for _ in 0..6 {
            let begun = clock::now();
            let asked = carriers.ask(permit("16300000001")).await;
            assert_eq!(asked.answer, unavailable(Unavailable::TimedOut));
            assert!(clock::since(begun) < Duration::from_secs(3), "a carrier alone has four seconds");
            assert_eq!(asked.attempts.len(), 2, "there was no time left for the third");
        }
        unicom.rule(|_| Act::Clean);
        assert!(is_trajectory(&answer(&carriers, "16400000001").await), "its breaker is closed");
    });
}

#[test]
fn a_short_answer_after_a_port_stays_short() {
    run(async {
        let server = Server::start(|seen| {
            let rest = r#","covered":{"first_day":"2020-02-20","last_day":"2020-02-23"},"visits":[]"#;
            Act::Raw(server::json(&server::body(seen, "trajectory", rest)))
        })
        .await;
        let carriers = start(&[&server]);
        let CarrierAnswer::Trajectory(known) = answer(&carriers, "16300000001").await else {
            panic!("no trajectory")
        };
        assert_eq!(known.covered.first.to_string(), "2020-02-20");
    });
}

#[test]
fn a_number_without_a_carrier_has_no_answer() {
    run(async {
        let carriers = start(&[]);
        assert_eq!(answer(&carriers, "16300000001").await, unavailable(Unavailable::Unreachable));
    });
}

#[test]
fn stopping_lets_finish_what_is_under_way_and_takes_nothing_more() {
    run(async {
        let server = Server::start(|_| Act::Gate).await;
        let carriers = start(&[&server]);
        assert_eq!(carriers.pulses().len(), 1);
        let under_way = ask(&carriers, "16300000001");
        until("the query is on the wire", || server.count() == 1).await;
        let stopping = carriers.clone();
        let stopped = std::thread::spawn(move || stopping.stop());
        until("it stops", || carriers.pulses().is_empty()).await;
        until("no more is taken", || carriers.handles()[0].permits_in_use() == 8).await;
        assert_eq!(answer(&carriers, "16300000002").await, unavailable(Unavailable::Busy));
        server.open_gate(true);
        assert!(is_trajectory(&under_way.await.expect("no panic").answer));
        until("the thread ends", || stopped.is_finished()).await;
        assert_eq!(stopped.join().expect("no panic"), Ok(()));
    });
}

#[test]
fn what_holds_a_number_or_a_secret_does_not_show_it() {
    run(async {
        let server = Server::start(|_| Act::Clean).await;
        let asked = start(&[&server]).ask(permit("16300000001")).await;
        let shown = format!("{asked:?} {:?}", configs(&[&server]));
        for hidden in ["16300000001", "16399999999", "a secret", "97, 32, 115"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    });
}
