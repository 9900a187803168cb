//! Carriers that change while queries are under way.

use super::*;

/// Retires a set of carriers on a thread that may block.
fn retire(old: Carriers, next: &Carriers) -> tokio::task::JoinHandle<Result<(), String>> {
    let next = next.clone();
    tokio::task::spawn_blocking(move || old.retire(&next))
}

#[test]
fn a_query_under_way_ends_with_the_old_carrier_and_the_next_one_asks_the_new() {
    run(async {
        let (old, new) = (Server::start(|_| Act::Gate).await, Server::start(|_| Act::Clean).await);
        let carriers = start(&[&old]);
        let under_way = ask(&carriers, "16300000001");
        until("the old carrier is asked", || old.count() == 1).await;
        let next = carriers.renew(&configs(&[&new])).expect("another url");
        assert!(is_trajectory(&answer(&next, "16300000002").await));
        assert_eq!((old.count(), new.count()), (1, 1));
        let leaving = carriers.handles()[0].clone();
        let retired = retire(carriers, &next);
        assert!(is_trajectory(&answer(&next, "16300000003").await));
        assert!(!under_way.is_finished() && !retired.is_finished() && leaving.pulse().is_some());
        old.open_gate(true);
        let asked = under_way.await.expect("no panic");
        assert!(is_trajectory(&asked.answer), "{asked:?}");
        assert_eq!(retired.await.expect("no panic"), Ok(()));
        assert!(leaving.pulse().is_none(), "its thread has ended");
        assert!(is_trajectory(&answer(&next, "16300000004").await));
        assert_eq!((old.count(), new.count()), (1, 3));
    });
}

#[test]
fn a_query_that_goes_on_to_another_carrier_finds_it_although_both_are_leaving() {
    run(async {
        let first = Server::start(|_| Act::GatedSay("not-subscriber")).await;
        let second = Server::start(|_| Act::Clean).await;
        let carriers = start(&[&first, &second]);
        let under_way = ask(&carriers, "16300000001");
        until("it waits at the first", || first.count() == 1).await;
        let next = carriers.renew(&[]).expect("none");
        let retired = retire(carriers, &next);
        first.open_gate(true);
        let asked = under_way.await.expect("no panic");
        assert!(is_trajectory(&asked.answer), "{asked:?}");
        assert_eq!(asked.attempts.len(), 2);
        assert_eq!(retired.await.expect("no panic"), Ok(()));
        assert_eq!(answer(&next, "16300000001").await, unavailable(Unavailable::Unreachable));
    });
}

#[test]
fn a_carrier_that_is_as_it_was_keeps_its_actor_and_numbers_stay_where_they_went() {
    run(async {
        let servers = [
            Server::start(|_| Act::Say("not-subscriber")).await,
            Server::start(|_| Act::Say("not-subscriber")).await,
            Server::start(|_| Act::Clean).await,
        ];
        let carriers = start(&[&servers[0], &servers[1], &servers[2]]);
        assert_eq!(carriers.ask(permit("16300000001")).await.attempts.len(), 3);
        let mut others = configs(&[&servers[0], &servers[1], &servers[2]]);
        others.reverse();
        others[0].travel_page = "https://example.com".to_owned();
        others[1].permits += 1;
        others[2].prefixes.push("149".to_owned());
        let next = carriers.renew(&others).expect("good");
        for (new, old, same) in [(0, 2, true), (1, 1, false), (2, 0, true)] {
            assert_eq!(next.handles()[new].is(&carriers.handles()[old]), same, "{new}");
        }
        assert_eq!((next.pulses_beside(&carriers).len(), next.pulses().len()), (1, 3));
        assert_eq!(retire(carriers, &next).await.expect("no panic"), Ok(()));
        let asked = next.ask(permit("16300000001")).await;
        assert!(is_trajectory(&asked.answer));
        assert_eq!((asked.attempts.len(), asked.attempts[0].carrier.as_str()), (1, "china-telecom"));
        next.ask(permit("14900000001")).await;
        assert_eq!(servers[0].count(), 2, "the new prefix is china-mobile's");
        let gone = next.renew(&others[1..]).expect("one less");
        assert_eq!(retire(next, &gone).await.expect("no panic"), Ok(()));
        assert_eq!(gone.ask(permit("16300000001")).await.attempts.len(), 2, "its carrier is asked no more");
    });
}

#[test]
fn what_is_wrong_changes_nothing() {
    run(async {
        let server = Server::start(|_| Act::Clean).await;
        let carriers = start(&[&server]);
        let mut wrong = configs(&[&server, &server]);
        wrong[1].url = "http://example.com".to_owned();
        let error = carriers.renew(&wrong).err().expect("plain http").to_string();
        assert!(error.contains("china-unicom: plain http"), "{error}");
        assert!(is_trajectory(&answer(&carriers, "16300000001").await));
        assert_eq!(carriers.stop(), Ok(()));
    });
}
